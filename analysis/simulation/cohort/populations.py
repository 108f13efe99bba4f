"""The populations that can be drawn: who comes to be scanned, chosen by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analysis.errors import ConfigurationError
from analysis.simulation.cohort.parameters import number, numbers

Ethnicity = Literal["chinese", "white"]
ETHNICITIES: tuple[Ethnicity, ...] = ("chinese", "white")

DESCRIPTIONS = {
    "china-clinic": "a Chinese densitometry clinic: 40 to 90 years, three women in four",
    "western-community": "a community in the west: mostly white, heavier, larger bones, more fractures",
    "china-hospital": "a Chinese hospital: older and sicker",
}
"""Name -> who they are; the numbers stand in ``parameters.toml`` under ``population.NAME``."""

DEFAULT_POPULATION = "china-clinic"


@dataclass(frozen=True, slots=True)
class Population:
    """Who is drawn.

    Attributes
    ----------
    name, description : str
    age : (float, float, float, float)
        Mean, SD, lower and upper limit of a truncated normal, years.
    women, white : float
        Shares.
    bone_mass_shift, sickness_shift : float
        Shifts of the bone-mass latent and of the health factor, SD.
    """

    name: str
    description: str
    age: tuple[float, float, float, float]
    women: float
    white: float
    bone_mass_shift: float
    sickness_shift: float


def population_of(name: str) -> Population:
    """The population called `name`.

    Raises
    ------
    ConfigurationError
        If there is none of that name.
    """
    if name not in DESCRIPTIONS:
        raise ConfigurationError(f"population {name!r} is unknown; choose one of {', '.join(DESCRIPTIONS)}")
    mean, deviation, low, high = numbers(f"population.{name}.age")
    return Population(
        name=name,
        description=DESCRIPTIONS[name],
        age=(mean, deviation, low, high),
        women=number(f"population.{name}.women"),
        white=number(f"population.{name}.white"),
        bone_mass_shift=number(f"population.{name}.bone_mass_shift"),
        sickness_shift=number(f"population.{name}.sickness_shift"),
    )
