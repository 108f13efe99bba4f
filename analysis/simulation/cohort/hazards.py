"""Cause-specific log-hazards of wrist, hip, spine and humerus fracture, and of death, from published ratios.

Ratios are mutually adjusted and stand in ``parameters.toml``. Each exposure belongs to a family whose effect
can be multiplied: with ``texture=0`` hazards depend on areal densities and the other families only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.simulation.cohort.parameters import number, numbers, parameters
from analysis.simulation.cohort.people import People
from analysis.simulation.cohort.predictors import VARIANTS, Covariates, standardised

FloatArray = NDArray[np.float64]

EFFECT_FAMILIES = ("densitometry", "texture", "turnover", "clinical", "genetics", "balance_gait")
"""Families whose effect can be multiplied; ``texture`` is microstructure beyond areal density."""

_PREFIX = "hazard."


@dataclass(frozen=True, slots=True, eq=False)
class Hazards:
    """What acts on n people from the scan on.

    Attributes
    ----------
    log_fracture : ndarray of float64, (n, 4)
        Log-hazard per year at the scan by site, in the order of `FRACTURE_SITES`, without a recent
        fracture's excess and without frailty.
    imminent : ndarray of float64, (n,)
        Relative excess at the scan by a fracture in the last two years; it wanes.
    log_death : ndarray of float64, (n,)
        Log-hazard of death per year at the scan.
    """

    log_fracture: FloatArray
    imminent: FloatArray
    log_death: FloatArray


def hazards_of(people: People, covariates: Covariates, effects: Mapping[str, float]) -> Hazards:
    """Log-hazards of a chunk.

    Parameters
    ----------
    people : People
    covariates : Covariates
    effects : mapping of family to multiplier
        Of the log hazard ratios of a family; 1 where absent.

    Returns
    -------
    Hazards

    Raises
    ------
    ConfigurationError
        For an effect of an unknown family.
    """
    check_effects(effects)
    log_fracture = _base(people, covariates)
    for name, exposure in exposures_of(covariates).items():
        *ratios, centre = numbers(_PREFIX + name)
        multiplier = effects.get(name.partition(".")[0], 1.0)
        log_fracture = log_fracture + multiplier * (exposure - centre)[:, None] * np.log(ratios)
    recent = covariates.predictors["clinical.recent_fracture"]
    excess, _ = numbers("hazard.imminent")
    return Hazards(
        log_fracture=log_fracture,
        imminent=((1 + excess) ** effects.get("clinical", 1.0) - 1) * recent,
        log_death=_log_death(covariates),
    )


def check_effects(effects: Mapping[str, float]) -> None:
    """Refuse multipliers of unknown families.

    Raises
    ------
    ConfigurationError
        With the families there are.
    """
    unknown = sorted(set(effects) - set(EFFECT_FAMILIES))
    if unknown:
        raise ConfigurationError(
            f"effect of {', '.join(unknown)} is unknown; choose among {', '.join(EFFECT_FAMILIES)}"
        )


def hazard_names() -> tuple[str, ...]:
    """Names of all exposures in ``parameters.toml``, e.g. ``texture.trabecular_number``."""
    families = (*EFFECT_FAMILIES, "demography")
    stems = tuple(name.removeprefix(_PREFIX) for name in parameters() if name.startswith(_PREFIX))
    return tuple(stem for stem in stems if stem.partition(".")[0] in families)


def exposures_of(covariates: Covariates) -> dict[str, FloatArray]:
    """Every exposure in the unit of its hazard ratio: name in ``parameters.toml`` -> array of shape (n,)."""
    predictors, bones = covariates.predictors, covariates.bones
    exposures = {
        "densitometry.one_third": -covariates.one_third,
        "densitometry.ultradistal": -covariates.ultradistal,
        "texture.distal_cortical_thickness": -standardised(
            "distal_cortical_thickness", bones.distal_cortical_thickness_mm
        ),
        "texture.trabecular_number": -standardised("trabecular_number", bones.trabecular_number_per_mm),
        "turnover.pinp": np.log(predictors["turnover.pinp_ug_l"]) / numbers("turnover.pinp")[3],
        "turnover.ctx": np.log(predictors["turnover.ctx_ng_l"]) / numbers("turnover.ctx")[3],
        "demography.age": predictors["age_years"] / 10,
        "demography.bmi": predictors["bmi_kg_m2"] / 5,
    }
    exposures |= _clinical_exposures(predictors)
    exposures |= _balance_exposures(predictors)
    exposures |= {f"genetics.{variant}": predictors[name] for variant, name in VARIANTS.items()}
    return exposures


def _clinical_exposures(predictors: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    dose = predictors["clinical.glucocorticoid_mg_d"]
    falls = predictors["clinical.falls_past_year"]
    median, spread, _ = numbers("clinical.vitamin_d")
    same = (
        "prior_fracture",
        "parental_fracture",
        "rheumatoid_arthritis",
        "current_smoker",
        "type1_diabetes",
        "type2_diabetes",
        "secondary_osteoporosis",
        "osteoporosis_medication",
    )
    exposures = {f"clinical.{name}": predictors[f"clinical.{name}"] for name in same}
    graded = {
        "glucocorticoid_low": ((dose > 0) & (dose < 2.5)).astype(np.float64),
        "glucocorticoid_middle": ((dose >= 2.5) & (dose < 7.5)).astype(np.float64),
        "glucocorticoid_high": (dose >= 7.5).astype(np.float64),
        "alcohol_units": predictors["clinical.alcohol_units_d"],
        "any_fall": (falls >= 1).astype(np.float64),
        "repeated_falls": (falls >= 2).astype(np.float64),
        "renal_loss": np.maximum(90 - predictors["clinical.egfr_ml_min"], 0) / 15,
        "vitamin_d_lack": -np.log(predictors["clinical.vitamin_d_nmol_l"] / median) / spread,
    }
    return exposures | {f"clinical.{name}": value for name, value in graded.items()}


def _balance_exposures(predictors: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    male = predictors["male"] > 0
    women_grip, men_grip, _, grip_sd = numbers("balance_gait.grip")
    women_sway, men_sway, _, sway_sd = numbers("balance_gait.log_sway")
    grip, sway = predictors["balance_gait.grip_kg"], np.log(predictors["balance_gait.sway_mm_s"])
    return {
        "balance_gait.slow_gait": _slow_gait(predictors),
        "balance_gait.weak_grip": (np.where(male, men_grip, women_grip) - grip) / abs(grip_sd),
        "balance_gait.sway": (sway - np.where(male, men_sway, women_sway)) / sway_sd,
    }


def _slow_gait(predictors: Mapping[str, FloatArray]) -> FloatArray:
    """Steps of 0.2 m/s below 1.1 m/s."""
    return np.asarray((1.1 - predictors["balance_gait.gait_speed_m_s"]) / 0.2)


def _base(people: People, covariates: Covariates) -> FloatArray:
    """Log-hazard at the centres of all exposures: by sex, ethnicity and population, shape (n, 4)."""
    male = covariates.predictors["male"][:, None] > 0
    base = np.where(male, np.log(numbers("hazard.base.men")), np.log(numbers("hazard.base.women")))
    white = np.array([name == "white" for name in people.ethnicity], dtype=np.float64)
    level = np.log(number(f"population.{people.population.name}.hazard_ratio"))
    return np.asarray(base + level + np.log(number("hazard.white")) * white[:, None])


def _log_death(covariates: Covariates) -> FloatArray:
    predictors = covariates.predictors
    women, men = numbers("death.base")
    diabetes = np.maximum(predictors["clinical.type1_diabetes"], predictors["clinical.type2_diabetes"])
    return np.asarray(
        np.where(predictors["male"] > 0, np.log(men), np.log(women))
        + number("death.growth") * (predictors["age_years"] - 60)
        + np.log(number("death.slow_gait")) * _slow_gait(predictors)
        + np.log(number("death.current_smoker")) * predictors["clinical.current_smoker"]
        + np.log(number("death.thin")) * (predictors["bmi_kg_m2"] < 20)
        + np.log(number("death.diabetes")) * diabetes
    )
