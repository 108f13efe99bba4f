"""``dicom-node train``: simulate a cohort, measure it with the engine, fit and evaluate the risk models."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=_positive, default=2400, metavar="N", help="simulated subjects")
    parser.add_argument("--seed", type=int, default=20261120, metavar="S", help="same seed, same bytes")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write models, registry and evaluation here"
    )
    parser.add_argument("--processes", type=_positive, default=2, metavar="P", help="worker processes")
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="reference curve for T-scores; default: the shipped iscd-atlas-female.csv",
    )


def run(options: argparse.Namespace) -> int:
    # before numpy is imported, here and in the workers: one thread each, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    from analysis.training.models import EVALUATION_FILE, train_models
    from dicom_node.config import default_conf_directory

    reference = options.reference or default_conf_directory() / "reference" / "iscd-atlas-female.csv"
    cohort = _simulate(options, reference)
    train_models(cohort, options.out)
    _show(json.loads((options.out / EVALUATION_FILE).read_bytes()))
    print(f"written to {options.out}; use it with models = {json.dumps(str(options.out))} in node.toml")
    return 0


def _simulate(options: argparse.Namespace, reference: Path) -> Any:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from analysis.training.cohort import simulate_cohort

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    workers = ProcessPoolExecutor(options.processes, mp_context=multiprocessing.get_context("spawn"))
    with workers, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("subjects scanned and measured", total=options.size)
        try:
            return simulate_cohort(
                options.size,
                options.seed,
                reference,
                workers,
                lambda done: progress.update(task, completed=done),
            )
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)  # do not scan the rest after an error or Ctrl-C
            raise


def _show(evaluation: dict[str, Any]) -> None:
    """One table per model; "oracle" is the AUC of the true hazard, O:E observed over expected fractures."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{evaluation['subjects_test']} held-out subjects; {evaluation['training_data']}")
    for name, model in evaluation["models"].items():
        table = Table(
            "years",
            "fractures",
            "AUC (95 %)",
            "oracle",
            "O:E",
            "slope",
            "Brier",
            title=name,
            title_justify="left",
        )
        for years, figures in model["horizons"].items():
            table.add_row(years, *_cells(figures))
        console.print(table)


def _cells(figures: dict[str, Any]) -> list[str]:
    if figures["auc"] is None:
        return ["0", *["–"] * 5]
    low, high = figures["auc_interval"]
    return [
        str(figures["fractures"]),
        f"{figures['auc']:.3f} ({low:.3f}–{high:.3f})",
        f"{figures['auc_oracle']:.3f}",
        f"{figures['observed_to_expected']:.2f}",
        f"{figures['calibration_slope']:.2f}",
        f"{figures['brier']:.4f}",
    ]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value
