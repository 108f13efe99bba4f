"""``dicom-node simulate-cohort``: a cohort with predictors, scans, repeat scans, fractures and its oracle.

A run that was stopped goes on where it was when the same command is given again. Needs the ``training`` extra
(pandas, pyarrow; dask for ``--dask``), which the node itself never imports.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import at_least
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from analysis.simulation.cohort.generate import CohortPlan
    from analysis.simulation.cohort.scanning import Progress

EMULATOR_FILE = "emulator.json"
NOTICE = "simulated; research use only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="write the cohort here")
    parser.add_argument("--size", type=at_least(1), default=12856, metavar="N", help="subjects")
    parser.add_argument("--seed", type=int, default=20261127, metavar="S", help="same seed, same bytes")
    parser.add_argument(
        "--population",
        default="china-clinic",
        metavar="P",
        help="who is drawn: china-clinic, western-community or china-hospital",
    )
    parser.add_argument(
        "--scanner", default="reference", metavar="S", help="what scans: reference or external"
    )
    parser.add_argument(
        "--effect",
        type=_effect,
        action="append",
        metavar="FAMILY=X",
        help="multiply the log hazard ratios of a family, e.g. texture=0; may be repeated",
    )
    parser.add_argument(
        "--measurement",
        choices=("images", "emulated"),
        default="images",
        help="take pictures and measure them, or draw measurements from an emulator fitted on pictures",
    )
    parser.add_argument(
        "--emulator",
        type=Path,
        metavar="DIR|FILE",
        help="for --measurement emulated: an imaged cohort to fit an emulator on, or a fitted emulator.json",
    )
    parser.add_argument(
        "--scans", type=Path, metavar="DIR", help="use the scans of this cohort of the same people"
    )
    parser.add_argument(
        "--repeat-share", type=_share, default=0.08, metavar="X", help="share with two earlier scans"
    )
    parser.add_argument("--no-missing", action="store_true", help="leave no value out")
    parser.add_argument(
        "--dicom",
        type=at_least(0),
        default=0,
        metavar="N",
        help="also write the first N subjects as DICOM studies",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="reference curve for T-scores; default: the shipped iscd-atlas-female.csv",
    )
    parser.add_argument("--processes", type=at_least(1), default=2, metavar="P", help="worker processes")
    parser.add_argument("--dask", metavar="ADDRESS", help="work on this Dask cluster instead")


def run(options: argparse.Namespace) -> int:
    """Simulate, show a summary."""
    # before numpy is imported, here and in the workers: one thread each, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    _require_extra()
    from analysis.simulation.cohort.generate import simulate_cohort
    from analysis.simulation.cohort.studies import write_studies

    plan = _plan(options)
    with _executor(options) as executor, _progress() as report:
        manifest = simulate_cohort(options.out, plan, executor, report)
    if options.dicom:
        write_studies(options.out / "dicom", plan.scans, options.dicom)
    _show(options.out, manifest)
    return 0


def _plan(options: argparse.Namespace) -> CohortPlan:
    from analysis.measurement.reference import load_reference
    from analysis.simulation.cohort.generate import CohortPlan
    from analysis.simulation.cohort.populations import population_of
    from analysis.simulation.cohort.scanners import scanner_named
    from analysis.simulation.cohort.scanning import ScanPlan
    from dicom_node.config import default_conf_directory

    reference = options.reference or default_conf_directory() / "reference" / "iscd-atlas-female.csv"
    emulated = options.measurement == "emulated"
    if emulated != (options.emulator is not None):
        raise ConfigurationError("--measurement emulated and --emulator go together: give both or neither")
    if emulated and options.scans is not None:
        raise ConfigurationError("--scans is for --measurement images: leave one of the two out")
    scans = ScanPlan(
        population_of(options.population),
        scanner_named(options.scanner),
        options.size,
        options.seed,
        load_reference(reference),
        options.repeat_share,
    )
    return CohortPlan(
        scans,
        effects=dict(options.effect or ()),
        missing=not options.no_missing,
        emulator=_emulator(options) if emulated else None,
        shared_scans=options.scans,
    )


def _emulator(options: argparse.Namespace) -> Path:
    """File of the emulator; fitted first where a cohort was named."""
    from analysis.simulation.cohort.emulator import fit_emulator, save_emulator

    named: Path = options.emulator
    if not named.is_dir():
        return named
    written: Path = options.out / EMULATOR_FILE
    save_emulator(fit_emulator(named), written)
    return written


@contextlib.contextmanager
def _executor(options: argparse.Namespace) -> Iterator[Executor]:
    if options.dask is not None:
        from dask.distributed import Client

        connect: Any = Client
        with connect(options.dask) as client:
            yield client.get_executor()
        return
    import multiprocessing

    workers = ProcessPoolExecutor(options.processes, mp_context=multiprocessing.get_context("spawn"))
    with workers:
        try:
            yield workers
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)  # do not scan the rest after an error or Ctrl-C
            raise


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield report


def _show(directory: Path, manifest: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from analysis.cohort.columns import DEATH, FRACTURE
    from analysis.cohort.table import load_cohort

    cohort = load_cohort(directory)
    follow_up, visits = cohort.follow_up, cohort.visits()
    console = Console()
    console.print(
        f"{len(cohort)} subjects of {manifest['population']} by the scanner {manifest['scanner']} "
        f"({manifest['measurement']}), seed {manifest['seed']}: {NOTICE}"
    )
    table = Table("what", "value")
    table.add_row("women", f"{100 * (1 - cohort.frame['male'].mean()):.1f} %")
    table.add_row("age, mean", f"{cohort.frame['age_years'].mean():.1f} years")
    table.add_row("one-third BMD, mean", f"{cohort.frame['one_third.bmd_g_cm2'].mean():.3f} g/cm²")
    table.add_row("fractures", str(int((follow_up.ending == FRACTURE).sum())))
    table.add_row("deaths before a fracture", str(int((follow_up.ending == DEATH).sum())))
    table.add_row("follow-up, mean", f"{follow_up.years.mean():.1f} years")
    table.add_row("scans that could not be measured", str(int((cohort.frame["scan_problem"] != "").sum())))
    table.add_row("repeat scans", str(0 if visits is None else len(visits)))
    console.print(table)
    print(f"written to {directory}; {NOTICE}")


def _require_extra() -> None:
    try:
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"simulating a cohort needs {error.name}: install the extra with "
            "pip install 'radius-dxa-node[training]'"
        ) from error


def _effect(text: str) -> tuple[str, float]:
    family, separator, multiplier = text.partition("=")
    try:
        value = float(multiplier)
    except ValueError:
        separator = ""
        value = 0.0
    if not separator or not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"{text} is not FAMILY=MULTIPLIER with a multiplier of 0 to 10")
    return family, value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share from 0 to 1")
    return value
