"""Size and cost of every result object: fills the table of docs/administrator.md.

    .venv/bin/python benchmarks/result_set.py

The sample study with poor bone is written up again and again in a warm process: with every object by itself,
its check included, and with all of them.
"""

from __future__ import annotations

import io
import os
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from pydicom import dcmread

from analysis.engine import analyze
from dicom_node.config import load_analysis_config
from reports import ReportOptions, compose
from reports.options import EVERY_RESULT, ResultName

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "administrator.md"
STUDY = "02-calibrated-high-risk"
ROUNDS = 7
START, END = "<!-- result set -->", "<!-- end of result set -->"
OBJECTS: dict[ResultName, tuple[int, str]] = {
    "summary": (903, "page of numbers and caveats, Secondary Capture"),
    "measurements": (901, "Structured Report, TID 1500"),
    "driver_map": (902, "what drives the risk, Secondary Capture"),
    "density_map": (904, "density and strain, Secondary Capture"),
    "report": (900, "Structured Report in words, TID 2000"),
    "segmentation": (905, "radius, ulna, regions"),
    "presentation": (906, "outlines and names on the original (GSPS; colour class on a colour page)"),
    "document": (907, "PDF/A with the whole analysis attached"),
    "key_objects": (908, "what to look at first"),
}


def main() -> None:
    """Measure and write the table."""
    datasets = [dcmread(path) for path in sorted((REPOSITORY / "sample_studies" / STUDY).glob("*.dcm"))]
    analysis = analyze(datasets, config=load_analysis_config())

    def measured(results: tuple[ResultName, ...]) -> tuple[int, float]:
        """Bytes as written, and median processor time in ms."""
        taken = []
        for _ in range(ROUNDS):
            start = time.process_time()
            made = compose(analysis, datasets, options=ReportOptions(results=results))
            taken.append(1000 * (time.process_time() - start))
        size = 0
        for result in made:
            buffer = io.BytesIO()
            result.save_as(buffer, enforce_file_format=True)
            size += len(buffer.getvalue())
        return size, statistics.median(taken)

    measured(EVERY_RESULT)  # the first of a process loads fonts and tables
    rows = [_row(f"`{name}`", *OBJECTS[name], *measured((name,))) for name in EVERY_RESULT]
    rows.append(_row("all", "", "", *measured(EVERY_RESULT)))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    made_by = (
        f"Made by `python benchmarks/result_set.py` on {day}, {platform.machine()}, one core: sample study, "
        f"warm process, median of {ROUNDS}; each object by itself with its check."
    )
    table = "\n".join(
        ("| `results` | series | object | size | CPU time |", "|---|---|---|---|---|", *rows, "", made_by)
    )
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(table)


def _row(name: str, series: object, what: str, size: int, milliseconds: float) -> str:
    shown = f"{size / 1e6:.1f} MB" if size > 1e5 else f"{size / 1e3:.0f} kB"
    return f"| {name} | {series} | {what} | {shown} | {milliseconds:.0f} ms |"


if __name__ == "__main__":
    main()
