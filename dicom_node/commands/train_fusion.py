"""``dicom-node train fusion``: fuse a picture's encoder with a cohort's predictors, and write the network.

Needs the ``training`` extra (torch, pandas, safetensors, onnx), which the node itself never imports.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from dicom_node.commands.options import at_least
from dicom_node.errors import ConfigurationError

FUSIONS = ("early", "late-weighted", "late-stacked", "hybrid")
PRETRAININGS = ("none", "self-supervised", "segmentation", "microstructure")
OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "step", "plateau", "constant")
SEARCHES = ("tpe", "grid", "random")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``train fusion``."""
    parser.add_argument(
        "--cohort",
        type=Path,
        required=True,
        metavar="DIR",
        help="cohort of simulate-cohort, or a site's table",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write network and figures here"
    )
    parser.add_argument(
        "--fusion", choices=FUSIONS, default="early", help="how families are brought together"
    )
    parser.add_argument(
        "--pretraining",
        choices=PRETRAININGS,
        default="self-supervised",
        help="what the encoder learns first; microstructure uses a simulator's truth",
    )
    parser.add_argument(
        "--pretraining-epochs", type=at_least(1), default=6, metavar="N", help="passes over pictures"
    )
    parser.add_argument(
        "--tuning-epochs",
        type=at_least(0),
        default=0,
        metavar="N",
        help="passes in which the encoder learns from outcomes; 0 keeps it as pre-trained",
    )
    parser.add_argument(
        "--epochs", type=at_least(1), default=60, metavar="N", help="at most, for each member"
    )
    parser.add_argument(
        "--members", type=at_least(2), default=8, metavar="N", help="networks that are averaged"
    )
    parser.add_argument("--optimizer", choices=OPTIMISERS, default="adamw", help="of the fusion")
    parser.add_argument("--schedule", choices=SCHEDULES, default="cosine", help="of the learning rate")
    parser.add_argument("--missing", choices=("mask", "mice"), default="mask", help="what is done about gaps")
    parser.add_argument("--no-image", action="store_true", help="without pictures, to see what they add")
    parser.add_argument("--search", choices=SEARCHES, help="look for better settings first")
    parser.add_argument(
        "--trials", type=at_least(1), default=12, metavar="N", help="settings to try with --search"
    )
    parser.add_argument("--seed", type=int, default=20261127, metavar="S", help="same seed, same weights")


def run(options: argparse.Namespace) -> int:
    """Train, write, and show the figures on the held-out fifth."""
    # before numpy is imported: one thread, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    try:
        from analysis.cohort.table import load_cohort
        from analysis.training.fusion.release import Plan, train_fusion
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"training a fusion network needs {error.name}: install the extra with "
            "pip install 'radius-dxa-node[training]'"
        ) from error
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    table = load_cohort(options.cohort)
    plan: Plan = _plan(options)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)

        about = train_fusion(table, plan, options.out, report)
    _show(about)
    print(f"written to {options.out}")
    return 0


def _plan(options: argparse.Namespace) -> Any:
    from analysis.training.fusion.fit import FitPlan
    from analysis.training.fusion.pretraining import PretrainingPlan
    from analysis.training.fusion.release import Plan

    return Plan(
        pretraining=options.pretraining,
        pretraining_plan=PretrainingPlan(epochs=options.pretraining_epochs, seed=options.seed),
        fit=FitPlan(
            kind=options.fusion,
            epochs=options.epochs,
            members=options.members,
            optimiser=options.optimizer,
            schedule=options.schedule,
            tuning_epochs=options.tuning_epochs,
            seed=options.seed,
        ),
        image=not options.no_image,
        missing=options.missing,
        search=options.search,
        trials=options.trials,
    )


def _show(about: dict[str, Any]) -> None:
    """One row per horizon; O:E is observed over expected fractures."""
    from rich.console import Console
    from rich.table import Table

    subjects, figures = about["subjects"], about["figures"]
    console = Console()
    console.print(
        f"{subjects['training']} subjects to learn from, {subjects['test']} held out; "
        f"{about['training_data']}"
    )
    table = Table("years", "fractures", "AUC (95 %)", "Brier", "O:E", "slope")
    for years, found in figures["horizons"].items():
        table.add_row(
            years,
            str(found["fractures"]),
            *(_cell(found.get(name)) for name in ("auc", "brier", "observed_to_expected", "slope")),
        )
    console.print(table)
    console.print(f"osteoporosis by central DXA, AUC: {_cell(figures['osteoporosis_auc'])}")
    console.print(json.dumps({"minutes": about["minutes"]}))


def _cell(estimate: list[float] | None) -> str:
    if estimate is None:
        return "–"
    value, low, high = estimate
    return f"{value:.3f} ({low:.3f}–{high:.3f})"
