"""Texture: the planted period, test-retest agreement of the core set, and the slope's noise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from accuracy_parts.table import Figure, Goal
from analysis.measurement.texture.core_set import CORE, REQUIRED_ICC

sys.path.insert(0, str(Path(__file__).parents[1]))
from texture_reliability import planted_period, retest_icc, scanned_pairs

FAMILIES = ("original", "lbp", "fractal", "variogram")
PERIOD_FEATURE = "variogram_log_sill"
"""Named beforehand, after the sill variance of Dong et al. 2013 (PMC3755113), not picked by its result."""
SPACINGS_MM = (0.3, 0.5)


def texture_condition(family: str, spacing_mm: float, subjects: int, seed: int) -> dict[str, Any]:
    """ICC and partial correlation with the planted period of every feature, for one family and pixel size."""
    pairs, failed = [], []
    for number in range(seed, seed + subjects):
        try:
            pairs += list(scanned_pairs(family, spacing_mm, 1, seed=number))
        except Exception:  # one broken case must not end a run of thousands; it is named instead
            failed.append(number)
    return {
        "family": family,
        "spacing_mm": spacing_mm,
        "subjects": len(pairs),
        "engine_errors": failed,
        "icc": retest_icc(pairs, FAMILIES),
        "period": planted_period(pairs, FAMILIES),
    }


def texture_goals(conditions: list[dict[str, Any]]) -> list[Goal]:
    """Rows for the conditions measured."""
    goals = []
    for spacing in SPACINGS_MM:
        here = [c for c in conditions if c["spacing_mm"] == spacing]
        planted = Goal(
            f"planted trabecular period at {spacing} mm: partial Spearman of the sill given BMD",
            "",
            0.7,
            0.85,
            at_least=True,
        )
        agreement = Goal(
            f"core texture set at {spacing} mm: share with ICC ≥ {REQUIRED_ICC:.2f}",
            "%",
            None,
            60.0,
            at_least=True,
            digits=0,
        )
        slope = Goal(f"TBS-like slope at {spacing} mm: ICC", "", None, None)
        robust = Goal(f"noise-robust slope at {spacing} mm: ICC", "", None, 0.8, at_least=True)
        for condition in here:
            family, n = condition["family"], condition["subjects"]
            best = max(condition["period"], key=lambda name: abs(condition["period"][name]))
            remark = f"best of all {abs(condition['period'][best]):.2f} ({best})"
            planted.figures[family] = Figure(abs(condition["period"][PERIOD_FEATURE]), n, remark=remark)
            core = np.array([value for name, value in condition["icc"].items() if name in CORE])
            agreement.figures[family] = Figure(
                100 * float((core >= REQUIRED_ICC).mean()), n, remark=f"median ICC {np.median(core):.2f}"
            )
            slope.figures[family] = Figure(condition["icc"]["variogram_slope"], n)
            robust.figures[family] = Figure(condition["icc"]["variogram_robust_slope"], n)
        goals += [planted, agreement, slope, robust]
    return goals
