"""What a person finds by the search for studies."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from node_support import outcome, receive, receive_complete
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.study_search import FoundStudy, StudyFilter
from dicom_node.workflow.search_facts import SearchFacts


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "data")


@pytest.fixture
def journal(archive: Archive) -> Journal:
    return Journal(archive.journal_path)


def stored(archive: Archive, uid: str, **values: str) -> str:
    """Archive an object with this header; return its journalled path."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPInstanceUID, dataset.SOPClassUID = uid, SecondaryCaptureImageStorage
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = Path("instances") / f"{uid}.dcm"
    dataset.save_as(archive.resolve(str(path)), enforce_file_format=True)
    return str(path)


def analysed(journal: Journal, study: str, **document: object) -> None:
    job = journal.claim_analysis("me", 60)
    assert job is not None
    assert job.study_instance_uid == study
    assert journal.finish_analysis(job, outcome(result_json=json.dumps(document), model_version="2.1"))


def find(journal: Journal, **wanted: object) -> list[FoundStudy]:
    return journal.search_studies(StudyFilter(**wanted), limit=50)  # type: ignore[arg-type]


def test_a_study_is_listed_at_once_and_named_at_the_job_s_next_turn(
    archive: Archive, journal: Journal
) -> None:
    path = stored(archive, "1.2.1", PatientName="Ångström^Zoë=小明", PatientID="A-17", StationName="DXA1")
    receive(journal, "1.2", uid="1.2.1", path=path)
    (listed,) = find(journal)
    assert (listed.state, listed.patient_name) == ("receiving", "")
    assert SearchFacts(archive, journal).pump() == 1
    (listed,) = find(journal)
    assert (listed.patient_name, listed.patient_id, listed.station) == ("Ångström^Zoë=小明", "A-17", "DXA1")
    assert SearchFacts(archive, journal).pump() == 0


@pytest.mark.parametrize("term", ["ångström", "ZOË", "zoë ångs", "a-17", "小明", "17 小"])
def test_a_patient_is_found_by_parts_of_name_or_id_in_any_case_and_order(
    archive: Archive, journal: Journal, term: str
) -> None:
    for number, name in enumerate(("Ångström^Zoë=小明", "Other^Person")):
        path = stored(archive, f"1.{number}.1", PatientName=name, PatientID=f"A-1{7 + number}")
        receive(journal, f"1.{number}", path=path)
    SearchFacts(archive, journal).pump()
    assert [study.study_instance_uid for study in find(journal, patient=term)] == ["1.0"]
    assert find(journal, patient="nobody") == []
    assert find(journal, patient="%") == []  # no wildcard: the text as it stands


def test_risk_scanner_side_and_quality_follow_the_newest_result(archive: Archive, journal: Journal) -> None:
    receive_complete(journal, "1.2", path=stored(archive, "1.2.1", PatientName="A", Manufacturer="ACME"))
    risk = {"category": "high", "horizons": {"10": {"probability": 0.31}}}
    analysed(
        journal,
        "1.2",
        device="ACME Horizon",
        laterality="L",
        risk=risk,
        engine_version="0.6",
        quality=[{"code": "metal", "severity": "error"}, {"code": "spacing", "severity": "info"}],
    )
    SearchFacts(archive, journal).pump()
    (found,) = find(journal, risk="high", scanner="ACME Horizon", finding="metal", state="analyzed")
    assert (found.risk_10_years, found.laterality, found.model_version) == (0.31, "L", "2.1")
    assert found.findings == 1  # infos are no warnings
    assert journal.search_choices().findings == ("metal", "spacing")
    assert journal.search_choices().scanners == ("ACME Horizon",)
    assert find(journal, risk="low") == find(journal, finding="motion") == []
    assert journal.requeue_study("1.2")
    analysed(journal, "1.2", device="ACME Horizon")
    SearchFacts(archive, journal).pump()
    (found,) = find(journal)
    assert (found.risk_10_years, found.findings) == (None, 0)


def test_released_originals_leave_the_name_findable(archive: Archive, journal: Journal) -> None:
    path = stored(archive, "1.2.1", PatientName="Kept^Name", PatientID="7", Manufacturer="ACME")
    receive_complete(journal, "1.2", path=path)
    SearchFacts(archive, journal).pump()
    archive.resolve(path).unlink()
    analysed(journal, "1.2")
    assert SearchFacts(archive, journal).pump() == 1
    (found,) = find(journal, patient="kept 7")
    assert found.scanner == "ACME"


def test_a_change_while_facts_are_read_is_followed_later(archive: Archive, journal: Journal) -> None:
    receive_complete(journal, "1.2", path=stored(archive, "1.2.1", PatientName="A"))
    facts = SearchFacts(archive, journal)
    (due,) = journal.due_studies(10)
    analysed(journal, "1.2")
    journal.record_facts([(due, facts._facts(due))])
    assert facts.pump() == 1
    assert facts.pump() == 0


def test_pages_follow_each_other_without_gap_or_repeat(journal: Journal) -> None:
    for number in range(7):
        receive(journal, f"1.{number}")
    first = journal.search_studies(StudyFilter(), limit=3)
    receive(journal, "1.99")  # arrives between two pages
    second = journal.search_studies(StudyFilter(), before=first[-1].study_key, limit=10)
    assert [study.study_instance_uid for study in (*first, *second)] == [f"1.{n}" for n in range(6, -1, -1)]
    assert journal.search_and_count(StudyFilter(), limit=3)[1] == 8


def test_dates_and_holds_narrow_a_search(journal: Journal) -> None:
    for number, day in enumerate(("20250101", "20260101", "")):
        receive(journal, f"1.{number}", study_date=day)
    assert [study.study_date for study in find(journal, dated_from="20250601")] == ["20260101"]
    assert [study.study_date for study in find(journal, dated_until="20250601")] == ["20250101"]
    journal.hold_study("1.1", by="me", reason="why")
    assert [study.study_instance_uid for study in find(journal, held=True)] == ["1.1"]


def test_a_study_is_found_again_by_its_key(journal: Journal) -> None:
    receive(journal, "1.2")
    key = journal.study_key("1.2")
    assert key is not None
    found = journal.found_study(key)
    assert found is not None
    assert found.study_instance_uid == "1.2"
    assert journal.found_study(key + 1) is None
    assert journal.study_key("1.3") is None


def test_studies_of_a_journal_from_before_the_search_are_read_in_small_steps(
    archive: Archive, journal: Journal
) -> None:
    receive(journal, "1.2", path=stored(archive, "1.2.1", PatientName="Old^One"))
    journal.close()
    _forget_search(archive.journal_path)
    journal = Journal(archive.journal_path)
    (listed,) = find(journal)
    assert listed.patient_name == ""
    SearchFacts(archive, journal).pump()
    assert find(journal, patient="old")


def _forget_search(path: Path) -> None:
    """Take a journal back to what it was before migration 0015."""
    with sqlite3.connect(path) as connection:
        for trigger in ("study_facts_begin", "study_facts_change"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DROP TABLE study_findings")
        connection.execute("DROP TABLE study_facts")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = '0015_search'")
