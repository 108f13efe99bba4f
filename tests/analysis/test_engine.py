"""One call from DICOM objects to everything we say about a study."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from analysis.config import AnalysisConfig, ClinicalContext
from analysis.engine import analyze
from analysis.identity import analysis_identity
from analysis.results import HORIZONS_YEARS, REGIONS, PriorMeasurement, Status
from analysis.risk import SHIPPED_MODELS
from analysis.serialization import to_json_object
from analysis.simulation.study import FLAVOURS, simulate_study

ROOT = Path(__file__).parents[2]
CONFIG = AnalysisConfig(
    reference=ROOT / "conf" / "reference" / "iscd-atlas-female.csv",
    guideline=ROOT / "conf" / "guidelines" / "aace-2020.toml",
    models=SHIPPED_MODELS,
)


@pytest.fixture(scope="module")
def study():
    """``study(flavour, seed)``: objects, truth and a site entry of the measured forearm length."""
    made = {}

    def simulated(flavour, seed=11, **kwargs):
        key = (flavour, seed, tuple(sorted(kwargs.items())))
        if key not in made:
            made[key] = simulate_study(flavour, seed, **kwargs)
        simulation = made[key]
        site = ClinicalContext(forearm_length_mm=simulation.truth["forearm_length_mm"])
        return deepcopy(list(simulation.objects.values())), simulation, site

    return simulated


def codes(analysis):
    return {finding.code for finding in analysis.quality}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("seed", [21, 22])
def test_every_scanner_flavour_is_analysed_on_the_right_side(study, flavour, seed):
    datasets, simulation, site = study(flavour, seed)
    analysis = analyze(datasets, clinical=site, config=CONFIG)
    assert analysis.status is Status.ANALYZED
    assert analysis.laterality == simulation.truth["laterality"]
    assert set(analysis.regions) == set(REGIONS)
    assert set(analysis.risk.horizons) == set(HORIZONS_YEARS)
    assert analysis.recommendations
    mask = analysis.evidence.radius_mask
    assert mask.shape == simulation.masks["radius"].shape == (analysis.source.rows, analysis.source.columns)
    overlap = 2 * (mask & simulation.masks["radius"]).sum() / (mask.sum() + simulation.masks["radius"].sum())
    assert overlap > 0.97


def test_outlines_lie_on_the_stored_image_and_not_on_the_crop(study):
    datasets, simulation, site = study("hologic")
    analysis = analyze(datasets, clinical=site, config=CONFIG)
    for name in REGIONS:
        ours = np.mean(analysis.regions[name].polygon, axis=0)
        truth = np.mean(simulation.truth["regions"][name]["polygon"], axis=0)
        assert np.hypot(*(ours - truth)) < 4.0


def test_calibrated_bmd_is_measured_on_pixels(study):
    datasets, simulation, site = study("calibrated")
    region = analyze(datasets, clinical=site, config=CONFIG).regions["one_third"]
    assert region.bmd_source == "pixels"
    assert region.bmd_g_cm2 == pytest.approx(simulation.truth["regions"]["one_third"]["bmd_g_cm2"], rel=0.01)


@pytest.mark.parametrize("flavour", ["hologic", "lunar"])
def test_vendor_numbers_are_taken_over_unchanged(study, flavour):
    datasets, simulation, site = study(flavour)
    region = analyze(datasets, clinical=site, config=CONFIG).regions["one_third"]
    assert region.bmd_source == "vendor"
    assert region.bmd_g_cm2 == simulation.truth["vendor"]["one_third"]["bmd_g_cm2"]


def test_vendor_numbers_survive_an_unknown_pixel_size(study):
    datasets, _, site = study("lunar")
    for dataset in datasets:
        if "ExposedArea" in dataset:
            del dataset.ExposedArea
    analysis = analyze(datasets, clinical=site, config=CONFIG)
    assert analysis.status is Status.ANALYZED
    assert analysis.pixel_spacing_mm is None
    assert analysis.regions["one_third"].bmd_g_cm2 is not None
    assert not analysis.regions["one_third"].polygon
    assert analysis.morphometry["cortical_thickness_mm"] is None


def test_the_spine_is_declined(sample_studies):
    datasets = [pydicom.dcmread(path) for path in (sample_studies / "06-spine-to-decline").glob("*.dcm")]
    analysis = analyze(datasets, config=CONFIG)
    assert analysis.status is Status.NOT_APPLICABLE
    assert "spine" in analysis.reason


def mirrored(datasets):
    """The picture of the other arm under an unchanged header."""
    image = datasets[0]
    image.PixelData = np.ascontiguousarray(image.pixel_array[:, ::-1]).tobytes()
    return datasets


def test_a_picture_that_contradicts_the_declared_side_is_refused(study):
    datasets, _, site = study("calibrated")
    analysis = analyze(mirrored(datasets), clinical=site, config=CONFIG)
    assert analysis.status is Status.REJECTED
    assert codes(analysis) == {"side_conflict"}
    assert "left" in analysis.reason
    assert "right" in analysis.reason
    assert "Laterality (0020,0060)" in analysis.reason
    assert "analysis.forearm_position" in analysis.reason


@pytest.mark.parametrize("position", ["palm_up", "unchecked"])
def test_a_site_whose_arms_lie_otherwise_can_say_so(study, position):
    datasets, _, site = study("calibrated")
    config = replace(CONFIG, forearm_position=position)
    assert analyze(mirrored(datasets), clinical=site, config=config).status is Status.ANALYZED


def test_the_same_input_gives_the_same_output_in_any_order(study):
    datasets, _, site = study("lunar")
    first = analyze(datasets, clinical=site, config=CONFIG)
    second = analyze(deepcopy(datasets)[::-1], clinical=site, config=CONFIG)
    assert json.dumps(to_json_object(first)) == json.dumps(to_json_object(second))


def test_metal_withholds_numbers_and_says_so(sample_studies):
    datasets = [pydicom.dcmread(path) for path in (sample_studies / "07-calibrated-metal").glob("*.dcm")]
    analysis = analyze(datasets, config=CONFIG)
    assert "artefact_metal" in codes(analysis)
    assert analysis.regions["ultradistal"].bmd_g_cm2 is None
    assert analysis.regions["one_third"].bmd_g_cm2 is not None


def test_a_prior_of_the_same_arm_gives_a_change(study):
    from datetime import date

    datasets, _, site = study("calibrated")
    alone = analyze(datasets, clinical=site, config=CONFIG)
    prior = PriorMeasurement("1.2.3", date(2019, 5, 1), alone.laterality, alone.device, {"one_third": 0.9})
    analysis = analyze(datasets, history=[prior], clinical=site, config=CONFIG)
    change = analysis.changes[0]
    assert change.region == "one_third"
    assert change.change_g_cm2 == pytest.approx(alone.regions["one_third"].bmd_g_cm2 - 0.9)
    assert analysis.identity != alone.identity


def test_identity_follows_content_and_not_transport(study):
    datasets, _, site = study("lunar")
    identity = analysis_identity(datasets, (), site, CONFIG)
    assert analysis_identity(datasets[::-1], (), site, CONFIG) == identity
    assert analysis_identity([*datasets, deepcopy(datasets[0])], (), site, CONFIG) == identity
    datasets[0].file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    assert analysis_identity(datasets, (), site, CONFIG) == identity


def test_our_own_results_do_not_change_the_identity(study):
    datasets, _, site = study("lunar")
    identity = analysis_identity(datasets, (), site, CONFIG)
    own = deepcopy(datasets[0])
    own.SOPInstanceUID += ".1"
    own.ManufacturerModelName = "Radius DXA Node"
    assert analysis_identity([*datasets, own], (), site, CONFIG) == identity


def test_identity_changes_with_every_input(study, tmp_path):
    datasets, _, site = study("calibrated")
    brighter = deepcopy(datasets)
    brighter[0].PixelData = bytes([brighter[0].PixelData[0] ^ 1]) + brighter[0].PixelData[1:]
    older = deepcopy(datasets)
    older[0].PatientBirthDate = "19300101"
    guideline = tmp_path / "guideline.toml"
    guideline.write_bytes(CONFIG.guideline.read_bytes() + b"\n# amended\n")
    identities = {
        analysis_identity(datasets, (), site, CONFIG),
        analysis_identity(brighter, (), site, CONFIG),
        analysis_identity(older, (), site, CONFIG),
        analysis_identity(datasets, (), None, CONFIG),
        analysis_identity(datasets, (), site, replace(CONFIG, forearm_position="palm_up")),
        analysis_identity(datasets, (), site, replace(CONFIG, guideline=guideline)),
    }
    assert len(identities) == 6
