"""A changed result takes the place of the one before and says so; an unchanged one is not sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from report_support import make_analysis

import analysis
from analysis.config import AnalysisConfig
from analysis.results import Status, StudyAnalysis
from analysis.serialization import to_json_object
from dicom_node.config import load_analysis_config
from dicom_node.storage.records import AnalysisOutcome
from dicom_node.workflow.supersession import compared
from dicom_node.workflow.worker import WorkOrder, analyze_study
from reports import ReportOptions

REPORT = {"pacs": ReportOptions(results=("report",))}


def told(*analyses: StudyAnalysis) -> tuple[str, ...]:
    return tuple(json.dumps(to_json_object(item)) for item in analyses)


class TestCompared:
    def test_the_first_result_replaces_nothing(self) -> None:
        found = compared(make_analysis(), (), ())
        assert (found.comparison, found.revisions) == ("", ())

    def test_what_says_the_same_goes_by_the_name_of_what_stands(self) -> None:
        before = make_analysis(identity="aa" * 32, engine_version="0.1.0")
        found = compared(make_analysis(identity="bb" * 32), told(before), ["aa" * 32])
        assert (found.comparison, found.analysis.identity) == ("unchanged", "aa" * 32)
        assert found.by_other_work

    def test_the_same_work_again_is_unchanged(self) -> None:
        found = compared(make_analysis(), told(make_analysis()), [make_analysis().identity])
        assert (found.comparison, found.by_other_work) == ("unchanged", False)

    def test_going_back_to_an_earlier_result_gives_a_new_one(self) -> None:
        first = make_analysis(identity="aa" * 32)
        second = make_analysis(identity="bb" * 32, risk=None)
        back = compared(first, told(second), ["aa" * 32, "bb" * 32])
        assert back.comparison == "changed"
        assert back.analysis.identity not in ("aa" * 32, "bb" * 32)
        repeat = compared(first, told(second), ["aa" * 32, "bb" * 32])
        assert repeat.analysis.identity == back.analysis.identity, "law 3 of the house"

    def test_a_refusal_is_no_version_of_a_measurement(self) -> None:
        refused = replace(make_analysis(), status=Status.REJECTED, reason="no bone", identity="cc" * 32)
        measured = make_analysis()
        assert compared(refused, told(measured), ()).comparison == ""
        assert compared(refused, told(measured, refused), ()).comparison == "unchanged"


class Site:
    """A study at a site that a test equips with models and engines."""

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self.folder = folder
        self.files = files
        self.done: list[AnalysisOutcome] = []

    def analyze(self, config: AnalysisConfig) -> AnalysisOutcome:
        known = tuple({item.sop_instance_uid: item for one in self.done for item in one.results}.values())
        outcome = analyze_study(
            WorkOrder(
                study_instance_uid=str(dcmread(self.files[0], stop_before_pixels=True).StudyInstanceUID),
                input_digest="d" * 64,
                paths={f"1.2.3.{number}": file for number, file in enumerate(self.files)},
                data_dir=self.folder / "data",
                history=(),
                priors=(),
                known=known,
                standing=self.done[-1].sets if self.done else {},
                config=config,
                reports=REPORT,
                time_limit_seconds=120,
                memory_limit_bytes=4_000_000_000,
                previous=(self.done[-1].result_json,) if self.done else (),
                identities=frozenset(item.identity for item in self.done),
            )
        )
        self.done.append(outcome)
        return outcome

    def report(self, outcome: AnalysisOutcome) -> Dataset:
        (record,) = outcome.results
        return dcmread(self.folder / "data" / record.path)


@pytest.fixture
def site(sample_studies: Path, tmp_path: Path) -> Site:
    return Site(tmp_path, sorted(sample_studies.glob("01-calibrated-low-risk/*.dcm")))


def without_the_first_model(config: AnalysisConfig, folder: Path) -> AnalysisConfig:
    """Another set of models is promoted: the one that was second comes first."""
    models = folder / "models"
    shutil.copytree(config.models, models)
    registry = json.loads((models / "registry.json").read_text())
    used = registry["models"]
    registry["models"] = used[-2:]
    (models / "registry.json").write_text(json.dumps(registry))
    return replace(config, models=models)


def test_a_promoted_model_gives_a_report_that_replaces_the_one_before_and_says_what_changed(
    site: Site,
) -> None:
    ours = load_analysis_config()
    first = site.analyze(ours)
    promoted = without_the_first_model(ours, site.folder)
    second = site.analyze(promoted)
    assert second.comparison == "changed"
    report = site.report(second)
    (study,) = report.PredecessorDocumentsSequence
    replaced = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert replaced == site.report(first).SOPInstanceUID
    said = " ".join(
        item.TextValue
        for section in report.ContentSequence
        for item in section.get("ContentSequence", ())
        if "TextValue" in item
    )
    assert "Risk model: was" in said and "Fracture risk within 5 years: was" in said
    subjects = {item["subject"] for item in json.loads(second.changes)}
    assert {"model", "risk:5"} <= subjects

    third = site.analyze(promoted)
    assert third.comparison == "unchanged" and third.sets == second.sets, "the same work sends nothing"

    back = site.analyze(ours)
    assert back.comparison == "changed"
    (study,) = site.report(back).PredecessorDocumentsSequence
    replaced = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert replaced == report.SOPInstanceUID != site.report(back).SOPInstanceUID != replaced


def test_a_new_engine_that_finds_the_same_numbers_makes_no_new_results(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_analysis_config()
    first = site.analyze(config)
    for module in ("analysis", "analysis.engine", "analysis.identity"):
        monkeypatch.setattr(f"{module}.__version__", "99.0.0", raising=False)
    assert analysis.__version__ == "99.0.0"
    again = site.analyze(config)
    assert (again.comparison, again.engine_version) == ("unchanged", "99.0.0")
    assert again.sets == first.sets
    assert again.results == first.results
