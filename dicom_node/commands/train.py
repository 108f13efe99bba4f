"""``dicom-node train risk|segmentation``: make the models anew from simulated forearms.

``risk`` simulates a cohort, measures it with the engine, fits and evaluates the risk models. ``segmentation``
trains a segmentation network from nothing, evaluates it and writes it as ONNX; it needs the ``training``
extra (torch, MONAI, onnx), which the node itself never imports.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from dicom_node.errors import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models = parser.add_subparsers(dest="model", metavar="MODEL", required=True)
    formatter = parser.formatter_class
    risk = models.add_parser("risk", help="the fracture risk models", formatter_class=formatter)
    risk.add_argument("--size", type=_positive, default=2400, metavar="N", help="simulated subjects")
    _add_common(risk)
    risk.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="reference curve for T-scores; default: the shipped iscd-atlas-female.csv",
    )
    network = models.add_parser(
        "segmentation", help="the network that outlines the bones", formatter_class=formatter
    )
    network.add_argument("--size", type=_positive, default=400, metavar="N", help="simulated forearms")
    network.add_argument("--steps", type=_positive, default=2000, metavar="N", help="optimiser steps")
    network.add_argument(
        "--architecture",
        choices=("deeplabv3plus", "unet"),
        default="deeplabv3plus",
        help="the network that the node uses, or the one it is compared with",
    )
    _add_common(network)


def run(options: argparse.Namespace) -> int:
    # before numpy is imported, here and in the workers: one thread each, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return _train_risk(options) if options.model == "risk" else _train_segmentation(options)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=20261120, metavar="S", help="same seed, same bytes")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write models, registry and evaluation here"
    )
    parser.add_argument("--processes", type=_positive, default=2, metavar="P", help="worker processes")


def _train_risk(options: argparse.Namespace) -> int:
    from analysis.training.models import EVALUATION_FILE, train_models
    from dicom_node.config import default_conf_directory

    reference = options.reference or default_conf_directory() / "reference" / "iscd-atlas-female.csv"
    cohort = _simulate(options, reference)
    train_models(cohort, options.out)
    _show(json.loads((options.out / EVALUATION_FILE).read_bytes()))
    print(f"written to {options.out}; use it with models = {json.dumps(str(options.out))} in node.toml")
    return 0


def _train_segmentation(options: argparse.Namespace) -> int:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    try:
        from analysis.training.segmentation.fit import Schedule
        from analysis.training.segmentation.release import TEST_SCANS, Plan, train_segmentation
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"training a network needs {error.name}: install the extra with "
            "pip install 'radius-dxa-node[training]'"
        ) from error
    plan = Plan(
        options.architecture,
        options.size,
        Schedule(options.steps, options.seed),
        options.processes,
        TEST_SCANS,
    )
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    workers = ProcessPoolExecutor(options.processes, mp_context=multiprocessing.get_context("spawn"))
    with workers, Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)
            if note:
                progress.console.print(f"{stage} {done}: {note}")

        figures = train_segmentation(plan, options.out, workers, report)
    _show_network(figures)
    print(f"written to {options.out}")
    return 0


def _show_network(figures: dict[str, Any]) -> None:
    """Dice and landmark errors on held-out phantoms, by number format and kind of scan."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "numbers", "scans", "n", "radius Dice mean", "5th percentile", "least", "ulna", "end plate mm, p95"
    )
    for number_format, network in figures["networks"].items():
        for kind, scores in network["held_out"].items():
            radius, ulna = scores["dice"]["radius"], scores["dice"]["ulna"]
            end_plate = scores["landmark_error_mm"].get("end_plate_middle")
            table.add_row(
                number_format,
                kind,
                str(scores["scans"]),
                *(f"{radius[name]:.4f}" for name in ("mean", "p5", "min")),
                f"{ulna['mean']:.4f}",
                f"{end_plate['p95']:.2f}" if end_plate else "–",
            )
    console = Console()
    console.print(table)
    console.print(
        f"{figures['parameters']} parameters, {figures['minutes']} minutes; {figures['training_data']}"
    )


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
