"""The receiver's process is small, and an object of any size does not make it large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import pytest
from node_support import wait_until
from raw_association import pdata, raw_association, store_command
from raw_scu import encoded, secondary_capture
from running_node import running_node, write_node_config

MIB = 1024  # in kB
OBJECT_BYTES = 500_000_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Popen[bytes], int, Path]]:
    folder = tmp_path_factory.mktemp("node")
    config, port = write_node_config(folder, destinations={}, quiet_seconds=600)
    with running_node(config) as process:
        yield process, port, folder / "node_data"


def memory(process: Popen[bytes], field: str) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0])


def test_the_receivers_process_loads_no_model_and_no_decoder(node: tuple[Popen[bytes], int, Path]) -> None:
    process, _, _ = node
    mapped = Path(f"/proc/{process.pid}/maps").read_text()
    assert "sqlite3" in mapped, "native libraries are listed here"
    for library in (
        "torch",
        "sklearn",
        "shap",
        "scipy",
        "pandas",
        "matplotlib",
        "numba",
        "gdcm",
        "cryptography",
    ):
        assert f"/{library}/" not in mapped, f"{library} is for workers"
        assert f"/_{library}/" not in mapped


def test_the_receivers_process_takes_at_most_100_mib(node: tuple[Popen[bytes], int, Path]) -> None:
    process, _, _ = node
    assert memory(process, "VmRSS") <= 100 * MIB


@pytest.mark.slow
def test_an_object_of_500_mb_takes_at_most_50_mib_of_memory(node: tuple[Popen[bytes], int, Path]) -> None:
    process, port, data_dir = node
    before = memory(process, "VmRSS")
    dataset = secondary_capture("1.2.3.1")
    del dataset.PixelData
    head = encoded(dataset) + b"\xe0\x7f\x10\x00OB\0\0" + OBJECT_BYTES.to_bytes(4, "little")
    piece = bytes(100_000)
    with raw_association(port) as association:
        association.connection.settimeout(120)
        association.send(pdata([(1, 3, store_command("1.2.3.1")), (1, 0, head)]))
        for number in range(1, OBJECT_BYTES // len(piece) + 1):
            is_last = number * len(piece) == OBJECT_BYTES
            association.send(pdata([(1, 2 if is_last else 0, piece)]))
        assert association.status() == 0x0000
        assert memory(process, "VmHWM") - before <= 50 * MIB
    (kept,) = (data_dir / "instances").rglob("*.dcm")
    assert kept.stat().st_size > OBJECT_BYTES
    assert list((data_dir / "tmp").iterdir()) == []


def test_sixteen_objects_at_once_leave_it_at_that(node: tuple[Popen[bytes], int, Path]) -> None:
    process, port, _ = node
    before = memory(process, "VmRSS")
    with ExitStack() as open_associations:
        waiting = []
        for number in range(16):
            uid = f"1.2.3.16.{number}"
            dataset = secondary_capture(uid)
            dataset.PixelData = bytes(1_000_000)
            data = encoded(dataset)
            association = open_associations.enter_context(raw_association(port))
            association.send(pdata([(1, 3, store_command(uid)), (1, 0, data[:-1000])]))
            waiting.append((association, data[-1000:]))
        wait_until(lambda: memory(process, "VmRSS") - before >= 10 * MIB, seconds=5)
        for association, rest in waiting:
            association.send(pdata([(1, 2, rest)]))
            assert association.status() == 0x0000
    wait_until(lambda: memory(process, "VmRSS") <= 100 * MIB, seconds=5)
