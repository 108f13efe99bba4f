"""Kidney function as drug labels count it: creatinine clearance by Cockcroft and Gault."""

from __future__ import annotations

import math
from typing import Literal

UMOL_L_PER_MG_DL = 88.42
"""Creatinine: molar mass 113.12 g/mol."""


def creatinine_clearance_ml_min(
    age_years: float, weight_kg: float, sex: Literal["F", "M"], serum_creatinine_umol_l: float
) -> float:
    """Estimate creatinine clearance, mL/min, not per body surface.

    (140 − age) · weight / (72 · creatinine in mg/dL), for women × 0.85: Cockcroft DW, Gault MH, Nephron
    1976;16:31-41, with the actual body weight. Cut, not rounded, to one decimal: a limit that is shown as
    kept is kept.
    """
    clearance = (140 - age_years) * weight_kg / (72 * serum_creatinine_umol_l / UMOL_L_PER_MG_DL)
    return max(0.0, math.floor(clearance * (0.85 if sex == "F" else 1.0) * 10) / 10)
