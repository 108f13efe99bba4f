"""A console with one analysed study whose results lie in the archive, made without an engine."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from node_support import outcome, receive_complete, sent_to
from numpy.typing import NDArray
from pydicom import Dataset
from report_support import COLUMNS, INSTANCE_UID, ROWS, STUDY_UID, make_analysis, make_source

from analysis.results import StudyAnalysis
from analysis.serialization import to_json_object
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import ResultRecord
from dicom_node.workflow.search_facts import SearchFacts
from reports import compose

__all__ = ["HOSTILE_NAME", "HostedStudy", "host_study"]

HOSTILE_NAME = "<script>alert(1)</script>^\"onload='x"
"""A Patient's Name that a page must show as text."""


@dataclass(frozen=True)
class HostedStudy:
    """The study as the console has it."""

    key: int
    analysis_id: int
    pixels: NDArray[np.uint16]
    results: dict[str, str]
    """First word of the series description -> SOP Instance UID."""

    @property
    def url(self) -> str:
        return f"/studies/{self.key}"


def host_study(app: FastAPI, *, name: str = HOSTILE_NAME) -> HostedStudy:
    """Put a study with every result object into the journal and the archive of a console."""
    archive, journal = app.state.archive, app.state.journal
    pixels, source, analysis, composed = _made(name)
    path = "instances/source.dcm"
    source.save_as(archive.resolve(path), enforce_file_format=True)
    receive_complete(journal, STUDY_UID, uid=INSTANCE_UID, path=path, study_date="20261105")
    records = _stored(archive, analysis.identity, composed)
    job = journal.claim_analysis("test", 60)
    assert job is not None
    done = outcome(
        identity=analysis.identity,
        engine_version=analysis.engine_version,
        model_version="1",
        result_json=json.dumps(to_json_object(analysis)),
        results=records,
    )
    assert journal.finish_analysis(job, sent_to(done, ["pacs"]))
    _deliver(journal)
    SearchFacts(archive, journal).pump()
    key = journal.study_key(STUDY_UID)
    assert key is not None
    results = {record.kind.split(" - ")[0]: record.sop_instance_uid for record in records}
    return HostedStudy(key, job.id, pixels, results)


@cache
def _made(name: str) -> tuple[NDArray[np.uint16], Dataset, StudyAnalysis, list[Dataset]]:
    """Make the source image and everything that is sent back, once for all tests."""
    pixels = np.random.default_rng(7).integers(0, 4096, (ROWS, COLUMNS), dtype=np.uint16)
    source = make_source(
        PatientName=name,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        WindowCenter=2000,
        WindowWidth=3000,
        PixelData=pixels.tobytes(),
    )
    analysis = make_analysis()
    return pixels, source, analysis, compose(analysis, [source])


def _stored(archive: Archive, identity: str, results: list[Dataset]) -> tuple[ResultRecord, ...]:
    records = []
    for result in results:
        buffer = io.BytesIO()
        result.save_as(buffer, enforce_file_format=True)
        path, digest = archive.store_result(identity, buffer.getvalue())
        records.append(
            ResultRecord(
                sop_instance_uid=str(result.SOPInstanceUID),
                sop_class_uid=str(result.SOPClassUID),
                kind=str(result.SeriesDescription),
                path=str(path),
                sha256=digest,
            )
        )
    return tuple(records)


def _deliver(journal: Journal) -> None:
    for delivery in journal.claim_deliveries("pacs", owner="me", lease_seconds=60):
        journal.mark_delivered(delivery, 0)


def archived(app: FastAPI, sop_instance_uid: str) -> bytes:
    """Return the bytes of a result as they are archived."""
    (found,) = (
        file
        for file in app.state.journal.result_files(STUDY_UID)
        if file.sop_instance_uid == sop_instance_uid
    )
    return Path(app.state.archive.resolve(found.path)).read_bytes()
