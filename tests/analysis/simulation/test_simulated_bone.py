"""Simulated people have the bone of their age and sex, and keep it between visits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.simulation import FOREARM_TO_HEIGHT, Subject, age_subject, draw_subject, true_measurements
from analysis.simulation.anatomy import SAMPLE_MM
from analysis.simulation.subject import FOREARM_SD_MM, Latents, Sex
from analysis.simulation.trabecular import ANISOTROPY, correlation_length_mm, projected_fluctuation

AVERAGE = Latents(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def average(age: float, sex: Sex) -> Subject:
    height = 1585.0 if sex == "F" else 1700.0
    return Subject(
        age_years=age,
        sex=sex,
        height_mm=height,
        weight_kg=60.0,
        forearm_length_mm=height * FOREARM_TO_HEIGHT[sex],
        menopause_age_years=49.0 if sex == "F" else None,
        latents=AVERAGE,
        anatomy_seed=1,
    )


def bmd(subject: Subject) -> dict[str, float]:
    return {name: region.bmd_g_cm2 for name, region in true_measurements(subject).items()}


def test_young_womans_bmd_is_what_densitometry_finds() -> None:
    young = bmd(average(35, "F"))
    assert young["one_third"] == pytest.approx(0.69, abs=0.02)  # 0.691 ± 0.052, Walker 2009
    assert young["ultradistal"] == pytest.approx(0.443, abs=0.02)  # ISCD atlas
    assert young["ultradistal"] < young["mid"] < young["one_third"]


def test_women_lose_15_percent_of_the_shaft_and_35_percent_of_the_ultradistal_radius_by_80() -> None:
    young, old = bmd(average(35, "F")), bmd(average(80, "F"))
    assert 1 - old["one_third"] / young["one_third"] == pytest.approx(0.15, abs=0.025)
    assert 1 - old["ultradistal"] / young["ultradistal"] == pytest.approx(0.35, abs=0.03)


def test_men_have_denser_radii_and_lose_less() -> None:
    women, men = (bmd(average(35, sex)) for sex in ("F", "M"))
    assert men["ultradistal"] / women["ultradistal"] == pytest.approx(1.22, abs=0.08)
    lost = {
        sex: 1 - bmd(average(80, sex))["one_third"] / bmd(average(35, sex))["one_third"] for sex in ("F", "M")
    }
    assert 0.4 < lost["M"] / lost["F"] < 0.8


def test_bmd_spreads_between_women_as_it_does_in_life() -> None:
    rng = np.random.default_rng(4)
    women = [bmd(draw_subject(rng, age=38, sex="F")) for _ in range(60)]
    assert np.std([woman["one_third"] for woman in women]) == pytest.approx(0.052, abs=0.013)
    assert np.std([woman["ultradistal"] for woman in women]) == pytest.approx(0.058, abs=0.016)


def test_forearm_length_follows_height() -> None:
    rng = np.random.default_rng(5)
    women = [draw_subject(rng, sex="F") for _ in range(400)]
    scatter = [woman.forearm_length_mm - FOREARM_TO_HEIGHT["F"] * woman.height_mm for woman in women]
    assert abs(np.mean(scatter)) < 1.2
    assert np.std(scatter) == pytest.approx(FOREARM_SD_MM["F"], rel=0.1)


def test_the_same_generator_state_draws_the_same_person() -> None:
    assert draw_subject(np.random.default_rng(6)) == draw_subject(np.random.default_rng(6))


def test_a_follow_up_is_the_same_person_with_less_bone() -> None:
    first = draw_subject(np.random.default_rng(7), age=53, sex="F")
    later = age_subject(first, 2.0)
    assert replace(later, age_years=first.age_years) == first
    assert later.age_years == first.age_years + 2.0
    for name, before in bmd(first).items():
        assert 0.93 < bmd(later)[name] / before < 1.0


@pytest.mark.parametrize("age", [35.0, 80.0])
def test_trabecular_field_has_the_variance_of_its_law(age: float) -> None:
    bone = average(age, "F").bone
    field = projected_fluctuation(bone, (768, 512), SAMPLE_MM, seed=1)
    assert field.var() == pytest.approx(_variance_of_cell_means(bone), rel=0.03)


def _variance_of_cell_means(bone) -> float:  # type: ignore[no-untyped-def]
    """Integral of the projected Debye spectrum through a square aperture, on a fine frequency grid."""
    length, fraction = correlation_length_mm(bone), bone.bone_volume_fraction
    across, along = length * ANISOTROPY ** (-1 / 3), length * ANISOTROPY ** (2 / 3)
    nyquist = 1 / (2 * SAMPLE_MM)
    f = np.linspace(-nyquist, nyquist, 801)
    fx, fz = np.meshgrid(f, f)
    spectrum = fraction * (1 - fraction) * 8 * np.pi * length**3
    spectrum = spectrum / (1 + (2 * np.pi * across * fx) ** 2 + (2 * np.pi * along * fz) ** 2) ** 2
    spectrum = spectrum * (np.sinc(fx * SAMPLE_MM) * np.sinc(fz * SAMPLE_MM)) ** 2
    return float(np.trapezoid(np.trapezoid(spectrum, f, axis=0), f))


def test_more_and_thinner_trabeculae_make_a_smoother_texture_at_the_same_volume() -> None:
    coarse = replace(average(50, "F"), latents=replace(AVERAGE, number=-2.0)).bone
    fine = replace(average(50, "F"), latents=replace(AVERAGE, number=2.0)).bone
    assert coarse.bone_volume_fraction == fine.bone_volume_fraction
    assert coarse.trabecular_thickness_mm > fine.trabecular_thickness_mm
    assert coarse.trabecular_spacing_mm > fine.trabecular_spacing_mm
    fields = [projected_fluctuation(bone, (256, 256), SAMPLE_MM, seed=2) for bone in (coarse, fine)]
    assert fields[0].std() > 1.3 * fields[1].std()
