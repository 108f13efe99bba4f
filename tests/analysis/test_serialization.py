"""The JSON face of an analysis is complete, plain, and reads back as history."""

from __future__ import annotations

import json
from datetime import date

from analysis.results import (
    BmdSource,
    Calibration,
    HorizonRisk,
    Laterality,
    ModelIdentity,
    QualityFinding,
    RegionMeasurement,
    RiskEstimate,
    Severity,
    Status,
    StudyAnalysis,
)
from analysis.serialization import prior_measurement, to_document, to_json_object


def analysed_study() -> StudyAnalysis:
    one_third = RegionMeasurement(
        bmd_g_cm2=0.612,
        bmd_source=BmdSource.PIXELS,
        bmc_g=1.5,
        area_cm2=2.45,
        t_score=-1.4,
        polygon=((1.0, 2.0), (3.0, 2.0), (3.0, 4.0)),
    )
    model = ModelIdentity("radius-calibrated", "1", "simulated cohort; research use only", "0" * 64)
    risk = RiskEstimate(
        {10: HorizonRisk(0.2, (0.1, 0.3)), 1: HorizonRisk(0.01, (0.0, 0.02))}, "moderate", model, ""
    )
    return StudyAnalysis(
        study_instance_uid="1.2.3",
        status=Status.ANALYZED,
        reason="",
        identity="ab",
        engine_version="0.1.0",
        laterality=Laterality.LEFT,
        pixel_spacing_mm=(0.5, 0.4),
        calibration=Calibration.REAL_WORLD_VALUE_MAP,
        regions={"one_third": one_third},
        quality=(QualityFinding("forearm_length_estimated", Severity.WARNING, "from height"),),
        risk=risk,
    )


def test_every_region_is_there_and_absent_numbers_are_null() -> None:
    document = to_json_object(analysed_study())
    assert list(document["regions"]) == ["ultradistal", "mid", "one_third", "total"]
    assert document["regions"]["one_third"]["bmd_g_cm2"] == 0.612
    assert document["regions"]["one_third"]["polygon"] == [[1.0, 2.0], [3.0, 2.0], [3.0, 4.0]]
    assert document["regions"]["mid"]["bmd_g_cm2"] is None


def test_horizons_are_in_order_of_years() -> None:
    document = to_json_object(analysed_study())
    assert list(document["risk"]["horizons"]) == ["1", "10"]
    assert document["risk"]["horizons"]["10"] == {"probability": 0.2, "interval": [0.1, 0.3]}


def test_a_study_without_risk_has_null_horizons() -> None:
    declined = StudyAnalysis("1.2.3", Status.NOT_APPLICABLE, "a spine study", "ab", "0.1.0")
    document = to_json_object(declined)
    assert document["risk"]["horizons"] == {"1": None, "3": None, "5": None, "10": None}
    assert document["laterality"] is None


def test_json_text_reads_back_unchanged() -> None:
    document = to_document([to_json_object(analysed_study())])
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["schema"] == "1"


def test_an_analysis_reads_back_as_history() -> None:
    prior = prior_measurement(to_json_object(analysed_study()), date(2024, 5, 1))
    assert prior.bmd_g_cm2 == {"one_third": 0.612}
    assert prior.laterality is Laterality.LEFT
    assert prior.study_date == date(2024, 5, 1)
