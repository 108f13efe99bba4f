"""Reprocessing after a promotion, with kills on the way: each study superseded exactly once.

    .venv/bin/python benchmarks/reprocess.py                       # 2,000 studies, 24 with the real engine
    .venv/bin/python benchmarks/reprocess.py --studies 200 --real 6 --page FILE

Writes its table into docs/reprocessing.md. What happens and what must hold stands in
tests/crash/reprocessing_drill.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "crash")]

if TYPE_CHECKING:
    from reprocessing_drill import DrillReport

PAGE = REPOSITORY / "docs" / "reprocessing.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> None:
    from reprocessing_drill import run_drill

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="copies analysed by the stand-in")
    parser.add_argument("--real", type=int, default=24, help="copies analysed by the real engine; 0: none")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path, default=PAGE, help="page that the table goes into")
    options = parser.parse_args()
    reports = []
    for studies, standin in ((options.studies, True), (options.real, False)):
        if studies:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                report = run_drill(
                    Path(folder), studies=studies, kills=options.kills, seed=options.seed, standin=standin
                )
                print(report, flush=True)
                reports.append(report)
    table = _table(reports, " ".join(["benchmarks/reprocess.py", *sys.argv[1:]]))
    print(table)
    _put(options.page, table)
    sys.exit(0 if all(report.holds for report in reports) else 1)


def _table(reports: list[DrillReport], command: str) -> str:
    rows = {
        "engine": [report.engine for report in reports],
        "studies": [f"{report.studies:,}" for report in reports],
        "first analyses and reports": [_spoken(report.first_seconds) for report in reports],
        "plan, restarts included": [_spoken(report.plan_seconds) for report in reports],
        "killed (SIGKILL) when so many were settled": [
            ", ".join(f"{count:,}" for count in report.kills) for report in reports
        ],
        "seconds until it listened again": [
            ", ".join(f"{seconds:.1f}" for seconds in report.restart_seconds) for report in reports
        ],
        "analyses that a kill interrupted": [str(report.interrupted) for report in reports],
        "what became of the plan's studies": [
            ", ".join(f"{count:,} {state}" for state, count in report.items.items()) for report in reports
        ],
        "reports at the PACS": [f"{report.reports_at_pacs:,}" for report in reports],
        "of these received twice, with the same bytes": [
            str(report.repeats_with_same_bytes) for report in reports
        ],
        "**studies superseded exactly once**": [
            f"**{report.superseded.get(1, 0):,} of {report.studies:,}**" for report in reports
        ],
        "otherwise": ["; ".join(report.problems) or "nothing" for report in reports],
    }
    return "\n".join(
        (
            f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, "
            f"Python {platform.python_version()}.",
            "",
            f"| |{' |' * len(reports)}",
            f"|---|{'---|' * len(reports)}",
            *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
        )
    )


def _put(page: Path, table: str) -> None:
    """Write the table between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


if __name__ == "__main__":
    main()
