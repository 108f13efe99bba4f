"""The archive: durable before anybody hears of it, names of our own making, one node per directory."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive, write_durably

SC = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"
DATA_SET = b"\x08\x00\x18\x00UI\x06\x001.2.3\x00"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store(archive: Archive, data: bytes = DATA_SET) -> Path:
    path = archive.store_instance(
        data, digest(data), sop_class_uid=SC, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT
    )
    return archive.resolve(path)


def test_a_stored_instance_is_a_dicom_file_around_the_bytes_as_received(tmp_path: Path) -> None:
    path = store(Archive(tmp_path))
    content = path.read_bytes()
    assert content.startswith(bytes(128) + b"DICM")
    assert content.endswith(DATA_SET)
    dataset = dcmread(path)
    assert dataset.SOPInstanceUID == "1.2.3"
    assert dataset.file_meta.MediaStorageSOPClassUID == SC
    assert dataset.file_meta.TransferSyntaxUID == EXPLICIT


def test_a_stored_instance_tells_who_sent_it_to_whom(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = archive.store_instance(
        DATA_SET,
        digest(DATA_SET),
        sop_class_uid=SC,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=EXPLICIT,
        sending_ae="DXA1",
        receiving_ae="RADIUSDXA",
    )
    meta = dcmread(archive.resolve(path)).file_meta
    assert (meta.SendingApplicationEntityTitle, meta.ReceivingApplicationEntityTitle) == ("DXA1", "RADIUSDXA")


def test_file_names_come_from_the_content_only(tmp_path: Path) -> None:
    path = store(Archive(tmp_path))
    assert path == tmp_path / "instances" / digest(DATA_SET)[:2] / f"{digest(DATA_SET)}.dcm"


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "data")
    path = store(archive)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(archive.data_dir.stat().st_mode) == 0o700


def test_quarantined_bytes_are_kept_exactly(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = archive.store_quarantined(b"not DICOM", digest(b"not DICOM"))
    assert archive.resolve(path).read_bytes() == b"not DICOM"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the disk."""
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        steps.append("sync directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        real_fsync(descriptor)

    def replace(making: str, target: str) -> None:
        steps.append("rename")
        real_replace(making, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return steps


def test_the_file_and_its_directory_are_synced_before_the_name_is_told(
    tmp_path: Path, steps: list[str]
) -> None:
    write_durably(tmp_path / "file", b"content")
    assert steps == ["sync file", "rename", "sync directory"]


def test_a_received_object_and_its_new_name_are_flushed_together(tmp_path: Path, steps: list[str]) -> None:
    archive = Archive(tmp_path)
    archive.resolve(store(archive)).unlink()  # its directory is there
    steps.clear()
    store(archive)
    assert steps == ["rename", "sync file", "sync directory"]


def test_the_file_of_an_acknowledged_object_is_replaced_by_durable_bytes_only(
    tmp_path: Path, steps: list[str]
) -> None:
    archive = Archive(tmp_path)
    store(archive)
    steps.clear()
    store(archive)
    assert steps == ["sync file", "rename", "sync directory"]


def test_one_object_that_comes_by_many_ways_at_once_is_one_whole_file(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    data = DATA_SET * 10_000
    with ThreadPoolExecutor(8) as ways:
        (path,) = set(ways.map(lambda _way: store(archive, data), range(64)))
    assert path.read_bytes().endswith(data)
    assert archive.sweep() == 0


def test_a_received_object_whose_sync_failed_has_no_file_and_is_not_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    store(archive).unlink()
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        raise_io_error(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        store(archive)
    assert len(calls) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_failed_sync_leaves_no_file_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    store(archive)  # makes the directories
    calls = 0

    def fsync(_descriptor: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        write_durably(tmp_path / "instances" / "file", b"content", temporary=tmp_path / "tmp")
    assert calls == 1
    assert not (tmp_path / "instances" / "file").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_directory_whose_sync_failed_is_synced_before_anything_in_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", raise_io_error)
        with pytest.raises(OSError, match="Input/output"):
            store(archive)
    synced = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store(archive)
    assert synced[0] == tmp_path / "instances"


def raise_io_error(_descriptor: int) -> None:
    raise OSError(5, "Input/output error")


def test_what_a_dead_node_left_in_the_making_is_swept(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    kept = store(archive)
    (tmp_path / "tmp" / ".abandoned.part").write_bytes(b"half")
    assert archive.sweep() == 1
    assert list((tmp_path / "tmp").iterdir()) == []
    assert kept.exists()


def test_a_result_written_again_never_replaces_other_bytes(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    first, first_digest = archive.store_result("identity", b"one")
    second, _ = archive.store_result("identity", b"two")
    assert first != second
    assert archive.resolve(first).read_bytes() == b"one"
    assert first_digest == digest(b"one")
    assert archive.store_result("identity", b"one") == (first, first_digest)


def test_there_is_no_room_below_the_watermark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path, min_free_bytes=1000)
    file_system = type("FileSystem", (), {"f_bavail": 15, "f_frsize": 100})
    monkeypatch.setattr(os, "statvfs", lambda _path: file_system)
    assert archive.has_room(500)
    assert not archive.has_room(501)


def test_two_nodes_cannot_share_a_data_directory(tmp_path: Path) -> None:
    first = Archive(tmp_path).lock()
    with pytest.raises(ConfigurationError, match="another node"):
        Archive(tmp_path).lock()
    first.close()
    Archive(tmp_path).lock().close()
