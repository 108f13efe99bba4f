"""A correction, and what is recorded of a patient: through the real engine into a new report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from node_support import load_config, receive
from pydicom import Dataset, dcmread

from dicom_node.storage.archive import Archive
from dicom_node.storage.clinical_records import ClinicalFact, Source, Told
from dicom_node.storage.journal import Journal
from dicom_node.workflow.execution import Execution
from dicom_node.workflow.worker import analyze_study

STUDY, PATIENT = "1.2.3", "somebody"


class InThisThread(Executor):
    """Does what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *values: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*values, **named))
        except Exception as error:
            done.set_exception(error)
        return done


class Ground:
    def __init__(self, folder: Path, image: Path) -> None:
        self.config = load_config(folder)
        self.archive = Archive(self.config.node.data_dir)
        self.journal = Journal(self.archive.journal_path)
        content = image.read_bytes()
        kept = self.archive.data_dir / "instances" / "image.dcm"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
        found = dcmread(image, stop_before_pixels=True)
        receive(
            self.journal,
            STUDY,
            uid=str(found.SOPInstanceUID),
            content=content,
            path="instances/image.dcm",
            sop_class=str(found.SOPClassUID),
            study_date=str(found.StudyDate),
            patient_key=PATIENT,
        )
        study = self.journal.study(STUDY)
        assert study is not None
        assert self.journal.complete_study(study, "test")
        self.execution = Execution(
            self.config,
            self.archive,
            self.journal,
            owner="test",
            work=analyze_study,
            make_executor=InThisThread,
        )

    def result(self) -> tuple[dict[str, Any], list[str]]:
        """Analyse what is queued; return the newest result and the UIDs of what was made."""
        self.execution.pump()
        newest = max(self.journal.analyses_of(STUDY), key=lambda analysis: analysis.id)
        document = json.loads(newest.result_json)
        return document, [item["sop_instance_uid"] for item in document["results"]]

    def report(self, document: dict[str, Any]) -> Dataset:
        path = next(
            item["path"]
            for item in document["results"]
            if item["sop_class_uid"].startswith("1.2.840.10008.5.1.4.1.1.88.")
        )
        return dcmread(self.archive.data_dir / path)


def replaced(report: Dataset) -> list[str]:
    return [
        str(reference.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]


@pytest.fixture
def ground(tmp_path: Path, sample_studies: Path) -> Iterator[Ground]:
    (image,) = sample_studies.glob("01-calibrated-low-risk/*.dcm")
    made = Ground(tmp_path, image)
    yield made
    made.journal.close()


def test_recorded_context_and_a_corrected_weight_supersede_the_report(ground: Ground) -> None:
    first, _ = ground.result()
    told = Told(source=Source.CSV, origin="registry", recorded_by="me")
    smoker = ClinicalFact(
        patient_key=PATIENT, name="clinical.current_smoker", value=True, valid_from="2020-01-01", told=told
    )
    ground.journal.add_fact(smoker)
    ground.journal.add_site_entry(STUDY, "weight_kg", 50.5, "anna", "weighed again")
    second, _ = ground.result()
    assert second["identity"] != first["identity"]
    assert second["context"]["weight"] == "50.5 kg (site entry)"
    assert second["context"]["current_smoker"] == "yes (clinical record of 2020-01-01)"
    assert replaced(ground.report(second)) == [str(ground.report(first).SOPInstanceUID)]


def test_a_side_that_the_picture_contradicts_is_refused_and_taken_back_gives_the_first_report(
    ground: Ground,
) -> None:
    first, made = ground.result()
    shown = first["laterality"]
    other = {"L": "R", "R": "L"}[shown]
    ground.journal.add_site_entry(STUDY, "laterality", other, "anna", "so I was told")
    refused, _ = ground.result()
    assert refused["status"] == "rejected"
    assert "The site entered the" in refused["reason"]
    ground.journal.add_site_entry(STUDY, "laterality", None, "anna", "I was wrong")
    again, made_again = ground.result()
    assert again["identity"] == first["identity"]
    assert made_again == made
    digest = hashlib.sha256((ground.archive.data_dir / again["results"][0]["path"]).read_bytes()).hexdigest()
    assert digest in {record.sha256 for record in ground.journal.results(STUDY)}
