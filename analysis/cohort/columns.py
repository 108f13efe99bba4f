"""The columns of a cohort's table; `docs/cohort-schema.md` says the same for a site that brings its own.

One row per subject, a Parquet file or a CSV. Predictors are columns named as in `analysis.risk.predictors` or
as measured (``one_third.bmd_g_cm2``, ``texture.variogram_sill``); an unknown value is empty (NaN), never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SUBJECT_ID = "subject_id"
YEARS = "years"
"""Years from the index scan to the first fracture, death or end of follow-up."""
ENDING = "ending"
"""How follow-up ended: `CENSORED`, `FRACTURE` or `DEATH`."""
CAUSE = "cause"
"""Site of the first fracture, one of `FRACTURE_SITES`; empty without one."""
OSTEOPOROSIS = "osteoporosis"
"""1 if central DXA (spine, femoral neck or total hip) has a T-score of -2.5 or lower at the index scan; may
be absent."""
ETHNICITY, SCANNER, POPULATION = "ethnicity", "scanner", "population"
"""For subgroups; words of the site's choice."""

SIMULATED_SITE = "simulated_site"
"""Key of a table's manifest that is true where the patients of a site's journal are simulated."""

CENSORED, FRACTURE, DEATH = 0, 1, 2
FRACTURE_SITES = ("wrist", "hip", "spine", "humerus")

COMPARATOR_PREFIXES = ("site.", "qfracture.")
"""Columns that only comparators read: what a site computed elsewhere (``site.frax_major_percent``), and
QFracture's own inputs; see `docs/comparators.md`."""

TRUTH_PREFIX = "truth."
"""Columns only a simulator can know; no model may use them."""
TRUE_RISK = {years: f"truth.risk_{years}y" for years in (1, 3, 5, 10)}
"""Horizon in years -> column with the oracle: cumulative incidence of a fracture given everything that acts,
marginal over the unobservable frailty, with competing death."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowUp:
    """Observed years and how they ended (`CENSORED`, `FRACTURE`, `DEATH`), per subject."""

    years: FloatArray
    ending: NDArray[np.int_]

    def take(self, index: NDArray[np.int_] | NDArray[np.bool_]) -> FollowUp:
        """The subjects at `index` (positions or a mask), in that order."""
        return FollowUp(self.years[index], self.ending[index])
