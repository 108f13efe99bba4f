"""The catalogue of predictors: every name that a cohort's column, a model's feature or a site's entry may
have.

Six families, as in the published multi-dimensional fusion model (Wang & Meng, Prog Biochem Biophys
2026;53:238-248). What a densitometer's study gives by itself (age, sex, body size, densitometry,
microstructure) is measured or read from the header; the rest is entered by the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Family = Literal[
    "demography", "densitometry", "microstructure", "turnover", "clinical", "genetics", "balance_gait"
]
"""``demography`` (age, sex, body size) belongs to every model and is told apart from the six families."""

FAMILIES: tuple[Family, ...] = (
    "demography",
    "densitometry",
    "microstructure",
    "turnover",
    "clinical",
    "genetics",
    "balance_gait",
)

Kind = Literal["continuous", "binary", "count"]


@dataclass(frozen=True, slots=True)
class Predictor:
    """One predictor that is entered or read, not measured on the image.

    Attributes
    ----------
    name : str
        As in a cohort's column, e.g. ``clinical.prior_fracture``.
    family : Family
    unit : str
        UCUM; ``1`` for counts and yes/no.
    kind : {"continuous", "binary", "count"}
    limits : (float, float)
        Values outside are refused as typing errors.
    phrase : str
        How it is called in a sentence.
    """

    name: str
    family: Family
    unit: str
    kind: Kind
    limits: tuple[float, float]
    phrase: str


def _catalogue(*predictors: Predictor) -> Mapping[str, Predictor]:
    return {predictor.name: predictor for predictor in predictors}


PREDICTORS: Mapping[str, Predictor] = _catalogue(
    Predictor("age_years", "demography", "a", "continuous", (18, 110), "age"),
    Predictor("male", "demography", "1", "binary", (0, 1), "sex"),
    Predictor("height_mm", "demography", "mm", "continuous", (1000, 2300), "height"),
    Predictor("weight_kg", "demography", "kg", "continuous", (25, 300), "weight"),
    Predictor("bmi_kg_m2", "demography", "kg/m2", "continuous", (10, 80), "body mass index"),
    Predictor("turnover.ctx_ng_l", "turnover", "ng/L", "continuous", (5, 5000), "serum CTX"),
    Predictor("turnover.pinp_ug_l", "turnover", "ug/L", "continuous", (2, 1000), "serum PINP"),
    Predictor("clinical.prior_fracture", "clinical", "1", "binary", (0, 1), "prior fragility fracture"),
    Predictor(
        "clinical.recent_fracture", "clinical", "1", "binary", (0, 1), "fracture within the last two years"
    ),
    Predictor("clinical.parental_fracture", "clinical", "1", "binary", (0, 1), "parental hip fracture"),
    Predictor(
        "clinical.glucocorticoid_mg_d",
        "clinical",
        "mg/d",
        "continuous",
        (0, 200),
        "glucocorticoid dose (prednisolone equivalent)",
    ),
    Predictor("clinical.rheumatoid_arthritis", "clinical", "1", "binary", (0, 1), "rheumatoid arthritis"),
    Predictor("clinical.current_smoker", "clinical", "1", "binary", (0, 1), "current smoking"),
    Predictor("clinical.alcohol_units_d", "clinical", "1/d", "continuous", (0, 40), "alcohol units a day"),
    Predictor("clinical.type1_diabetes", "clinical", "1", "binary", (0, 1), "type 1 diabetes"),
    Predictor("clinical.type2_diabetes", "clinical", "1", "binary", (0, 1), "type 2 diabetes"),
    Predictor("clinical.falls_past_year", "clinical", "1", "count", (0, 100), "falls in the past year"),
    Predictor(
        "clinical.secondary_osteoporosis",
        "clinical",
        "1",
        "binary",
        (0, 1),
        "secondary cause of osteoporosis",
    ),
    Predictor(
        "clinical.osteoporosis_medication", "clinical", "1", "binary", (0, 1), "osteoporosis medication"
    ),
    Predictor("clinical.egfr_ml_min", "clinical", "mL/min", "continuous", (3, 200), "renal function (eGFR)"),
    Predictor(
        "clinical.vitamin_d_nmol_l", "clinical", "nmol/L", "continuous", (3, 400), "25-hydroxyvitamin D"
    ),
    Predictor(
        "genetics.tnfsf11_rs9533090_t", "genetics", "1", "count", (0, 2), "RANKL risk alleles (rs9533090)"
    ),
    Predictor(
        "genetics.tnfrsf11b_rs4355801_a", "genetics", "1", "count", (0, 2), "OPG risk alleles (rs4355801)"
    ),
    Predictor("genetics.lrp5_rs3736228_t", "genetics", "1", "count", (0, 2), "LRP5 risk alleles (rs3736228)"),
    Predictor("genetics.vdr_rs1544410_a", "genetics", "1", "count", (0, 2), "VDR alleles (rs1544410)"),
    Predictor("balance_gait.gait_speed_m_s", "balance_gait", "m/s", "continuous", (0.05, 3), "gait speed"),
    Predictor(
        "balance_gait.timed_up_and_go_s", "balance_gait", "s", "continuous", (2, 120), "timed up and go"
    ),
    Predictor("balance_gait.sway_mm_s", "balance_gait", "mm/s", "continuous", (0.5, 200), "sway velocity"),
    Predictor("balance_gait.grip_kg", "balance_gait", "kg", "continuous", (1, 120), "grip strength"),
)
"""Name -> predictor that is entered by the site or read from a header."""

MEASURED_GROUPS: Mapping[str, Family] = {
    "ultradistal": "densitometry",
    "mid": "densitometry",
    "one_third": "densitometry",
    "total": "densitometry",
    "density_distribution": "densitometry",
    "morphometry": "microstructure",
    "texture": "microstructure",
    "mechanics": "microstructure",
    "image": "microstructure",
}
"""Group of a measured predictor (the part of its name before the dot) -> family; ``image`` holds what a
network saw in the picture."""


def family_of(name: str) -> Family:
    """Family of a predictor by its name.

    Raises
    ------
    KeyError
        For a name that neither the catalogue nor a measured group knows.
    """
    predictor = PREDICTORS.get(name)
    if predictor is not None:
        return predictor.family
    return MEASURED_GROUPS[name.partition(".")[0]]


def rule_broken(name: str, value: float) -> str | None:
    """Why `value` cannot be the predictor `name` of the catalogue, or None if it can."""
    predictor = PREDICTORS[name]
    low, high = predictor.limits
    if not low <= value <= high:
        return f"{name} = {value:g} {predictor.unit} lies outside {low:g} to {high:g}"
    if predictor.kind == "binary" and value not in (0.0, 1.0):
        return f"{name} = {value:g} must be 0 or 1"
    if predictor.kind == "count" and value != int(value):
        return f"{name} = {value:g} must be a whole number"
    return None
