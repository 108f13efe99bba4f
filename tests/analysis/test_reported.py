"""Numbers without an image, peripheral devices and vendor histories, from objects to analysis."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from analysis.config import AnalysisConfig, ClinicalContext
from analysis.engine import analyze
from analysis.results import BmdSource, Calibration, Laterality, PriorMeasurement, Status, StudyAnalysis
from analysis.risk import SHIPPED_MODELS
from analysis.serialization import prior_measurement, to_json_object
from analysis.simulation.study import simulate_study
from analysis.simulation.variants import simulate_variant

ROOT = Path(__file__).parents[2]
CONFIG = AnalysisConfig(
    reference=ROOT / "conf" / "reference" / "iscd-atlas-female.csv",
    guideline=ROOT / "conf" / "guidelines" / "aace-2020.toml",
    models=SHIPPED_MODELS,
    segmentation="classical",
)
SEED = 4


def codes(analysis: StudyAnalysis) -> set[str]:
    return {finding.code for finding in analysis.quality}


def sr_only(**attributes: str) -> tuple[list[Dataset], dict[str, dict[str, float]]]:
    study = simulate_variant("sr-only", SEED)
    objects = list(study.objects.values())
    for keyword, value in attributes.items():
        setattr(objects[0], keyword, value)
    return objects, study.truth["vendor"]


def test_numbers_alone_are_reported_as_the_vendors_and_nothing_is_invented() -> None:
    objects, printed = sr_only()
    analysis = analyze(objects, config=CONFIG)
    assert analysis.status is Status.ANALYZED
    assert analysis.calibration is Calibration.VENDOR_TABLE
    for name, row in printed.items():
        region = analysis.regions[name]
        assert (region.bmd_g_cm2, region.t_score, region.z_score) == (
            row["bmd_g_cm2"],
            row["t_score"],
            row["z_score"],
        )
        assert region.bmd_source is BmdSource.VENDOR
        assert region.polygon == ()
    assert analysis.evidence is None
    assert (dict(analysis.morphometry), dict(analysis.texture)) == ({}, {})
    assert analysis.pixel_spacing_mm is None
    assert analysis.segmentation is None
    assert "numbers_without_image" in codes(analysis)
    assert analysis.risk is not None
    assert analysis.risk.model.name == "t-scores"


def test_it_becomes_json_and_a_prior_like_any_other() -> None:
    objects, printed = sr_only()
    document = to_json_object(analyze(objects, config=CONFIG))
    prior = prior_measurement(document, date(2024, 1, 1))
    assert prior.bmd_g_cm2["one_third"] == printed["one_third"]["bmd_g_cm2"]


def test_two_numbers_in_the_wrong_order_are_remarked_on() -> None:
    objects, _ = sr_only()
    scan = objects[0].ContentSequence[0].ContentSequence
    regions = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item
        for item in scan
        if "ConceptNameCodeSequence" in item
    }
    for label, bmd in (("Radius UD", "0.800"), ("Radius 33%", "0.300")):
        regions[label].ContentSequence[0].MeasuredValueSequence[0].NumericValue = bmd
    assert {"region_order_implausible", "vendor_bmd_inconsistent"} <= codes(analyze(objects, config=CONFIG))


def test_the_vendors_history_is_a_trend_that_nothing_calls_significant() -> None:
    objects, _ = sr_only()
    analysis = analyze(objects, config=CONFIG)
    change = next(change for change in analysis.changes if change.region == "one_third")
    assert change.change_percent == pytest.approx(-1.4, abs=0.2)  # the simulated loss in two years
    assert change.significant is None
    assert "machine_changed" in codes(analysis)


def test_our_own_history_wins_over_the_vendors() -> None:
    objects, _ = sr_only()
    side = Laterality(simulate_variant("sr-only", SEED).truth["laterality"])
    own = PriorMeasurement("2.25.7", date(2020, 1, 1), side, "x", {"one_third": 0.5})
    analysis = analyze(objects, history=[own], config=CONFIG)
    assert [change.prior_study_instance_uid for change in analysis.changes] == ["2.25.7"]


PERIPHERAL = {"ManufacturerModelName": "DTX-200"}


@pytest.mark.parametrize("t_score", ["-3,4", "-1,7", "0,5"])
def test_no_t_score_of_a_peripheral_device_reaches_a_rule_or_a_model(t_score: str) -> None:
    objects, _ = sr_only(**PERIPHERAL)
    for item in objects[0].ContentSequence[0].ContentSequence:
        for child in item.get("ContentSequence", ()):
            if child.ValueType == "TEXT":
                child.TextValue = t_score
    analysis = analyze(objects, config=CONFIG)
    assert "peripheral_device" in codes(analysis)
    assert analysis.regions["one_third"].t_score == float(t_score.replace(",", "."))  # what the vendor says
    assert analysis.risk is None
    assert analysis.changes == ()
    said = [
        advice.text.lower()
        for advice in analysis.recommendations
        if "not evaluated" not in advice.text.lower()
    ]
    for word in ("osteoporosis", "low bone mass", "normal", "bisphosphonate", "t-score"):
        assert not any(word in text for text in said)


def test_our_reference_gives_a_peripheral_devices_pixels_no_scores() -> None:
    study = simulate_study("calibrated", SEED)
    (image,) = study.objects.values()
    site = ClinicalContext(forearm_length_mm=study.truth["forearm_length_mm"])
    central = analyze([image], clinical=site, config=CONFIG)
    image.ManufacturerModelName = "EXA-3000"
    peripheral = analyze([image], clinical=site, config=CONFIG)
    assert central.regions["one_third"].t_score is not None
    assert peripheral.regions["one_third"].bmd_g_cm2 == central.regions["one_third"].bmd_g_cm2
    everything = [
        *peripheral.regions.values(),
        *(r for bone in peripheral.other_bones.values() for r in bone.values()),
    ]
    assert all(region.t_score is None and region.z_score is None for region in everything)
    assert not any(
        "T-score" in advice.text and "Not" not in advice.text for advice in peripheral.recommendations
    )


def test_a_peripheral_device_is_not_for_monitoring() -> None:
    objects, _ = sr_only(**PERIPHERAL)
    side = Laterality(simulate_variant("sr-only", SEED).truth["laterality"])
    prior = PriorMeasurement("2.25.7", date(2020, 1, 1), side, "DTX-200", {"one_third": 0.5})
    assert analyze(objects, history=[prior], config=CONFIG).changes == ()
    assert analyze(sr_only()[0], history=[prior], config=replace(CONFIG)).changes


@pytest.mark.parametrize(
    "variant", ["parametric-map", "separate-map", "hologic-history", "lunar-old-comments"]
)
def test_every_variant_with_an_image_is_analysed(variant: str) -> None:
    study = simulate_variant(variant, SEED)
    site = ClinicalContext(forearm_length_mm=study.truth["forearm_length_mm"])
    analysis = analyze(list(study.objects.values()), clinical=site, config=CONFIG)
    assert analysis.status is Status.ANALYZED
    assert analysis.laterality == study.truth["laterality"]
    assert analysis.evidence is not None
    if "map" in variant:
        truth = study.truth["regions"]["one_third"]["bmd_g_cm2"]
        assert analysis.regions["one_third"].bmd_g_cm2 == pytest.approx(truth, rel=0.02)
