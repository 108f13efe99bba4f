"""A small made-up cohort: proportional hazards in a few known predictors, missing values, censoring,
death."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.cohort.columns import CENSORED, DEATH, ENDING, FRACTURE, SUBJECT_ID, YEARS
from analysis.cohort.table import CohortTable
from analysis.training.model_sets import MODEL_SETS

LOG_RATIOS = {
    "age_years": 0.5,
    "one_third.bmd_g_cm2": -0.4,
    "one_third.t_score": 0.0,
    "texture.original_glcm_Idm": 0.25,
    "clinical.prior_fracture": 0.25,
    "turnover.ctx_ng_l": 0.2,
}
"""Log-hazard per SD; everything else is noise."""

LOGARITHMIC = ("bmi_kg_m2", "turnover.ctx_ng_l", "turnover.pinp_ug_l", "clinical.vitamin_d_nmol_l")
BINARY = {"male": 0.25, "clinical.prior_fracture": 0.2}
SCALES = {
    "age_years": (65.0, 10.0),
    "one_third.bmd_g_cm2": (0.62, 0.07),
    "ultradistal.bmd_g_cm2": (0.36, 0.06),
    "bmi_kg_m2": (np.log(25.0), 0.15),
}


def made_up(
    size: int = 1500, seed: int = 9, *, missing: float = 0.15, rate: float = 0.015, truth: bool = True
) -> CohortTable:
    """Features named as in the shipped models; `missing` of the values that no model requires are unknown."""
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(name for model in MODEL_SETS for name in model.features))
    latent = rng.standard_normal((size, len(names))) * 0.8 + 0.6 * rng.standard_normal((size, 1))
    columns: dict[str, np.ndarray] = {}
    log_hazard = np.full(size, np.log(rate))
    for index, name in enumerate(names):
        z = latent[:, index]
        if name in BINARY:
            plain = (z > np.quantile(z, 1 - BINARY[name])).astype(float)
            z = (plain - plain.mean()) / plain.std()
        else:
            mean, deviation = SCALES.get(name, (3.0, 0.3))
            plain = mean + deviation * z
            plain = np.exp(plain) if name in LOGARITHMIC else plain
        columns[name] = plain
        log_hazard += LOG_RATIOS.get(name, 0.0) * z
    age = columns["age_years"]
    columns["one_third.t_score"] = (columns["one_third.bmd_g_cm2"] - 0.694) / 0.060
    columns["ultradistal.t_score"] = (columns["ultradistal.bmd_g_cm2"] - 0.45) / 0.060
    required = {name for model in MODEL_SETS for name in model.required}
    for name in set(names) - required:
        columns[name] = np.where(rng.random(size) < missing, np.nan, columns[name])
    fracture = rng.exponential(1.0 / np.exp(log_hazard))
    death = rng.exponential(1.0 / (0.015 * np.exp(0.08 * (age - 65.0))))
    end = rng.uniform(4.0, 14.0, size)
    times = np.array([end, fracture, death])
    frame = pd.DataFrame(
        {
            SUBJECT_ID: [f"S{position}" for position in range(size)],
            YEARS: times.min(axis=0),
            ENDING: np.array([CENSORED, FRACTURE, DEATH])[times.argmin(axis=0)],
            **columns,
        }
    )
    if truth:
        frame["truth.log_hazard"] = log_hazard
    return CohortTable(frame, {"seed": seed} if truth else {"source": "site.csv"}, None, np.arange(size))
