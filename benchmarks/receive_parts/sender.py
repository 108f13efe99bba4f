"""A sender that costs as little as possible: encoded PDUs over plain sockets, associations used again."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from dicom_node.network.dimse import CommandField, CommandSet, Tag, encode_command, p_data

__all__ = [
    "SIZES",
    "Connected",
    "associate",
    "association_request",
    "connect_at_once",
    "encoded_instance",
    "exactly",
    "send",
]

SIZES = {"1 MB": (1000, 500), "200 KB": (400, 250)}
"""Name -> rows and columns of a 16-bit picture."""

_UID_DIGITS = 10
_ROOT = "1.2.826.0.1.3680043.10.999."
_numbers = count(1)
_SECONDS = 120.0


@dataclass
class Connected:
    """One association, and the bytes of one C-STORE on it, whose SOP Instance UID is changed in place."""

    connection: socket.socket
    maximum_length: int
    template: bytearray = field(default_factory=bytearray)
    places: list[int] = field(default_factory=list)

    def prepare(self, size: str, study: str) -> None:
        """Encode an instance for this receiver's PDU length."""
        uid = _ROOT + "1" * _UID_DIGITS
        command = encode_command(
            {
                Tag.AFFECTED_SOP_CLASS_UID: SecondaryCaptureImageStorage,
                Tag.COMMAND_FIELD: CommandField.C_STORE_RQ,
                Tag.MESSAGE_ID: 1,
                Tag.PRIORITY: 0,
                Tag.COMMAND_DATA_SET_TYPE: 1,
                Tag.AFFECTED_SOP_INSTANCE_UID: uid,
            }
        )
        data_set = encoded_instance(uid, study, *SIZES[size])
        self.template = bytearray(b"".join(p_data(1, command, data_set, self.maximum_length)))
        needle = uid.encode()
        first = self.template.index(needle)
        self.places = [first, self.template.index(needle, first + 1)]

    def store(self) -> int:
        """Send one instance that nobody has seen, wait for its answer; return the status."""
        number = b"%d" % (10 ** (_UID_DIGITS - 1) + next(_numbers))
        for place in self.places:
            at = place + len(_ROOT)
            self.template[at : at + _UID_DIGITS] = number
        self.connection.sendall(self.template)
        return self.status()

    def release(self) -> None:
        """Release the association."""
        self.connection.sendall(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        self.connection.recv(64)
        self.connection.close()

    def status(self) -> int:
        """Wait for a response; return its status."""
        command = b""
        while True:
            head = exactly(self.connection, 6)
            kind, length = struct.unpack(">BxL", head)
            body = exactly(self.connection, length)
            if kind != 4:
                raise ConnectionError(f"a PDU of type {kind} instead of a response")
            command += body[6:]
            if body[5] & 2:
                return CommandSet.decode(command).number(Tag.STATUS) or 0


def connect_at_once(port: int, called: str, number: int) -> tuple[list[Connected], float]:
    """Set up associations simultaneously; return them and the seconds until the last one was accepted."""
    request = association_request(called)
    made: list[Connected] = []
    barrier = threading.Barrier(number + 1)

    def connect() -> None:
        barrier.wait()
        made.append(associate(port, request))

    threads = [threading.Thread(target=connect) for _ in range(number)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join(_SECONDS)
    seconds = time.perf_counter() - started
    if len(made) != number:
        raise ConnectionError(f"{number - len(made)} of {number} associations were not accepted")
    return made, seconds


def send(associations: Sequence[Connected], instances: int) -> float:
    """Send `instances` in all, by every association at the same time; return the seconds that took."""
    barrier = threading.Barrier(len(associations) + 1)
    failures: list[object] = []

    def work(association: Connected) -> None:
        barrier.wait()
        try:
            for _ in range(instances // len(associations)):
                status = association.store()
                if status:
                    failures.append(f"status 0x{status:04X}")
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(association,)) for association in associations]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join(_SECONDS)
    seconds = time.perf_counter() - started
    if failures:
        raise ConnectionError(f"{len(failures)} instances were not acknowledged: {failures[0]}")
    return seconds


def associate(port: int, request: bytes) -> Connected:
    """Connect and be accepted.

    Raises
    ------
    ConnectionError
        If the association is rejected.
    """
    connection = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(request)
    kind, length = struct.unpack(">BxL", exactly(connection, 6))
    answer = exactly(connection, length)
    if kind != 2:
        connection.close()
        raise ConnectionError(f"rejected: {answer.hex()}")
    # Maximum Length sub-item (PS3.8 annex D.1): type 51H, reserved, length 4, value
    at = answer.index(b"\x51\x00\x00\x04")
    announced = int.from_bytes(answer[at + 4 : at + 8], "big")
    return Connected(connection, announced or 131_072)


def association_request(
    called: str,
    calling: str = "BENCHMARK",
    abstract_syntaxes: Sequence[str] = (SecondaryCaptureImageStorage,),
) -> bytes:
    """Return an A-ASSOCIATE-RQ in explicit little endian; context IDs are 1, 3, 5 ... in order."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title = calling
    primitive.called_ae_title = called
    length = MaximumLengthNotification()
    length.maximum_length_received = 16382
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.826.0.1.3680043.10.999"
    primitive.user_information = [length, implementation]
    contexts = [build_context(uid, [ExplicitVRLittleEndian]) for uid in abstract_syntaxes]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def encoded_instance(uid: str, study: str, rows: int, columns: int) -> bytes:
    """Return the data set of an instance, in Explicit VR Little Endian."""
    dataset = Dataset()
    for keyword, value in {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": study + ".1",
        "StudyDate": "20260102",
        "StudyTime": "101112",
        "AccessionNumber": "A1",
        "Modality": "OT",
        "Manufacturer": "Benchmark",
        "ManufacturerModelName": "Benchmark",
        "StationName": "STATION",
        "StudyDescription": "Forearm DXA",
        "SeriesDescription": "Forearm",
        "PatientName": "Benchmark^Patient",
        "PatientID": "BENCHMARK",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
        "StudyID": "1",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }.items():
        setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OW", bytes(range(256)) * (rows * columns * 2 // 256 + 1))
    dataset["PixelData"].value = dataset.PixelData[: rows * columns * 2]
    encoded = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    if encoded is None:
        raise ValueError("the instance cannot be encoded")
    return BytesIO(encoded).getvalue()


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            raise ConnectionError("the receiver closed the connection")
        content += part
    return content
