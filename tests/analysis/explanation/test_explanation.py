"""An explanation adds up, and every part of it lies where it belongs on the bone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.acquisition.image import RadiusImage
from analysis.errors import AnalysisError
from analysis.explanation import contributions, driver_map
from analysis.results import (
    Calibration,
    HorizonRisk,
    ModelIdentity,
    RiskEstimate,
    SourceImage,
)
from analysis.risk import FeatureTerm, RiskPrediction

SPACING = (0.4, 0.3)


def prediction_of(*terms: FeatureTerm, baseline: float = -2.0) -> RiskPrediction:
    estimate = RiskEstimate(
        {10: HorizonRisk(0.1, (0.05, 0.2))}, "low", ModelIdentity("m", "1", "simulated", "0"), "rule"
    )
    return RiskPrediction(estimate, baseline, terms, baseline + sum(t.contribution for t in terms))


def predict(age: float, sex: Literal["F", "M"], one_third: float, ultradistal: float) -> RiskPrediction:
    """A linear predictor over all groups of features, as a model would hand it over."""
    return prediction_of(
        FeatureTerm("age_years", age, 65.0, 0.03, "a"),
        FeatureTerm("male", float(sex == "M"), 0.25, -0.8, "1"),
        FeatureTerm("one_third.bmd_g_cm2", one_third, 0.65, -2.5, "g/cm2"),
        FeatureTerm("ultradistal.bmd_g_cm2", ultradistal, 0.38, -1.7, "g/cm2"),
        FeatureTerm("morphometry.cortical_thickness_mm", 3.1, 2.84, -1.4, "mm"),
        FeatureTerm("texture.variogram_sill", 0.0014, 0.0013, 73.0, "g2/cm4"),
    )


def make_image(
    pixels: np.ndarray, *, density: bool = True, spacing: tuple[float, float] | None = SPACING
) -> RadiusImage:
    rows, columns = pixels.shape
    return RadiusImage(
        source=SourceImage("1.2", "1.2.3", "1.2.4", rows, columns),
        study_instance_uid="1.2.5",
        pixels=pixels.astype(np.float32),
        density=density,
        calibration=Calibration.REAL_WORLD_VALUE_MAP if density else Calibration.NONE,
        spacing_mm=spacing,
        spacing_source="PixelSpacing" if spacing else "",
        origin=(0, 0),
        laterality=None,
        device="",
    )


@pytest.fixture
def bone() -> tuple[RadiusImage, dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    pixels = rng.normal(0.5, 0.1, (120, 60))
    ultradistal, one_third = np.zeros((2, 120, 60), dtype=bool)
    ultradistal[10:40, 15:45] = True
    ultradistal[10:14, 15:20] = False
    one_third[80:115, 22:40] = True
    return make_image(pixels), {"ultradistal": ultradistal, "one_third": one_third}


def measured_on(image: RadiusImage, masks: dict[str, np.ndarray]) -> RiskPrediction:
    pixels = image.pixels.astype(np.float64)
    return predict(72.0, "F", pixels[masks["one_third"]].mean(), pixels[masks["ultradistal"]].mean())


number = st.floats(-3, 3, allow_nan=False)


@given(
    values=st.lists(st.tuples(number, number, number), min_size=1, max_size=8),
    curved=st.lists(st.one_of(st.none(), number), min_size=8, max_size=8),
    baseline=number,
)
def test_contributions_and_baseline_add_up_to_the_log_hazard(
    values: list[tuple[float, float, float]], curved: list[float | None], baseline: float
) -> None:
    terms = [
        FeatureTerm("age_years", value, mean, coefficient, "a", exact)
        for (value, mean, coefficient), exact in zip(values, curved, strict=False)
    ]
    prediction = prediction_of(*terms, baseline=baseline)
    total = baseline + math.fsum(c.contribution for c in contributions(prediction))
    assert total == pytest.approx(prediction.log_hazard, abs=1e-9)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_contribution_that_is_no_number_is_a_defect_and_never_shown(broken: float) -> None:
    with pytest.raises(AnalysisError, match="not finite"):
        contributions(prediction_of(FeatureTerm("age_years", broken, 60.0, 0.1, "a")))


def test_each_contribution_knows_its_family_its_average_and_whether_it_was_guessed() -> None:
    guessed = FeatureTerm("turnover.ctx_ng_l", 310.0, 300.0, 0.001, "ng/L", imputed=True)
    (told,) = contributions(prediction_of(guessed))
    assert (told.family, told.training_mean, told.imputed) == ("turnover", 300.0, True)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # shap's own colour maps
def test_contributions_equal_those_of_the_shap_package() -> None:
    import shap

    prediction = predict(72.0, "F", 0.55, 0.30)
    terms = prediction.terms
    coefficients = np.array([term.coefficient for term in terms])
    background = np.array([[term.training_mean for term in terms]])
    explainer = shap.LinearExplainer(
        (coefficients, prediction.baseline_log_hazard - coefficients @ background[0]), background
    )
    expected = explainer.shap_values(np.array([[term.value for term in terms]]))[0]
    ours = {c.feature: c.contribution for c in contributions(prediction)}
    for term, value in zip(terms, expected, strict=True):
        assert ours[term.name] == pytest.approx(value, abs=1e-9)


def test_largest_contribution_comes_first() -> None:
    sizes = [abs(c.contribution) for c in contributions(predict(88.0, "F", 0.45, 0.2))]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("smoothing_mm", [0.0, 1.5])
def test_the_map_integrates_to_the_contributions_of_each_region(
    bone: tuple[RadiusImage, dict[str, np.ndarray]], smoothing_mm: float
) -> None:
    image, masks = bone
    prediction = measured_on(image, masks)
    painted, _ = driver_map(prediction, image, masks, smoothing_mm=smoothing_mm)
    assert painted is not None
    pixel_cm2 = SPACING[0] * SPACING[1] / 100
    regional = {
        "ultradistal": ("ultradistal.", "texture."),
        "one_third": ("one_third.", "morphometry."),
    }
    for region, prefixes in regional.items():
        expected = math.fsum(t.contribution for t in prediction.terms if t.name.startswith(prefixes))
        integral = painted.astype(np.float64)[masks[region]].sum() * pixel_cm2
        assert integral == pytest.approx(expected, abs=1e-6)  # the map is float32
    assert not painted[~(masks["ultradistal"] | masks["one_third"])].any()


def test_each_pixel_of_a_bmd_region_carries_its_own_density(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    """Before smoothing, a pixel's part of BMD is coefficient · (density − training mean) / pixels."""
    image, masks = bone
    full = measured_on(image, masks)
    term = next(t for t in full.terms if t.name == "one_third.bmd_g_cm2")
    painted, _ = driver_map(replace(full, terms=(term,)), image, masks, smoothing_mm=0.0)
    assert painted is not None
    mask = masks["one_third"]
    density = image.pixels.astype(np.float64)[mask]
    expected = (
        term.coefficient * (density - term.training_mean) / mask.sum() / (SPACING[0] * SPACING[1] / 100)
    )
    np.testing.assert_allclose(painted[mask], expected, rtol=1e-5, atol=1e-7)


