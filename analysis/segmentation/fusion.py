"""Network and edges together: the network says where the bones are, their edges say exactly where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.errors import RejectedInput
from analysis.results import QualityFinding, SegmentationQuality, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy, Point
from analysis.segmentation.classical import SURE, find_by_edges, trace
from analysis.segmentation.guide import SEEN, Guide, guide_from
from analysis.segmentation.network import Belief, Network
from analysis.segmentation.preprocessing import Prepared
from analysis.segmentation.quality import Evidence, apart_mm, dice, shipped_quality_model

Result = TypeVar("Result")

LANDMARKS_COMPARED = {"end_plate_middle": "end_plate", "ulnar_styloid": "ulnar_styloid"}
"""The network's name of a landmark, and the anatomy's."""


def find_with_network(pixels: NDArray[np.floating], picture: Prepared, network: Network) -> ForearmAnatomy:
    """Segment a scan with the network's guidance, and again without it, and judge both.

    Parameters
    ----------
    pixels : ndarray of float, (rows, columns)
        The scan as it came: the network has learnt to see through artefacts and grey curves.
    picture : Prepared
        The same scan, prepared for the search for edges.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` or ``distal_end_not_found`` if neither way finds a radius,
        ``orientation_conflict`` or ``arm_conflict`` if they contradict each other, and
        ``segmentation_uncertain`` if the outline is probably wrong.
    """
    belief = network.look_at(pixels, picture.spacing_mm)
    alone = _attempt(lambda: find_by_edges(picture))
    guide = _attempt(lambda: guide_from(belief, picture.spacing_mm))
    if isinstance(guide, Guide) and isinstance(alone, ForearmAnatomy) and alone.confidence >= SURE:
        _refuse_conflict(guide, alone)
    guided = guide if isinstance(guide, RejectedInput) else _guided(picture, guide)
    if isinstance(guided, ForearmAnatomy) and not _clearly_better(alone, guided):
        return _judged(guided, alone, belief, network)
    if isinstance(alone, ForearmAnatomy):
        return _without_network(alone, belief, network)
    raise guided if isinstance(guided, RejectedInput) else alone


def _clearly_better(alone: ForearmAnatomy | RejectedInput, guided: ForearmAnatomy) -> bool:
    """True if only the edges' own anatomy is plausible: metal may have torn the network's."""
    return isinstance(alone, ForearmAnatomy) and alone.confidence >= SURE > guided.confidence


def _attempt(find: Callable[[], Result]) -> Result | RejectedInput:
    try:
        return find()
    except RejectedInput as refusal:
        return refusal


def _guided(picture: Prepared, guide: Guide) -> ForearmAnatomy | RejectedInput:
    return _attempt(lambda: trace(picture.values, picture.excluded, picture.spacing_mm, guide.lie, guide))


def _refuse_conflict(guide: Guide, alone: ForearmAnatomy) -> None:
    """Two methods that know nothing of each other must see the same arm, the same way up."""
    if guide.hand_up != alone.hand_up:
        raise RejectedInput(
            "orientation_conflict",
            f"The network sees the hand at the {_end(guide.hand_up)} of the image, the bones' edges show it "
            f"at the {_end(alone.hand_up)}. Send a forearm scan that shows both bones and the wrist, without "
            "metal, cast or another limb.",
        )
    if guide.radius_is_right != alone.radius_is_right_of_ulna:
        raise RejectedInput(
            "arm_conflict",
            f"With the hand up, the network sees the radius on the {_side(guide.radius_is_right)} of the "
            f"ulna, the bones' edges show it on the {_side(alone.radius_is_right_of_ulna)}. Send a forearm "
            "scan that shows both bones and the wrist, without metal, cast or another limb.",
        )


def _end(hand_up: bool) -> str:
    return "top" if hand_up else "bottom"


def _side(is_right: bool) -> str:
    return "right" if is_right else "left"


def _judged(
    anatomy: ForearmAnatomy, alone: ForearmAnatomy | RejectedInput, belief: Belief, network: Network
) -> ForearmAnatomy:
    """Attach uncertainty, artefacts and the calibrated score; decline what is probably wrong."""
    seen = belief.radius > SEEN
    edges_agree = dice(anatomy.radius_mask, alone.radius_mask) if isinstance(alone, ForearmAnatomy) else 0.0
    artefact = belief.artefact > SEEN
    evidence = Evidence(
        views_agree=belief.agreement,
        network_agrees=dice(anatomy.radius_mask, seen),
        edges_agree=edges_agree,
        edge_confidence=anatomy.confidence,
        radius_uncertainty=float(belief.uncertainty[anatomy.radius_mask | seen].mean()),
        artefact_over_radius=float((artefact | anatomy.metal_mask)[anatomy.radius_mask].mean()),
        landmarks_apart_mm=apart_mm(_landmark_pairs(anatomy, belief)),
    )
    model = shipped_quality_model()
    score = model.score(evidence)
    return replace(
        anatomy,
        quality=SegmentationQuality("network", network.model, score, edges_agree or None),
        uncertainty=belief.uncertainty,
        artefact_mask=artefact & ~anatomy.metal_mask,
        findings=(*_without_verdict(anatomy.findings), *model.judged(score)),
    )


def _landmark_pairs(anatomy: ForearmAnatomy, belief: Belief) -> dict[str, tuple[FloatArray, FloatArray]]:
    """The landmarks that both have found, in forearm coordinates (mm)."""

    def in_mm(point: Point) -> FloatArray:
        return np.ravel(anatomy.frame.to_forearm(np.array([point[0]]), np.array([point[1]])))

    return {
        name: (in_mm(belief.landmarks[name].point), in_mm(getattr(anatomy, attribute)))
        for name, attribute in LANDMARKS_COMPARED.items()
        if belief.landmarks[name].height >= SEEN
    }


def _without_verdict(findings: tuple[QualityFinding, ...]) -> tuple[QualityFinding, ...]:
    """Leave out the edges' own verdict: the calibrated score replaces it."""
    return tuple(finding for finding in findings if finding.code != "segmentation_uncertain")


def _without_network(alone: ForearmAnatomy, belief: Belief, network: Network) -> ForearmAnatomy:
    """The edges' own anatomy where the network's guidance led nowhere."""
    judged = _judged(alone, alone, belief, network)
    score = judged.quality.score if judged.quality else 0.0
    return replace(
        judged,
        quality=SegmentationQuality("classical", None, score, dice(alone.radius_mask, belief.radius > SEEN)),
        findings=(
            *judged.findings,
            QualityFinding(
                "segmentation_without_network",
                Severity.WARNING,
                "The network did not lead to a plausible radius; the outline rests on edges alone. Check it "
                "before using any number.",
            ),
        ),
    )
