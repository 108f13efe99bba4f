"""The simulated cohort: people, their fractures, and what the engine measures on their scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.risk.inputs import RiskInputs, feature_value
from analysis.simulation import draw_subject
from analysis.training.fit import FloatArray, FollowUp
from analysis.training.population import Outcome, draw_outcome

FEATURE_UNITS: Mapping[str, str] = {
    "age_years": "a",
    "male": "1",
    "one_third.bmd_g_cm2": "g/cm2",
    "ultradistal.bmd_g_cm2": "g/cm2",
    "one_third.t_score": "{T-score}",
    "ultradistal.t_score": "{T-score}",
    "morphometry.cortical_thickness_mm": "mm",
    "texture.variogram_sill": "g2/cm4",
    "texture.variogram_slope": "1",
}
"""Every feature of the cohort (named as `analysis.risk.inputs.feature_value` reads it) -> UCUM unit."""

CHUNK = 20
"""Subjects per task handed to a worker: small enough for a lively progress display."""


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Measured subjects with their follow-up.

    Attributes
    ----------
    seed, drawn : int
        How it was made: `drawn` subjects, of whom those without a complete measurement are left out.
    features : mapping of feature name to ndarray, (subjects,)
        Keys of `FEATURE_UNITS`.
    follow_up : FollowUp
    log_hazard : ndarray, (subjects,)
        The simulator's own truth, for the oracle AUC only.
    """

    seed: int
    drawn: int
    features: Mapping[str, FloatArray]
    follow_up: FollowUp
    log_hazard: FloatArray


@dataclass(frozen=True, slots=True)
class _Member:
    measured: Mapping[str, float] | None
    outcome: Outcome


def simulate_cohort(
    size: int, seed: int, reference: Path, executor: Executor, progress: Callable[[int], None]
) -> Cohort:
    """Draw, scan and measure a cohort.

    Each subject has its own random stream, so the cohort depends on `size` and `seed` alone, not on how the
    work is divided.

    Parameters
    ----------
    size : int
    seed : int
    reference : Path
        Reference curve for T-scores, a CSV of ``conf/reference/``.
    executor : concurrent.futures.Executor
        Where the work is done.
    progress : callable
        Called with the number of subjects done so far.
    """
    chunks = [range(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK)]
    futures = [executor.submit(_simulate_members, seed, chunk, reference) for chunk in chunks]
    members: list[_Member] = []
    for future in futures:
        members.extend(future.result())
        progress(len(members))
    complete = [(member.measured, member.outcome) for member in members if member.measured is not None]
    return Cohort(
        seed,
        size,
        {name: np.array([measured[name] for measured, _ in complete]) for name in FEATURE_UNITS},
        FollowUp(
            np.array([outcome.years for _, outcome in complete]),
            np.array([outcome.ending for _, outcome in complete], dtype=np.int_),
        ),
        np.array([outcome.log_hazard for _, outcome in complete]),
    )


def _simulate_members(seed: int, indices: range, reference: Path) -> list[_Member]:
    from analysis.measurement.reference import load_reference
    from analysis.training.measured import measure_subject

    curve = load_reference(reference)
    members = []
    for index in indices:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        subject = draw_subject(rng)
        outcome = draw_outcome(subject, rng)
        members.append(_Member(_complete(measure_subject(subject, curve, rng)), outcome))
    return members


def _complete(inputs: RiskInputs | None) -> dict[str, float] | None:
    """Every feature of a measured subject; None if any is missing."""
    if inputs is None:
        return None
    values = {name: feature_value(inputs, name) for name in FEATURE_UNITS}
    known = {name: value for name, value in values.items() if value is not None}
    return known if len(known) == len(values) else None
