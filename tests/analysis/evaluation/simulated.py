"""A small cohort of known risks: cause-specific exponential hazards, competing death, censoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FloatArray, FollowUp


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
