"""BMD, BMC, area and scores of the regions, on pixels or as the vendor printed them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from analysis.acquisition import RadiusImage, VendorRegion, VendorReport, clinical_context, read_study
from analysis.measurement.densitometry import bmd_uncertainty, measure_regions
from analysis.measurement.reference import load_reference
from analysis.results import BmdSource, Calibration, SourceImage
from analysis.simulation.study import simulate_study

REFERENCE = load_reference(Path(__file__).parents[3] / "conf" / "reference" / "iscd-atlas-female.csv")
SHAPE = (60, 40)
PARTS = {"ultradistal": slice(5, 15), "mid": slice(15, 35), "one_third": slice(35, 50)}
DENSITY = {"ultradistal": 0.385, "mid": 0.5, "one_third": 0.634}


def masks(names: tuple[str, ...] = tuple(PARTS)) -> dict[str, np.ndarray[Any, Any]]:
    made = {}
    for name in names:
        made[name] = np.zeros(SHAPE, dtype=bool)
        made[name][PARTS[name], 10:30] = True
    return made


def image(**changes: Any) -> RadiusImage:
    """A uniform density in each region, zero elsewhere; pixels of 0.5 × 1.0 mm."""
    pixels = np.zeros(SHAPE, dtype=np.float32)
    for name, mask in masks().items():
        pixels[mask] = DENSITY[name]
    made = RadiusImage(
        source=SourceImage("1.2", "1.2.3", "1.2.4", *SHAPE),
        study_instance_uid="1.2.5",
        pixels=pixels,
        density=True,
        calibration=Calibration.REAL_WORLD_VALUE_MAP,
        spacing_mm=(0.5, 1.0),
        spacing_source="PixelSpacing",
        origin=(0, 0),
        laterality=None,
        device="Test",
    )
    return replace(made, **changes)


VENDOR = VendorReport(
    "test",
    {
        "one_third": VendorRegion(0.7, 1.05, 1.5, -0.4, 0.9),
        "ultradistal": VendorRegion(0.4, 0.4, 1.0, None, None),
    },
)


def grey(**changes: Any) -> RadiusImage:
    return image(density=False, calibration=Calibration.VENDOR_TABLE, vendor=VENDOR, **changes)


def test_a_calibrated_region_is_measured_on_its_pixels() -> None:
    regions, _ = measure_regions(image(), masks(), REFERENCE, 67.0, "F")
    region = regions["one_third"]
    assert region.bmd_g_cm2 == pytest.approx(0.634)
    assert region.area_cm2 == pytest.approx(15 * 20 * 0.5 / 100)
    assert region.bmc_g == pytest.approx(0.634 * 1.5)
    assert region.t_score == pytest.approx(-1.0)
    assert (region.bmd_source, region.score_source) == (BmdSource.PIXELS, BmdSource.PIXELS)


def test_total_is_the_union_of_the_regions() -> None:
    regions, _ = measure_regions(image(), masks(), REFERENCE, 67.0, "F")
    parts = [regions[name] for name in PARTS]
    total = regions["total"]
    assert total.area_cm2 == pytest.approx(sum(part.area_cm2 or 0 for part in parts))
    assert total.bmc_g == pytest.approx(sum(part.bmc_g or 0 for part in parts))
    assert total.bmd_g_cm2 == pytest.approx((total.bmc_g or 0) / (total.area_cm2 or 1))


def test_there_is_no_total_of_incomplete_regions() -> None:
    regions, _ = measure_regions(image(), masks(("ultradistal",)), REFERENCE, 67.0, "F")
    assert regions["total"].bmd_g_cm2 is None
    assert regions["one_third"].bmd_g_cm2 is None


@given(st.floats(0.2, 1.5), st.floats(0.2, 1.5), st.floats(0.1, 1.5))
def test_content_is_density_times_area_for_any_pixel_shape(
    row_mm: float, column_mm: float, density: float
) -> None:
    pixels = np.full(SHAPE, density, dtype=np.float32)
    regions, _ = measure_regions(
        image(pixels=pixels, spacing_mm=(row_mm, column_mm)), masks(), REFERENCE, None, None
    )
    for name, mask in masks().items():
        assert regions[name].area_cm2 == pytest.approx(mask.sum() * row_mm * column_mm / 100)
        assert regions[name].bmc_g == pytest.approx((regions[name].area_cm2 or 0) * density, rel=1e-5)


def test_without_spacing_density_stays_and_area_is_absent() -> None:
    regions, _ = measure_regions(image(spacing_mm=None), masks(), REFERENCE, 67.0, "F")
    region = regions["one_third"]
    assert region.bmd_g_cm2 == pytest.approx(0.634)
    assert region.area_cm2 is None
    assert region.bmc_g is None


def test_scores_that_the_reference_lacks_are_absent_with_a_reason() -> None:
    regions, findings = measure_regions(image(), masks(), REFERENCE, 67.0, "F")
    assert regions["mid"].t_score is None
    assert regions["mid"].score_source is None
    messages = {finding.code: finding.message for finding in findings}
    assert "mid, total" in messages["t_score_unavailable"]
    assert "no curve for this age and sex" in messages["z_score_unavailable"]


def test_an_unknown_age_is_the_reason_for_a_missing_z() -> None:
    _, findings = measure_regions(image(), masks(), REFERENCE, None, "F")
    assert "unknown" in {finding.code: finding.message for finding in findings}["z_score_unavailable"]


def test_the_vendors_numbers_and_scores_are_taken_over_unchanged() -> None:
    regions, _ = measure_regions(grey(), masks(), REFERENCE, 67.0, "F")
    region = regions["one_third"]
    assert (region.bmd_g_cm2, region.bmc_g, region.area_cm2) == (0.7, 1.05, 1.5)
    assert (region.t_score, region.z_score) == (-0.4, 0.9)
    assert (region.bmd_source, region.score_source) == (BmdSource.VENDOR, BmdSource.VENDOR)
    assert region.bmd_uncertainty_g_cm2 is None


def test_a_score_the_vendor_does_not_print_is_not_made_up_from_our_reference() -> None:
    regions, findings = measure_regions(grey(), masks(), REFERENCE, 67.0, "F")
    assert regions["ultradistal"].t_score is None
    assert "t_score_unavailable" in {finding.code for finding in findings}


def test_a_region_the_vendor_does_not_list_is_absent_with_a_reason() -> None:
    regions, findings = measure_regions(grey(), masks(), REFERENCE, 67.0, "F")
    assert regions["mid"].bmd_g_cm2 is None
    assert "mid, total" in {finding.code: finding.message for finding in findings}["region_not_reported"]


def test_grey_values_without_numbers_give_no_density() -> None:
    uncalibrated = image(density=False, calibration=Calibration.NONE)
    regions, findings = measure_regions(uncalibrated, masks(), REFERENCE, 67.0, "F")
    assert all(region.bmd_g_cm2 is None for region in regions.values())
    assert regions["one_third"].area_cm2 == pytest.approx(1.5)
    assert [finding.code for finding in findings] == ["bmd_uncalibrated"]


def test_an_outline_that_is_not_the_vendors_region_is_remarked_on() -> None:
    _, close = measure_regions(grey(), masks(), REFERENCE, 67.0, "F")
    assert "area_differs_from_vendor" not in {finding.code for finding in close}
    _, far = measure_regions(grey(spacing_mm=(0.7, 1.0)), masks(), REFERENCE, 67.0, "F")
    assert "area_differs_from_vendor" in {finding.code for finding in far}


def test_an_ultradistal_region_denser_than_the_shaft_is_flagged() -> None:
    upside_down = image(pixels=np.flipud(image().pixels).copy())
    turned = {name: np.flipud(mask) for name, mask in masks().items()}
    turned["ultradistal"], turned["one_third"] = turned["one_third"], turned["ultradistal"]
    _, findings = measure_regions(upside_down, turned, REFERENCE, 67.0, "F")
    assert "region_order_implausible" in {finding.code for finding in findings}
    _, findings = measure_regions(image(), masks(), REFERENCE, 67.0, "F")
    assert "region_order_implausible" not in {finding.code for finding in findings}


def test_more_noise_and_a_sharper_edge_mean_more_uncertainty() -> None:
    rng = np.random.default_rng(7)
    mask = masks()["mid"]
    flat = np.full(SHAPE, 0.5, dtype=np.float32)
    noise = rng.normal(0, 0.05, SHAPE).astype(np.float32)
    edge = np.where(mask, flat, 0).astype(np.float32)
    quiet = bmd_uncertainty(flat, mask, 0.5)
    assert quiet == pytest.approx(0.5 * 0.005)
    assert (bmd_uncertainty(flat + noise, mask, 0.5) or 0) > quiet
    assert (bmd_uncertainty(edge, mask, 0.5) or 0) > 2 * quiet


def test_pixel_noise_is_estimated_as_it_was_made() -> None:
    rng = np.random.default_rng(3)
    mask = np.ones((200, 200), dtype=bool)
    density = rng.normal(0.5, 0.04, mask.shape).astype(np.float32)
    expected = np.hypot(0.04 / np.sqrt(mask.sum()), 0)
    assert bmd_uncertainty(density, mask, 0.0) == pytest.approx(expected, rel=0.15)


def test_a_region_of_a_few_pixels_has_no_stated_uncertainty() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:12, 10:12] = True
    assert bmd_uncertainty(image().pixels, mask, 0.5) is None


@pytest.mark.parametrize("seed", range(30, 34))
def test_a_phantom_measured_in_its_true_regions_gives_its_true_density(seed: int) -> None:
    study = simulate_study("calibrated", seed)
    datasets = list(study.objects.values())
    context, _ = clinical_context(datasets, None)
    scan = read_study(datasets, context)
    truth = study.truth["regions"]
    true_masks = {
        name: _drawn(truth[name]["polygon"], scan.pixels.shape) & study.masks["radius"] for name in PARTS
    }
    regions, _ = measure_regions(scan, true_masks, REFERENCE, context.age_years, context.sex)
    for name in PARTS:
        measured = regions[name]
        assert measured.bmd_g_cm2 is not None
        assert measured.bmd_uncertainty_g_cm2 is not None
        # blur carries about one percent of the mineral across the true outline
        assert measured.bmd_g_cm2 == pytest.approx(truth[name]["bmd_g_cm2"], rel=0.035)
        assert measured.area_cm2 == pytest.approx(truth[name]["area_cm2"], rel=0.02)


def _drawn(polygon: list[list[float]], shape: tuple[int, ...], fine: int = 8) -> np.ndarray[Any, Any]:
    canvas = Image.new("L", (shape[1] * fine, shape[0] * fine))
    ImageDraw.Draw(canvas).polygon([(column * fine, row * fine) for column, row in polygon], fill=255)
    return np.asarray(canvas.resize((shape[1], shape[0]), Image.Resampling.BOX)) >= 128
