"""Which of what is recorded counts on the day of a study."""

from __future__ import annotations

from datetime import date

from dicom_node.storage.clinical_records import ClinicalFact, Outcome, OutcomeKind, SiteEntry, Source, Told
from dicom_node.workflow.clinical_record import clinical_record, site_context

DAY = date(2025, 7, 1)
TOLD = Told(source=Source.CSV, origin="registry")


CLINIC = Told(source=Source.FHIR, origin="clinic")


def fact(name: str, value: object, since: str = "2025-01-01", told: Told = TOLD) -> ClinicalFact:
    return ClinicalFact(patient_key="p", name=name, value=value, valid_from=since, told=told)  # type: ignore[arg-type]


def fracture(day: str, mechanism: str = "fragility") -> Outcome:
    return Outcome(
        patient_key="p",
        kind=OutcomeKind.FRACTURE,
        occurred_on=day,
        site="wrist",
        mechanism=mechanism,
        told=TOLD,
    )


def test_the_newest_fact_counts() -> None:
    record = clinical_record([fact("weight_kg", 60.0), fact("weight_kg", 64.0, "2025-03-01")], [], DAY)
    assert record is not None
    assert (record.known.weight_kg, record.dates) == (64.0, {"weight_kg": "2025-03-01"})


def test_two_facts_of_one_day_that_differ_are_a_conflict_and_neither_counts() -> None:
    record = clinical_record(
        [fact("clinical.current_smoker", True), fact("clinical.current_smoker", False, told=CLINIC)], [], DAY
    )
    assert record is not None
    assert record.known.current_smoker is None
    assert record.conflicts == {"current_smoker": "2025-01-01"}


def test_of_a_sources_two_values_of_one_day_the_last_counts() -> None:
    record = clinical_record([fact("weight_kg", 60.0), fact("weight_kg", 60.4)], [], DAY)
    assert record is not None
    assert (record.known.weight_kg, record.conflicts) == (60.4, {})


def test_a_newer_fact_ends_an_older_conflict() -> None:
    facts = [
        fact("weight_kg", 60.0),
        fact("weight_kg", 64.0, told=CLINIC),
        fact("weight_kg", 62.0, "2025-02-01"),
    ]
    record = clinical_record(facts, [], DAY)
    assert record is not None
    assert (record.known.weight_kg, record.conflicts) == (62.0, {})


def test_falls_of_years_ago_are_not_those_of_the_past_year() -> None:
    record = clinical_record([fact("clinical.falls_past_year", 3.0, "2022-01-01")], [], DAY)
    assert record is not None
    assert record.known.predictors == {}


def test_a_recorded_fragility_fracture_is_a_prior_fracture() -> None:
    record = clinical_record([], [fracture("2020-01-01"), fracture("2025-05-01", "trauma")], DAY)
    assert record is not None
    assert record.known.prior_fragility_fracture is True
    assert record.dates == {"prior_fragility_fracture": "2020-01-01"}
    assert "clinical.recent_fracture" not in record.known.predictors
    recent = clinical_record([], [fracture("2024-05-01")], DAY)
    assert recent is not None
    assert recent.known.predictors == {"clinical.recent_fracture": 1.0}


def test_a_fracture_before_a_fact_that_there_was_none_is_a_conflict() -> None:
    denied = fact("clinical.prior_fracture", False)
    record = clinical_record([denied], [fracture("2020-01-01")], DAY)
    assert record is not None
    assert record.known.prior_fragility_fracture is None
    assert record.conflicts == {"prior_fragility_fracture": "2025-01-01"}
    later = clinical_record([denied], [fracture("2025-04-01")], DAY)
    assert later is not None
    assert (later.known.prior_fragility_fracture, later.conflicts) == (True, {})


def test_a_date_of_birth_and_a_drug_are_taken_as_the_engine_takes_them() -> None:
    facts = [
        fact("birth_date", "1950-05-05"),
        fact("drugs_not_tolerated", ("alendronate",)),
        fact("sex", "F"),
    ]
    record = clinical_record(facts, [], DAY)
    assert record is not None
    assert record.birth_date == date(1950, 5, 5)
    assert record.known.advice == {"drugs_not_tolerated": ("alendronate",)}
    assert record.known.sex == "F"


def test_nothing_recorded_is_no_record_and_leaves_identities_alone() -> None:
    assert clinical_record([], [], DAY) is None
    assert clinical_record([fact("sex", "F")], [], None) is None
    assert site_context([]) is None


def test_entries_for_a_study_become_the_sites_entries() -> None:
    entered = [
        SiteEntry(study_instance_uid="1.2.3", field=field, value=value, told=TOLD)
        for field, value in (
            ("laterality", "R"),
            ("forearm_length_mm", 251.0),
            ("clinical.prior_fracture", True),
        )
    ]
    context = site_context(entered)
    assert context is not None
    assert (context.laterality, context.forearm_length_mm) == ("R", 251.0)
    assert context.prior_fragility_fracture is True
