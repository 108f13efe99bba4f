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
from analysis.explanation import contributions, driver_map
from analysis.results import (
    BmdSource,
    Calibration,
    HorizonRisk,
    ModelIdentity,
    RegionMeasurement,
    RiskEstimate,
    SourceImage,
)
from analysis.risk import SHIPPED_MODELS, FeatureTerm, RiskInputs, RiskPrediction, load_models

MODELS = load_models(SHIPPED_MODELS)
SPACING = (0.4, 0.3)


def predict(age: float, sex: Literal["F", "M"], one_third: float, ultradistal: float) -> RiskPrediction:
    model = MODELS.models[0]
    typical = {f.name: f.training_mean * 1.1 for f in model.features}
    inputs = RiskInputs(
        age,
        sex,
        {
            "one_third": RegionMeasurement(bmd_g_cm2=one_third, bmd_source=BmdSource.PIXELS),
            "ultradistal": RegionMeasurement(bmd_g_cm2=ultradistal, bmd_source=BmdSource.PIXELS),
        },
        {n.partition(".")[2]: v for n, v in typical.items() if n.startswith("morphometry.")},
        {n.partition(".")[2]: v for n, v in typical.items() if n.startswith("texture.")},
    )
    return model.predict(inputs)


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


@given(
    age=st.floats(40, 90),
    sex=st.sampled_from(["F", "M"]),
    one_third=st.floats(0.3, 1.0),
    ultradistal=st.floats(0.15, 0.8),
)
def test_contributions_and_baseline_add_up_to_the_ten_year_log_odds(
    age: float, sex: Literal["F", "M"], one_third: float, ultradistal: float
) -> None:
    prediction = predict(age, sex, one_third, ultradistal)
    total = prediction.baseline_log_odds + math.fsum(c.contribution for c in contributions(prediction))
    risk = prediction.estimate.horizons[10].probability
    assert total == pytest.approx(math.log(risk / (1 - risk)), abs=1e-9)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # shap's own colour maps
def test_contributions_equal_those_of_the_shap_package() -> None:
    import shap

    prediction = predict(72.0, "F", 0.55, 0.30)
    terms = prediction.terms
    coefficients = np.array([term.coefficient for term in terms])
    background = np.array([[term.training_mean for term in terms]])
    explainer = shap.LinearExplainer(
        (coefficients, prediction.baseline_log_odds - coefficients @ background[0]), background
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
    regions = {name: RegionMeasurement(t_score=-2.0, bmd_source=BmdSource.VENDOR) for name in masks}
    prediction, _ = MODELS.predict(RiskInputs(75.0, "F", regions))
    assert prediction is not None
    painted, note = driver_map(prediction, grey, masks)
    assert painted is not None
    for mask in masks.values():
        assert np.ptp(painted[mask]) == 0
    assert "Spread evenly" in note
    assert "pixel by pixel" not in note


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
    estimate = RiskEstimate(
        {10: HorizonRisk(0.1, (0.05, 0.2))}, "low", ModelIdentity("m", "1", "simulated", "0"), "rule"
    )
    painted, _ = driver_map(
        RiskPrediction(estimate, 0.0, (term,)),
        make_image(pixels),
        {"ultradistal": mask},
        smoothing_mm=smoothing_mm,
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
