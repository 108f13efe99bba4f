"""A node's parts that fetch, and a scripted archive that holds real objects, for tests step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asked_archives import NODE_AE
from node_support import FakeClock
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import evt

from dicom_node.config import CompletionSettings, RemoteArchive, RetrievalSettings
from dicom_node.config.receiving import ReceiverSettings
from dicom_node.network.admission import StoreRequest
from dicom_node.network.query import DicomArchive
from dicom_node.network.storing import StorageService
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.retrievals import Retrieval
from dicom_node.workflow.completion import Completion
from dicom_node.workflow.retrieval import RetrievalQueue
from dicom_node.workflow.routing import Router


def data_set_of(file: Path) -> bytes:
    """The encoded data set of a file, without its File Meta Information."""
    meta = dcmread(file, stop_before_pixels=True).file_meta
    return file.read_bytes()[144 + int(meta.FileMetaInformationGroupLength) :]


@dataclass
class Scanner:
    """Where pushed objects come from."""

    association_id: str = "association"
    studies: set[str] = field(default_factory=set)
    calling_ae: str = "SCANNER"
    called_ae: str = NODE_AE
    address: str = "127.0.0.1"


KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
IDENTIFYING = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality")
PATIENT = ("StudyDate", "PatientID", "IssuerOfPatientID", "PatientBirthDate")


@dataclass
class Ground:
    """A node's parts, without a receiver."""

    archive: Archive
    journal: Journal
    storage: StorageService
    clock: FakeClock
    completion: Completion

    def queue(self, peer: DicomArchive, **settings: Any) -> RetrievalQueue:
        remote = RemoteArchive("pacs", "dicom", peer.peer.ae_title, peer.peer.host, peer.peer.port)
        values = {"connect_timeout_seconds": 2.0, "response_timeout_seconds": 3.0, "max_attempts": 2}
        return RetrievalQueue(
            remote,
            RetrievalSettings(**(values | settings)),
            self.journal,
            self.storage,
            calling_ae_title=NODE_AE,
            owner="test",
            clock=self.clock,
        )

    def push(self, files: Sequence[Path]) -> None:
        """Keep files as if a scanner had sent them."""
        for file in files:
            meta = dcmread(file).file_meta
            request = StoreRequest(
                sop_class_uid=meta.MediaStorageSOPClassUID,
                sop_instance_uid=meta.MediaStorageSOPInstanceUID,
                context_sop_class_uid=meta.MediaStorageSOPClassUID,
                transfer_syntax_uid=meta.TransferSyntaxUID,
                data_set=data_set_of(file),
            )
            assert self.storage.take(request, Scanner()).status == 0

    def complete(self) -> None:
        """Close every study that has gone quiet or is asked to be closed."""
        self.completion.check()

    def retrieval(self) -> Retrieval:
        (row,) = self.journal.retrievals()
        return row

    def codes(self, study: str) -> list[str]:
        return [event.code for event in self.journal.events(study_instance_uid=study)]


@contextmanager
def new_ground(folder: Path) -> Iterator[Ground]:
    """A node's parts over a new data directory."""
    clock = FakeClock()
    archive = Archive(folder)
    journal = Journal(archive.journal_path, clock=clock)
    settings = ReceiverSettings(min_free_bytes=0)
    completion = Completion(
        journal,
        Router((), archive, journal),
        CompletionSettings(),
        open_associations=lambda _study: 0,
        clock=clock,
    )
    yield Ground(archive, journal, StorageService(settings, archive, journal), clock, completion)
    journal.close()


@dataclass
class Pacs:
    """An archive that holds some objects, and what it was asked."""

    objects: list[Dataset]
    fetched: list[list[str]] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)
    broken: bool = False

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """Answer at every level with what is there, whatever keys are given but the parent's."""
        level = event.identifier.QueryRetrieveLevel
        keyword = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[
            level
        ]
        study = event.identifier.get("StudyInstanceUID")
        seen = set()
        for item in self.objects:
            if (study and item.StudyInstanceUID != study) or item[keyword].value in seen:
                continue
            seen.add(item[keyword].value)
            answer = Dataset()
            answer.QueryRetrieveLevel = level
            for name in (*IDENTIFYING, *(PATIENT if level == "STUDY" else ())):
                setattr(answer, name, item.get(name))
            if level == "STUDY":
                answer.NumberOfStudyRelatedInstances = 1
                answer.ModalitiesInStudy = item.Modality
            yield 0xFF00, answer

    def get(self, event: evt.Event) -> Iterator[Any]:
        wanted = event.identifier.get("SOPInstanceUID")
        uids = [wanted] if isinstance(wanted, str) else list(wanted or [])
        study = event.identifier.StudyInstanceUID
        chosen = [
            item
            for item in self.objects
            if item.StudyInstanceUID == study and (not uids or item.SOPInstanceUID in uids)
        ]
        self.fetched.append([item.SOPInstanceUID for item in chosen])
        sent = [item for item in chosen if item.SOPInstanceUID not in self.withheld]
        yield len(sent)
        for item in sent:
            yield 0xFF00, item
            if self.broken:
                event.assoc.abort()
                return
