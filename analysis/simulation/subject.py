"""People and their bones: population draws by age and sex, and the same bones some years later.

Numbers are marked *sourced* (paper named) or *assumption*. Bone that a person has at an age follows from a
handful of standard-normal latents that never change, so a follow-up is the same person with other years.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Sex = Literal["F", "M"]

FOREARM_TO_HEIGHT = {"F": 0.1595, "M": 0.1644}
"""Ulnar length (olecranon tip to styloid tip) over standing height.

Sourced: 24.79/155.4 cm in 30 women and 27.28/165.9 cm in 40 men aged 17–19 y (Peerzade et al. 2025,
Perspectives in Medical Research 13(2):100–104, doi 10.47799/pimr.1302.25.37)."""

FOREARM_SD_MM = {"F": 7.0, "M": 6.7}
"""SD of ulnar length at a given height, mm: SD·√(1−r²) = 10.2·√(1−0.73²) and 11.0·√(1−0.79²), same source."""

SHAFT_DIAMETER_MM = {"F": (11.5, 0.9), "M": (13.5, 0.92)}
"""Outer diameter at 33 % at 65 y, mean and SD. Sourced for men (CSA 144.5 mm², PMC3179319); women's from
men's by the 35–42 % larger bone area of men (Riggs 2004, PMID 15537436)."""

SHAFT_CORTICAL_AREA_MM2 = {"F": 76.0, "M": 105.0}
"""Cortical area at 33 % at 65 y. Sourced for men (105.1 mm², PMC3179319); women's scaled by 1/1.385
(assumption)."""

PERIOSTEAL_GROWTH_PER_YEAR = 0.00105
"""Growth of the outer diameter per year: ≈16 % area over seven decades (Riggs 2004, sourced)."""

DISTAL_CORTICAL_THICKNESS_MM = {"F": (0.98, 0.16), "M": (1.10, 0.17)}
"""At the HR-pQCT site (9.5 mm offset), before the menopause. Sourced for women (Walker 2009, PMID 20001598,
Chinese-American); men's an assumption."""

BONE_VOLUME_FRACTION = {"F": (0.140, 0.026), "M": (0.165, 0.028)}
"""Trabecular BV/TV at 35 y (XtremeCT I, derived). Means sourced: F Walker 2009; M between equal and the +26
% of Khosla 2005 (PMC1352156), so that ultradistal aBMD is about 1.22 times women's (PMID 11148805). SDs are
three quarters of Walker's 0.034, so that ultradistal aBMD spreads by 0.058 g/cm² (ISCD atlas):
assumption."""

TRABECULAR_NUMBER_PER_MM = (2.0, 0.19)
"""Tb.N at 35 y, both sexes (Khosla 2005: equal in young men and women; PMC6910691: 2.08); SD is an
assumption."""

MENOPAUSE_AGE_YEARS = (49.0, 4.0)
"""Assumption."""

CORTICAL_POROSITY_YOUNG = 0.0153
"""Ct.Po 15–23 y (PMC6910691, sourced)."""


@dataclass(frozen=True, slots=True)
class Latents:
    """What makes one person's bones differ from the mean of their sex, as standard-normal z-scores.

    Attributes
    ----------
    bone_mass : float
        The shared factor behind cortex and trabeculae ("BMD latent").
    size : float
        Outer diameter of the radius (height explains part of it).
    cortical : float
        Cortical area and thickness, relative to size; correlates 0.65 with `bone_mass` (assumption).
    trabecular : float
        Trabecular bone volume fraction; correlates 0.65 with `bone_mass` (assumption).
    number : float
        Trabecular number at a given volume fraction: positive = more and thinner trabeculae. Independent of
        the others, hence what texture can add to BMD.
    loss : float
        Rate of loss after the menopause (women) or 50 y (men): positive = faster.
    """

    bone_mass: float
    size: float
    cortical: float
    trabecular: float
    number: float
    loss: float


