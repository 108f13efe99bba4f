"""``dicom-node models``: list, show, promote, roll back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.risk import SHIPPED_MODELS
from dicom_node.cli import main


def test_list_names_every_model_and_says_research_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--directory", str(SHIPPED_MODELS)]) == 0
    shown = capsys.readouterr().out
    assert "deployable" in shown
    assert "research use only" in " ".join(shown.split())


def test_show_gives_provenance_figures_and_hash_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "t-scores", "--json", "--directory", str(SHIPPED_MODELS)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["active"] is True
    assert {"sha256", "cohort_sha256", "engine", "cross_validated", "card", "history"} <= document.keys()


def test_an_unknown_model_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "crystal-ball", "--directory", str(SHIPPED_MODELS)]) == 2
    assert "t-scores" in capsys.readouterr().err


def test_promote_and_rollback_ask_for_a_reason_and_change_the_active_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in SHIPPED_MODELS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    at = ["--directory", str(tmp_path)]
    assert main(["models", "list", "--json", *at]) == 0
    version = json.loads(capsys.readouterr().out)[0]
    with pytest.raises(SystemExit):
        main(["models", "promote", version["name"], version["version"], *at])
    assert main(["models", "promote", version["name"], version["version"], "--reason", "again", *at]) == 0
    assert version["version"] in capsys.readouterr().out
    history = json.loads((tmp_path / "history.json").read_bytes())["changes"]
    assert [change["reason"] for change in history] == ["again"]


def test_a_file_that_was_changed_is_named_in_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in SHIPPED_MODELS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    changed = next(tmp_path.glob("t-scores-*.json"))
    changed.write_bytes(changed.read_bytes() + b" ")
    assert main(["models", "list", "--directory", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "t-scores" in told.out
    assert changed.name in told.err
    assert "restore it" in told.err
