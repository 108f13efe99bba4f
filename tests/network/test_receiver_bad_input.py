"""Bad input gets the right DIMSE status and an event that says what is wrong; nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from raw_scu import RawScu, encoded, raw_scu, secondary_capture
from running_receiver import RunningReceiver

GOOD = secondary_capture("1.2.3.99")
TEXT = b"This is a letter, not a DICOM object.\n" * 40


def without(keyword: str) -> bytes:
    return encoded(secondary_capture(**{keyword: None}))


def with_uid(keyword: str, value: str) -> bytes:
    dataset = secondary_capture()
    dataset.add_new(keyword, "LO", value)  # LO: pydicom refuses to write such a UI
    data = encoded(dataset)
    tag = dataset[keyword].tag
    head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")
    return data.replace(head + b"LO", head + b"UI")


def as_part_10_file(tmp: Path) -> bytes:
    dataset = secondary_capture()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(tmp, enforce_file_format=True)
    return tmp.read_bytes()


@dataclass(frozen=True)
class Bad:
    """One refused object: what is sent, and what must be answered and journalled."""

    data: bytes | None
    status: int
    code: str
    says: str
    instance: str = "1.2.3.1"
    sop_class: str = SecondaryCaptureImageStorage


BAD = {
    "no data set at all": Bad(None, 0xC000, "empty_data_set", "is empty"),
    "empty data set": Bad(b"", 0xC000, "empty_data_set", "is empty"),
    "text": Bad(TEXT, 0xC000, "malformed_data_set", "not readable as Explicit VR Little Endian"),
    "one byte": Bad(b"\x08", 0xC000, "malformed_data_set", "ends inside an element header at byte 0"),
    "truncated": Bad(encoded(GOOD)[:-50], 0xC000, "malformed_data_set", "(7FE0,0010) at byte"),
    "trailing garbage": Bad(encoded(GOOD) + b"\x01\x02\x03", 0xC000, "malformed_data_set", "ends inside"),
    "implicit sent as explicit": Bad(
        encoded(secondary_capture(), implicit=True), 0xC000, "malformed_data_set", "has no known VR"
    ),
    "no SOP Instance UID": Bad(
        without("SOPInstanceUID"), 0xC000, "missing_uid", "SOP Instance UID (0008,0018)"
    ),
    "no Study Instance UID": Bad(
        without("StudyInstanceUID"), 0xC000, "missing_uid", "Study Instance UID (0020,000D)"
    ),
    "no Series Instance UID": Bad(
        without("SeriesInstanceUID"), 0xC000, "missing_uid", "Series Instance UID (0020,000E)"
    ),
    "empty SOP Class UID": Bad(
        encoded(secondary_capture(SOPClassUID="")), 0xC000, "missing_uid", "SOP Class UID (0008,0016)"
    ),
    "path in both UIDs": Bad(
        with_uid("SOPInstanceUID", "../../pwned"), 0xA900, "illegal_uid", "../../pwned", "../../pwned"
    ),
    "path in the command's UID": Bad(encoded(GOOD), 0xA900, "illegal_uid", "../../etc/x", "../../etc/x"),
    "path in the Study Instance UID": Bad(
        with_uid("StudyInstanceUID", "../escape"), 0xA900, "illegal_uid", "Study Instance UID"
    ),
    "leading zero": Bad(encoded(GOOD), 0xA900, "illegal_uid", "no leading zeros", "1.02.3"),
    "markup in a UID": Bad(encoded(GOOD), 0xA900, "illegal_uid", "<b>", "<b>1.2</b>"),
    "UID of 80 characters": Bad(
        with_uid("SOPInstanceUID", "1." + "2" * 78), 0xA900, "illegal_uid", "at most 64 characters"
    ),
    "command and data set disagree on the UID": Bad(
        encoded(secondary_capture("1.2.3.1")),
        0xA900,
        "uid_mismatch",
        "1.2.3.2, the data set 1.2.3.1",
        "1.2.3.2",
    ),
    "data set of another class": Bad(
        encoded(secondary_capture(SOPClassUID=CTImageStorage)),
        0xA900,
        "class_mismatch",
        "is CT Image Storage",
    ),
    "command of another class": Bad(
        encoded(secondary_capture()),
        0xA900,
        "class_mismatch",
        "sent as CT Image Storage",
        sop_class=CTImageStorage,
    ),
}


def send(scu: RawScu, bad: Bad) -> int:
    return scu.store(bad.data, instance=bad.instance, sop_class=bad.sop_class).status


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_with_its_reason_its_bytes_are_kept_and_the_association_lives_on(
    receiver: RunningReceiver, tmp_path: Path, bad: Bad
) -> None:
    with raw_scu(receiver.port) as scu:
        assert send(scu, bad) == bad.status
        code, message = receiver.last_event()
        assert code == bad.code
        assert bad.says in message
        (kept,) = receiver.files
        assert kept.startswith("quarantine/")
        assert (receiver.archive.data_dir / kept).read_bytes() == (bad.data or b"")
        assert scu.store_dataset(GOOD).status == 0x0000
    assert [instance.sop_instance_uid for instance in receiver.journal.instances("1.2.3")] == ["1.2.3.99"]
    assert [path.name for path in tmp_path.iterdir()] == ["outer"], "nothing may leave the data directory"
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["data"]


def test_the_sender_is_told_why_in_the_error_comment(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port) as scu:
        answer = scu.store(without("StudyInstanceUID"), instance="1.2.3.1")
    assert answer.comment == "Study Instance UID (0020,000D) is mandatory, but absent or empty"


def test_a_whole_file_sent_as_data_set_is_refused(receiver: RunningReceiver, tmp_path: Path) -> None:
    with raw_scu(receiver.port) as scu:
        assert scu.store(as_part_10_file(tmp_path / "f.dcm"), instance="1.2.3.1").status == 0xC000
    assert receiver.last_event()[0] == "malformed_data_set"


def test_a_full_quarantine_keeps_no_more_bytes_but_every_reason(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(max_quarantine_bytes=len(TEXT))
    with raw_scu(receiver.port) as scu:
        assert scu.store(TEXT, instance="1.2.3.1").status == 0xC000
        assert scu.store(TEXT[1:], instance="1.2.3.2").status == 0xC000
    assert len(receiver.files) == 1
    assert "max_quarantine_bytes" in receiver.last_event()[1]


UNUSUAL_BUT_LEGAL = {
    "name in GB18030": {"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"},
    "8-bit colour photograph": {"ImageComments": "photograph"},
    "no birth date and no sex": {"PatientBirthDate": None, "PatientSex": None},
    "unknown character set": {"SpecificCharacterSet": "ISO_IR 999"},
    "no patient at all": {"PatientID": None, "PatientName": None},
}


@pytest.mark.filterwarnings("ignore:Unknown encoding")
@pytest.mark.parametrize("elements", UNUSUAL_BUT_LEGAL.values(), ids=UNUSUAL_BUT_LEGAL.keys())
def test_what_is_only_unusual_is_stored_unchanged(
    receiver: RunningReceiver, elements: dict[str, str | None]
) -> None:
    data = encoded(secondary_capture(**elements))
    with raw_scu(receiver.port) as scu:
        assert scu.store(data, instance="1.2.3.1").status == 0x0000
    (instance,) = receiver.journal.instances("1.2.3")
    assert receiver.archive.resolve(instance.path).read_bytes().endswith(data)


def test_a_name_in_gb18030_survives(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port) as scu:
        scu.store_dataset(secondary_capture(**UNUSUAL_BUT_LEGAL["name in GB18030"]))
    (instance,) = receiver.journal.instances("1.2.3")
    stored = dcmread(receiver.archive.resolve(instance.path))
    assert stored.PatientName.ideographic == "王^小东"


@pytest.mark.dcmtk
def test_dcmtk_storescu_goes_on_after_a_refused_object(receiver: RunningReceiver, tmp_path: Path) -> None:
    """As a scanner does: an empty file, a text file, an object without Study Instance UID, a good one."""
    files = {"1_empty.dcm": b"", "2_text.dcm": TEXT}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    no_study, good = tmp_path / "3_no_study.dcm", tmp_path / "4_good.dcm"
    for path, dataset in (
        (no_study, secondary_capture(StudyInstanceUID=None)),
        (good, secondary_capture("1.2.3.4")),
    ):
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(path, enforce_file_format=True)
    command = [
        "storescu",
        "-v",
        "--no-halt",
        "-aet",
        "SCANNER",
        "-aec",
        "RADIUSDXA",
        "127.0.0.1",
        str(receiver.port),
    ]
    paths = sorted(str(path) for path in tmp_path.glob("*.dcm"))
    run = subprocess.run([*command, *paths], capture_output=True, text=True, timeout=60, check=False)
    assert "CannotUnderstand" in run.stderr
    assert [instance.sop_instance_uid for instance in receiver.journal.instances("1.2.3")] == ["1.2.3.4"]
    assert "missing_uid" in [event.code for event in receiver.journal.events()]