@dataclass(frozen=True, slots=True)
class BoneParameters:
    """The radius at one age; lengths in mm.

    `distal_cortical_thickness_mm`, `bone_volume_fraction`, `trabecular_*` are at the HR-pQCT site in
    XtremeCT-I (derived) terms: Tb.Th = BV/TV ÷ Tb.N, Tb.Sp = (1 − BV/TV) ÷ Tb.N (parallel-plate model,
    Parfitt 1983).
    """

    shaft_diameter_mm: float
    shaft_cortical_thickness_mm: float
    distal_cortical_thickness_mm: float
    cortical_porosity: float
    bone_volume_fraction: float
    trabecular_number_per_mm: float

    @property
    def trabecular_thickness_mm(self) -> float:
        """Derived Tb.Th in mm."""
        return self.bone_volume_fraction / self.trabecular_number_per_mm

    @property
    def trabecular_spacing_mm(self) -> float:
        """Derived Tb.Sp in mm."""
        return (1 - self.bone_volume_fraction) / self.trabecular_number_per_mm


@dataclass(frozen=True, slots=True)
class Subject:
    """One simulated person at one age.

    `anatomy_seed` fixes everything individual that is no latent: shapes of the carpals, the trabecular
    realisation, ulnar variance. `forearm_length_mm` is the ulna, olecranon to styloid tip.
    """

    age_years: float
    sex: Sex
    height_mm: float
    weight_kg: float
    forearm_length_mm: float
    menopause_age_years: float | None
    latents: Latents
    anatomy_seed: int

    @property
    def bone(self) -> BoneParameters:
        """The radius at this age."""
        return bone_parameters(self)


def draw_subject(rng: np.random.Generator, *, age: float | None = None, sex: Sex | None = None) -> Subject:
    """Draw one person.

    Parameters
    ----------
    rng : numpy.random.Generator
    age : float, optional
        Years; uniform on 40–90 if not given.
    sex : {"F", "M"}, optional
        Three women in four if not given, as in a densitometry clinic (assumption).

    Returns
    -------
    Subject
    """
    drawn_age, drawn_sex = rng.uniform(40, 90), "F" if rng.random() < 0.75 else "M"
    age = float(drawn_age if age is None else age)
    sex = sex or ("F" if drawn_sex == "F" else "M")
    # body size of Chinese adults, a little shorter in older birth cohorts: assumption
    height_z, size_noise = rng.standard_normal(2)
    mean_height, sd_height = (1585.0, 58.0) if sex == "F" else (1700.0, 62.0)
    height = mean_height - 1.2 * (age - 50) + sd_height * height_z
    body_mass_index = np.clip(rng.normal(23.8, 3.2), 16.5, 38)
    length = FOREARM_TO_HEIGHT[sex] * height + FOREARM_SD_MM[sex] * np.clip(rng.standard_normal(), -2.5, 2.5)
    menopause = float(np.clip(rng.normal(*MENOPAUSE_AGE_YEARS), 38, 58)) if sex == "F" else None
    return Subject(
        age_years=age,
        sex=sex,
        height_mm=float(height),
        weight_kg=float(body_mass_index * (height / 1000) ** 2),
        forearm_length_mm=float(length),
        menopause_age_years=menopause,
        latents=_draw_latents(rng, 0.45 * height_z + np.sqrt(1 - 0.45**2) * size_noise),
        anatomy_seed=int(rng.integers(2**31)),
    )


def age_subject(subject: Subject, years: float) -> Subject:
    """The same person, `years` later: same latents, same anatomy, older bone."""
    return replace(subject, age_years=subject.age_years + years)


