"""``dicom-node train risk|radiomics|fusion|segmentation``: make the models anew.

``risk`` fits the risk models that the node uses to a cohort, ``radiomics`` and ``fusion`` the lines they are
compared with. ``segmentation`` trains a segmentation network from nothing, evaluates it and writes it as
ONNX. All need libraries of the ``training`` extra, which the node itself never imports.
"""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
from typing import Any

from dicom_node.commands import train_risk
from dicom_node.commands.options import at_least
from dicom_node.errors import ConfigurationError

LINES = {
    "radiomics": "the radiomics line of a published MRI study, for comparison",
    "fusion": "the network that fuses pictures with predictors, for comparison",
}
"""Further models, each a module ``train_NAME`` of this package."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models = parser.add_subparsers(dest="model", metavar="MODEL", required=True)
    formatter = parser.formatter_class
    risk = models.add_parser("risk", help="the fracture risk models, on a cohort", formatter_class=formatter)
    train_risk.add_arguments(risk)
    for name, summary in LINES.items():
        line = models.add_parser(name, help=summary, formatter_class=formatter)
        importlib.import_module(f"dicom_node.commands.train_{name}").add_arguments(line)
    network = models.add_parser(
        "segmentation", help="the network that outlines the bones", formatter_class=formatter
    )
    network.add_argument("--size", type=at_least(1), default=400, metavar="N", help="simulated forearms")
    network.add_argument("--steps", type=at_least(1), default=2000, metavar="N", help="optimiser steps")
    network.add_argument(
        "--architecture",
        choices=("deeplabv3plus", "unet"),
        default="deeplabv3plus",
        help="the network that the node uses, or the one it is compared with",
    )
    network.add_argument("--seed", type=int, default=20261120, metavar="S", help="same seed, same bytes")
    network.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write network and evaluation here"
    )
    network.add_argument("--processes", type=at_least(1), default=2, metavar="P", help="worker processes")


def run(options: argparse.Namespace) -> int:
    # before numpy is imported, here and in the workers: one thread each, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    if options.model == "risk":
        return train_risk.run(options)
    if options.model in LINES:
        return int(importlib.import_module(f"dicom_node.commands.train_{options.model}").run(options))
    return _train_segmentation(options)


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
