"""``dicom-node train risk``: fit, calibrate and evaluate the risk models on a cohort, or recalibrate them on
it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import at_least
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

SEARCHES = ("tpe", "grid", "random")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cohort",
        type=Path,
        required=True,
        metavar="PATH",
        help="directory of simulate-cohort, or a site's CSV or Parquet file (docs/cohort-schema.md)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write models, registry and evaluation here"
    )
    parser.add_argument(
        "--models", nargs="+", default=[], metavar="NAME", help="train only these; default: all"
    )
    parser.add_argument(
        "--search", choices=SEARCHES, default="tpe", help="how hyperparameters are looked for"
    )
    parser.add_argument("--trials", type=at_least(1), default=40, metavar="N", help="hyperparameters tried")
    parser.add_argument("--folds", type=at_least(2), default=5, metavar="N", help="of the cross-validation")
    parser.add_argument("--seed", type=int, default=20261120, metavar="S", help="same seed, same bytes")
    parser.add_argument(
        "--no-trees", action="store_true", help="do not compare with survival forest and boosting (faster)"
    )
    parser.add_argument(
        "--recalibrate",
        type=Path,
        metavar="DIR",
        help="do not train: take the active models of this directory and fit level and slope to the cohort",
    )


def run(options: argparse.Namespace) -> int:
    table = _cohort(options.cohort)
    if options.recalibrate is not None:
        from analysis.training.recalibration import recalibrate_models

        recalibrate_models(options.recalibrate, table, options.out)
        print(f"written to {options.out}; see 'dicom-node models promote --from {options.out}'")
        return 0
    _train(options, table)
    return 0


def _cohort(path: Path) -> CohortTable:
    try:
        import optuna  # noqa: F401
        import sksurv  # noqa: F401

        from analysis.cohort.table import load_cohort

        return load_cohort(path)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"training needs {error.name}: install the extra with pip install 'radius-dxa-node[training]'"
        ) from error


def _train(options: argparse.Namespace, table: CohortTable) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from analysis.training.model_sets import MODEL_SETS
    from analysis.training.models import EVALUATION_FILE, TREES_COMPARED, train_models
    from analysis.training.tuning import Plan

    names = [model.name for model in MODEL_SETS]
    unknown = [name for name in options.models if name not in names]
    if unknown:
        raise ConfigurationError(f"--models {' '.join(unknown)}: known are {', '.join(names)}")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("models", total=None)
        train_models(
            table,
            options.out,
            plan=Plan(options.search, options.trials, options.folds, options.seed),
            models=options.models,
            compared_with_trees=() if options.no_trees else TREES_COMPARED,
            progress=lambda name, done, total: progress.update(
                task, description=name or "models", completed=done, total=total
            ),
        )
    _show(json.loads((options.out / EVALUATION_FILE).read_bytes()))
    print(f"written to {options.out}; use it with models = {json.dumps(str(options.out))} in node.toml")


def _show(evaluation: dict[str, Any]) -> None:
    """One table per model: held-out figures of every learner; O:E is observed over expected fractures."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"{evaluation['subjects']} subjects, {evaluation['fractures']} fractures, held out fold by fold; "
        f"{evaluation['remark']}"
    )
    for name in evaluation["not_trained"]:
        console.print(f"{name}: not trained, the cohort lacks what it requires")
    for name, model in evaluation["models"].items():
        table = Table(
            "learner", "years", "fractures", "AUC", "Brier", "log score", "O:E", "slope",
            title=name, title_justify="left",
        )  # fmt: skip
        for learner, horizons in model["cross_validated"].items():
            for years, figures in horizons.items():
                table.add_row(learner, years, *_cells(figures))
        console.print(table)


def _cells(figures: dict[str, Any]) -> list[str]:
    styles = {"auc": ".3f", "brier": ".4f", "log_score": ".4f", "observed_to_expected": ".2f"}
    styles["calibration_slope"] = ".2f"
    values = [
        "–" if figures[name] is None else format(figures[name], style) for name, style in styles.items()
    ]
    return [str(figures["fractures"]), *values]
