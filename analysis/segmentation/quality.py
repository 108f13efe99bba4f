"""How far an outline can be trusted: a calibrated probability from evidence that does not know the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError, RejectedInput
from analysis.results import QualityFinding, Severity

GOOD_DICE = 0.93
"""Dice of the radius outline from which it counts as good."""
COEFFICIENTS = Path(__file__).parent / "weights" / "quality.json"
FEATURES = (
    "views_agree",
    "network_agrees",
    "edges_agree",
    "edge_confidence",
    "edge_support",
    "radius_uncertainty",
    "artefact_over_radius",
    "landmarks_apart_mm",
)
"""Evidence behind the score, see `Evidence`."""
SIGNS = (-1, -1, -1, 1, -1, -1, -1, -1)
"""Whether more of each entry of `Evidence.vector` speaks for a good outline or against it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against an outline.

    Attributes
    ----------
    views_agree : float
        Smallest Dice of the network's radius between one view of the picture and all.
    network_agrees : float
        Dice between the network's radius and the outline.
    edges_agree : float
        Dice between the outline and the one found by edges alone; 0 where that found none.
    edge_confidence : float
        Plausibility of the outline's anatomy, 0 to 1.
    edge_support : float
        Share of the outline that runs along edges, see `analysis.segmentation.support`.
    radius_uncertainty : float
        Mean of the per-pixel uncertainty over the radius, 0 to 1.
    artefact_over_radius : float
        Share of the radius under artefacts, 0 to 1.
    landmarks_apart_mm : float
        Larger distance of end plate and ulnar styloid between network and edges.
    """

    views_agree: float
    network_agrees: float
    edges_agree: float
    edge_confidence: float
    edge_support: float
    radius_uncertainty: float
    artefact_over_radius: float
    landmarks_apart_mm: float

    def vector(self) -> NDArray[np.float64]:
        """On scales on which the log-odds of a good outline are about linear."""
        misfit = np.log10(1.003 - np.array([self.views_agree, self.network_agrees, self.edges_agree]))
        return np.array(
            [
                *misfit,
                self.edge_confidence,
                np.log10(1.01 - self.edge_support),
                np.sqrt(self.radius_uncertainty),
                np.sqrt(self.artefact_over_radius),
                np.log10(0.3 + min(self.landmarks_apart_mm, 30.0)),
            ]
        )


@dataclass(frozen=True, slots=True)
class QualityModel:
    """Logistic regression from `Evidence` to the probability of a good outline.

    Attributes
    ----------
    weights : tuple of float
        One per entry of `FEATURES`.
    intercept : float
    edges : (float, float)
        Weight and intercept where there is no network: of `Evidence.edge_confidence` alone.
    flag_below, refuse_below : float
        Scores below which an outline is flagged, and below which it is declined.
    """

    weights: tuple[float, ...]
    intercept: float
    edges: tuple[float, float]
    flag_below: float
    refuse_below: float

    def score(self, evidence: Evidence) -> float:
        """Probability, 0 to 1, that the radius outline reaches a Dice of `GOOD_DICE`."""
        return _probability(self.intercept + float(np.dot(self.weights, evidence.vector())))

    def score_of_edges(self, confidence: float) -> float:
        """The same where only edges were used, from their plausibility (0 to 1)."""
        weight, intercept = self.edges
        return _probability(intercept + weight * confidence)

    def judged(self, score: float) -> tuple[QualityFinding, ...]:
        """What is to be said of an outline with this score.

        Raises
        ------
        RejectedInput
            ``segmentation_uncertain`` below `refuse_below`.
        """
        percent = f"{100 * score:.0f} %"
        if score < self.refuse_below:
            raise RejectedInput(
                "segmentation_uncertain",
                f"The outline of the radius is right with a probability of {percent} only; at least "
                f"{100 * self.refuse_below:.0f} % is needed. Repeat the scan without metal, jewellery, cast "
                "or motion, with both bones and the wrist in the field.",
            )
        if score >= self.flag_below:
            return ()
        return (
            QualityFinding(
                "segmentation_uncertain",
                Severity.WARNING,
                f"The outline of the radius is right with a probability of {percent}. Check it before using "
                "any number.",
            ),
        )


@cache
def shipped_quality_model(path: Path = COEFFICIENTS) -> QualityModel:
    """The coefficients that come with the engine.

    Raises
    ------
    ConfigurationError
        If they are missing or belong to other evidence.
    """
    try:
        content = json.loads(path.read_bytes())
        if tuple(content["features"]) != FEATURES:
            raise ValueError(f"features {content['features']}")
        return QualityModel(
            tuple(float(weight) for weight in content["weights"]),
            float(content["intercept"]),
            (float(content["edges"]["weight"]), float(content["edges"]["intercept"])),
            float(content["flag_below"]),
            float(content["refuse_below"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"segmentation quality {path.name}: cannot be used ({error!r}); restore the shipped file"
        ) from error


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(logit, -30.0, 30.0))))


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Overlap of two masks: twice their intersection over the sum of their areas (Dice 1945); 0 if empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / total) if total else 0.0


def apart_mm(pairs: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """Largest distance between the two points (mm) of any pair; 0 without pairs."""
    return max((float(np.hypot(*(first - second))) for first, second in pairs.values()), default=0.0)
