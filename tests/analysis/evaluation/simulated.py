"""A small cohort of known risks: cause-specific exponential hazards, competing death, censoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FloatArray, FollowUp
from analysis.cohort.table import CohortTable
from analysis.evaluation import Predictions
from analysis.results import HORIZONS_YEARS


@dataclass(frozen=True)
class Simulated:
    """`linear` is the true log-hazard, `noisy` a blunter version of it; `risk(years)` the true risk."""

    linear: FloatArray
    noisy: FloatArray
    hazard: FloatArray
    death: FloatArray
    follow_up: FollowUp

    def risk(self, years: float) -> FloatArray:
        total = self.hazard + self.death
        return self.hazard / total * (1.0 - np.exp(-total * years))


def simulate(
    size: int, seed: int, *, deaths: bool = True, censoring: bool = True, rate: float = 0.012
) -> Simulated:
    rng = np.random.default_rng(seed)
    linear = rng.normal(0.0, 1.0, size)
    hazard = rate * np.exp(linear)
    death = np.full(size, 0.01) * np.exp(0.5 * linear) if deaths else np.full(size, 1e-12)
    fracture, dies = rng.exponential(1.0 / hazard), rng.exponential(1.0 / death)
    lost = rng.uniform(4.0, 14.0, size) if censoring else np.full(size, 1e9)
    years = np.minimum(np.minimum(fracture, dies), lost)
    ending = np.where(years == fracture, FRACTURE, np.where(years == dies, DEATH, CENSORED))
    return Simulated(linear, linear + rng.normal(0.0, 1.0, size), hazard, death, FollowUp(years, ending))


def cohort_table(people: Simulated, seed: int = 0, *, with_truth: bool = True) -> CohortTable:
    """A cohort's table with a few predictors, for what reads more than outcomes."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    size = len(people.linear)
    bmd = 0.6 - 0.06 * people.linear + rng.normal(0.0, 0.04, size)
    frame = pd.DataFrame(
        {
            "subject_id": [f"s{number}" for number in range(size)],
            "years": people.follow_up.years,
            "ending": people.follow_up.ending,
            "cause": np.where(
                people.follow_up.ending == FRACTURE, rng.choice(["wrist", "hip", "spine"], size), ""
            ),
            "age_years": np.clip(65 + 6 * people.linear + rng.normal(0, 8, size), 40, 90),
            "male": rng.integers(0, 2, size).astype(float),
            "height_mm": rng.normal(1650, 70, size),
            "weight_kg": np.clip(rng.normal(65, 12, size), 35, 150),
            "ethnicity": rng.choice(["Chinese", "white"], size),
            "scanner": rng.choice(["A", "B"], size),
            "one_third.bmd_g_cm2": np.where(rng.random(size) < 0.05, np.nan, bmd),
        }
    )
    frame["bmi_kg_m2"] = frame["weight_kg"] / (frame["height_mm"] / 1000) ** 2
    if with_truth:
        for horizon in HORIZONS_YEARS:
            frame[f"truth.risk_{horizon}y"] = people.risk(horizon)
    return CohortTable(frame, {"population": "test", "seed": seed}, None, np.arange(size))


def predictions_of(people: Simulated) -> dict[str, Predictions]:
    """A good and a blunt model, both calibrated, and a ranking that not everybody has."""

    def risks(linear: FloatArray) -> FloatArray:
        hazard = 0.0125 * np.exp(linear)
        return np.column_stack([1.0 - np.exp(-hazard * years) for years in HORIZONS_YEARS])

    rng = np.random.default_rng(1)
    good = people.linear + rng.normal(0.0, 0.3, len(people.linear))
    first = risks(0.9 * good)
    score = np.where(rng.random(len(good)) < 0.3, np.nan, people.noisy)
    return {
        "full": Predictions(
            "full",
            first,
            thresholds=(0.10, 0.20),
            interval=(first * 0.7, np.minimum(first * 1.4, 1.0)),
            imputed=7,
        ),
        "bmd-only": Predictions("bmd-only", risks(0.5 * people.noisy), thresholds=(0.10, 0.20)),
        "OSTA": Predictions("OSTA", score=score, comparator=True, note="made for low BMD, not for fracture"),
    }
