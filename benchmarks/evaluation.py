"""The risk models against the limit of what can be known: writes docs/evaluation.md and docs/evaluation.json.

    .venv/bin/python benchmarks/evaluation.py --work DIR

Simulates the cohorts (the imaged ones take most of the time; what is on disk is used again), trains the
models on eight tenths of the development cohort, and measures every goal. The models lie in DIR/models.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from evaluation_parts import gates
from evaluation_parts.cohorts import (
    COVERAGE_SEEDS,
    EXTERNALS,
    LARGE_SEED,
    NULL_SEEDS,
    NULL_TEST_SEED,
    TEST_SEED,
    Cohorts,
    Sizes,
    development_split,
    oracle,
)
from evaluation_parts.fits import LADDER, SETS, Scale
from evaluation_parts.page import page

from analysis.cohort.columns import FloatArray
from analysis.cohort.table import CohortTable
from analysis.results import HORIZONS_YEARS
from analysis.risk import RiskModel, load_models
from analysis.training.coverage import interval_coverage
from analysis.training.fit import Hazards, fit_hazards
from analysis.training.models import EVALUATION_FILE, train_models
from analysis.training.training_data import prepare
from analysis.training.tuning import Hyperparameters, Plan, tune

REPOSITORY = Path(__file__).parent.parent
BEST, IMAGE_ONLY = "full", "deployable"
COVERAGE_SUBJECTS = 2_000
ATTAINABLE_REFITS = 2
"""The attainable model's own interval is not used."""
NULL, NULL_PLAN = {"texture": 0.0}, Plan(trials=8)