def bone_parameters(subject: Subject) -> BoneParameters:
    """The radius of a subject at their age, from latents and the ageing curves below.

    Ageing is tuned (assumption) to the sourced losses of aBMD: women 15 % at the one-third and 35 % at the
    ultradistal site by 80 y (SXA, 305 Chinese women), men about half as much (PMID 11148805, Tromsø).
    """
    latents, sex, age = subject.latents, subject.sex, subject.age_years
    depletion = depletion_fraction(subject)
    mean_diameter, sd_diameter = SHAFT_DIAMETER_MM[sex]
    diameter = mean_diameter + sd_diameter * _bounded(latents.size)
    cortical_area = SHAFT_CORTICAL_AREA_MM2[sex] * (diameter / mean_diameter) ** 1.6
    cortical_area *= 1 + 0.065 * _bounded(latents.cortical)  # spread of 1/3 aBMD: SD 0.052 (Walker 2009)
    loss_at_65 = 0.035 if sex == "F" else 0.015  # brings the 65-year cortical area back to its peak
    cortical_area *= (1 + loss_at_65) * (1 - (0.075 if sex == "F" else 0.06) * depletion)
    diameter *= 1 + PERIOSTEAL_GROWTH_PER_YEAR * (age - 65)
    medullary = np.sqrt(max(diameter**2 - 4 * cortical_area / np.pi, (0.2 * diameter) ** 2))
    thickness, thickness_sd = DISTAL_CORTICAL_THICKNESS_MM[sex]
    fraction, fraction_sd = BONE_VOLUME_FRACTION[sex]
    young_loss = 0.004 * np.clip(min(age, 50) - 35, 0, None)  # −0.40 %/y before 50 (Riggs 2008, PMC2665699)
    trabecular = (1 - young_loss) * (1 - 0.43 * depletion)
    number = TRABECULAR_NUMBER_PER_MM[0] + TRABECULAR_NUMBER_PER_MM[1] * _bounded(latents.number)
    # Tb.N −13 % over life in women; in men Tb.Th carries the loss (Khosla 2005)
    number *= 1 - (0.15 if sex == "F" else 0.0) * depletion
    return BoneParameters(
        shaft_diameter_mm=float(diameter),
        shaft_cortical_thickness_mm=float((diameter - medullary) / 2),
        distal_cortical_thickness_mm=float(
            (thickness + thickness_sd * _bounded(latents.cortical)) * (1 - 0.28 * depletion)
        ),
        # ×4.4 over life (PMID 27981337)
        cortical_porosity=float(CORTICAL_POROSITY_YOUNG * (1 + 3.0 * depletion)),
        bone_volume_fraction=float((fraction + fraction_sd * _bounded(latents.trabecular)) * trabecular),
        trabecular_number_per_mm=float(number),
    )


def depletion_fraction(subject: Subject) -> float:
    """How far the bone loss of age has gone: 0 at peak, about 1 for the mean woman of 80.

    Women lose fastest in the ten years after the menopause (Chinese women, SXA: −16.2 % ultradistal in the
    first five years, −6.6 % in the next, −8.9 % in the third), men slowly and steadily from 50 (Tromsø:
    −0.6 %/y).
    """
    rate = float(np.exp(0.25 * _bounded(subject.latents.loss)))  # spread of loss rates: assumption
    if subject.menopause_age_years is not None:
        years = max(subject.age_years - subject.menopause_age_years, 0.0)
        return rate * (0.45 * (1 - float(np.exp(-years / 4.0))) + 0.0178 * years)
    return rate * 0.0165 * max(subject.age_years - 50, 0.0)


def _draw_latents(rng: np.random.Generator, size: float) -> Latents:
    mass, cortical, trabecular, number, loss = rng.standard_normal(5)
    rest = np.sqrt(1 - 0.65**2)
    return Latents(
        bone_mass=float(mass),
        size=float(size),
        cortical=float(0.65 * mass + rest * cortical),
        trabecular=float(0.65 * mass + rest * trabecular),
        number=float(number),
        loss=float(loss),
    )


def _bounded(z: float) -> float:
    """Latents act within ±2.5 SD, so that no one has impossible bones."""
    return float(np.clip(z, -2.5, 2.5))
