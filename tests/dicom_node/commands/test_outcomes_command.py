"""``dicom-node outcomes`` and ``dicom-node context``, as somebody types them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from node_support import load_config, outcome, receive_complete

from dicom_node.cli import main
from dicom_node.patients import patient_key
from dicom_node.storage.journal import Journal

ANNA = patient_key(b"A1")


@pytest.fixture
def node(tmp_path: Path) -> tuple[str, Callable[[], Journal]]:
    config = load_config(tmp_path)

    def journal() -> Journal:
        return Journal(config.node.data_dir / "journal.db")

    opened = journal()
    receive_complete(opened, "1.2.3", patient_key=ANNA)
    job = opened.claim_analysis("me", 60)
    assert job is not None
    assert opened.finish_analysis(job, outcome())
    opened.close()
    return str(config.path), journal


Node = tuple[str, Callable[[], Journal]]


def write(folder: Path, text: str) -> str:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_with_a_bad_row_is_taken_and_says_so(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, journal = node
    table = write(tmp_path, "patient_id,kind,date\nA1,death,2025-01-01\nA1,death,soon\n")
    assert main(["outcomes", "check", table, "--config", config]) == 1
    assert "2 rows: 1 good, 1 bad; nothing was changed" in capsys.readouterr().out
    assert main(["outcomes", "import", table, "--config", config]) == 1
    said = capsys.readouterr().out
    assert "row 3, column date: date = 'soon' must be a date, as 2024-12-31; correct the value" in said
    assert "1 new" in said
    opened = journal()
    assert [item.kind for item in opened.outcomes(ANNA)] == ["death"]
    assert [change.action for change in opened.changes()] == ["outcomes.import"]
    opened.close()


def test_what_is_known_is_listed_exported_and_withdrawn(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = node
    table = write(tmp_path, "patient_id,kind,date\nA1,end_of_follow_up,2025-01-01\n")
    assert main(["outcomes", "import", table, "--config", config]) == 0
    capsys.readouterr()
    assert main(["outcomes", "list", "--patient-id", "A1", "--json", "--config", config]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["kind"], shown["source"], shown["patient_key"]) == ("end_of_follow_up", "csv", ANNA)
    assert main(["outcomes", "withdraw", str(shown["id"]), "--reason", "moved", "--config", config]) == 0
    exported = tmp_path / "out.csv"
    assert main(["outcomes", "export", str(exported), "--config", config]) == 0
    rows = list(csv.DictReader(exported.open(encoding="utf-8")))
    assert [(row["withdrawn"], row["reason"]) for row in rows] == [("no", ""), ("yes", "moved")]
    capsys.readouterr()
    assert main(["outcomes", "list", "--json", "--config", config]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_context_brought_in_can_have_the_studies_analysed_again(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, journal = node
    table = write(tmp_path, "patient_id,date,weight_kg\nA1,2025-01-01,61\n")
    assert main(["context", "import", table, "--reanalyse", "--config", config]) == 0
    assert "1 studies queued" in capsys.readouterr().out
    opened = journal()
    job = opened.claim_analysis("me", 60)
    assert job is not None
    assert (job.trigger, [fact.value for fact in job.clinical.facts]) == ("clinical_context", [61])
    opened.close()


def test_facts_entered_by_hand_end_a_contradiction(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    config, journal = node
    said = ["--date", "2025-01-01", "--reason", "asked the patient", "--config", config]
    assert main(["context", "enter", "--patient-id", "A1", "weight_kg=61", "sex=F", *said]) == 0
    assert "2 new" in capsys.readouterr().out
    assert main(["context", "enter", "--patient-id", "A1", "weight_kg", *said]) == 2
    assert main(["context", "enter", "--patient-id", "B2", "weight_kg=61", *said]) == 2
    assert "no study of this Patient ID" in capsys.readouterr().err
    opened = journal()
    assert {fact.told.reason for fact in opened.facts(ANNA)} == {"asked the patient"}
    opened.close()
