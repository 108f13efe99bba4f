"""A small real C-STORE SCP whose answers a test scripts, for sender and delivery tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_node.network.sender import Peer

ANY_SYNTAX = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


@dataclass
class StoredObjects:
    """What a scripted SCP was sent, in order of arrival."""

    peer: Peer
    calling_ae_titles: list[str] = field(default_factory=list)
    sop_instance_uids: list[str] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)


@contextmanager
def scripted_scp(
    *,
    status: Callable[[evt.Event, int], int] = lambda _event, _count: 0x0000,
    ae_title: str = "SCRIPTED",
    sop_classes: tuple[str, ...] = (SecondaryCaptureImageStorage, BasicTextSRStorage),
    transfer_syntaxes: list[str] = ANY_SYNTAX,
    only_calling: list[str] | None = None,
    port: int = 0,
    handlers: Sequence[tuple[Any, Callable[..., Any]]] = (),
) -> Iterator[StoredObjects]:
    """Run an SCP; `status` is asked for each C-STORE, with the number of instances that came before."""
    ae = AE(ae_title=ae_title)
    ae.require_called_aet = True
    if only_calling:
        ae.require_calling_aet = only_calling
    ae.add_supported_context(Verification)
    for sop_class in sop_classes:
        ae.add_supported_context(sop_class, transfer_syntaxes)
    stored = StoredObjects(Peer(ae_title, "127.0.0.1", 0))

    def handle_store(event: evt.Event) -> int:
        answer = status(event, len(stored.sop_instance_uids))
        stored.calling_ae_titles.append(event.assoc.requestor.ae_title)
        stored.sop_instance_uids.append(event.request.AffectedSOPInstanceUID)
        stored.encoded.append(event.request.DataSet.getvalue())
        stored.datasets.append(event.dataset)
        return answer

    server = ae.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, handle_store), *handlers]
    )
    stored.peer = Peer(ae_title, "127.0.0.1", server.socket.getsockname()[1])
    try:
        yield stored
    finally:
        server.shutdown()


@contextmanager
def mute_server() -> Iterator[Peer]:
    """Accept TCP connections and never say or read a byte."""
    connections: list[socket.socket] = []
    with _listening(connections.append) as peer:
        yield peer
    for connection in connections:
        connection.close()


@contextmanager
def refusing_server() -> Iterator[Peer]:
    """Reject each association (permanent, service user, no reason) and close its connection at once."""

    def refuse(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(bytes.fromhex("0300 00000004 00 01 01 01"))

    with _listening(refuse) as peer:
        yield peer


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[Peer]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield Peer("MUTE", "127.0.0.1", listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


def write_object(
    path: Path,
    *,
    sop_class: str = SecondaryCaptureImageStorage,
    uid: str | None = None,
    study: str | None = None,
    patient_id: str = "P1",
    syntax: str = ExplicitVRLittleEndian,
    padding: int = 0,
) -> Path:
    """Write a minimal DICOM file that an SCP can store."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = uid or generate_uid()
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientName = "Test^Sender"
    dataset.PatientID = patient_id
    dataset.StudyDate = "20260101"
    dataset.Modality = "OT"
    if padding:
        dataset.add_new(0xFFFCFFFC, "OB", bytes(padding))  # Data Set Trailing Padding
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path
