"""Seconds from the last C-STORE to the report at the PACS: writes docs/performance.md.

    .venv/bin/python benchmarks/latency.py

Fresh simulated studies go the whole way over DICOM on this machine: sender, node (a process of its own),
embedded PACS. First one study at a time, each after the one before is answered; then all at once.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis import __version__
from analysis.simulation.study import FLAVOURS, simulate_study, write_study
from dicom_node.demonstration import (
    PACS_AE_TITLE,
    QUIET_SECONDS,
    DemoStudy,
    prepare_folder,
    push,
    running_node,
    wait,
)
from dicom_node.dicom_files import read_studies
from dicom_node.embedded_pacs import EmbeddedPacs

REPOSITORY = Path(__file__).parent.parent
FIRST_SEED = 920_000
LIMIT_SECONDS = 300.0
BAR_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=12, help="in each of the two runs")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        singly, at_once = measure(Path(folder), options.studies)
    text = report(singly, at_once)
    before = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
    _, heading, sections = before.partition("\n## ")  # what other benchmarks measured
    options.out.write_text(text + heading + sections, encoding="utf-8")
    print(text)


def measure(folder: Path, count: int) -> tuple[list[float], list[float]]:
    """Seconds beyond the quiet time: one study at a time (the first one cold), and all at once."""
    demos = [_study(folder / "input" / str(index), index) for index in range(2 * count)]
    work = folder / "work"
    prepare_folder(work)
    with EmbeddedPacs(work / "pacs_data", PACS_AE_TITLE) as pacs, running_node(work, pacs.port) as node:
        for demo in demos[:count]:
            push(demo, node)
            list(wait([demo], work, pacs, LIMIT_SECONDS))
        for demo in demos[count:]:
            push(demo, node)
        list(wait(demos[count:], work, pacs, LIMIT_SECONDS))
    return _seconds(demos[:count]), _seconds(demos[count:])


def report(singly: Sequence[float], at_once: Sequence[float]) -> str:
    """The page: one table."""
    cold, *warm = singly
    rows = [
        ("first study after the start, workers warm", [cold]),
        ("one study at a time", warm),
        (f"{len(at_once)} studies pushed at once", at_once),
    ]
    lines = [
        "# Time from push to report",
        "",
        f"Made by `python benchmarks/latency.py` on {datetime.now(UTC):%Y-%m-%d}, version {__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}. "
        "Seconds from the acknowledgement of a study's last C-STORE until its last Structured Report is "
        f"stored at the PACS, less the quiet time of {QUIET_SECONDS:g} s; simulated studies of all "
        "three flavours in turn, two worker processes, sender, node and PACS on the same machine.",
        "",
        "| | studies | median s | largest s | bar |",
        "|---|---|---|---|---|",
    ]
    for title, seconds in rows:
        lines.append(
            f"| {title} | {len(seconds)} | {statistics.median(seconds):.1f} | {max(seconds):.1f} "
            f"| < {BAR_SECONDS} |"
        )
    return "\n".join(lines) + "\n"


def _study(folder: Path, index: int) -> DemoStudy:
    write_study(simulate_study(FLAVOURS[index % len(FLAVOURS)], FIRST_SEED + index), folder)
    (study,), _ = read_studies([folder])
    return DemoStudy(f"study {index}", study)


def _seconds(demos: Sequence[DemoStudy]) -> list[float]:
    seconds = [demo.seconds_to_report for demo in demos]
    unanswered = [demo.name for demo in demos if demo.seconds_to_report is None]
    if unanswered:
        raise SystemExit(f"no report for {', '.join(unanswered)}: a time over the rest would mislead")
    return [value for value in seconds if value is not None]


if __name__ == "__main__":
    main()
