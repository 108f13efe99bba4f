"""``dicom-node simulate-site``: the loop from outcome back to model, on simulated patients, in one figure.

Needs the ``training`` extra, which the node itself never imports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import at_least
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

FIGURE_FILE, NUMBERS_FILE = "simulated-site.png", "simulated-site.json"

MINIMUM_NEW_FRACTURES, MINIMUM_TO_REFIT, WINDOW_YEARS = 150, 200, 2.0
"""``[learning]`` of the simulated site."""
TRIALS, FOLDS = 5, 3
"""Of the search for hyperparameters: few, so that the whole takes minutes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write figure and numbers here"
    )
    parser.add_argument(
        "--years", type=at_least(3), default=5, metavar="N", help="of scans; one more follows"
    )
    parser.add_argument(
        "--patients-per-year", type=at_least(100), default=4000, metavar="N", help="who are scanned"
    )
    parser.add_argument("--seed", type=int, default=20261127, metavar="S", help="same seed, same numbers")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep journal, models and evaluation reports here"
    )


def run(options: argparse.Namespace) -> int:
    # before numpy is imported: one thread, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    try:
        return _run(options)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"simulating a site needs {error.name}: install the extra with "
            "pip install 'radius-dxa-node[training]'"
        ) from error


def _run(options: argparse.Namespace) -> int:
    from analysis.risk import SHIPPED_MODELS
    from analysis.simulation.site import SitePlan
    from analysis.training.tuning import Plan
    from dicom_node.config import LearningSettings
    from dicom_node.simulated_site.figure import write_figure
    from dicom_node.simulated_site.loop import SimulatedSite
    from dicom_node.simulated_site.summary import document

    if options.keep is not None and options.keep.exists():
        raise ConfigurationError(f"--keep {options.keep}: is there already; name a directory that is not")
    started = time.monotonic()
    with _folder(options.keep) as folder, _progress() as report:
        history = SimulatedSite(
            folder,
            SitePlan(years=options.years, patients_per_year=options.patients_per_year, seed=options.seed),
            shipped=SHIPPED_MODELS,
            settings=LearningSettings(
                minimum_new_fractures=MINIMUM_NEW_FRACTURES,
                minimum_fractures_to_refit=MINIMUM_TO_REFIT,
                window_years=WINDOW_YEARS,
            ),
            training=Plan("tpe", TRIALS, FOLDS, options.seed),
            progress=report,
        ).run()
        numbers = document(history)
    options.out.mkdir(parents=True, exist_ok=True)
    write_figure(numbers, options.out / FIGURE_FILE)
    text = json.dumps(numbers, indent=1, ensure_ascii=False)
    (options.out / NUMBERS_FILE).write_text(text + "\n", encoding="utf-8")
    _show(numbers)
    seconds = time.monotonic() - started
    print(f"{seconds:.0f} s on {os.cpu_count()} cores of {platform.machine()}; written to {options.out}")
    return 0


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="dicom-node-site-") as name:
        yield Path(name) / "site"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("months", total=None)
        yield lambda step, done, total: bars.update(task, description=step, completed=done, total=total)


def _show(numbers: dict[str, Any]) -> None:
    from rich.table import Table

    from dicom_node.tables import print_table

    table = Table(
        "scanned in years", "model", "role", "patients", "fractures", "O:E (95 %)", "slope", "AUC",
        title="Simulated site; research use only", title_justify="left",
    )  # fmt: skip
    for point in numbers["by_year_of_scan"]:
        table.add_row(
            f"{point['begin']:.2f} to {point['end']:.2f}",
            point["version"],
            point["role"],
            str(point["subjects"]),
            str(point["fractures"]),
            _estimate(point["observed_to_expected"], 2),
            _estimate(point["slope"], 2),
            _estimate(point["auc"], 3),
        )
    print_table(table)
    alarm = numbers["first_alarm_month"]
    print("surveillance raised no alarm" if alarm is None else f"first alarm in month {alarm}")
    for promotion in numbers["promotions"]:
        print(f"month {promotion['month']}: {promotion['after']} promoted; {promotion['reason']}")


def _estimate(found: dict[str, float] | None, digits: int) -> str:
    if found is None:
        return "–"
    return f"{found['value']:.{digits}f} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"
