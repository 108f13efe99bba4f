"""The table of a chunk of subjects: people, predictors, follow-up and the oracle; nothing measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import (
    CAUSE,
    ENDING,
    ETHNICITY,
    OSTEOPOROSIS,
    POPULATION,
    SUBJECT_ID,
    TRUE_RISK,
    TRUTH_PREFIX,
    YEARS,
)
from analysis.simulation.cohort.hazards import check_effects, hazards_of
from analysis.simulation.cohort.missingness import remove_values
from analysis.simulation.cohort.outcomes import Outcomes, draw_outcomes
from analysis.simulation.cohort.people import CHUNK, check_chunk_size, draw_people
from analysis.simulation.cohort.populations import Population
from analysis.simulation.cohort.predictors import Covariates, draw_covariates
from analysis.simulation.cohort.store import subject_id

if TYPE_CHECKING:
    import pandas as pd

TRUE_LOG_HAZARD = f"{TRUTH_PREFIX}log_hazard"
"""Log-hazard of any fracture per year at the scan."""
TRUE_EXPOSURES = {
    "one_third": f"{TRUTH_PREFIX}one_third_bmd_z",
    "ultradistal": f"{TRUTH_PREFIX}ultradistal_bmd_z",
}
TRUE_CORTEX = f"{TRUTH_PREFIX}distal_cortical_thickness_mm"
TRUE_NUMBER = f"{TRUTH_PREFIX}trabecular_number_per_mm"
TRUE_CENTRAL = f"{TRUTH_PREFIX}central_t_score"


def draw_table(
    population: Population,
    seed: int,
    chunk: int,
    size: int,
    effects: Mapping[str, float],
    *,
    missing: bool = True,
    censored: bool = True,
    hazard_ratio: float = 1.0,
) -> pd.DataFrame:
    """Draw the first `size` subjects of a chunk.

    Parameters
    ----------
    population : Population
    seed, chunk, size : int
        As for `draw_people`; any chunk can be drawn alone.
    effects : mapping of family to multiplier
        See `hazards_of`.
    missing, censored : bool
        Leave values out as in practice, end follow-up at random; False keeps every value, follows to the end.
    hazard_ratio : float
        Of a fracture at every site, beyond what any predictor tells.

    Returns
    -------
    pandas.DataFrame
        One row per subject, columns as in `analysis.cohort.columns`; NaN where a value is missing.

    Raises
    ------
    ConfigurationError
        If `size` does not fit a chunk or an effect is unknown.
    """
    import pandas as pd

    check_effects(effects)
    check_chunk_size(size)
    people = draw_people(population, seed, chunk, CHUNK)
    covariates = draw_covariates(people, seed)
    hazards = hazards_of(people, covariates, effects)
    hazards = replace(hazards, log_fracture=hazards.log_fracture + np.log(hazard_ratio))
    outcomes = draw_outcomes(hazards, seed, chunk, censored=censored)
    predictors = remove_values(covariates.predictors, seed, chunk) if missing else covariates.predictors
    columns = {
        SUBJECT_ID: [subject_id(position) for position in people.ids],
        POPULATION: population.name,
        ETHNICITY: list(people.ethnicity),
        **predictors,
        OSTEOPOROSIS: covariates.osteoporosis,
        **_follow_up(outcomes),
        **_truth(covariates),
        TRUE_LOG_HAZARD: outcomes.log_hazard,
    }
    return pd.DataFrame(columns).head(size)


def _follow_up(outcomes: Outcomes) -> dict[str, Any]:
    return {
        YEARS: outcomes.years,
        ENDING: outcomes.ending,
        CAUSE: list(outcomes.cause),
        **{TRUE_RISK[years]: risk for years, risk in outcomes.risk.items()},
    }


def _truth(covariates: Covariates) -> dict[str, NDArray[np.float64]]:
    """What acts but is never seen: true exposures, for the attainable limit and the targets."""
    return {
        TRUE_EXPOSURES["one_third"]: covariates.one_third,
        TRUE_EXPOSURES["ultradistal"]: covariates.ultradistal,
        TRUE_CORTEX: covariates.bones.distal_cortical_thickness_mm,
        TRUE_NUMBER: covariates.bones.trabecular_number_per_mm,
        TRUE_CENTRAL: covariates.central_t_score,
    }
