"""Every file that pydicom ships, sent raw: what is a whole object is stored, what is none is refused.

pydicom collects what once broke it: odd VRs, missing headers, truncated and padded objects, private
sequences. What each file must get is told by pydicom's own reading and by the names of the broken ones.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from raw_scu import encoded, secondary_capture
from running_receiver import RunningReceiver, receiving
from wire import ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, associate_request, wire_peer

from dicom_node.network.contexts import is_storage_class
from dicom_node.storage.records import InstanceKind

DATA = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    path
    for folder in ("test_files", "charset_files", "palettes")
    for path in (DATA / folder).rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc", ".txt", ".json", ".dump", ".icc", ".gz")
)

TRUNCATED = {"MR_truncated.dcm", "rtplan_truncated.dcm"}
IN_ANOTHER_SYNTAX = {
    "SC_rgb_jpeg.dcm",  # Implicit VR in an encapsulated syntax
    "ExplVR_BigEndNoMeta.dcm",  # without File Meta Information, so it is sent as Implicit VR
    "ExplVR_LitEndNoMeta.dcm",
    "no_meta.dcm",
}
NO_COMPOSITE_OBJECTS = {"meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}  # a group 0001 of their own
STORED, MISMATCH, NOT_UNDERSTOOD = 0x0000, 0xA900, 0xC000


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with receiving(tmp_path_factory.mktemp("receiver"), settings={"accept_deflated": True}) as running:
        yield running


def raw_object(path: Path) -> tuple[bytes, str]:
    """The data set of a file, byte for byte, and its transfer syntax; a file without a header is all data."""
    raw, syntax, at = path.read_bytes(), str(ImplicitVRLittleEndian), 132
    if raw[128:132] != b"DICM":
        return raw, syntax
    while raw[at : at + 2] == b"\2\0":
        number, vr, length = struct.unpack_from("<H2sH", raw, at + 2)
        at += 8
        if vr in (b"OB", b"UN", b"UT"):
            (length,) = struct.unpack_from("<L", raw, at)
            at += 4
        if number == 0x0010:
            syntax = raw[at : at + length].strip(b"\0 ").decode()
        at += length
    return raw[at:], syntax


def as_pydicom_reads_it(path: Path) -> Dataset:
    try:
        return dcmread(path, force=True, stop_before_pixels=True)
    except Exception:  # it reads not even the header of some
        return Dataset()


def uid(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "")


def expected_status(path: Path, dataset: Dataset) -> int:
    if path.name in TRUNCATED | IN_ANOTHER_SYNTAX | NO_COMPOSITE_OBJECTS:
        return NOT_UNDERSTOOD
    names = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    if not all(uid(dataset, name) for name in names) or path.name == "README":
        return NOT_UNDERSTOOD
    return STORED


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DATA)))
def test_every_file_is_stored_or_refused_by_rule(receiver: RunningReceiver, path: Path) -> None:
    data, syntax = raw_object(path)
    dataset = as_pydicom_reads_it(path)
    sop_class = uid(dataset, "SOPClassUID") or SecondaryCaptureImageStorage
    instance = uid(dataset, "SOPInstanceUID") or "1.2.3"
    with wire_peer(receiver.port) as peer:
        peer.say(associate_request(((1, sop_class, [syntax]),)))
        answer = peer.hear()
        if not is_storage_class(sop_class):
            assert answer.kind == ASSOCIATE_RJ
            return
        assert answer.kind == ASSOCIATE_AC
        answer = peer.store(data, instance.encode(), sop_class=sop_class.encode())
        assert answer.kind == P_DATA
        assert answer.status == expected_status(path, dataset)
        if answer.status == STORED:
            kept = receiver.journal.path_of(instance, hashlib.sha256(data).hexdigest(), InstanceKind.INPUT)
            assert kept is not None
            assert receiver.archive.resolve(kept).read_bytes().endswith(data)
    with wire_peer(receiver.port) as peer:
        peer.associate()
        assert peer.store(encoded(secondary_capture()), b"1.2.3.1").status == STORED


def test_the_collection_is_there() -> None:
    assert len(FILES) > 150
