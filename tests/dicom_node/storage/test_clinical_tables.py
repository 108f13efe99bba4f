"""What is told of patients: nothing is overwritten, nothing is counted twice, a person has the last word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dicom_node.errors import ConfigurationError
from dicom_node.storage.clinical_records import Added, ClinicalFact, Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, ReceivedInstance, StudyState

REGISTRY = Told(source=Source.CSV, origin="registry", recorded_by="anna")
CLINIC = Told(source=Source.FHIR, origin="clinic", reference="Observation/7", recorded_by="job")
PERSON = Told(source=Source.CONSOLE, recorded_by="berta", reason="asked the patient")


def weight(kilograms: float, told: Told = REGISTRY, **fields: Any) -> ClinicalFact:
    values = {"name": "weight_kg", "valid_from": "2025-06-01", **fields}
    return ClinicalFact(patient_key="p", value=kilograms, told=told, **values)


def fracture(day: str = "2024-02-03", told: Told = REGISTRY, **fields: Any) -> Outcome:
    values = {"site": "wrist", "mechanism": "fragility", **fields}
    return Outcome(patient_key="p", kind=OutcomeKind.FRACTURE, occurred_on=day, told=told, **values)


def standing(journal: Journal) -> list[object]:
    return [fact.value for fact in journal.facts("p")]


def test_the_same_told_again_changes_nothing(journal: Journal) -> None:
    assert [journal.add_fact(weight(60)) for _ in range(2)] == [Added.NEW, Added.UNCHANGED]
    assert [journal.add_outcome(fracture()) for _ in range(2)] == [Added.NEW, Added.UNCHANGED]
    assert len(journal.facts("p", history=True)) == len(journal.outcomes("p", history=True)) == 1


def test_a_source_corrects_itself_and_its_first_word_is_kept(journal: Journal) -> None:
    journal.add_fact(weight(60))
    assert journal.add_fact(weight(66)) is Added.CORRECTED
    first, second = journal.facts("p", history=True)
    assert (first.value, first.superseded_by) == (60, second.id)
    assert (second.value, second.told, second.recorded_at[:10]) == (66, REGISTRY, "2026-03-01")
    assert standing(journal) == [66]


def test_sources_that_differ_stand_side_by_side_until_a_person_decides(journal: Journal) -> None:
    journal.add_fact(weight(60))
    assert journal.add_fact(weight(66, CLINIC)) is Added.NEW
    assert standing(journal) == [60, 66]
    assert journal.add_fact(weight(66, PERSON)) is Added.CORRECTED
    assert standing(journal) == [66]
    # the registry's file comes again: what a person has decided stands
    assert journal.add_fact(weight(60)) is Added.UNCHANGED
    assert standing(journal) == [66]


def test_a_record_that_its_source_gives_to_another_patient_leaves_the_first(journal: Journal) -> None:
    journal.add_fact(weight(66, CLINIC))
    merged = ClinicalFact(patient_key="q", name="weight_kg", value=66.0, valid_from="2025-06-01", told=CLINIC)
    assert journal.add_fact(merged) is Added.CORRECTED
    assert (journal.facts("p"), [fact.value for fact in journal.facts("q")]) == ([], [66])


def test_what_is_withdrawn_no_longer_stands_but_can_be_read(journal: Journal) -> None:
    journal.add_outcome(fracture())
    (known,) = journal.outcomes("p")
    journal.withdraw_outcome(known.id, PERSON)
    assert journal.outcomes("p") == []
    assert [row.told.recorded_by for row in journal.outcomes("p", history=True)] == ["anna", "berta"]
    with pytest.raises(ConfigurationError, match="list them first"):
        journal.withdraw_outcome(known.id, PERSON)
    assert journal.add_outcome(fracture()) is Added.UNCHANGED  # the registry says what it said


def test_two_fractures_are_two_and_a_death_is_one(journal: Journal) -> None:
    journal.add_outcome(fracture())
    journal.add_outcome(fracture("2025-01-01", site="hip"))
    death = Outcome(patient_key="p", kind=OutcomeKind.DEATH, occurred_on="2025-05-01", told=REGISTRY)
    journal.add_outcome(death)
    later = Outcome(patient_key="p", kind=OutcomeKind.DEATH, occurred_on="2025-05-02", told=REGISTRY)
    assert journal.add_outcome(later) is Added.CORRECTED
    told = [(item.kind, item.occurred_on) for item in journal.outcomes("p")]
    assert told == [("fracture", "2024-02-03"), ("fracture", "2025-01-01"), ("death", "2025-05-02")]


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [
        (fracture("2024-02-30"), "must be a date"),
        (fracture("2099-01-01"), "lies ahead"),
        (fracture(site="toe"), "site = 'toe' must be one of wrist"),
        (fracture(mechanism=""), "mechanism = '' must be one of fragility"),
        (
            Outcome(
                patient_key="p", kind=OutcomeKind.DEATH, occurred_on="2024-01-01", site="hip", told=REGISTRY
            ),
            "belong to a fracture",
        ),
    ],
)
def test_an_outcome_that_cannot_be_is_refused_with_the_rule(
    journal: Journal, outcome: Outcome, rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        journal.add_outcome(outcome)
    assert journal.outcomes() == []


@pytest.mark.parametrize(
    ("fact", "rule"),
    [
        (weight(600), "outside 25 to 300"),
        (weight(60, valid_from="June"), "must be a date"),
        (weight(60, valid_until="2025-01-01"), "before date"),
        (weight(60, name="shoe_size"), "not known"),
        (weight(60, name="age_years"), "entered for a study"),
    ],
)
def test_a_fact_that_cannot_be_is_refused_with_the_rule(
    journal: Journal, fact: ClinicalFact, rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        journal.add_fact(fact)


def test_an_analysis_is_told_what_was_known_on_the_day_of_the_study(
    journal: Journal, received: Callable[..., ReceivedInstance]
) -> None:
    journal.record_instance(received(patient_key="p", study_date="20250701"))
    journal.add_fact(weight(60))
    journal.add_fact(weight(70, valid_from="2025-07-02"))
    journal.add_fact(weight(50, valid_from="2024-01-01", valid_until="2024-12-31"))
    journal.add_outcome(fracture())
    journal.add_outcome(fracture("2025-12-01"))
    known = journal.clinical_inputs("1.2.3")
    assert [fact.value for fact in known.facts] == [60]
    assert [item.occurred_on for item in known.fractures] == ["2024-02-03"]


def test_a_study_of_nobody_is_told_nothing(
    journal: Journal, received: Callable[..., ReceivedInstance]
) -> None:
    journal.record_instance(received(study_date="20250701"))
    journal.add_fact(weight(60))
    assert not journal.clinical_inputs("1.2.3")


class TestEntriesForAStudy:
    """Corrections of side, length and the like, each with a new analysis."""

    @pytest.fixture
    def analysed(
        self, journal: Journal, queue: Callable[[str], None], outcome: Callable[..., AnalysisOutcome]
    ) -> str:
        queue("1.2.3")
        job = journal.claim_analysis("me", 60)
        assert job is not None
        assert journal.finish_analysis(job, outcome(job))
        self.first_digest = job.input_digest
        return "1.2.3"

    def test_an_entry_queues_an_analysis_of_another_identity(self, journal: Journal, analysed: str) -> None:
        assert (
            journal.add_site_entry(analysed, "laterality", "R", "anna", "wrong at the scanner") is Added.NEW
        )
        job = journal.claim_analysis("me", 60)
        assert job is not None
        assert job.trigger == "site_entry"
        assert [(entry.field, entry.value) for entry in job.clinical.entries] == [("laterality", "R")]
        assert job.input_digest != self.first_digest

    def test_the_same_entry_again_queues_nothing(self, journal: Journal, analysed: str) -> None:
        journal.add_site_entry(analysed, "forearm_length_mm", 251, "anna", "measured")
        assert journal.claim_analysis("me", 60) is not None
        again = journal.add_site_entry(analysed, "forearm_length_mm", 251.0, "berta", "measured")
        assert again is Added.UNCHANGED
        assert journal.claim_analysis("me", 60) is None

    def test_an_entry_taken_back_gives_the_first_digest_again(self, journal: Journal, analysed: str) -> None:
        journal.add_site_entry(analysed, "laterality", "R", "anna", "wrong")
        assert journal.add_site_entry(analysed, "laterality", None, "anna", "was right") is Added.CORRECTED
        job = journal.claim_analysis("me", 60)
        assert job is not None
        assert job.input_digest == self.first_digest
        history = journal.site_entries(analysed, history=True)
        assert [(entry.value, entry.told.reason) for entry in history] == [
            ("R", "wrong"),
            (None, "was right"),
        ]
        assert history[0].superseded_by == history[1].id
        assert journal.site_entries(analysed) == []

    def test_a_study_that_still_arrives_waits_for_its_own_analysis(
        self, journal: Journal, received: Callable[..., ReceivedInstance]
    ) -> None:
        journal.record_instance(received(study="1.9"))
        journal.add_site_entry("1.9", "weight_kg", 61, "anna", "")
        study = journal.study("1.9")
        assert study is not None
        assert study.state is StudyState.RECEIVING

    @pytest.mark.parametrize(
        ("entry", "rule"),
        [
            (("1.2.3", "laterality", "B"), "must be one of L, R"),
            (("1.2.3", "forearm_length_mm", 2500), "outside 150 to 350"),
            (("1.2.3", "birth_date", "1950-01-01"), "told of the patient"),
            (("9.9.9", "laterality", "L"), "never received"),
        ],
    )
    @pytest.mark.usefixtures("analysed")
    def test_an_entry_that_cannot_be_is_refused(
        self, journal: Journal, entry: tuple[str, str, object], rule: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=rule):
            journal.add_site_entry(*entry, "anna", "")
        assert journal.claim_analysis("me", 60) is None


class TestOpinions:
    """What radiologists say of a result."""

    @pytest.fixture
    def analysis(
        self, journal: Journal, queue: Callable[[str], None], outcome: Callable[..., AnalysisOutcome]
    ) -> int:
        queue("1.2.3")
        job = journal.claim_analysis("me", 60)
        assert job is not None
        assert journal.finish_analysis(job, outcome(job))
        return job.id

    def test_the_latest_opinion_of_each_reader_stands(self, journal: Journal, analysis: int) -> None:
        journal.add_opinion("1.2.3", analysis, "agree", user="anna")
        journal.add_opinion("1.2.3", analysis, "disagree", comment="artefact", user="berta")
        changed = journal.add_opinion("1.2.3", analysis, "amend", amendments={"laterality": "R"}, user="anna")
        assert changed is Added.CORRECTED
        told = [(item.told.recorded_by, str(item.verdict)) for item in journal.opinions("1.2.3")]
        assert told == [("berta", "disagree"), ("anna", "amend")]
        assert len(journal.opinions(history=True)) == 3

    def test_the_same_opinion_again_changes_nothing(self, journal: Journal, analysis: int) -> None:
        assert journal.add_opinion("1.2.3", analysis, "agree", user="anna") is Added.NEW
        assert journal.add_opinion("1.2.3", analysis, "agree", user="anna") is Added.UNCHANGED

    def test_an_object_that_says_so_counts_once(self, journal: Journal, analysis: int) -> None:
        for expected in (Added.NEW, Added.UNCHANGED):
            added = journal.add_opinion(
                "1.2.3", analysis, "disagree", user="Dr. C", source="dicom", reference="1.5.6"
            )
            assert added is expected

    @pytest.mark.parametrize(
        ("study", "verdict", "rule"),
        [
            ("1.2.4", "agree", "made no result"),
            ("1.2.3", "maybe", "must be one of agree, disagree, amend"),
            ("1.2.3", "amend", "must say what"),
        ],
    )
    def test_an_opinion_that_cannot_be_is_refused(
        self, journal: Journal, analysis: int, study: str, verdict: str, rule: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=rule):
            journal.add_opinion(study, analysis, verdict, user="anna")
