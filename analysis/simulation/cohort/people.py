"""People of a population: bodies and bones. Images depend on nothing else; hazards may change without scans.

A cohort is drawn in chunks of `CHUNK` people, each from its own seed: any chunk can be drawn alone, on any
machine, and a larger cohort begins with the smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analysis.errors import ConfigurationError
from analysis.simulation.cohort.parameters import number, numbers
from analysis.simulation.cohort.populations import ETHNICITIES, Ethnicity, Population
from analysis.simulation.subject import Sex, Subject, draw_subject

CHUNK = 256
"""People per chunk."""

MASS_SHARE = 0.65
"""Share of the bone-mass latent in cortical and trabecular latent, as in `analysis.simulation.subject`."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """A chunk of people.

    Attributes
    ----------
    population : Population
    chunk : int
    subjects : tuple of Subject
        Bodies and bones; the position is the position within the chunk.
    ethnicity : tuple of str
        One of `ETHNICITIES` each.
    """

    population: Population
    chunk: int
    subjects: tuple[Subject, ...]
    ethnicity: tuple[Ethnicity, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Position of each subject in the cohort, from 0."""
        return tuple(self.chunk * CHUNK + index for index in range(len(self.subjects)))


def draw_people(population: Population, seed: int, chunk: int, size: int) -> People:
    """Draw the first `size` people of a chunk.

    Parameters
    ----------
    population : Population
    seed : int
        Of the cohort.
    chunk : int
        Which chunk of the cohort, from 0.
    size : int
        1 to `CHUNK`; a smaller size gives the first people of the full chunk.

    Returns
    -------
    People

    Raises
    ------
    ConfigurationError
        If `size` does not fit a chunk.
    """
    check_chunk_size(size)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk,)))
    ages = _truncated_normal(rng, population.age)
    women = rng.random(CHUNK) < population.women
    white = rng.random(CHUNK) < population.white
    people: list[Subject] = []
    ethnicity: list[Ethnicity] = []
    for age, is_woman, is_white in zip(ages[:size], women, white, strict=False):
        sex: Sex = "F" if is_woman else "M"
        ethnicity.append("white" if is_white else "chinese")
        subject = draw_subject(rng, age=float(age), sex=sex)
        people.append(_of_population(subject, population, ethnicity[-1]))
    return People(population, chunk, tuple(people), tuple(ethnicity))


def check_chunk_size(size: int) -> None:
    """Refuse a size that no chunk has.

    Raises
    ------
    ConfigurationError
        Outside 1 to `CHUNK`.
    """
    if not 1 <= size <= CHUNK:
        raise ConfigurationError(f"a chunk holds 1 to {CHUNK} people, not {size}; draw more chunks")


def chunk_sizes(size: int) -> list[int]:
    """How many people each chunk of a cohort of `size` has."""
    full, rest = divmod(size, CHUNK)
    return [CHUNK] * full + ([rest] if rest else [])


def ethnicity_codes(ethnicity: tuple[Ethnicity, ...]) -> NDArray[np.int_]:
    """Index of each ethnicity in `ETHNICITIES`."""
    return np.array([ETHNICITIES.index(name) for name in ethnicity], dtype=np.int_)


def _truncated_normal(rng: np.random.Generator, age: tuple[float, float, float, float]) -> FloatArray:
    """Ages of a full chunk by inversion, so that every age takes one number from the stream."""
    mean, deviation, low, high = age
    lower, upper = ndtr((low - mean) / deviation), ndtr((high - mean) / deviation)
    drawn = mean + deviation * ndtri(lower + (upper - lower) * rng.random(CHUNK))
    return np.asarray(np.clip(drawn, low, high), dtype=np.float64)


def _of_population(subject: Subject, population: Population, ethnicity: Ethnicity) -> Subject:
    """Give a drawn (Chinese) body and bone the size, weight and bone of ethnicity and population."""
    height_shift = numbers(f"people.{ethnicity}.height_shift_mm")[0 if subject.sex == "F" else 1]
    height = subject.height_mm + height_shift
    reference_mean, reference_sd = numbers("people.chinese.bmi")
    mean, deviation = numbers(f"people.{ethnicity}.bmi")
    bmi_z = (subject.weight_kg / (subject.height_mm / 1000) ** 2 - reference_mean) / reference_sd
    size, cortical, trabecular = numbers(f"people.{ethnicity}.latent_shift")
    latents, correlation = subject.latents, number("people.bmi_bone_correlation")
    mass = latents.bone_mass * np.sqrt(1 - correlation**2) + correlation * bmi_z + population.bone_mass_shift
    carried = MASS_SHARE * (mass - latents.bone_mass)
    return replace(
        subject,
        height_mm=height,
        weight_kg=float((mean + deviation * bmi_z) * (height / 1000) ** 2),
        forearm_length_mm=subject.forearm_length_mm * height / subject.height_mm,
        latents=replace(
            latents,
            bone_mass=float(mass),
            size=latents.size + size,
            cortical=float(latents.cortical + carried + cortical),
            trabecular=float(latents.trabecular + carried + trabecular),
        ),
    )
