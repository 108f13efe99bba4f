"""What the engine makes of a site's devices file."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from analysis.config import AnalysisConfig, ClinicalContext
from analysis.engine import analyze
from analysis.identity import analysis_identity
from analysis.quality_control.phantom_log import PhantomScan, append_scan
from analysis.results import PriorMeasurement
from analysis.risk import SHIPPED_MODELS
from analysis.simulation.study import simulate_study

ROOT = Path(__file__).parents[3]
CONFIG = AnalysisConfig(
    reference=ROOT / "conf" / "reference" / "iscd-atlas-female.csv",
    guideline=ROOT / "conf" / "guidelines" / "aace-2020.toml",
    models=SHIPPED_MODELS,
    segmentation="classical",
)
DEVICE = "simulated calibrated densitometer"


@pytest.fixture(scope="module")
def study():
    simulation = simulate_study("calibrated", 21)
    day = date.fromisoformat(simulation.objects["image.dcm"].StudyDate)
    site = ClinicalContext(forearm_length_mm=simulation.truth["forearm_length_mm"])
    return list(simulation.objects.values()), day, site


@pytest.fixture
def devices(tmp_path, study):
    """``devices(text)``: configuration with a devices file whose phantom log ends a day before the study."""
    _, day, _ = study
    for number, value in enumerate([*np.tile([0.998, 1.002], 10), 1.001]):
        append_scan(tmp_path / "log.csv", PhantomScan(day - timedelta(days=21 - number), "P", float(value)))

    def made(text):
        path = tmp_path / "devices.toml"
        path.write_text(f'[[device]]\nname = "{DEVICE}"\n{text}')
        return replace(CONFIG, devices=path)

    return made


CONTROL = '[device.quality_control]\nlog = "log.csv"\nphantom = "P"\nbaseline_scans = 20\n'
CALIBRATION = (
    '[device.calibration]\ninput = "density"\nslope = 1.05\nintercept = 0.02\nsee_g_cm2 = 0.004\n'
    'slope_se = 0.003\nintercept_se = 0.002\ndate = {day}\nsource = "step phantom 3"\n'
)


def codes(analysis):
    return {finding.code: finding.message for finding in analysis.quality}


def test_a_drifting_scanner_warns_on_the_study(study, devices):
    datasets, day, site = study
    config = devices(CONTROL)
    assert (
        not {"scanner_drift", "no_quality_control"}
        & codes(analyze(datasets, clinical=site, config=config)).keys()
    )
    append_scan(config.devices.parent / "log.csv", PhantomScan(day, "P", 0.98))
    found = codes(analyze(datasets, clinical=site, config=config))
    assert DEVICE in found["scanner_drift"]
    assert "1 scan beyond 3 SD" in found["scanner_drift"]


def test_the_analysis_identity_follows_the_phantom_scans_up_to_the_study(study, devices):
    datasets, day, site = study
    config = devices(CONTROL)
    log = config.devices.parent / "log.csv"

    def identity():
        return analysis_identity(datasets, (), site, config)

    before = identity()
    append_scan(log, PhantomScan(day + timedelta(days=1), "P", 1.0))
    assert identity() == before
    append_scan(log, PhantomScan(day, "P", 1.0))
    assert identity() != before
    assert analysis_identity(datasets, (), site, CONFIG) not in (before, identity())


def test_the_sites_scale_moves_bmd_by_slope_and_intercept(study, devices):
    datasets, day, site = study
    plain = analyze(datasets, clinical=site, config=CONFIG)
    scaled = analyze(datasets, clinical=site, config=devices(CALIBRATION.format(day=day)))
    assert scaled.calibration == "site"
    assert "step phantom 3" in codes(scaled)["site_calibrated"]
    for name in ("ultradistal", "mid", "one_third"):
        expected = 1.05 * plain.regions[name].bmd_g_cm2 + 0.02
        assert scaled.regions[name].bmd_g_cm2 == pytest.approx(expected, rel=0.003)


def test_a_later_calibration_does_not_touch_an_earlier_study(study, devices):
    datasets, day, site = study
    later = analyze(datasets, clinical=site, config=devices(CALIBRATION.format(day=day + timedelta(days=1))))
    assert later.calibration == "real_world_value_map"
    assert "site_calibration_unused" in codes(later)


def test_stored_values_become_density_by_the_sites_scale(study, devices):
    datasets, day, site = study
    plain = analyze(datasets, clinical=site, config=CONFIG)
    # the same scan without its map: stored value · 0.0002 − 0.2 g/cm²
    bare = deepcopy(datasets)
    for dataset in bare:
        del dataset.RealWorldValueMappingSequence
    text = CALIBRATION.format(day=day).replace('"density"', '"stored_value"')
    text = text.replace("slope = 1.05", "slope = 0.0002").replace("intercept = 0.02", "intercept = -0.2")
    scaled = analyze(bare, clinical=site, config=devices(text.replace("slope_se = 0.003", "slope_se = 1e-7")))
    assert scaled.calibration == "site"
    assert scaled.regions["one_third"].bmd_g_cm2 == pytest.approx(
        plain.regions["one_third"].bmd_g_cm2, rel=0.01
    )


def test_the_sites_precision_judges_the_change(study, devices):
    datasets, day, site = study
    precision = (
        "[device.precision.one_third]\nrms_sd_g_cm2 = 0.004\nrms_cv_percent = 0.9\ndegrees_of_freedom = 30\n"
        'date = 2020-01-01\nsource = "15 patients"\n'
    )
    plain = analyze(datasets, clinical=site, config=CONFIG)
    prior = PriorMeasurement(
        "1.2.3", day - timedelta(days=700), plain.laterality, plain.device, {"one_third": 0.5}
    )
    analysis = analyze(datasets, history=[prior], clinical=site, config=devices(precision))
    (change,) = analysis.changes
    assert change.least_significant_change_percent == pytest.approx(2.77 * 0.9)
    assert "15 patients" in codes(analysis)["lsc_site"]
    assert "lsc_published" not in codes(analysis)
