"""Archives to ask in a test: a real Orthanc that holds given objects, and answers that a test scripts."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)
from real_peers import OrthancServer, running_orthanc

from dicom_node.network.dicomweb import DicomwebArchive
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.query import DicomArchive

NODE_AE = "RADIUSDXA"
WAITS = Timeouts(2, 3)


@contextmanager
def asked_orthanc(folder: Path, *, node_port: int = 0, **settings: Any) -> Iterator[OrthancServer]:
    """Run an Orthanc that lets the node ask and, at `node_port`, moves to it."""
    node = {
        "AET": NODE_AE,
        "Host": "127.0.0.1",
        "Port": node_port or 104,
        "AllowEcho": True,
        "AllowFind": True,
        "AllowGet": True,
        "AllowMove": True,
        "AllowStore": True,
        "AllowTranscoding": False,
    }
    known = {
        "DicomModalities": {"node": node},
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowGet": False,
        "DicomAlwaysAllowMove": False,
        "SynchronousCMove": True,
    }
    with running_orthanc(folder, settings={**known, **settings}) as server:
        yield server


def upload(server: OrthancServer, files: Sequence[Path]) -> None:
    """Store files at an Orthanc, byte for byte."""
    for file in files:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.http_port}/instances", data=file.read_bytes(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


def over_dimse(server: OrthancServer, *, calling: str = NODE_AE) -> DicomArchive:
    """The Orthanc as an archive that is asked over DIMSE."""
    return DicomArchive(Peer(server.ae_title, "127.0.0.1", server.dicom_port), calling, WAITS)


def over_the_web(server: OrthancServer) -> DicomwebArchive:
    """The Orthanc as an archive that is asked over DICOMweb."""
    return DicomwebArchive(server.dicomweb_url, connect_seconds=2, response_seconds=3)


def write_study(
    folder: Path,
    *,
    study: str,
    count: int = 1,
    syntax: str = ExplicitVRLittleEndian,
    sop_class: str = SecondaryCaptureImageStorage,
    **attributes: Any,
) -> list[Path]:
    """Write a study of small objects, `attributes` in each."""
    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid()
    files = []
    for number in range(count):
        dataset = Dataset()
        dataset.SOPClassUID = sop_class
        dataset.SOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID = study
        dataset.SeriesInstanceUID = series
        dataset.PatientID = "P1"
        dataset.PatientBirthDate = "19500203"
        dataset.PatientName = "Test^Archive"
        dataset.StudyDate = "20240105"
        dataset.Modality = "DX"
        dataset.InstanceNumber = number + 1
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        files.append(path)
    return files


@contextmanager
def scripted_archive(
    *,
    find: Callable[[evt.Event], Iterator[Any]] | None = None,
    get: Callable[[evt.Event], Iterator[Any]] | None = None,
    move: Callable[[evt.Event], Iterator[Any]] | None = None,
    store_classes: Sequence[str] = (SecondaryCaptureImageStorage,),
) -> Iterator[DicomArchive]:
    """Run a Query/Retrieve SCP with the given pynetdicom handlers."""
    ae = AE(ae_title="SCRIPTED")
    handlers: list[Any] = []
    for model, event, handler in (
        (StudyRootQueryRetrieveInformationModelFind, evt.EVT_C_FIND, find),
        (StudyRootQueryRetrieveInformationModelGet, evt.EVT_C_GET, get),
        (StudyRootQueryRetrieveInformationModelMove, evt.EVT_C_MOVE, move),
    ):
        if handler is not None:
            ae.add_supported_context(model)
            handlers.append((event, handler))
    if get is not None:
        for sop_class in store_classes:
            ae.add_supported_context(sop_class, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield DicomArchive(Peer("SCRIPTED", "127.0.0.1", server.socket.getsockname()[1]), NODE_AE, WAITS)
    finally:
        server.shutdown()
