"""Texture is complete, and does not depend on how the arm lies."""

from __future__ import annotations

import csv
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from analysis.errors import AnalysisError
from analysis.measurement.regions import place_regions
from analysis.measurement.texture import measure, measure_texture
from analysis.measurement.texture.core_set import CORE, REQUIRED_ICC
from analysis.measurement.texture.families import EXPECTED, PREFIXES
from analysis.measurement.texture.quantities import CATALOGUE
from analysis.measurement.texture.variogram import variogram_features
from analysis.segmentation import find_forearm
from reports.options import DEFAULT_OPTIONS

VARIOGRAM = EXPECTED["variogram"]
ICC_TABLE = Path(__file__).parents[4] / "docs" / "texture_icc.csv"


@pytest.fixture(scope="module")
def ultradistal(scan):
    def measured(seed, *, turned=False, **choice):
        phantom = scan(seed)
        pixels = phantom.density_g_cm2[::-1, ::-1].copy() if turned else phantom.density_g_cm2
        anatomy = find_forearm(pixels, phantom.spacing_mm)
        placed = place_regions(anatomy, phantom.spacing_mm, None)
        return measure_texture(pixels, True, anatomy, placed.masks["ultradistal"], **choice)

    return measured


def test_every_family_is_complete_and_finite(ultradistal):
    values = ultradistal(0, families=tuple(PREFIXES)).values
    for family, prefix in PREFIXES.items():
        assert sum(name.startswith(prefix) for name in values) == EXPECTED[family]
    assert (EXPECTED["original"], EXPECTED["log"], EXPECTED["wavelet"]) == (102, 279, 372)
    assert np.isfinite(list(values.values())).all()


def test_the_core_set_is_measured_unless_asked_otherwise(ultradistal):
    values = ultradistal(0).values
    assert {name for name in values if not name.startswith("variogram_")} == CORE


def test_what_reports_show_is_in_the_core_set():
    assert {name for name in DEFAULT_OPTIONS.texture if name.startswith("original_")} <= CORE


def test_what_risk_models_read_is_always_there(ultradistal):
    assert len(ultradistal(0, families=()).values) == VARIOGRAM


def test_both_engines_measure_the_same_core(ultradistal):
    own, reference = (ultradistal(1, engine=engine).values for engine in ("numba", "pyradiomics"))
    assert own.keys() == reference.keys()
    for name, value in reference.items():
        assert own[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


def test_a_missing_feature_is_an_error_and_not_a_gap(ultradistal, monkeypatch):
    monkeypatch.setattr(measure, "EXPECTED", MappingProxyType({**EXPECTED, "log": 280}))
    with pytest.raises(AnalysisError, match=r"279 features of the texture family 'log'.*280 are expected"):
        ultradistal(0, families=("log",))


def test_the_same_scan_gives_the_same_texture_twice(ultradistal):
    assert ultradistal(0).values == ultradistal(0).values


@pytest.mark.parametrize("seed", range(3))
def test_turning_the_scan_by_180_degrees_hardly_changes_texture(ultradistal, seed):
    upright, turned = (ultradistal(seed, turned=t, families=()).values for t in (False, True))
    assert turned["variogram_slope"] == pytest.approx(upright["variogram_slope"], abs=0.08)
    assert turned["variogram_robust_slope"] == pytest.approx(upright["variogram_robust_slope"], abs=0.08)
    assert turned["variogram_sill"] == pytest.approx(upright["variogram_sill"], rel=0.08)


def whole_field(values):
    return variogram_features(values, values, np.ones(values.shape, bool))


def test_white_noise_has_no_slope_and_twice_its_variance_as_sill():
    features = whole_field(np.random.default_rng(5).normal(0.4, 0.03, (80, 80)))
    assert features["variogram_slope"] == pytest.approx(0.0, abs=0.05)
    assert features["variogram_sill"] == pytest.approx(2 * 0.03**2, rel=0.05)
    assert features["variogram_snr"] < 0.5


def smooth_field(seed, sigma_px):
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((80, 80)), sigma_px)
    return 0.4 + 0.03 * field / field.std()


def test_a_smooth_field_has_a_slope_and_a_high_signal_to_noise_ratio():
    features = whole_field(smooth_field(6, 1.5))
    assert features["variogram_slope"] > 1.0
    assert features["variogram_snr"] > 3.0


def test_wider_structures_have_a_longer_range():
    ranges = [whole_field(smooth_field(7, sigma))["variogram_range_mm"] for sigma in (0.5, 1.0, 1.5)]
    assert ranges == sorted(ranges)
    # a Gaussian field of standard deviation s varies as 1 - exp(-h²/4s²): 80 % at h = 2.54 s
    assert ranges[1] == pytest.approx(2.54 * 0.5, abs=0.15)


def test_noise_moves_the_robust_slope_less_than_the_plain_one():
    field = smooth_field(8, 1.5)
    noisy = field + np.random.default_rng(9).normal(0.0, 0.02, field.shape)
    clean, disturbed = whole_field(field), whole_field(noisy)
    moved = {
        name: abs(disturbed[name] - clean[name]) for name in ("variogram_slope", "variogram_robust_slope")
    }
    assert moved["variogram_robust_slope"] < moved["variogram_slope"] / 5


def test_greys_are_flagged_as_not_comparable(scan, display_grey):
    phantom = scan(1)
    grey = display_grey(phantom)
    anatomy = find_forearm(grey, phantom.spacing_mm)
    placed = place_regions(anatomy, phantom.spacing_mm, None)
    measured = measure_texture(grey, False, anatomy, placed.masks["ultradistal"])
    assert "texture_not_comparable" in {finding.code for finding in measured.findings}


def test_no_region_no_texture(scan):
    phantom = scan(1)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    assert not measure_texture(phantom.density_g_cm2, True, anatomy, None).values


def test_every_feature_outside_ibsi_says_what_it_is(ultradistal):
    values = ultradistal(0, families=("lbp", "fractal", "variogram")).values
    assert set(values) == set(CATALOGUE)


def test_the_published_agreement_covers_the_core_set():
    with ICC_TABLE.open(encoding="utf-8") as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    assert len(rows) == sum(EXPECTED.values())
    assert {name for name, row in rows.items() if row["core"] == "yes"} == CORE
    agreement = [min(float(v) for k, v in rows[n].items() if k.startswith("icc_")) for n in sorted(CORE)]
    assert np.mean(np.array(agreement) >= REQUIRED_ICC) >= 0.6
    assert min(float(v) for k, v in rows["variogram_robust_slope"].items() if k.startswith("icc_")) >= 0.8
