"""``dicom-node train radiomics``: the radiomics line of a published MRI study, on a cohort of forearm scans.

An imaging subset scanned twice and outlined twice says which features are reliable; tests, LASSO and logistic
regression on the cohort make a Radscore and three models per outcome, written as JSON with a nomogram.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from analysis.training.radiomics_line.fit import FittedLine

DEFAULT_PEOPLE = 200
DEFAULT_SEED = 20261204
STEPS_FILE = "radiomics-steps.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cohort",
        type=Path,
        required=True,
        metavar="PATH",
        help="directory of simulate-cohort, or a site's CSV or Parquet file",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write models, nomograms and steps here"
    )
    parser.add_argument(
        "--people",
        type=int,
        default=DEFAULT_PEOPLE,
        metavar="N",
        help=f"simulated people scanned twice for the features' reliability (default {DEFAULT_PEOPLE})",
    )
    parser.add_argument("--population", default="china-clinic", metavar="NAME", help="who these people are")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="S", help="same seed, same bytes")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep the scanned people here, to go on after an interruption (default: OUT/readings)",
    )


def run(options: argparse.Namespace) -> int:
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # sums in one order, before numpy
    try:
        import pandas  # noqa: F401
        import statsmodels  # noqa: F401

        from analysis.cohort.table import load_cohort
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the radiomics line needs {error.name}: install the extra with "
            "pip install 'radius-dxa-node[training]'"
        ) from error
    if options.people < 30:
        raise ConfigurationError(f"--people {options.people} is too few for reliability; use 30 or more")
    table = load_cohort(options.cohort)
    options.out.mkdir(parents=True, exist_ok=True)
    lines = _fit(table, options)
    (options.out / STEPS_FILE).write_text(
        json.dumps({outcome: _steps(line) for outcome, line in lines.items()}, indent=1) + "\n",
        encoding="utf-8",
    )
    _show(lines)
    print(f"written to {options.out}; simulated training data, research use only")
    return 0


def _fit(table: Any, options: argparse.Namespace) -> dict[str, FittedLine]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from analysis.simulation.cohort.populations import population_of
    from analysis.training.radiomics_line.fit import fit_line, subjects_of
    from analysis.training.radiomics_line.model import save
    from analysis.training.radiomics_line.nomogram import draw_nomogram, limits_of, point_scale
    from analysis.training.radiomics_line.outcomes import OUTCOMES
    from analysis.training.radiomics_line.reliability import reliability
    from analysis.training.radiomics_line.scans import read_people

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("people scanned twice", total=options.people)
        readings = read_people(
            population_of(options.population),
            options.seed,
            options.people,
            options.cache or options.out / "readings",
            lambda done: progress.update(task, completed=done),
        )
    agreed = reliability(readings)
    measured = [name for name in agreed.names if table.has(name)]
    if not measured:
        raise ConfigurationError(
            f"{options.cohort} has no texture columns; measure its scans, or simulate it with images"
        )
    lines: dict[str, FittedLine] = {}
    for outcome in OUTCOMES:
        subjects = subjects_of(table, measured, outcome)
        line = fit_line(subjects, agreed.reliable, outcome, seed=options.seed)
        save(line.model, options.out / f"radiomics-{outcome}.json")
        scale = point_scale(line.model.models["combined"], limits_of(line.model, subjects))
        title = f"Combined model: {outcome.replace('_10y', ' within ten years')}"
        draw_nomogram(scale, title, options.out / f"nomogram-{outcome}.png")
        lines[outcome] = line
    return lines


def _steps(line: FittedLine) -> dict[str, Any]:
    return {
        "offered": line.offered,
        "reliable": line.reliable,
        "passed_the_screen": len(line.passed),
        "chosen": {method: dict(weights) for method, weights in line.chosen.items()},
        "screen": [asdict(feature) for feature in line.screened],
        "univariable": [asdict(row) for row in line.univariable],
        "multivariable": [asdict(row) for row in line.multivariable],
    }


def _show(lines: dict[str, FittedLine]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("outcome", "features", "reliable", "pass the test", "in the Radscore")
    for outcome, line in lines.items():
        counts = (line.offered, line.reliable, len(line.passed), len(line.model.parts))
        table.add_row(outcome, *map(str, counts))
    Console().print(table)
