"""What the scanner's own software would have printed: its numbers carry its precision error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from analysis.simulation.phantom import true_measurements
from analysis.simulation.subject import FOREARM_TO_HEIGHT, Latents, Subject
from analysis.simulation.truth import RegionTruth

BMD_PRECISION = {"ultradistal": 0.0074, "mid": 0.0058, "one_third": 0.0055}
"""Coefficient of variation of forearm DXA (Hologic QDR-1000, 100 women; sourced)."""
AREA_PRECISION = 0.005
"""Assumption."""
YOUNG_ADULT = {"ultradistal": (0.443, 0.058), "one_third": (0.694, 0.060)}
"""Mean and SD of young women in g/cm² (ISCD DXA atlas, forearm page). None is known for mid and total."""

YEARLY_LOSS = 0.007
"""Of BMD, in the years before the scan (assumption; women over 65 lose 0.7 % a year distally)."""


@dataclass(frozen=True, slots=True)
class VendorNumbers:
    """One printed row; rounded as printed, scores ``None`` where the vendor has no reference."""

    bmd_g_cm2: float
    bmc_g: float
    area_cm2: float
    t_score: float | None
    z_score: float | None
    percent_young: float | None
    percent_age_matched: float | None


def vendor_numbers(
    subject: Subject, regions: Mapping[str, RegionTruth], rng: np.random.Generator
) -> dict[str, VendorNumbers]:
    """Measure as a scanner does: BMD and area off by its precision, total the sum of the parts."""
    area = {
        name: regions[name].area_cm2 * (1 + AREA_PRECISION * rng.standard_normal()) for name in BMD_PRECISION
    }
    content = {
        name: area[name] * regions[name].bmd_g_cm2 * (1 + precision * rng.standard_normal())
        for name, precision in BMD_PRECISION.items()
    }
    area["total"], content["total"] = sum(area.values()), sum(content.values())
    return {name: _row(name, content[name], area[name], subject.age_years) for name in area}


def earlier(numbers: Mapping[str, VendorNumbers], years: float) -> dict[str, VendorNumbers]:
    """What the scanner would have printed so many years before, BMD lost since by `YEARLY_LOSS`.

    Areas stay; the total keeps to its own loss, as whole and parts lose alike.
    """
    return {name: _before(name, row, (1 - YEARLY_LOSS) ** -years) for name, row in numbers.items()}


def _before(name: str, row: VendorNumbers, factor: float) -> VendorNumbers:
    bmd = row.bmd_g_cm2 * factor
    past = replace(row, bmd_g_cm2=round(bmd, 3), bmc_g=round(row.bmc_g * factor, 2))
    if name not in YOUNG_ADULT:
        return past
    mean, deviation = YOUNG_ADULT[name]
    return replace(
        past,
        t_score=round((bmd - mean) / deviation, 1),
        z_score=None,
        percent_young=round(100 * bmd / mean),
        percent_age_matched=None,
    )


def _row(name: str, content: float, area: float, age: float) -> VendorNumbers:
    bmd = content / area
    scores: dict[str, float | None] = dict.fromkeys(
        ("t_score", "z_score", "percent_young", "percent_age_matched")
    )
    if name in YOUNG_ADULT:
        mean, deviation = YOUNG_ADULT[name]
        expected = _age_matched(round(age))[name]
        scores = {
            "t_score": round((bmd - mean) / deviation, 1),
            "z_score": round((bmd - expected) / deviation, 1),
            "percent_young": round(100 * bmd / mean),
            "percent_age_matched": round(100 * bmd / expected),
        }
    return VendorNumbers(
        bmd_g_cm2=round(float(bmd), 3),
        bmc_g=round(float(content), 2),
        area_cm2=round(float(area), 2),
        **scores,
    )


@lru_cache(maxsize=64)
def _age_matched(age: int) -> dict[str, float]:
    """BMD of the mean simulated woman of this age; women's curve for both sexes (ISCD 2023)."""
    height = 1585.0
    mean_woman = Subject(
        age_years=float(age),
        sex="F",
        height_mm=height,
        weight_kg=59.0,
        forearm_length_mm=FOREARM_TO_HEIGHT["F"] * height,
        menopause_age_years=49.0,
        latents=Latents(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        anatomy_seed=0,
    )
    return {name: region.bmd_g_cm2 for name, region in true_measurements(mean_woman).items()}
