"""CSV files: good rows land, bad ones are listed with row, column, rule and cure; twice is once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from node_support import receive

from dicom_node.errors import ConfigurationError
from dicom_node.patients import patient_key
from dicom_node.storage.clinical_records import Added
from dicom_node.storage.journal import Journal
from dicom_node.workflow.clinical_import import CsvImport, read_context, read_outcomes

TODAY = date(2026, 3, 1)
ANNA = patient_key(b"A1", b"HOSPITAL")
ZHAO = patient_key("赵1".encode("gb18030"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    receive(opened, "1.2.1", patient_key=ANNA)
    receive(opened, "1.2.2", patient_key=ZHAO)
    yield opened
    opened.close()


def outcomes(journal: Journal, folder: Path, text: str, encoding: str = "utf-8") -> CsvImport:
    path = folder / "outcomes.csv"
    path.write_bytes(text.encode(encoding))
    return read_outcomes(path, journal, recorded_by="me", source="registry", issuer="HOSPITAL", today=TODAY)


def context(journal: Journal, folder: Path, text: str) -> CsvImport:
    path = folder / "context.csv"
    path.write_text(text, encoding="utf-8")
    return read_context(path, journal, recorded_by="me", source="clinic", issuer="HOSPITAL", today=TODAY)


def test_good_rows_land_and_bad_ones_are_listed(journal: Journal, tmp_path: Path) -> None:
    found = outcomes(
        journal,
        tmp_path,
        "patient_id,kind,date,site,mechanism,source\n"
        "A1,fracture,2024-05-06,Wrist,fragility,chart review\n"
        "A1,fracture,2024-13-06,wrist,fragility,\n"
        "A1,fracture,2024-05-06,toe,fragility,\n"
        "\n"
        "A1,illness,2024-05-06,,,\n"
        "A1,death,2099-05-06,,,\n"
        "nobody,death,2024-05-06,,,\n"
        ",death,2024-05-06,,,\n"
        "A1,death,2025-05-06,,,\n",
    )
    assert [(item.row, item.column) for item in found.problems] == [
        (3, "date"),
        (4, "site"),
        (6, "kind"),
        (7, "date"),
        (8, "patient_id"),
        (9, "patient_id"),
    ]
    assert found.problems[1].rule == "site = 'toe' must be one of wrist, hip, spine, humerus, other, unknown"
    assert "--issuer" in found.problems[4].cure
    assert "nobody" not in str(found.problems)
    journal.add_all(found.told)
    told = [(item.kind, item.occurred_on, item.told.origin) for item in journal.outcomes(ANNA)]
    assert told == [("fracture", "2024-05-06", "chart review"), ("death", "2025-05-06", "registry")]


def test_the_same_file_again_changes_nothing_and_a_corrected_one_supersedes(
    journal: Journal, tmp_path: Path
) -> None:
    text = "patient_id,kind,date,site,record\nA1,fracture,2024-05-06,wrist,7\n"
    assert journal.add_all(outcomes(journal, tmp_path, text).told)[Added.NEW] == 1
    assert journal.add_all(outcomes(journal, tmp_path, text).told)[Added.UNCHANGED] == 1
    corrected = outcomes(journal, tmp_path, text.replace("05-06", "06-05"))
    assert journal.add_all(corrected.told)[Added.CORRECTED] == 1
    assert [item.occurred_on for item in journal.outcomes(ANNA)] == ["2024-06-05"]
    assert len(journal.outcomes(ANNA, history=True)) == 2


@pytest.mark.parametrize("written", ["patient_id;issuer;kind;date\n赵1;;death;2024-05-06\n"])
def test_a_spreadsheets_semicolons_and_byte_order_mark_and_a_chinese_id_are_understood(
    journal: Journal, tmp_path: Path, written: str
) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(written.encode("utf-8-sig"))
    found = read_outcomes(path, journal, recorded_by="me", source="r", today=TODAY)
    assert [item.patient_key for item in found.told] == [ZHAO]


def test_each_filled_cell_of_a_context_file_is_a_fact(journal: Journal, tmp_path: Path) -> None:
    found = context(
        journal,
        tmp_path,
        "patient_id,date,weight_kg,clinical.current_smoker,drugs_not_tolerated,current_drug\n"
        "A1,2025-01-02,61.5,no,alendronate; zoledronate,\n",
    )
    assert found.problems == ()
    journal.add_all(found.told)
    known = {item.name: item.value for item in journal.facts(ANNA)}
    assert known == {
        "weight_kg": 61.5,
        "clinical.current_smoker": False,
        "drugs_not_tolerated": ("alendronate", "zoledronate"),
    }


@pytest.mark.parametrize(
    ("row", "column", "rule"),
    [
        ("A1,2025-01-02,6150,", "weight_kg", "outside 25 to 300"),
        ("A1,2025-01-02,heavy,", "weight_kg", "must be a number"),
        ("A1,2025-01-02,,perhaps", "clinical.current_smoker", "must be true or false"),
        ("A1,yesterday,61,", "date", "must be a date"),
        ("A1,2025-01-02,,", "date", "tells nothing"),
    ],
)
def test_a_cell_that_cannot_be_is_listed_and_nothing_of_its_row_lands(
    journal: Journal, tmp_path: Path, row: str, column: str, rule: str
) -> None:
    header = "patient_id,date,weight_kg,clinical.current_smoker\n"
    found = context(journal, tmp_path, f"{header}{row}\n")
    (problem,) = found.problems
    assert (problem.row, problem.column) == (2, column)
    assert rule in problem.rule
    assert found.told == ()


@pytest.mark.parametrize(
    ("text", "encoding", "rule"),
    [
        ("patient_id,kind\n", "utf-8", "column 'date' is missing"),
        ("patient_id,kind,dat\n", "utf-8", "did you mean 'date'"),
        ("patient_id,kind,date,date\n", "utf-8", "there twice"),
        ("", "utf-8", "column 'patient_id' is missing"),
        ("patient_id,kind,date\n赵,death,2024-01-01\n", "gb18030", "save the table as CSV, UTF-8"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_as_a_whole(
    journal: Journal, tmp_path: Path, text: str, encoding: str, rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        outcomes(journal, tmp_path, text, encoding)
