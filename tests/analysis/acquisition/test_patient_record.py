"""A patient's record fills what neither the site nor the study says, and never wins over them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from handmade_studies import calibrated_image
from pydicom.dataset import Dataset

from analysis.acquisition.clinical import clinical_context
from analysis.acquisition.clinical_record import Findings, with_record
from analysis.config import AnalysisConfig, ClinicalContext, ClinicalRecord
from analysis.identity import analysis_identity
from analysis.risk import SHIPPED_MODELS

DAY = date(2025, 7, 1)
CONF = Path(__file__).parents[3] / "conf"
CONFIG = AnalysisConfig(
    reference=CONF / "reference" / "iscd-atlas-female.csv",
    guideline=CONF / "guidelines" / "aace-2020.toml",
    models=SHIPPED_MODELS,
)


def merged(
    record: ClinicalRecord, site: ClinicalContext | None = None, image: Dataset | None = None
) -> tuple[ClinicalContext, dict[str, str], Findings]:
    datasets = [image if image is not None else calibrated_image()]
    context, provenance = clinical_context(datasets, site)
    return with_record(context, provenance, record, datasets, DAY)


def test_a_recorded_value_is_told_with_its_day() -> None:
    record = ClinicalRecord(
        known=ClinicalContext(
            prior_fragility_fracture=True,
            predictors={"clinical.glucocorticoid_mg_d": 7.5},
            advice={"current_drug": "denosumab"},
        ),
        dates={
            "prior_fragility_fracture": "2024-02-03",
            "clinical.glucocorticoid_mg_d": "2025-01-01",
            "current_drug": "2025-02-01",
        },
    )
    context, provenance, findings = merged(record)
    assert context.prior_fragility_fracture is True
    assert provenance["prior_fragility_fracture"] == "yes (clinical record of 2024-02-03)"
    dose = "glucocorticoid dose (prednisolone equivalent)"
    assert provenance[dose] == "7.5 mg/d (clinical record of 2025-01-01)"
    assert provenance["osteoporosis drug taken now"] == "denosumab (clinical record of 2025-02-01)"
    assert findings == ()


def test_what_the_study_or_the_site_says_wins() -> None:
    image = calibrated_image(PatientWeight="61")
    record = ClinicalRecord(known=ClinicalContext(weight_kg=80.0, height_mm=1700.0, current_smoker=True))
    context, provenance, _ = merged(record, ClinicalContext(current_smoker=False), image)
    assert (context.weight_kg, context.current_smoker) == (61.0, False)
    assert "clinical record" not in provenance["weight"] + provenance["current_smoker"]


def test_a_recorded_birth_date_gives_the_age_that_the_study_lacks() -> None:
    image = calibrated_image(PatientBirthDate=None)
    record = ClinicalRecord(birth_date=date(1955, 7, 1), dates={"birth_date": "2020-01-01"})
    context, provenance, _ = merged(record, image=image)
    assert context.age_years == pytest.approx(70.0, abs=0.01)
    assert provenance["age"] == "70.0 y (clinical record of 2020-01-01)"


def test_a_contradiction_in_the_record_is_a_finding_that_names_the_cure() -> None:
    record = ClinicalRecord(conflicts={"clinical.glucocorticoid_mg_d": "2025-06-01"})
    context, _, (finding,) = merged(record)
    assert context.predictors == {}
    assert finding.code == "clinical_record_conflict"
    assert "glucocorticoid dose (prednisolone equivalent)" in finding.message
    assert "Enter the right value" in finding.message


def test_record_and_entered_side_belong_to_the_identity_of_an_analysis() -> None:
    image = calibrated_image()

    def identity(site: ClinicalContext | None = None, record: ClinicalRecord | None = None) -> str:
        return analysis_identity([image], (), site, CONFIG, record=record)

    record = ClinicalRecord(known=ClinicalContext(weight_kg=60.0))
    made = {identity(), identity(ClinicalContext(laterality="R")), identity(record=record)}
    assert len(made) == 3
    assert identity(record=ClinicalRecord(known=ClinicalContext(weight_kg=60.0))) in made


def test_a_record_of_somebody_else_is_noticed_and_the_study_counts() -> None:
    record = ClinicalRecord(known=ClinicalContext(sex="M"), birth_date=date(1901, 1, 1))
    context, _, findings = merged(record)
    assert context.sex == "F"
    assert [finding.code for finding in findings] == ["clinical_record_mismatch"] * 2
    assert "date of birth" in findings[1].message
