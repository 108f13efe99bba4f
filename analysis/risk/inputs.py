"""What a risk model may look at, and how a feature is read from it by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from analysis.results import REGIONS, BmdSource, RegionMeasurement


def _nothing_measured() -> Mapping[str, float | None]:
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
    morphometry, texture : mapping of str to float or None
        As in `analysis.results.StudyAnalysis`.
    """

    age_years: float | None
    sex: Literal["F", "M"] | None
    regions: Mapping[str, RegionMeasurement]
    morphometry: Mapping[str, float | None] = field(default_factory=_nothing_measured)
    texture: Mapping[str, float | None] = field(default_factory=_nothing_measured)


def feature_value(inputs: RiskInputs, name: str) -> float | None:
    """Read one feature by its name.

    Parameters
    ----------
    inputs : RiskInputs
    name : str
        ``age_years``; ``male`` (1 for M, 0 for F); ``REGION.bmd_g_cm2``; ``REGION.t_score``;
        ``morphometry.NAME``; ``texture.NAME``.

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


def is_known_feature(name: str) -> bool:
    """Whether `feature_value` understands `name`."""
    group, _, quantity = name.partition(".")
    if group in REGIONS:
        return quantity in ("bmd_g_cm2", "t_score")
    return name in ("age_years", "male") or (group in ("morphometry", "texture") and quantity != "")


def feature_phrase(name: str) -> str:
    """How a feature is called in a sentence, e.g. ``T-score of the one-third radius``."""
    group, _, quantity = name.partition(".")
    if group in REGIONS:
        what = "T-score" if quantity == "t_score" else "BMD on calibrated pixels"
        return f"{what} of the {group.replace('_', '-')} radius"
    if group in ("morphometry", "texture"):
        return quantity.removesuffix("_mm").replace("_", " ")
    return {"age_years": "age", "male": "sex"}[name]


def _raw_value(inputs: RiskInputs, name: str) -> float | None:
    if not is_known_feature(name):
        raise KeyError(name)
    if name == "age_years":
        return inputs.age_years
    if name == "male":
        return None if inputs.sex is None else float(inputs.sex == "M")
    group, _, quantity = name.partition(".")
    if group in REGIONS:
        return _region_value(inputs.regions.get(group), quantity)
    return (inputs.morphometry if group == "morphometry" else inputs.texture).get(quantity)


def _region_value(region: RegionMeasurement | None, quantity: str) -> float | None:
    if region is None:
        return None
    if quantity == "t_score":
        return region.t_score
    return region.bmd_g_cm2 if region.bmd_source is BmdSource.PIXELS else None
