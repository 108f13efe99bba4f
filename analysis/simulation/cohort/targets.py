"""Realism: published figures beside the simulated ones, each with a tolerance stated beforehand.

The figures stand in ``targets.toml``. Incidences are those of a community: the simulator's people at a
community's ages, without the excess of those who are sent to a densitometer.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.errors import ConfigurationError
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.sample import CLINIC, COMMUNITY, Measure, Sample, draw_sample
from analysis.simulation.cohort.targets_of_bone import (
    bone_measures,
    correlation_measures,
    prevalence_measures,
)
from analysis.simulation.cohort.targets_of_fracture import incidence_measures, ratio_measures

TARGET_FILE = Path(__file__).with_name("targets.toml")

GROUPS = {
    "bone": "Bone",
    "correlation": "Correlation",
    "prevalence": "Prevalence at a community's ages",
    "incidence": "Fractures per 100,000 person-years of a community",
    "ratio": "Hazard ratio of any fracture, adjusted for age and sex",
}
"""First part of a target's key -> heading."""


@dataclass(frozen=True, slots=True)
class Target:
    """One published figure.

    Attributes
    ----------
    key : str
        Group and figure, e.g. ``incidence.hip_women_50``.
    name, unit : str
    published : float
    passes : (float, float)
        Lowest and highest simulated figure that is near enough.
    source : str
    """

    key: str
    name: str
    unit: str
    published: float
    passes: tuple[float, float]
    source: str

    @property
    def group(self) -> str:
        """Heading, one of `GROUPS`."""
        return GROUPS[self.key.partition(".")[0]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A target and what the simulator has."""

    target: Target
    simulated: float

    @property
    def passes(self) -> bool:
        """Whether it lies within the tolerance."""
        low, high = self.target.passes
        return low <= self.simulated <= high


def draw_samples(size: int, seed: int) -> dict[str, Sample]:
    """Draw what targets are measured on: `size` people of the clinic, half as many of the community."""
    return {
        CLINIC: draw_sample(population_of(CLINIC), size, seed),
        COMMUNITY: draw_sample(population_of(COMMUNITY), size // 2, seed),
    }


def measure_targets(samples: Mapping[str, Sample]) -> list[Measured]:
    """Measure every target on the samples of `draw_samples`, in the order of the file."""
    measures = all_measures()
    return [Measured(target, float(measures[target.key](samples))) for target in all_targets()]


def all_measures() -> dict[str, Measure]:
    """Key of a target -> how it is measured."""
    return {
        **bone_measures(),
        **correlation_measures(),
        **prevalence_measures(),
        **incidence_measures(),
        **ratio_measures(),
    }


def all_targets() -> tuple[Target, ...]:
    """Every published figure of ``targets.toml``.

    Raises
    ------
    ConfigurationError
        If a row is incomplete.
    """
    content = tomllib.loads(TARGET_FILE.read_text(encoding="utf-8"))
    targets = []
    for key, row in content.items():
        try:
            low, high = row["passes"]
            targets.append(
                Target(key, row["name"], row["unit"], row["published"], (low, high), row["source"])
            )
        except (KeyError, ValueError) as error:
            raise ConfigurationError(f"{TARGET_FILE.name}: {key!r} is incomplete: {error}") from error
    return tuple(targets)
