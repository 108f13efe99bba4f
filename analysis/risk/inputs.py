"""What a risk model may look at, and how a feature is read from it by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from analysis.config import ClinicalContext
from analysis.results import REGIONS, BmdSource, RegionMeasurement
from analysis.risk.predictors import MEASURED_GROUPS, PREDICTORS


def _nothing_measured() -> Mapping[str, float | None]:
    return MappingProxyType({})


def _nothing_entered() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RiskInputs:
    """Everything a risk model may look at.

    Attributes
    ----------
    age_years : float or None
        Age at the scan.
    sex : {"F", "M"} or None
    regions : mapping of region name to RegionMeasurement
        Keys are among `analysis.results.REGIONS`.
    morphometry, texture, density_distribution, mechanics : mapping of str to float or None
        As in `analysis.results.StudyAnalysis`.
    predictors : mapping of str to float
        Names and units of `analysis.risk.predictors.PREDICTORS`; age and sex are read from the fields above.
    image : mapping of str to float or None
        What a network saw in the picture.
    """

    age_years: float | None
    sex: Literal["F", "M"] | None
    regions: Mapping[str, RegionMeasurement]
    morphometry: Mapping[str, float | None] = field(default_factory=_nothing_measured)
    texture: Mapping[str, float | None] = field(default_factory=_nothing_measured)
    density_distribution: Mapping[str, float | None] = field(default_factory=_nothing_measured)
    mechanics: Mapping[str, float | None] = field(default_factory=_nothing_measured)
    predictors: Mapping[str, float] = field(default_factory=_nothing_entered)
    image: Mapping[str, float | None] = field(default_factory=_nothing_measured)


def known_predictors(context: ClinicalContext) -> Mapping[str, float]:
    """Predictors of the catalogue that a study's context holds, beside age and sex.

    The site's own entries by catalogue name win. Body mass index follows from height and weight. A "yes" to
    glucocorticoids names no dose and is left unknown; a "no" is a dose of zero.
    """
    yes_or_no = {
        "clinical.prior_fracture": context.prior_fragility_fracture,
        "clinical.parental_fracture": context.parental_hip_fracture,
        "clinical.current_smoker": context.current_smoker,
    }
    known: dict[str, float | None] = {
        "height_mm": context.height_mm,
        "weight_kg": context.weight_kg,
        **{name: None if answer is None else float(answer) for name, answer in yes_or_no.items()},
        "clinical.glucocorticoid_mg_d": 0.0 if context.glucocorticoids is False else None,
        **context.predictors,
    }
    height, weight = known["height_mm"], known["weight_kg"]
    if known.get("bmi_kg_m2") is None and height and weight:
        known["bmi_kg_m2"] = weight / (height / 1000.0) ** 2
    return MappingProxyType({name: value for name, value in known.items() if value is not None})


def feature_value(inputs: RiskInputs, name: str) -> float | None:
    """Read one feature by its name.

    Parameters
    ----------
    inputs : RiskInputs
    name : str
        A name of the catalogue `analysis.risk.predictors.PREDICTORS` (``male`` is 1 for M, 0 for F);
        ``REGION.bmd_g_cm2``; ``REGION.t_score``; ``GROUP.NAME`` with a group of
        `analysis.risk.predictors.MEASURED_GROUPS`.

    Returns
    -------
    float or None
        None where the value is unknown or not finite. ``REGION.bmd_g_cm2`` is also None where the BMD is the
        vendor's: densitometers of different makers are on different scales in g/cm², so a vendor's number
        enters a model only as T-score.

    Raises
    ------
    KeyError
        For a name outside this vocabulary.
    """
    value = _raw_value(inputs, name)
    return value if value is not None and math.isfinite(value) else None


def known_features(inputs: RiskInputs) -> dict[str, float]:
    """Everything that is known, by the names that `feature_value` reads: what any model could be given."""
    regions = [f"{region}.{quantity}" for region in inputs.regions for quantity in ("bmd_g_cm2", "t_score")]
    measured = [
        f"{group}.{name}"
        for group in ("morphometry", "texture", "density_distribution", "mechanics", "image")
        for name in getattr(inputs, group)
    ]
    names = [*PREDICTORS, *regions, *measured]
    values = {name: feature_value(inputs, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def is_known_feature(name: str) -> bool:
    """Whether `feature_value` understands `name`."""
    group, _, quantity = name.partition(".")
    if group in REGIONS:
        return quantity in ("bmd_g_cm2", "t_score")
    return name in PREDICTORS or (group in MEASURED_GROUPS and quantity != "")


def feature_phrase(name: str) -> str:
    """How a feature is called in a sentence, e.g. ``T-score of the one-third radius``."""
    if name in PREDICTORS:
        return PREDICTORS[name].phrase
    group, _, quantity = name.partition(".")
    if group in REGIONS:
        what = "T-score" if quantity == "t_score" else "BMD on calibrated pixels"
        return f"{what} of the {group.replace('_', '-')} radius"
    return quantity.removesuffix("_mm").replace("_", " ")


def _raw_value(inputs: RiskInputs, name: str) -> float | None:
    if not is_known_feature(name):
        raise KeyError(name)
    if name == "age_years":
        return inputs.age_years
    if name == "male":
        return None if inputs.sex is None else float(inputs.sex == "M")
    if name in PREDICTORS:
        return inputs.predictors.get(name)
    group, _, quantity = name.partition(".")
    if group in REGIONS:
        return _region_value(inputs.regions.get(group), quantity)
    measured: Mapping[str, float | None] = getattr(inputs, group)
    return measured.get(quantity)


def _region_value(region: RegionMeasurement | None, quantity: str) -> float | None:
    if region is None:
        return None
    if quantity == "t_score":
        return region.t_score
    return region.bmd_g_cm2 if region.bmd_source is BmdSource.PIXELS else None
