"""Display greys become density by the vendor's numbers, and only where they are linear in density."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition.anchoring import anchored_image, fit_anchor, soft_tissue_level
from analysis.acquisition.image import RadiusImage, VendorRegion, VendorReport
from analysis.config import AnalysisConfig, ClinicalContext
from analysis.engine import analyze
from analysis.measurement.regions import place_regions
from analysis.results import Calibration, SourceImage
from analysis.risk import SHIPPED_MODELS
from analysis.segmentation import find_forearm
from analysis.simulation import study
from analysis.simulation.study import display_image, simulate_study

CONF = Path(__file__).parents[3] / "conf"
CONFIG = AnalysisConfig(
    reference=CONF / "reference" / "iscd-atlas-female.csv",
    guideline=CONF / "guidelines" / "aace-2020.toml",
    models=SHIPPED_MODELS,
    segmentation="classical",
)
HOLOGIC = ("ultradistal", "mid", "one_third", "total")
LUNAR = ("ultradistal", "one_third", "total")
UPRIGHT = {"hand_up": True, "spacing_mm": (0.4, 0.4), "rows": 376, "columns": 264}


@pytest.fixture(scope="module")
def shown(scan):
    """``shown(gamma, white, regions)``: display picture with vendor numbers, bones and regions."""

    def made(gamma=1.0, white=1.6, regions=HOLOGIC, seed=1):
        phantom = scan(seed, **UPRIGHT)
        grey = np.round(255 * display_image(phantom, white_g_cm2=white, gamma=gamma)) / 255
        truth = phantom.truth.regions
        numbers = {name: VendorRegion(bmd_g_cm2=round(truth[name].bmd_g_cm2, 3)) for name in regions}
        image = RadiusImage(
            source=SourceImage("", "", "", *grey.shape),
            study_instance_uid="",
            pixels=grey.astype(np.float32),
            density=False,
            calibration=Calibration.VENDOR_TABLE,
            spacing_mm=phantom.spacing_mm,
            spacing_source="simulated",
            origin=(0, 0),
            laterality=None,
            device="simulated",
            vendor=VendorReport("simulated", numbers),
        )
        anatomy = find_forearm(image.pixels, image.spacing_mm)
        placed = place_regions(anatomy, image.spacing_mm, phantom.truth.forearm_length_mm)
        return phantom, image, anatomy, placed

    return made


@pytest.mark.parametrize("regions", [HOLOGIC, LUNAR, ("ultradistal", "one_third")])
def test_linear_greys_become_the_density_behind_them(shown, regions):
    phantom, image, anatomy, placed = shown(regions=regions)
    anchored, anchor, findings = anchored_image(image, anatomy, placed)
    assert [finding.code for finding in findings] == ["anchored_to_vendor"]
    assert anchored.density
    assert anchored.calibration is Calibration.VENDOR_ANCHOR
    assert anchor.slope == pytest.approx(1.6, rel=0.03)  # the display's white
    for name in ("ultradistal", "mid", "one_third"):
        mask = placed.masks[name]
        truth = phantom.density_g_cm2[mask]
        assert anchored.pixels[mask].mean() == pytest.approx(truth.mean(), rel=0.05)
        assert anchored.pixels[mask].std() == pytest.approx(truth.std(), rel=0.05)


@pytest.mark.parametrize("gamma", [0.65, 0.8])
@pytest.mark.parametrize("regions", [HOLOGIC, LUNAR])
def test_a_grey_curve_is_refused(shown, gamma, regions):
    _, image, anatomy, placed = shown(gamma=gamma, regions=regions)
    unchanged, anchor, findings = anchored_image(image, anatomy, placed)
    assert unchanged is image
    assert anchor is None
    assert findings[0].code == "anchoring_refused"
    assert "not linear" in findings[0].message


def test_a_window_that_clips_dense_bone_is_refused(shown):
    _, image, anatomy, placed = shown(white=0.7)
    _, anchor, findings = anchored_image(image, anatomy, placed)
    assert anchor is None
    assert "window clips the bone in" in findings[0].message
    assert "one-third" in findings[0].message


def test_one_printed_region_is_not_enough(shown):
    _, image, anatomy, placed = shown(regions=("one_third",))
    _, anchor, findings = anchored_image(image, anatomy, placed)
    assert anchor is None
    assert "fewer than two" in findings[0].message


def test_numbers_of_another_arm_do_not_fit(shown):
    _, image, anatomy, placed = shown()
    vendor = dict(image.vendor.regions)
    vendor["ultradistal"] = VendorRegion(bmd_g_cm2=1.25 * vendor["ultradistal"].bmd_g_cm2)
    object.__setattr__(image, "vendor", VendorReport("another arm", vendor))
    assert anchored_image(image, anatomy, placed)[1] is None


def test_calibrated_pictures_and_pictures_without_numbers_are_left_alone(scan, as_image):
    phantom = scan(1, **UPRIGHT)
    image = as_image(phantom)
    anatomy = find_forearm(image.pixels, image.spacing_mm)
    placed = place_regions(anatomy, image.spacing_mm, image.forearm_length_mm)
    assert anchored_image(image, anatomy, placed) == (image, None, ())


def test_soft_tissue_is_seen_through_the_bones(shown):
    phantom, image, anatomy, placed = shown()
    level = soft_tissue_level(image.pixels, anatomy)
    truth = 0.03 * phantom.soft_tissue_g_cm2 / 1.6
    for mask in placed.masks.values():
        assert level[mask].mean() == pytest.approx(truth[mask].mean(), abs=0.015 / 1.6)


@pytest.mark.parametrize("flavour", ["hologic", "lunar"])
def test_whole_studies_keep_the_vendors_bmd_and_anchor_only_linear_greys(flavour, monkeypatch):
    def analysed():
        simulation = simulate_study(flavour, 12)
        site = ClinicalContext(forearm_length_mm=simulation.truth["forearm_length_mm"])
        analysis = analyze(list(simulation.objects.values()), clinical=site, config=CONFIG)
        codes = {finding.code for finding in analysis.quality}
        for name, printed in simulation.truth["vendor"].items():
            assert analysis.regions[name].bmd_source == "vendor"
            assert analysis.regions[name].bmd_g_cm2 == printed["bmd_g_cm2"]
        return analysis, codes

    relative, codes = analysed()  # windowed, and bent by a gamma of 0.8 or 0.65
    assert "anchoring_refused" in codes
    assert relative.morphometry["ring_model_bmd_g_cm2"] is None
    monkeypatch.setattr(
        study, "display_image", lambda phantom, **_: display_image(phantom, white_g_cm2=1.6, gamma=1.0)
    )
    anchored, codes = analysed()
    assert "anchored_to_vendor" in codes
    assert anchored.calibration == "vendor_table"
    assert anchored.morphometry["ring_model_bmd_g_cm2"] == pytest.approx(
        anchored.regions["one_third"].bmd_g_cm2, rel=0.05
    )


@given(
    st.floats(0.2, 3.0),
    st.lists(st.floats(0.1, 0.9), min_size=2, max_size=3, unique=True),
)
def test_proportional_numbers_give_their_factor_without_residual(factor, contrasts):
    names = HOLOGIC[: len(contrasts)]
    contrast = dict(zip(names, contrasts, strict=True))
    anchor = fit_anchor(contrast, {name: factor * value for name, value in contrast.items()}, 0.1)
    assert anchor.slope == pytest.approx(factor)
    assert anchor.intercept == pytest.approx(-0.1 * factor)
    assert anchor.rms_percent == pytest.approx(0, abs=1e-9)
    assert np.linalg.eigvalsh(anchor.covariance).min() > 0


@given(st.floats(0.0, 0.05))
def test_the_worse_the_regions_agree_the_less_certain_the_scale(disagreement):
    contrast = {"ultradistal": 0.3, "one_third": 0.6}
    exact = fit_anchor(contrast, contrast, 0.1)
    apart = fit_anchor(contrast, {"ultradistal": 0.3 * (1 - 3 * disagreement), "one_third": 0.6}, 0.1)
    assert apart.covariance[0, 0] >= exact.covariance[0, 0] * 0.95
    if disagreement > 0.04:
        assert apart.covariance[0, 0] > 2 * exact.covariance[0, 0]
