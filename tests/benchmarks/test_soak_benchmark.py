"""The soak runs, and its verdict notices what it is there to notice."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.slow
def test_scanners_and_their_faults_at_a_receiver_that_accepts_strangers(tmp_path: Path) -> None:
    from soak_parts.faults import FAULTS
    from soak_parts.pacs import EmbeddedServer
    from soak_parts.studies import Supply
    from soak_parts.traffic import Traffic
    from soak_parts.verdict import lost_objects

    faults = [fault for fault in FAULTS if fault != "half a PDU"]  # its deadline is ten seconds
    with EmbeddedServer(tmp_path, "RADIUSDXA") as pacs:
        traffic = Traffic(pacs.port, Supply(0), rate=20, fault_share=0.2, faults=faults)
        traffic.run(2, associations=40)
        rows = read_rows(tmp_path / "journal.db")
    ledger = traffic.ledger
    assert ledger.studies == 40
    assert len(ledger.acknowledged) == 80
    assert ledger.faults.total() == 8
    assert set(ledger.faults) == set(faults)
    assert len(ledger.setups) == 40
    assert ledger.complaints == ["unknown AE: an unknown AE was accepted"]
    assert not lost_objects(SimpleNamespace(data_dir=tmp_path, rows=rows), ledger)  # type: ignore[arg-type]


def read_rows(journal: Path) -> Callable[[str], list[tuple[object, ...]]]:
    def rows(sql: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(journal) as connection:
            return connection.execute(sql).fetchall()

    return rows


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_minutes_and_five_thousand_short_associations_leave_the_node_as_it_was(tmp_path: Path) -> None:
    command = [sys.executable, BENCHMARKS / "soak.py", "--minutes", "2", "--associations-total", "5000"]
    run = subprocess.run(
        [*command, "--out", tmp_path], capture_output=True, text=True, timeout=800, check=False
    )
    page = run.stdout
    assert run.returncode == 0, page + run.stderr
    assert "FAILS" not in page
    for claim in (
        "every acknowledged object is archived, byte for byte",
        "descriptors are back to base",
        "threads are back to base",
        "RSS grows by less than 8 MiB in the last minute",
    ):
        assert f"| {claim} |" in page
    assert "| 5000; " in page
    assert (tmp_path / "soak.csv").read_text().count("\n") > 20
    assert (tmp_path / "images" / "soak.png").stat().st_size > 10_000


def process(rss_mib: float, *, open_files: tuple[str, ...] = ("socket",), threads: int = 10) -> object:
    from soak_parts.node import ProcessFigures

    return ProcessFigures(
        rss_mib=rss_mib,
        anonymous_mib=rss_mib,
        open_files=open_files,
        threads=threads,
        cpu_seconds=0,
        children=1,
        children_rss_mib=0,
        children_descriptors=1,
    )


def growth_checks(mib_per_hour: float, *, minutes: int, **rest: object) -> dict[str, bool]:
    """Judge a node whose memory grows evenly, with a sawtooth of 2 MiB on top of it."""
    from soak_parts.verdict import Limits, growth, slope_per_hour

    seconds = range(0, 60 * minutes, 5)
    memory = [100 + mib_per_hour * second / 3600 + second % 20 / 10 for second in seconds]
    samples = [
        SimpleNamespace(seconds=second, process=process(rss))
        for second, rss in zip(seconds, memory, strict=True)
    ]
    outcome = SimpleNamespace(
        samples=samples,
        base=process(100),
        rest=process(100, **rest),  # type: ignore[arg-type]
        rss=slope_per_hour(list(seconds), memory),
    )
    checks = growth(outcome, Limits.of(60 * minutes))  # type: ignore[arg-type]
    return {check.claim: check.holds for check in checks}


def test_steady_memory_holds() -> None:
    assert all(growth_checks(0, minutes=60).values())
    assert all(growth_checks(0, minutes=2).values())


def test_a_leak_of_two_mib_an_hour_fails_an_hour_and_one_of_ten_mib_a_minute_fails_two_minutes() -> None:
    assert not growth_checks(2, minutes=60)["RSS slope after warm-up below 1 MiB/h"]
    assert not growth_checks(600, minutes=2)["RSS grows by less than 8 MiB in the last minute"]


def test_a_descriptor_and_a_thread_more_than_before_fail() -> None:
    checks = growth_checks(0, minutes=2, open_files=("socket", "socket"), threads=11)
    assert not checks["descriptors are back to base"]
    assert not checks["threads are back to base"]


def test_the_slope_is_not_bent_by_a_single_step_at_the_start() -> None:
    from soak_parts.verdict import slope_per_hour

    seconds = list(range(0, 3600, 5))
    slope = slope_per_hour(seconds, [80.0 if second < 120 else 100.0 for second in seconds])
    assert abs(slope.value) < 0.1


@pytest.mark.parametrize("damage", ["none", "one byte", "no file", "no row"])
def test_an_acknowledged_object_is_lost_unless_its_very_bytes_are_in_the_archive(
    tmp_path: Path, damage: str
) -> None:
    from soak_parts.traffic import Ledger
    from soak_parts.verdict import lost_objects

    data_set, head = b"data set", b"DICM and File Meta Information"
    digest = hashlib.sha256(data_set).hexdigest()
    file = tmp_path / "object.dcm"
    file.write_bytes(head + (b"dAta set" if damage == "one byte" else data_set))
    if damage == "no file":
        file.unlink()
    rows = [] if damage == "no row" else [("1.2.3", digest, "object.dcm", len(data_set))]
    node = SimpleNamespace(data_dir=tmp_path, rows=lambda _sql: rows)
    lost = lost_objects(node, Ledger(acknowledged={"1.2.3": digest}))  # type: ignore[arg-type]
    assert lost == ([] if damage == "none" else ["1.2.3"])
