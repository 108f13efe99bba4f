"""Results that could not be written to the end: nobody gets half a set, the next run makes the same ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ground import Ground, on_ground, small_disk
from node_under_fire import wait_for

from analysis.simulation.study import simulate_study
from dicom_node.faults import ENVIRONMENT_VARIABLE, TOKEN_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.cell("34")]

RESULTS = 9
PATIENCE_SECONDS = 120.0
ROOM_BYTES = 9_500_000
"""Less than a set of results takes, and enough for the journal."""
Figure = Callable[[str], None]


def push_forearm(ground: Ground) -> None:
    ground.scanner.waiting += simulate_study("calibrated", 9400).objects.values()
    ground.scanner.push()
    assert not ground.scanner.waiting, ground.node.log_tail()


def result_files(ground: Ground) -> dict[str, bytes]:
    """Return what is visible of results in the archive; a file's name is its content's SHA-256."""
    files = (ground.node.data_dir / "results").rglob("*.dcm")
    return {path.name: path.read_bytes() for path in files}


def assert_nothing_half(ground: Ground) -> None:
    """Assert that neither the journal nor the PACS knows of any result."""
    assert ground.node.rows("SELECT count(*) FROM results") == [(0,)]
    assert ground.node.rows("SELECT count(*) FROM deliveries") == [(0,)]
    assert not ground.pacs.receipts


def assert_made_again(ground: Ground, before: dict[str, bytes]) -> None:
    """Assert that the whole set is delivered, and that it contains what was written before, byte for byte."""
    delivered = wait_for(lambda: _count_delivered(ground) == RESULTS, PATIENCE_SECONDS)
    assert delivered, ground.node.log_tail()
    assert len(ground.pacs.receipts) == RESULTS
    after = result_files(ground)
    assert len(after) == RESULTS, "a result was made a second time under another name"
    assert before.items() <= after.items()


def _count_delivered(ground: Ground) -> int:
    time.sleep(0.2)  # leave the processor to the node
    ((count,),) = ground.node.rows("SELECT count(*) FROM deliveries WHERE state = 'delivered'")
    return int(count)


def test_killed_between_two_results(tmp_path: Path, figure: Figure) -> None:
    token = tmp_path / "token"
    token.touch()
    with on_ground(tmp_path, environment=None) as ground:
        ground.node.start({ENVIRONMENT_VARIABLE: "worker.between_results:4", TOKEN_VARIABLE: str(token)})
        push_forearm(ground)
        assert wait_for(lambda: not token.exists(), PATIENCE_SECONDS), ground.node.log_tail()
        ground.node.kill()  # the worker is dead already
        ground.node.wait()
        written = result_files(ground)
        assert 0 < len(written) < RESULTS
        assert_nothing_half(ground)
        ground.node.start()
        assert_made_again(ground, written)
        ground.hold_all_laws()
    figure(
        f"worker and node killed after {len(written)} of {RESULTS} results: none sent; the same ones later"
    )


@pytest.mark.root
def test_a_disk_that_is_full_in_the_middle_of_a_set(tmp_path: Path, figure: Figure) -> None:
    tables = {"retention": {"reserve_bytes": 1_048_576}, "execution": {"timeout_seconds": 30}}
    with small_disk(tmp_path / "data", size="64m") as disk, on_ground(tmp_path, tables=tables) as ground:
        ground.node.hold_workers()
        push_forearm(ground)
        complete = "SELECT 1 FROM analyses WHERE state = 'queued'"
        assert wait_for(lambda: bool(ground.node.rows(complete)), 30), ground.node.log_tail()
        fill(disk / "ballast", leaving=ROOM_BYTES)
        ground.node.release_workers()
        full = "SELECT message FROM events WHERE code = 'disk_full'"
        assert wait_for(lambda: bool(ground.node.rows(full)), PATIENCE_SECONDS), ground.node.log_tail()
        ((reason,),) = ground.node.rows(full)
        assert "free some space" in reason
        written = result_files(ground)
        assert 0 < len(written) < RESULTS
        assert_nothing_half(ground)
        (disk / "ballast").unlink()
        began = time.monotonic()
        assert_made_again(ground, written)
        seconds = time.monotonic() - began
        assert ground.node.rows("SELECT attempts FROM analyses") == [(1,)]
        ground.hold_all_laws()
    figure(
        f"disk full after {len(written)} of {RESULTS} results: none sent, no attempt counted; all of them "
        f"{seconds:.0f} s after there was room"
    )


def fill(ballast: Path, *, leaving: int) -> None:
    """Take a disk's room until so many bytes are left."""
    free = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leaving)
