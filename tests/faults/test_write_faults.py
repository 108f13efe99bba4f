"""Cells 16 to 22: the disk is full, limited or broken, or the node killed, before an object is durable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RLIMIT_FSIZE

import pytest
from ground import Ground, failing, limited, on_ground, small_disk
from pydicom.dataset import Dataset
from raw_scu import encoded

from dicom_node.faults import ENVIRONMENT_VARIABLE

pytestmark = pytest.mark.timeout(600)

OUT_OF_RESOURCES = 0xA700
IN_MEMORY_BYTES = 1_000_000
SMALL, LARGE = 900_000, 1_500_000
"""Held in memory as it comes; goes to disk as it comes."""
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["in memory", "on disk"])
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("write")
    tables = {"receiver": {"message_memory_bytes": IN_MEMORY_BYTES}, "retention": {"reserve_bytes": 262_144}}
    with (
        small_disk(folder / "data", size="64m"),
        on_ground(folder, tables=tables, analyses=False) as ground,
    ):
        ground.good_client_seconds()
        yield ground


@contextmanager
def full_disk(ground: Ground, *, leaving: int) -> Iterator[None]:
    """Another program fills the disk but for some bytes."""
    filler = ground.node.data_dir / "somebody-else"
    with filler.open("wb") as file:
        file_system = os.statvfs(filler)
        os.posix_fallocate(file.fileno(), 0, file_system.f_bavail * file_system.f_frsize - leaving)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def refused(ground: Ground, dataset: Dataset) -> Iterator[None]:
    """Whatever the status says: nothing of the object is to be seen, and a resend is stored afterwards."""
    files = ground.archive_files()
    yield
    assert ground.archive_files() == files
    assert not ground.is_journalled(dataset)
    assert ground.in_the_making() == []
    assert ground.send(dataset) == 0x0000
    ground.hold_all_laws()


@pytest.mark.cell("16")
@pytest.mark.root
@SIZES
def test_a_full_disk_refuses_the_object(ground: Ground, size: int, figure: Figure) -> None:
    dataset = ground.new_object(size=size)
    with refused(ground, dataset), full_disk(ground, leaving=400_000):
        status = ground.send(dataset)
        _say(figure, status)
        assert status == OUT_OF_RESOURCES


@pytest.mark.cell("17")
@pytest.mark.root
@SIZES
def test_a_file_size_limit_refuses_the_object(ground: Ground, size: int, figure: Figure) -> None:
    dataset = ground.new_object(size=size)
    limit = size // 2
    assert (ground.node.data_dir / "journal.db-wal").stat().st_size < limit, "the object is to meet it first"
    with refused(ground, dataset), limited(ground.node.pid, RLIMIT_FSIZE, limit):
        status = ground.send(dataset)
        _say(figure, status)
        assert status == OUT_OF_RESOURCES


@pytest.mark.cell("18")
@pytest.mark.root
@pytest.mark.strace
@SIZES
def test_a_disk_error_while_writing_refuses_the_object(
    ground: Ground, tmp_path: Path, size: int, figure: Figure
) -> None:
    dataset = ground.new_object(size=size)
    with (
        refused(ground, dataset),
        failing(ground.node.pid, "write", "error=EIO", tmp_path / "strace") as calls,
    ):
        status = ground.send(dataset)
        assert any(".part>" in call for call in calls())
        _say(figure, status)
        assert status == OUT_OF_RESOURCES


@pytest.mark.cell("19")
@pytest.mark.root
@pytest.mark.strace
@SIZES
def test_a_file_whose_sync_failed_is_dropped_and_never_synced_again(
    ground: Ground, tmp_path: Path, size: int, figure: Figure
) -> None:
    _, dataset = _objects_in_one_directory(ground, size)
    with (
        refused(ground, dataset),
        failing(ground.node.pid, "fsync", "error=EIO:when=1", tmp_path / "strace") as calls,
    ):
        status = ground.send(dataset)
        of_files = [call for call in calls() if ".dcm>" in call]  # it has its name by now
        _say(figure, status)
        assert status == OUT_OF_RESOURCES
        assert len(of_files) == 1
        assert "EIO" in of_files[0]


@pytest.mark.cell("22")
@pytest.mark.root
@pytest.mark.strace
@SIZES
def test_a_directory_whose_sync_failed_refuses_the_object(
    ground: Ground, tmp_path: Path, size: int, figure: Figure
) -> None:
    directory, dataset = _objects_in_one_directory(ground, size)
    with failing(
        ground.node.pid, "fsync", "error=EIO:when=1", tmp_path / "strace", paths=[directory]
    ) as calls:
        status = ground.send(dataset)
        assert any("INJECTED" in call for call in calls())
    _say(figure, status)
    assert status == OUT_OF_RESOURCES
    assert not ground.is_journalled(dataset)
    assert ground.send(dataset) == 0x0000
    ground.hold_all_laws()


@pytest.mark.cell("22")
@pytest.mark.root
@pytest.mark.strace
def test_a_new_directory_whose_sync_failed_refuses_the_object(
    ground: Ground, tmp_path: Path, figure: Figure
) -> None:
    instances = ground.node.data_dir / "instances"
    dataset = next(
        dataset
        for dataset in iter(ground.new_object, None)
        if not (instances / _digest(dataset)[:2]).exists()
    )
    with (
        refused(ground, dataset),
        failing(
            ground.node.pid, "fsync", "error=EIO:when=1", tmp_path / "strace", paths=[instances]
        ) as calls,
    ):
        status = ground.send(dataset)
        assert any("INJECTED" in call for call in calls())
        _say(figure, status)
        assert status == OUT_OF_RESOURCES


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["in memory", "on disk"])
@pytest.mark.parametrize(
    ("point", "visible"),
    [
        pytest.param("receiver.before_rename", False, marks=pytest.mark.cell("20")),
        pytest.param("receiver.after_rename", True, marks=pytest.mark.cell("21")),
    ],
)
def test_killed_around_the_rename_nothing_is_acknowledged_and_nothing_is_left(
    tmp_path: Path, point: str, visible: bool, size: int, figure: Figure
) -> None:
    tables = {"receiver": {"message_memory_bytes": IN_MEMORY_BYTES}}
    with on_ground(tmp_path, tables=tables, environment={ENVIRONMENT_VARIABLE: point}) as ground:
        dataset = ground.new_object(size=size)
        assert ground.send(dataset) is None
        ground.node.wait()
        assert bool(ground.archive_files()) is visible
        assert bool(ground.in_the_making()) is not visible
        ground.node.start()
        assert ground.in_the_making() == []
        assert not ground.is_journalled(dataset)
        assert ground.send(dataset) == 0x0000
        (adopted,) = ground.archive_files()
        assert adopted.read_bytes().endswith(encoded(dataset))
        figure("not acknowledged; leftover removed" if not visible else "not acknowledged; file adopted")
        ground.hold_all_laws()


def _objects_in_one_directory(ground: Ground, size: int) -> tuple[Path, Dataset]:
    """Have one object stored; return its directory, and a new object that goes there as well."""
    first = ground.new_object(size=size)
    assert ground.send(first) == 0x0000
    digest = _digest(first)
    second = ground.new_object(size=size)
    while _digest(second)[:2] != digest[:2]:
        second.PatientComments = str(int(second.get("PatientComments", "0")) + 1)
    return ground.node.data_dir / "instances" / digest[:2], second


def _digest(dataset: Dataset) -> str:
    return hashlib.sha256(encoded(dataset)).hexdigest()


def _say(figure: Figure, status: int | None) -> None:
    figure("no answer" if status is None else f"0x{status:04X}")
