"""Whether what a model is fed, or what it says, has moved away from its training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from analysis.evaluation.intervals import holm
from analysis.surveillance.distributions import (
    Distribution,
    FloatArray,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
    stability_index,
    stability_index_by_chance,
)

Group = TypeVar("Group", bound=Hashable)

Level = Literal["few", "stable", "moved", "far"]
"""``few``: too few to judge; ``stable``: also what chance explains; else by the PSI's rules of thumb."""


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """When a distribution counts as moved.

    Attributes
    ----------
    least : int
        Fewer known values are shown and not judged.
    moved, far : float
        PSI from which it is called so: rules of thumb, see `distributions.stability_index`.
    significance : float
        Largest P value, after Holm's correction for all that is judged together, that counts.
    """

    least: int = 50
    moved: float = 0.1
    far: float = 0.25
    significance: float = 0.01


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one quantity has moved.

    Attributes
    ----------
    subjects : int
        With a known value.
    known, known_in_training : float
        Share (0-1) in whom it is known, here and in training.
    psi, psi_by_chance : float or None
        Population stability index, and what it exceeds once in twenty times without any drift. None without
        a single value.
    ks, p_value : float or None
        Kolmogorov-Smirnov distance; P value, adjusted for all that was judged together, None if not judged.
    level : Level
    crossed : bool
        The PSI is far *and* the adjusted P value is small: large, and no play of chance.
    """

    subjects: int
    known: float
    known_in_training: float
    psi: float | None
    psi_by_chance: float | None
    ks: float | None
    p_value: float | None
    level: Level
    crossed: bool


def drift(
    reference: Mapping[str, Distribution],
    samples: Mapping[str, FloatArray],
    limits: DriftLimits | None = None,
) -> dict[str, Drift]:
    """Compare samples with the reference of the same name; see `drift_of_groups`."""
    return drift_of_groups({"": (reference, samples)}, limits)[""]


def drift_of_groups(
    groups: Mapping[Group, tuple[Mapping[str, Distribution], Mapping[str, FloatArray]]],
    limits: DriftLimits | None = None,
) -> dict[Group, dict[str, Drift]]:
    """Compare the samples of several groups with their references, judged together.

    P values are adjusted by Holm's procedure over everything that is judged in the call (Holm 1979, Scand J
    Stat 6:65): however many features and scanners there are and however they go together, the chance that
    any is called moved without cause is at most `DriftLimits.significance`.

    Parameters
    ----------
    groups : mapping
        Group (a scanner, say) -> its reference by name, and its samples by name: (subjects,), NaN where
        unknown. A name without reference is left out.
    """
    limits = limits or DriftLimits()
    found: dict[Group, dict[str, Drift]] = {}
    judged: list[tuple[Group, str, float]] = []
    for group, (reference, samples) in groups.items():
        found[group] = {}
        for name in [name for name in samples if name in reference]:
            measured, p_value = _measured(reference[name], samples[name], limits)
            found[group][name] = measured
            if p_value is not None:
                judged.append((group, name, p_value))
    for (group, name, _), adjusted in zip(judged, holm([p for *_, p in judged]), strict=True):
        found[group][name] = _judged(found[group][name], adjusted, limits)
    return found


def _measured(reference: Distribution, sample: FloatArray, limits: DriftLimits) -> tuple[Drift, float | None]:
    values = sample[np.isfinite(sample)]
    known = len(values) / max(len(sample), 1)
    if not values.size:
        return Drift(0, known, reference.known, None, None, None, None, "few", False), None
    counts = reference.counts(values)
    psi = stability_index(reference.shares * reference.subjects, counts)
    chance = stability_index_by_chance(len(counts), reference.subjects, len(values))
    ks = kolmogorov_smirnov(reference, values)
    measured = Drift(len(values), known, reference.known, psi, chance, ks, None, "few", False)
    if len(values) < limits.least:
        return measured, None
    return measured, kolmogorov_smirnov_p(ks, reference.subjects, len(values))


def _judged(measured: Drift, p_value: float, limits: DriftLimits) -> Drift:
    psi = measured.psi or 0.0
    level: Level = "far" if psi >= limits.far else "moved" if psi >= limits.moved else "stable"
    if psi <= (measured.psi_by_chance or 0.0):
        level = "stable"
    return Drift(
        measured.subjects,
        measured.known,
        measured.known_in_training,
        measured.psi,
        measured.psi_by_chance,
        measured.ks,
        p_value,
        level,
        level == "far" and p_value < limits.significance,
    )
