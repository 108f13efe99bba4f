"""What is missing in practice: values at random given age and sex, and whole families that were not taken.

Missing at random (MAR): the chance depends on age and sex, which are always known. Genetics are missing
completely at random (MCAR). Nothing depends on what is missing itself, nor on the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from analysis.risk.predictors import PREDICTORS
from analysis.simulation.cohort.parameters import numbers

FloatArray = NDArray[np.float64]

STREAM = 1003
"""Last part of the seed's key, see `predictors.STREAM`."""

WHOLE_FAMILIES = ("turnover", "genetics", "balance_gait")
"""Families that are taken or not taken as a whole: one blood sample, one genotyping, one gait laboratory."""


def remove_values(predictors: Mapping[str, FloatArray], seed: int, chunk: int) -> dict[str, FloatArray]:
    """The same predictors with NaN where nothing is known.

    Parameters
    ----------
    predictors : mapping of name to ndarray of float64, (n,)
        A full chunk, complete; demography stays complete.
    seed, chunk : int

    Returns
    -------
    dict of name to ndarray of float64, (n,)
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk, STREAM)))
    decades, male = (predictors["age_years"] - 65) / 10, predictors["male"]
    absent = {family: _absent(family, decades, male, rng) for family in WHOLE_FAMILIES}
    kept = dict(predictors)
    for name, predictor in PREDICTORS.items():
        if predictor.family in absent:
            missing = absent[predictor.family]
        elif predictor.family == "clinical":
            missing = _absent(name, decades, male, rng)
        else:
            continue
        kept[name] = np.where(missing, np.nan, predictors[name])
    return kept


def _absent(name: str, decades: FloatArray, male: FloatArray, rng: np.random.Generator) -> NDArray[np.bool_]:
    share, per_decade, men = numbers(f"missing.{name}")
    chance = expit(logit(share) + per_decade * decades + men * male)
    return np.asarray(rng.random(decades.size) < chance)
