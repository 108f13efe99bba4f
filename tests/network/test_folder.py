"""A folder as a destination: whole files under names of our own, and nothing ever overwritten."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from scripted_scp import write_object

from dicom_node.errors import PermanentDeliveryError, TransientDeliveryError
from dicom_node.network.folder import FolderClient
from dicom_node.network.outgoing import SendableFile, read_sendable


def sendable(path: Path, study: str = "1.2.3") -> SendableFile:
    return read_sendable(path, study_instance_uid=study)


def written(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_objects_are_written_once_by_study_and_byte_for_byte(tmp_path: Path) -> None:
    root = tmp_path / "share"
    root.mkdir()
    files = [
        sendable(write_object(tmp_path / f"{number}.dcm", study=study), study)
        for number, study in enumerate(("1.2.3", "1.2.3", "1.2.4"))
    ]
    client = FolderClient(root)
    for _ in range(2):
        assert [outcome.error for outcome in client.store(files)] == [None] * 3
    assert {path.read_bytes() for path in written(root)} == {file.path.read_bytes() for file in files}
    assert len(written(root)) == 3
    assert len(list(root.iterdir())) == 2


def test_a_second_version_of_an_object_is_written_beside_the_first(tmp_path: Path) -> None:
    root = tmp_path / "share"
    root.mkdir()
    first = sendable(write_object(tmp_path / "a.dcm", uid="1.2.3.1", study="1.2.3"))
    second = sendable(write_object(tmp_path / "b.dcm", uid="1.2.3.1", study="1.2.3", patient_id="P2"))
    client = FolderClient(root)
    list(client.store([first, second, second]))
    assert len(written(root)) == 2
    assert {path.read_bytes() for path in written(root)} == {
        first.path.read_bytes(),
        second.path.read_bytes(),
    }


@pytest.mark.parametrize("study", ["../../escape", "/etc", "a\0b", "1.2.3"])
def test_no_text_of_a_peer_becomes_a_path(tmp_path: Path, study: str) -> None:
    root = tmp_path / "share"
    root.mkdir()
    list(FolderClient(root).store([sendable(write_object(tmp_path / "a.dcm"), study)]))
    (path,) = written(root)
    assert path.parent.name == hashlib.sha256(study.encode()).hexdigest()[:24]


def test_a_folder_that_is_away_waits_and_is_not_made(tmp_path: Path) -> None:
    file = sendable(write_object(tmp_path / "a.dcm"))
    with pytest.raises(TransientDeliveryError, match="mount it"):
        list(FolderClient(tmp_path / "share").store([file]))
    assert not (tmp_path / "share").exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "share"
    root.mkdir()
    file = sendable(write_object(tmp_path / "a.dcm"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TransientDeliveryError, match="No space left on device"):
        list(FolderClient(root).store([file]))
    assert written(root) == []


def test_a_file_that_has_vanished_is_a_dead_letter(tmp_path: Path) -> None:
    file = sendable(write_object(tmp_path / "a.dcm"))
    file.path.unlink()
    (outcome,) = FolderClient(tmp_path).store([file])
    assert isinstance(outcome.error, PermanentDeliveryError)
