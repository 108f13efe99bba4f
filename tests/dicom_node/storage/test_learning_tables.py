"""Who is held out is decided once, by a key that stays here; a run is journalled to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import outcome, receive_complete

from dicom_node.storage.clinical_records import Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal

TOLD = Told(source=Source.CSV, origin="registry")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


def patients(count: int) -> list[str]:
    return [f"patient {number}" for number in range(count)]


def test_about_the_wanted_share_is_held_out(journal: Journal) -> None:
    held_out = journal.hold_out(patients(2000), 0.3)
    assert sum(held_out.values()) / 2000 == pytest.approx(0.3, abs=0.03)


def test_nobody_changes_sides_when_more_come_or_the_share_is_changed(journal: Journal) -> None:
    first = journal.hold_out(patients(200), 0.3)
    later = journal.hold_out(patients(400), 0.9)
    assert {patient: later[patient] for patient in first} == first
    assert sum(later.values()) < 200  # the share of the first call counts for good


def test_two_sites_hold_out_different_patients(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path / "other.db")
    assert journal.hold_out(patients(200), 0.3) != other.hold_out(patients(200), 0.3)
    other.close()


def test_pseudonyms_tell_nothing_of_the_patient(journal: Journal) -> None:
    journal.begin_split(0.3)
    names = journal.pseudonyms(patients(100))
    assert len(set(names.values())) == 100
    assert all(patient not in name for patient, name in names.items())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), max_size=20), st.lists(st.text(min_size=1, max_size=8)))
def test_the_side_depends_on_the_patient_alone(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    one = Journal(tmp_path_factory.mktemp("one") / "journal.db")
    other = Journal(tmp_path_factory.mktemp("other") / "journal.db")
    for journal in (one, other):
        journal.begin_split(0.5, key="5e" * 32)
    one.hold_out(before, 0.5)
    assert one.hold_out(after, 0.5) == other.hold_out(after, 0.5)
    one.close()
    other.close()


def test_only_the_newest_analysis_of_a_study_is_learnt_from(journal: Journal) -> None:
    receive_complete(journal, "1.2.3", patient_key="mei")
    for age in (70.0, 71.0):
        job = journal.claim_analysis("test", 60)
        assert job is not None
        assert journal.finish_analysis(job, outcome(model_inputs={"age_years": age}))
        journal.requeue_study("1.2.3")
    (study,) = journal.index_studies()
    assert (study.patient_key, study.study_date, study.inputs) == ("mei", "20260101", {"age_years": 71.0})


def test_fractures_are_counted_once_and_only_of_patients_who_were_scanned(journal: Journal) -> None:
    receive_complete(journal, "1.2.3", patient_key="mei")

    def tell(patient: str, day: str) -> None:
        journal.add_outcome(
            Outcome(
                patient_key=patient,
                kind=OutcomeKind.FRACTURE,
                occurred_on=day,
                site="hip",
                mechanism="fragility",
                told=TOLD,
            )
        )

    tell("mei", "2026-03-01")
    tell("stranger", "2026-03-01")
    assert journal.new_fractures(0) == 1
    last = journal.last_outcome_id()
    tell("mei", "2026-03-01")  # told again
    assert journal.new_fractures(last) == 0
    tell("mei", "2026-04-01")
    assert journal.new_fractures(last) == 1


def test_a_run_that_never_ended_is_marked_when_the_next_begins(journal: Journal) -> None:
    journal.begin_learning("mei")
    second = journal.begin_learning("schedule")
    journal.end_learning(second, "done", "", {"challenges": []})
    newest, oldest = journal.learning_runs()
    assert (newest.state, newest.started_by, newest.figures) == ("done", "schedule", {"challenges": []})
    assert oldest.state == "interrupted" and "nothing of it counts" in oldest.reason
