"""The receiving benchmark runs, and what it prints of its records is what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.parametrize("receiver", ["naive", pytest.param("this node", marks=pytest.mark.slow)])
def test_a_quick_round_counts_every_instance_and_prints_the_table(tmp_path: Path, receiver: str) -> None:
    command = [sys.executable, BENCHMARKS / "receive.py", "--quick", "--folder", tmp_path]
    run = subprocess.run(
        [*command, "--only", receiver], capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr
    assert receiver in run.stdout
    assert "| 200 KB |" in run.stdout
    assert list(tmp_path.iterdir()) == []


def record(turn: int, receiver: str, per_second: float, cpu_ms: float) -> dict[str, object]:
    return {
        "round": turn,
        "receiver": receiver,
        "durable": "",
        "size": "1 MB",
        "associations": 1,
        "per_second": per_second,
        "cpu_ms": cpu_ms,
        "setup_ms": 1.0,
    }


def test_ratios_are_paired_by_round_and_the_round_that_warms_up_is_left_out() -> None:
    from receive_parts.page import page, result

    records = [record(-1, "this node", 1, 99), record(-1, "Orthanc, TCP_NODELAY", 99, 1)]
    for turn, (ours, theirs) in enumerate([(100, 50), (300, 200), (90, 30)]):
        records += [record(turn, "this node", ours, 2), record(turn, "Orthanc, TCP_NODELAY", theirs, 4)]
    text = page(result(records, rounds=3, instances=16, disk="ext4 with a journal"))
    assert ", ext4 with a journal: 3 interleaved rounds of 16 instances each" in text
    assert (
        "| speed over Orthanc's, 1 association | ≥ 1.2 | ≥ 2.0 | 1 MB | 2.00 (1.50–3.00) | aim met |" in text
    )
    assert "| CPU over Orthanc's, 1 association | ≤ 0.6 | ≤ 0.4 | 1 MB | 0.50 (0.50–0.50) | met |" in text


def test_the_page_names_the_file_system_that_the_receivers_wrote_to() -> None:
    from receive_parts.disk import file_system

    assert file_system(Path("/proc")) == "proc"
    assert file_system(Path("/dev/shm")) == "tmpfs"  # noqa: S108 - read only
