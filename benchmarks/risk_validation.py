"""The shipped risk models on a fresh simulated cohort: writes docs/risk-validation.md.

    .venv/bin/python benchmarks/risk_validation.py

The models were developed on one cohort, whose held-out part was looked at more than once. This cohort has a
seed that nothing else uses; the shipped files are applied to it as they are.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from analysis.risk import SHIPPED_MODELS, RiskModel, load_models
from analysis.training.cohort import Cohort, simulate_cohort
from analysis.training.evaluation import evaluate
from dicom_node.config import load_analysis_config

REPOSITORY = Path(__file__).parent.parent
FRESH_SEED = 930_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=FRESH_SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "risk-validation.md")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        reference = load_analysis_config().reference
        cohort = simulate_cohort(options.size, options.seed, reference, pool, lambda done: None)
    text = report(cohort, {model.identity.name: validate(model, cohort) for model in load_shipped()})
    options.out.write_text(text, encoding="utf-8")
    print(text)


def load_shipped() -> tuple[RiskModel, ...]:
    """The models in the package, checked against their registry."""
    return load_models(SHIPPED_MODELS).models


def validate(model: RiskModel, cohort: Cohort) -> Mapping[str, Mapping[str, Any]]:
    """Discrimination, calibration and error of one model by horizon."""
    table = np.column_stack([cohort.features[feature.name] for feature in model.features])
    log_odds = model.intercepts + (table @ [feature.coefficient for feature in model.features])[:, None]
    return evaluate(log_odds, cohort.log_hazard, cohort.follow_up, np.random.default_rng([cohort.seed, 9]))


def report(cohort: Cohort, figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The page: one table per model."""
    measured = len(cohort.log_hazard)
    lines = [
        "# The shipped risk models on a fresh simulated cohort",
        "",
        f"Made by `python benchmarks/risk_validation.py` on {datetime.now(UTC):%Y-%m-%d}, "
        f"{platform.machine()}, {os.cpu_count()} cores. {cohort.drawn} simulated people, seed {cohort.seed}, "
        f"used by nothing else here; {measured} measured completely by the engine on one simulated scan "
        "each. The shipped files were applied as they are, once.",
        "",
        "**Simulated people, simulated fractures.** The oracle knows each person's true hazard (but not the "
        "frailty): its AUC is the most that could be known here. Absolute figures are properties of the "
        "simulator and say nothing about patients.",
    ]
    for name, horizons in figures.items():
        lines += [
            "",
            f"## `{name}`",
            "",
            "| years | fractures | AUC (95 %) | oracle's AUC | Brier (without model) | O:E | slope "
            "| intercept |",
            "|---|---|---|---|---|---|---|---|",
            *(_row(years, row) for years, row in horizons.items()),
        ]
    return "\n".join(lines) + "\n"


def _row(years: str, row: Mapping[str, Any]) -> str:
    low, high = row["auc_interval"]
    return (
        f"| {years} | {row['fractures']} | {row['auc']:.3f} ({low:.3f}–{high:.3f}) "
        f"| {row['auc_oracle']:.3f} | {row['brier']:.4f} ({row['brier_null']:.4f}) "
        f"| {row['observed_to_expected']:.2f} | {row['calibration_slope']:.2f} "
        f"| {row['calibration_intercept']:+.2f} |"
    )


if __name__ == "__main__":
    main()
