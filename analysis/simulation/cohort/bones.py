"""Bones of many people at once, and the areal densities that a perfect densitometer would read.

`bones_of` is `analysis.simulation.subject.bone_parameters` for arrays. The areal densities are closed forms
of ring models with the anatomy's own mineral and profile, so that hazards need no rendered picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.simulation import anatomy
from analysis.simulation import subject as physics
from analysis.simulation.geometry import REFERENCE_DIAMETER_MM
from analysis.simulation.subject import Subject

FloatArray = NDArray[np.float64]

ONE_THIRD_RING = (11.6, 11.2, 0.21)
"""Width and depth (mm) of the radius at the one-third level for `REFERENCE_DIAMETER_MM`, and its trabecular
fraction relative to the HR-pQCT site: the profiles of `analysis.simulation.geometry` at 85 mm."""
ULTRADISTAL_RING = (22.3, 13.8, 1.05)
"""The same in the middle of the ultradistal region, 17.5 mm."""
ULTRADISTAL_CORTEX = 0.96
"""Cortex in the middle of the ultradistal region over that at the HR-pQCT site, same profiles."""


@dataclass(frozen=True, slots=True, eq=False)
class Bones:
    """The radii of n people; each attribute is float64 of shape (n,), as in `BoneParameters`."""

    shaft_diameter_mm: FloatArray
    shaft_cortical_thickness_mm: FloatArray
    distal_cortical_thickness_mm: FloatArray
    cortical_porosity: FloatArray
    bone_volume_fraction: FloatArray
    trabecular_number_per_mm: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """What bones depend on, float64 arrays of shape (n,); latents as in `Latents`, NaN menopause for men."""

    age_years: FloatArray
    male: FloatArray
    height_mm: FloatArray
    weight_kg: FloatArray
    menopause_age_years: FloatArray
    bone_mass: FloatArray
    size: FloatArray
    cortical: FloatArray
    trabecular: FloatArray
    number: FloatArray
    loss: FloatArray

    @property
    def bmi_kg_m2(self) -> FloatArray:
        """Body mass index."""
        return np.asarray(self.weight_kg / (self.height_mm / 1000) ** 2)


def bodies_of(subjects: Sequence[Subject]) -> Bodies:
    """Collect the arrays from subjects."""
    rows = [
        (
            one.age_years,
            float(one.sex == "M"),
            one.height_mm,
            one.weight_kg,
            np.nan if one.menopause_age_years is None else one.menopause_age_years,
            one.latents.bone_mass,
            one.latents.size,
            one.latents.cortical,
            one.latents.trabecular,
            one.latents.number,
            one.latents.loss,
        )
        for one in subjects
    ]
    return Bodies(*np.array(rows, dtype=np.float64).T)


def bones_of(bodies: Bodies) -> Bones:
    """`bone_parameters` of many people at once; see there for every number."""
    male = bodies.male > 0
    depletion = _depletion(bodies)

    def by_sex(values: dict[str, float]) -> FloatArray:
        return np.where(male, values["M"], values["F"])

    def pairs(values: dict[str, tuple[float, float]]) -> tuple[FloatArray, FloatArray]:
        return tuple(by_sex({sex: pair[i] for sex, pair in values.items()}) for i in (0, 1))  # type: ignore[return-value]

    mean_diameter, sd_diameter = pairs(physics.SHAFT_DIAMETER_MM)
    diameter = mean_diameter + sd_diameter * _bounded(bodies.size)
    area = by_sex(physics.SHAFT_CORTICAL_AREA_MM2) * (diameter / mean_diameter) ** 1.6
    area = area * (1 + 0.065 * _bounded(bodies.cortical))
    area = area * (1 + by_sex({"F": 0.035, "M": 0.015})) * (1 - by_sex({"F": 0.075, "M": 0.06}) * depletion)
    diameter = diameter * (1 + physics.PERIOSTEAL_GROWTH_PER_YEAR * (bodies.age_years - 65))
    medullary = np.sqrt(np.maximum(diameter**2 - 4 * area / np.pi, (0.2 * diameter) ** 2))
    thickness, thickness_sd = pairs(physics.DISTAL_CORTICAL_THICKNESS_MM)
    fraction, fraction_sd = pairs(physics.BONE_VOLUME_FRACTION)
    young_loss = 0.004 * np.maximum(np.minimum(bodies.age_years, 50) - 35, 0)
    trabecular = (1 - young_loss) * (1 - 0.43 * depletion)
    mean_number, sd_number = physics.TRABECULAR_NUMBER_PER_MM
    number = mean_number + sd_number * _bounded(bodies.number)
    cortex = (thickness + thickness_sd * _bounded(bodies.cortical)) * (1 - 0.28 * depletion)
    return Bones(
        shaft_diameter_mm=diameter,
        shaft_cortical_thickness_mm=(diameter - medullary) / 2,
        distal_cortical_thickness_mm=cortex,
        cortical_porosity=physics.CORTICAL_POROSITY_YOUNG * (1 + 3.0 * depletion),
        bone_volume_fraction=(fraction + fraction_sd * _bounded(bodies.trabecular)) * trabecular,
        trabecular_number_per_mm=number * (1 - np.where(male, 0.0, 0.15) * depletion),
    )


def one_third_bmd_g_cm2(bones: Bones) -> FloatArray:
    """Areal density of the one-third region from its ring, shape (n,)."""
    return _ring_density(bones, ONE_THIRD_RING, bones.shaft_cortical_thickness_mm)


def ultradistal_bmd_g_cm2(bones: Bones) -> FloatArray:
    """Areal density of the ultradistal region from its ring, shape (n,)."""
    return _ring_density(bones, ULTRADISTAL_RING, ULTRADISTAL_CORTEX * bones.distal_cortical_thickness_mm)


def _ring_density(bones: Bones, ring: tuple[float, float, float], cortex: FloatArray) -> FloatArray:
    """Mineral of an elliptical ring with trabeculae inside, over its width."""
    scale = bones.shaft_diameter_mm / REFERENCE_DIAMETER_MM
    width, depth = ring[0] * scale, ring[1] * scale
    inner = np.pi / 4 * (width - 2 * cortex) * (depth - 2 * cortex)
    shell = np.pi / 4 * width * depth - inner
    cortical = anatomy.CORTICAL_MINERAL_G_CM3 * (1 - bones.cortical_porosity)
    cortical = cortical / (1 - anatomy.POROSITY_OF_THAT_COHORT)
    solid = anatomy.TRABECULAR_MINERAL_G_CM3 * anatomy.TRABECULAR_CALIBRATION * ring[2]
    mineral = cortical * shell + solid * bones.bone_volume_fraction * inner
    return np.asarray(anatomy.DENSITOMETER_SCALE / 10 * mineral / width)


def _depletion(bodies: Bodies) -> FloatArray:
    rate = np.exp(0.25 * _bounded(bodies.loss))
    years = np.maximum(bodies.age_years - np.nan_to_num(bodies.menopause_age_years, nan=200.0), 0.0)
    women = 0.45 * (1 - np.exp(-years / 4.0)) + 0.0178 * years
    men = 0.0165 * np.maximum(bodies.age_years - 50, 0.0)
    return np.asarray(rate * np.where(bodies.male > 0, men, women))


def _bounded(z: FloatArray) -> FloatArray:
    return np.clip(z, -2.5, 2.5)
