"""A challenger in shadow is computed for every study and kept in the journal; the champion's results do not
know of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from challengers import copy_shipped_models, write_challenger
from node_support import outcome, receive_complete

from analysis.risk import load_models
from analysis.risk.shadow import put_in_shadow
from analysis.risk.versions import promote, rollback
from dicom_node.config import load_analysis_config
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, ShadowRecord
from dicom_node.workflow.worker import WorkOrder, analyze_study
from reports import ReportOptions

NAME = "deployable"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return copy_shipped_models(tmp_path / "models")


def analyze(data: Path, models: Path, sample_studies: Path) -> AnalysisOutcome:
    files = sorted(sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    return analyze_study(
        WorkOrder(
            study_instance_uid="1.2.3",
            input_digest="d" * 64,
            paths={f"1.2.3.{number}": file for number, file in enumerate(files)},
            data_dir=data,
            history=(),
            priors=(),
            known=(),
            standing={},
            config=replace(load_analysis_config(), models=models),
            reports={"pacs": ReportOptions()},
            time_limit_seconds=120,
            memory_limit_bytes=4_000_000_000,
        )
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_results_are_the_same_bytes_with_and_without_a_shadow(
    models: Path, tmp_path: Path, sample_studies: Path
) -> None:
    without = analyze(tmp_path / "without", models, sample_studies)
    challenger = write_challenger(tmp_path / "challenger", NAME, "site-1")
    put_in_shadow(models, NAME, "site-1", "watch", source=challenger)
    with_shadow = analyze(tmp_path / "with", models, sample_studies)
    assert [record.model_version for record in with_shadow.shadow] == ["site-1"]
    assert replace(with_shadow, shadow=()) == without
    assert content(tmp_path / "with") == content(tmp_path / "without")
    assert len(content(tmp_path / "with")) >= 8
    assert not any(b"site-1" in raw for raw in content(tmp_path / "with").values())

    (damaged,) = models.glob(f"{NAME}-site-1.json")
    damaged.write_text("{}")  # a shadow that fails never fails the analysis
    assert analyze(tmp_path / "damaged", models, sample_studies) == without
    assert content(tmp_path / "damaged") == content(tmp_path / "without")


def test_a_promotion_holds_from_the_next_study_on_without_a_restart(
    models: Path, tmp_path: Path, sample_studies: Path
) -> None:
    """The worker that runs on reads the registry anew, and the identity of results changes with the model."""
    before = analyze(tmp_path / "data", models, sample_studies)
    challenger = write_challenger(tmp_path / "challenger", NAME, "site-1")
    promote(models, NAME, "site-1", "better here", source=challenger, user="mei")
    after = analyze(tmp_path / "data", models, sample_studies)
    assert after.model_version == "site-1" != before.model_version
    assert after.identity != before.identity
    rollback(models, NAME, "worse here", user="mei")
    assert analyze(tmp_path / "data", models, sample_studies).identity == before.identity


def test_what_models_were_given_gives_the_risk_that_was_reported(
    models: Path, tmp_path: Path, sample_studies: Path
) -> None:
    """What is kept for learning is what the model saw, no more and no less."""
    done = analyze(tmp_path / "data", models, sample_studies)
    risk = json.loads(done.result_json)["risk"]
    model = next(m for m in load_models(models).models if m.identity.name == risk["model"]["name"])
    row = np.array([[done.model_inputs.get(feature.name, np.nan) for feature in model.features]])
    told = [risk["horizons"][years]["probability"] for years in ("1", "3", "5", "10")]
    assert list(model.risk(row)[0]) == pytest.approx(told)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


def test_the_journal_keeps_what_the_shadow_said_and_sends_nothing_of_it(journal: Journal) -> None:
    receive_complete(journal, "1.2.3")
    job = journal.claim_analysis("test", 60)
    assert job is not None
    said = ShadowRecord("t-scores", "site-1", "f" * 64, {1: 0.01, 3: 0.03, 5: 0.05, 10: 0.1})
    assert journal.finish_analysis(job, outcome(model_inputs={"age_years": 71.0}, shadow=(said,)))
    assert journal.shadow_risks(job.id) == (said,)
    assert journal.model_inputs(job.id) == {"age_years": 71.0}
    assert journal.summary()["deliveries"] == {}
