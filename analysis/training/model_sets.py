"""Which features each model may use, on which scale, and what it cannot do without.

Few and well-founded per family: what published studies found to predict fractures, and of the texture what a
repeated scan finds again. The ridge decides how much each family counts (`analysis.training.tuning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.risk.features import Transform
from analysis.risk.predictors import PREDICTORS, Family, family_of

_TRANSFORMS: Mapping[str, Transform] = {
    "bmi_kg_m2": "log",
    "turnover.ctx_ng_l": "log",
    "turnover.pinp_ug_l": "log",
    "clinical.glucocorticoid_mg_d": "log1p",
    "clinical.alcohol_units_d": "log1p",
    "clinical.falls_past_year": "log1p",
    "clinical.vitamin_d_nmol_l": "log",
    "balance_gait.timed_up_and_go_s": "log",
    "balance_gait.sway_mm_s": "log",
    "texture.variogram_snr": "log",
    "texture.original_glrlm_GrayLevelNonUniformity": "log",
    "texture.original_ngtdm_Coarseness": "log",
}
"""Feature -> transform, where it is not the identity: positive quantities that vary by factors, doses,
counts."""

_UNITS: Mapping[str, str] = {
    "one_third.bmd_g_cm2": "g/cm2",
    "ultradistal.bmd_g_cm2": "g/cm2",
    "one_third.t_score": "{T-score}",
    "ultradistal.t_score": "{T-score}",
    "morphometry.medullary_width_mm": "mm",
    "morphometry.image_blur_mm": "mm",
    "texture.variogram_range_mm": "mm",
}
"""Measured feature -> UCUM unit; most texture features have none (``1``)."""

DENSITIES = ("one_third.bmd_g_cm2", "ultradistal.bmd_g_cm2")
BODY = ("age_years", "male", "bmi_kg_m2")
MICROSTRUCTURE = (
    "morphometry.medullary_width_mm",
    "morphometry.image_blur_mm",
    "texture.variogram_log_sill",
    "texture.variogram_slope",
    "texture.variogram_range_mm",
    "texture.variogram_snr",
    "texture.original_glcm_Idm",
    "texture.original_glrlm_RunPercentage",
    "texture.original_glrlm_GrayLevelNonUniformity",
    "texture.original_glszm_ZoneEntropy",
    "texture.original_ngtdm_Coarseness",
)
"""Marrow's width at the shaft, texture, and the scanner's blur, without which texture cannot be compared
between pictures. Cortical thickness and section moduli are left out: with density they say what density says,
and one then took back what the other had added (thin cortex "lowered" the risk) for an AUC better by 0.0002.
Texture was chosen on a development draw of the simulator (20,000 emulated subjects, seed 202) by what adds to
densities, age and sex in telling the planted trabecular number: R² 0.74 of what those leave open, 0.78 with
all measured features. Neither training nor test draws were looked at."""


def _of(family: Family) -> tuple[str, ...]:
    return tuple(name for name, predictor in PREDICTORS.items() if predictor.family == family)


CLINICAL, TURNOVER = _of("clinical"), _of("turnover")
GENETICS, BALANCE_GAIT = _of("genetics"), _of("balance_gait")

PRODUCTS: tuple[tuple[str, str], ...] = (
    ("age_years", "age_years"),
    ("age_years", "male"),
    ("age_years", "one_third.bmd_g_cm2"),
    ("age_years", "ultradistal.bmd_g_cm2"),
    ("ultradistal.bmd_g_cm2", "ultradistal.bmd_g_cm2"),
    ("age_years", "one_third.t_score"),
    ("one_third.t_score", "one_third.t_score"),
    ("age_years", "clinical.prior_fracture"),
)
"""Products of standardised features a model may use where it has both; cross-validation decides how much."""

DEATH_FEATURES = (
    "age_years",
    "male",
    "bmi_kg_m2",
    "clinical.current_smoker",
    "clinical.glucocorticoid_mg_d",
    "clinical.type2_diabetes",
    "clinical.egfr_ml_min",
    "balance_gait.gait_speed_m_s",
)
"""What the hazard of death may use, where a model has it."""
DEATH_PRODUCTS = (("age_years", "age_years"), ("age_years", "male"))


@dataclass(frozen=True, slots=True)
class ModelSet:
    """What one model is allowed to see.

    Attributes
    ----------
    name : str
    purpose : str
        When it is used, for the model card.
    features : tuple of str
    required : tuple of str
        Features without which it is not used.
    family_minimum : mapping of family to int
        How many of a family's features must be known.
    """

    name: str
    purpose: str
    features: tuple[str, ...]
    required: tuple[str, ...]
    family_minimum: Mapping[Family, int] = field(default_factory=dict)


MODEL_SETS: tuple[ModelSet, ...] = (
    ModelSet(
        "full",
        "calibrated images, and the site has entered clinical risk factors, turnover markers and gait",
        (*BODY, *DENSITIES, *MICROSTRUCTURE, *TURNOVER, *CLINICAL, *GENETICS, *BALANCE_GAIT),
        ("age_years", "male", *DENSITIES),
        {"microstructure": 4, "turnover": 1, "clinical": 4, "balance_gait": 1},
    ),
    ModelSet(
        "clinical-bmd-texture",
        "calibrated images, and the site has entered clinical risk factors",
        (*BODY, *DENSITIES, *MICROSTRUCTURE, *CLINICAL),
        ("age_years", "male", *DENSITIES),
        {"microstructure": 4, "clinical": 4},
    ),
    ModelSet(
        "simplified",
        "calibrated images without usable texture, with clinical risk factors and turnover markers",
        (*BODY, *DENSITIES, *TURNOVER, *CLINICAL),
        ("age_years", "male", *DENSITIES),
        {"turnover": 1, "clinical": 4},
    ),
    ModelSet(
        "deployable",
        "calibrated images alone: what the pixels and the header of a DICOM study give",
        (*BODY, *DENSITIES, *MICROSTRUCTURE),
        ("age_years", "male", *DENSITIES),
        {"microstructure": 1},
    ),
    ModelSet(
        "t-scores",
        "T-scores of the one-third and the ultradistal radius: a vendor's numbers enter this way",
        ("age_years", "male", "one_third.t_score", "ultradistal.t_score"),
        ("age_years", "male", "one_third.t_score", "ultradistal.t_score"),
    ),
    ModelSet(
        "one-third-t-score",
        "only the T-score of the one-third radius is known",
        ("age_years", "male", "one_third.t_score"),
        ("age_years", "male", "one_third.t_score"),
    ),
)
"""Most preferred first. Densitometers differ in g/cm², so numbers that come from a vendor enter as T-scores;
only calibrated pixels enter as densities."""


def transform_of(name: str) -> Transform:
    """Scale on which a feature enters."""
    return _TRANSFORMS.get(name, "identity")


def unit_of(name: str) -> str:
    """UCUM unit of a feature."""
    predictor = PREDICTORS.get(name)
    return predictor.unit if predictor is not None else _UNITS.get(name, "1")


def prior_group(name: str) -> str:
    """Group of features that share one prior: the family, with texture told apart from shape."""
    return name.partition(".")[0] if name.startswith(("texture.", "morphometry.")) else family_of(name)