def test_thin_bone_is_painted_as_raising_the_risk(bone: tuple[RadiusImage, dict[str, np.ndarray]]) -> None:
    image, masks = bone
    pixels = image.pixels.copy()
    pixels[80:97, 22:40] -= 0.25
    thinned = make_image(pixels)
    painted, _ = driver_map(measured_on(thinned, masks), thinned, masks)
    assert painted is not None
    assert painted[82:94, 22:40].mean() > painted[100:113, 22:40].mean()


def test_vendor_numbers_are_spread_evenly_and_the_note_says_so(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    image, masks = bone
    grey = make_image(image.pixels, density=False)
    prediction = prediction_of(
        *(FeatureTerm(f"{region}.t_score", -2.0, -1.0, -0.4, "{T-score}") for region in masks)
    )
    painted, note = driver_map(prediction, grey, masks)
    assert painted is not None
    for mask in masks.values():
        assert np.ptp(painted[mask]) == 0
    assert "Spread evenly" in note
    assert "pixel by pixel" not in note


def test_the_note_counts_texture_features_that_have_no_place_of_their_own(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    image, masks = bone
    prediction = prediction_of(
        FeatureTerm("morphometry.medullary_width_mm", 5.0, 6.0, -0.1, "mm"),
        FeatureTerm("texture.original_glcm_Idm", 0.5, 0.4, 0.2, "1"),
        FeatureTerm("texture.original_ngtdm_Coarseness", 0.5, 0.4, 0.2, "1"),
    )
    _, note = driver_map(prediction, make_image(image.pixels, density=False), masks)
    assert "for want of a finer place: medullary width, 2 texture features." in note


def test_what_was_not_known_is_not_painted_on_the_bone(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    image, masks = bone
    guessed = FeatureTerm("ultradistal.bmd_g_cm2", 0.3, 0.4, -3.0, "g/cm2", imputed=True)
    painted, note = driver_map(prediction_of(guessed), image, masks)
    assert painted is not None
    assert not painted.any()
    assert "Not on the map: BMD on calibrated pixels of the ultradistal radius" in note


@pytest.mark.parametrize(
    ("feature", "region"),
    [
        ("morphometry.ultradistal_inertia_mm4", "ultradistal"),
        ("density_distribution.one_third_mean_g_cm2", "one_third"),
        ("mechanics.one_third_mean_strain", "one_third"),
        ("texture.original_glcm_Contrast", "ultradistal"),
    ],
)
def test_a_feature_lies_in_the_region_that_its_name_says(
    bone: tuple[RadiusImage, dict[str, np.ndarray]], feature: str, region: str
) -> None:
    image, masks = bone
    painted, _ = driver_map(prediction_of(FeatureTerm(feature, 2.0, 1.0, 0.5, "1")), image, masks)
    assert painted is not None
    assert np.array_equal(painted > 0, masks[region])


def test_a_curved_feature_keeps_its_exact_contribution_on_the_map(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    image, masks = bone
    mean = float(image.pixels[masks["ultradistal"]].mean())
    term = FeatureTerm("ultradistal.bmd_g_cm2", mean, 0.4, -3.0, "g/cm2", exact_contribution=0.37)
    painted, _ = driver_map(prediction_of(term), image, masks)
    assert painted is not None
    assert painted.astype(float).sum() * SPACING[0] * SPACING[1] / 100 == pytest.approx(0.37, abs=1e-5)


def test_age_and_sex_have_no_place_on_the_bone_and_the_note_says_so(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    image, masks = bone
    _, note = driver_map(measured_on(image, masks), image, masks)
    not_on_map = note[note.index("Not on the map") :]
    assert "age" in not_on_map
    assert "sex" in not_on_map


def test_without_pixel_spacing_there_is_no_map_but_a_reason(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    image, masks = bone
    painted, note = driver_map(measured_on(image, masks), make_image(image.pixels, spacing=None), masks)
    assert painted is None
    assert "spacing" in note


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), smoothing_mm=st.floats(0.2, 4))
def test_smoothing_never_moves_weight_into_or_out_of_a_region(seed: int, smoothing_mm: float) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.random((40, 30))
    mask = rng.random((40, 30)) < 0.6
    mask[0, 0] = True
    term = FeatureTerm("ultradistal.bmd_g_cm2", float(pixels[mask].mean()), 0.4, -5.0, "g/cm2")
    painted, _ = driver_map(
        prediction_of(term), make_image(pixels), {"ultradistal": mask}, smoothing_mm=smoothing_mm
    )
    assert painted is not None
    assert not painted[~mask].any()
    integral = painted.astype(np.float64).sum() * SPACING[0] * SPACING[1] / 100
    assert integral == pytest.approx(term.contribution, abs=1e-5)


def test_rough_bone_carries_the_contribution_of_the_sill(
    bone: tuple[RadiusImage, dict[str, np.ndarray]],
) -> None:
    """The half with four times the deviation from the trend carries more of what the sill adds."""
    image, masks = bone
    rng = np.random.default_rng(11)
    pixels = np.full(image.pixels.shape, 0.4)
    pixels[:25] += rng.normal(0, 0.04, (25, 60))
    pixels[25:] += rng.normal(0, 0.01, (95, 60))
    term = FeatureTerm("texture.variogram_sill", 2e-3, 1e-3, 300.0, "g2/cm4")
    prediction = replace(measured_on(image, masks), terms=(term,))
    painted, note = driver_map(prediction, make_image(pixels), masks)
    assert painted is not None
    assert painted[15:22, 20:40].mean() > painted[28:38, 20:40].mean()
    integral = painted.astype(np.float64).sum() * SPACING[0] * SPACING[1] / 100
    assert integral == pytest.approx(term.contribution, abs=1e-6)
    assert "pixel by pixel: variogram sill" in note


def test_contributions_that_miss_the_models_own_log_hazard_are_a_defect_and_never_shown() -> None:
    whole = predict(70.0, "F", 0.5, 0.3)
    broken = replace(whole, log_hazard=whole.log_hazard + 0.01)
    with pytest.raises(AnalysisError, match="miss its log-hazard"):
        contributions(broken)
