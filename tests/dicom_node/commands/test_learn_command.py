"""The commands of the loop: a copy of the models, a shadow, a promotion with name and reason, learning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from challengers import write_challenger
from node_support import outcome, receive_complete, write_config

from analysis.risk import SHIPPED_MODELS
from analysis.risk.versions import list_versions
from dicom_node.cli import main
from dicom_node.storage.journal import Journal


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node that has run, with models of its own."""
    assert main(["models", "copy", str(tmp_path / "models"), "--directory", str(SHIPPED_MODELS)]) == 0
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace("[analysis]", f'[analysis]\nmodels = "{tmp_path / "models"}"'))
    Journal(tmp_path / "data" / "journal.db").close()
    return path


def changes(tmp_path: Path) -> list[tuple[str, str, str, str, str]]:
    journal = Journal(tmp_path / "data" / "journal.db")
    found = [(c.action, c.user, c.subject, c.reason, c.detail) for c in reversed(journal.changes())]
    journal.close()
    return found


def test_who_decided_what_and_why_is_journalled(config: Path, tmp_path: Path) -> None:
    trained = write_challenger(tmp_path / "trained", "t-scores", "site-1")
    node = ["--config", str(config), "--by", "mei"]
    before = next(v.version for v in list_versions(tmp_path / "models") if v.name == "t-scores")

    def models(action: str, *words: str) -> int:
        return main(["models", action, "t-scores", *words, *node])

    assert models("shadow", "site-1", "--from", str(trained), "--reason", "watch it") == 0
    assert models("promote", "site-1", "--reason", "closer on held-out patients") == 0
    assert models("rollback", "--reason", "too many alarms") == 0
    assert changes(tmp_path) == [
        ("model.shadow", "mei", "t-scores", "watch it", "- -> site-1"),
        ("model.promote", "mei", "t-scores", "closer on held-out patients", f"{before} -> site-1"),
        ("model.rollback", "mei", "t-scores", "too many alarms", f"site-1 -> {before}"),
    ]


def test_the_shipped_models_are_never_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path)
    Journal(tmp_path / "data" / "journal.db").close()
    assert main(["models", "rollback", "t-scores", "--reason", "x", "--config", str(config)]) == 2
    assert "dicom-node models copy" in capsys.readouterr().err


def test_a_dry_run_says_what_there_is_to_learn_from(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path / "data" / "journal.db")
    receive_complete(journal, "1.2.3", patient_key="mei")
    job = journal.claim_analysis("test", 60)
    assert job is not None
    journal.finish_analysis(job, outcome(model_inputs={"age_years": 70.0}))
    journal.close()
    capsys.readouterr()
    assert main(["learn", "run", "--dry-run", "--json", "--config", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["left_out"] == {"nothing is known of the time after the first scan": 1}
    assert main(["learn", "run", "--config", str(config), "--by", "mei"]) == 0
    capsys.readouterr()
    assert main(["learn", "status", "--config", str(config), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(run["state"], run["started_by"]) for run in told["runs"]] == [("declined", "mei")]


def test_learning_over_the_shipped_models_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    Journal(tmp_path / "data" / "journal.db").close()
    assert main(["learn", "run", "--config", str(config)]) == 2
    assert "dicom-node models copy" in capsys.readouterr().err
