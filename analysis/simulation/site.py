"""The patients of a simulated site, day by day, whose population shifts while the site goes on.

At first they come from the population that the shipped models were trained on. Then another one takes its
place little by little, in which more fracture than any predictor tells. Everything is simulated; research use
only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.cohort.columns import DEATH, ENDING, FRACTURE, SUBJECT_ID, YEARS, FloatArray
from analysis.simulation.cohort.parameters import numbers
from analysis.simulation.cohort.people import CHUNK, chunk_sizes
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.subjects import TRUE_EXPOSURES, draw_table

if TYPE_CHECKING:
    import pandas as pd

DAYS_PER_YEAR = 365.25

SCAN_DAY, FRACTURE_DAY, DEATH_DAY, SHIFTED = "scan_day", "fracture_day", "death_day", "shifted"
"""Columns beside predictors: days since the site's first one, infinite if it never comes; 1 for a patient of
the other population."""

MEASUREMENT_SD = {"one_third": 0.02, "ultradistal": 0.035}
"""What a scan adds to the areal density of a region, g/cm². Derived: the SD of the shipped models' training
cohort, measured on pictures, over that of the planted densities (0.087 over 0.085, 0.105 over 0.098)."""

STREAM = 3001
"""Last part of the seed's key for what is drawn here."""


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A simulated site.

    Attributes
    ----------
    years : float
        How long patients are scanned.
    patients_per_year : int
    seed : int
    home, other : str
        Populations of `analysis.simulation.cohort.populations`: at first, and in the end.
    shift_begins, shift_ends : float
        Years between which the share of the other population rises from 0 to 1 (assumption).
    hazard_ratio : float
        Of a fracture in the other population, beyond what its predictors tell (assumption).
    """

    years: float = 5.0
    patients_per_year: int = 4000
    seed: int = 20261127
    home: str = "china-clinic"
    other: str = "china-hospital"
    shift_begins: float = 0.75
    shift_ends: float = 1.75
    hazard_ratio: float = 1.6

    def share_of_other(self, year: FloatArray) -> FloatArray:
        """Share of patients of the other population at a time, in years since the first day."""
        return np.clip((year - self.shift_begins) / (self.shift_ends - self.shift_begins), 0.0, 1.0)


def draw_site(plan: SitePlan) -> pd.DataFrame:
    """Draw all patients of a site with what a scan measures and what will become of them.

    Returns
    -------
    pandas.DataFrame
        In order of scan: predictors with gaps as in practice, measured densities, and the columns above.
    """
    import pandas as pd

    size = round(plan.years * plan.patients_per_year)
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(STREAM,)))
    scanned = np.sort(rng.uniform(0.0, plan.years, size))
    shifted = rng.random(size) < plan.share_of_other(scanned)
    home, other = (
        _population(name, size, seed, ratio)
        for name, seed, ratio in (
            (plan.home, plan.seed, 1.0),
            (plan.other, plan.seed + 1, plan.hazard_ratio),
        )
    )
    table = pd.concat([home[~shifted], other[shifted]]).sort_index()
    table[SUBJECT_ID] = [f"patient-{number:06d}" for number in range(size)]
    day = np.floor(scanned * DAYS_PER_YEAR)
    end = day + np.maximum(1.0, np.round(table[YEARS].to_numpy(np.float64) * DAYS_PER_YEAR))
    ending = table[ENDING].to_numpy(np.int_)
    return table.assign(
        **{f"{region}.bmd_g_cm2": _measured(table, region, rng) for region in TRUE_EXPOSURES},
        **{
            SCAN_DAY: day,
            FRACTURE_DAY: np.where(ending == FRACTURE, end, np.inf),
            DEATH_DAY: np.where(ending == DEATH, end, np.inf),
            SHIFTED: shifted.astype(np.float64),
        },
    ).drop(columns=[YEARS, ENDING])


def _population(name: str, size: int, seed: int, hazard_ratio: float) -> pd.DataFrame:
    import pandas as pd

    population = population_of(name)
    parts = [
        draw_table(population, seed, chunk, CHUNK, {}, censored=False, hazard_ratio=hazard_ratio)
        for chunk in range(len(chunk_sizes(size)))
    ]
    return pd.concat(parts, ignore_index=True).head(size)


def _measured(table: pd.DataFrame, region: str, rng: np.random.Generator) -> FloatArray:
    mean, deviation = numbers(f"exposure.{region}_density")
    true = mean + deviation * table[TRUE_EXPOSURES[region]].to_numpy(np.float64)
    measured = true + MEASUREMENT_SD[region] * rng.standard_normal(len(table))
    return np.asarray(np.maximum(measured, 0.05), dtype=np.float64)