@dataclass(frozen=True, slots=True, eq=False)
class Developed:
    """Everything that was fitted on the training part."""

    models: Mapping[str, RiskModel]
    ladder: Mapping[str, Hazards]
    scale: Scale

    def risks(self, table: CohortTable) -> dict[str, FloatArray]:
        """Risks of a cohort by every shipped model and every step of the ladder."""
        shipped = {
            name: model.risk(table.features([feature.name for feature in model.features]))
            for name, model in self.models.items()
        }
        return shipped | {name: self.scale.risk(name, fit, table) for name, fit in self.ladder.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work", type=Path, default=REPOSITORY / "evaluation_work", help="cohorts and models"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "evaluation.md")
    for name, size in vars(_defaults()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=size, help="subjects")
    options = parser.parse_args()
    sizes = Sizes(**{name: getattr(options, name) for name in vars(_defaults())})
    run = Run(options.work, Cohorts(options.work, sizes, options.processes))
    figures = run.figures()
    options.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    options.out.write_text(page(figures), encoding="utf-8")
    print(f"written to {options.out}")


class Run:
    """The evaluation, stage by stage; a stage whose figures are on disk is not measured again."""

    def __init__(self, directory: Path, cohorts: Cohorts) -> None:
        self.directory, self.cohorts = directory, cohorts
        self.train, self.internal = development_split(cohorts.main())
        self.developed = self._develop()

    def figures(self) -> dict[str, Any]:
        """Every figure of the page."""
        return {
            "made_on": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "sizes": {
                "train": len(self.train),
                "internal": len(self.internal),
                **vars_of(self.cohorts.sizes),
            },
            "training": self._stage("training", self._training_figures),
            "internal": self._stage("internal", self._internal),
            "test": self._stage("test", self._test),
            "falsification": self._stage("falsification", self._falsification),
            "coverage": self._stage("coverage", self._coverage),
            "external": {
                name: self._stage(name, lambda name=name: self._external(name)) for name in EXTERNALS
            },
        }

    def _stage(self, name: str, measure: Callable[[], Any]) -> Any:
        path = self.directory / "figures" / f"{name}.json"
        if not path.exists():
            began = time.perf_counter()
            found = measure()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found), encoding="utf-8")
            print(f"{name}: measured in {(time.perf_counter() - began) / 60:.1f} min", flush=True)
        return json.loads(path.read_bytes())

    def _develop(self) -> Developed:
        directory, plan = self.directory / "models", Plan()
        if not (directory / EVALUATION_FILE).exists():
            began = time.perf_counter()
            train_models(self.train, directory, plan=plan)
            minutes = (time.perf_counter() - began) / 60
            (self.directory / "training_minutes.json").write_text(json.dumps(minutes), encoding="utf-8")
            print(f"models: trained in {minutes:.1f} min", flush=True)
        models = {model.identity.name: model for model in load_models(directory).models}
        prepared = prepare(self.train, list(SETS.values()), plan.seed)
        trained = json.loads((directory / EVALUATION_FILE).read_bytes())["models"]
        hyper = {name: _hyperparameters(trained[name]["hyperparameters"]) for name in models}
        ladder = {}
        for step in LADDER:
            data = prepared.of_model(step)
            assert data is not None
            hyper[step.name] = tune(data, plan)
            ladder[step.name] = fit_hazards(data, hyper[step.name])
        return Developed(models, ladder, Scale(prepared, hyper))

    def _training_figures(self) -> dict[str, Any]:
        return {
            "minutes": json.loads((self.directory / "training_minutes.json").read_bytes()),
            "cohorts_minutes": self.cohorts.minutes,
            "case_mix": gates.case_mix(self.train),
        }

    def _internal(self) -> dict[str, Any]:
        risks = self.developed.risks(self.internal)
        return {
            "discrimination": gates.discrimination(
                risks, oracle(self.internal, HORIZONS_YEARS), self.internal
            ),
            "calibration": {
                name: gates.calibration(risks[name], self.internal) for name in (BEST, IMAGE_ONLY)
            },
        }

    def _test(self) -> dict[str, Any]:
        sizes, scale = self.cohorts.sizes, self.developed.scale
        test = self.cohorts.emulated("test", sizes.test, TEST_SEED)
        large = self.cohorts.emulated("large", sizes.large, LARGE_SEED)
        attainable = {name: scale.risk(name, scale.fit(name, large), test) for name in SETS}
        risks = self.developed.risks(test)
        return {
            "case_mix": gates.case_mix(test),
            "discrimination": gates.discrimination(risks, oracle(test, HORIZONS_YEARS), test),
            "attainable": gates.discrimination(attainable, oracle(test, HORIZONS_YEARS), test),
            "over_attainable": gates.over_attainable(risks, attainable, test),
            "ordering": gates.ordering(risks, attainable, test),
            "texture": gates.texture_gain(risks, attainable, test),
            "calibration": {name: gates.calibration(risks[name], test) for name in self.developed.models},
            "attainable_calibration": gates.calibration(attainable[BEST], test),
            "subgroups": {name: gates.subgroups(risks[name], test) for name in (BEST, IMAGE_ONLY)},
        }

    def _falsification(self) -> dict[str, Any]:
        scale, size = self.developed.scale, len(self.train)
        test = self.cohorts.emulated("null-test", self.cohorts.sizes.test, NULL_TEST_SEED, effects=NULL)
        gains = []
        for seed in NULL_SEEDS:
            training = self.cohorts.emulated(f"null-{seed}", size, seed, effects=NULL)
            first, second = (scale.risk(name, scale.fit(name, training), test) for name in gates.TEXTURE_STEP)
            gains.append(gates.gain_at_ten(first, second, test))
        return gates.falsification(gains)

    def _coverage(self) -> dict[str, Any]:
        scale, sizes = self.developed.scale, self.cohorts.sizes
        large = self.cohorts.emulated("large", sizes.large, LARGE_SEED)
        test = self.cohorts.emulated("test", sizes.test, TEST_SEED)
        some = test.take(np.arange(COVERAGE_SUBJECTS))
        fresh = [self.cohorts.emulated(f"fresh-{seed}", len(self.train), seed) for seed in COVERAGE_SEEDS]
        return {
            name: interval_coverage(
                [scale.model(name, training) for training in fresh],
                scale.model(name, large, refits=ATTAINABLE_REFITS),
                some,
                np.random.default_rng(4),
            )
            for name in (BEST, IMAGE_ONLY)
        }

    def _external(self, name: str) -> dict[str, Any]:
        imaged, draw = self.cohorts.external(name), self.cohorts.external_draw(name)
        found: dict[str, Any] = {}
        for kind, table in (("imaged", imaged), ("draw", draw)):
            risks = self.developed.risks(table)
            found[kind] = {
                "case_mix": gates.case_mix(table),
                "discrimination": gates.discrimination(risks, oracle(table, HORIZONS_YEARS), table),
                "recalibration": {
                    model: gates.recalibrated(risks[model], table) for model in (BEST, IMAGE_ONLY)
                },
            }
        return found


def vars_of(sizes: Sizes) -> dict[str, int]:
    """Sizes by name."""
    return {name: getattr(sizes, name) for name in Sizes.__dataclass_fields__}


def _defaults() -> Any:
    return argparse.Namespace(**vars_of(Sizes()))


def _hyperparameters(content: Mapping[str, Any]) -> Hyperparameters:
    return Hyperparameters(
        tuple((name, float(value)) for name, value in content["prior_sd"].items()),
        float(content["frailty_variance"]),
        int(content["inner_knots"]),
    )


if __name__ == "__main__":
    main()
