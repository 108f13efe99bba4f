"""The deep line on a simulated cohort with pictures: writes docs/deep-line.md.

    .venv/bin/python benchmarks/deep_line.py --cohort DIR --work DIR

Four fifths of the cohort teach, one fifth judges; every figure of the page is of the same fifth. What a stage
found is kept in the work directory, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import torch
from deep_line_parts import comparisons, page
from deep_line_parts.study import Study

from analysis.cohort.table import load_cohort
from analysis.training.fusion.fit import FitPlan

REPOSITORY = Path(__file__).parent.parent
SEED = 20261127


def main() -> None:
    """Run every stage that is not yet done and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--fresh", type=Path, help="another cohort with pictures, which confirms once at the end"
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "deep-line.md")
    parser.add_argument("--pretraining-epochs", type=int, default=3)
    parser.add_argument("--pretraining-pictures", type=int, default=20000, help="at most")
    parser.add_argument("--only", nargs="*", help="stages to run; all if not given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = load_cohort(options.cohort)
    plan = FitPlan(epochs=30, patience=5, members=8, batch=512, seed=SEED)
    study = Study(table, options.work, plan, options.pretraining_epochs, options.pretraining_pictures)
    results = run(study, comparisons.STAGES, options.only)
    if options.fresh:
        fresh = study.judged_by(load_cohort(options.fresh))
        found = run(fresh, comparisons.CONFIRMED)
        minutes = sum(stage["processor_minutes"] for stage in found.values())
        results["confirmation"] = {"found": found, "processor_minutes": minutes}
    text = page.page(study, results)
    options.out.write_text(text, encoding="utf-8")
    print(text)


def run(
    study: Study, stages: Mapping[str, Callable[[Study], Any]], only: list[str] | None = None
) -> dict[str, Any]:
    """Results by stage, new ones appended to ``results.json``."""
    path = study.work / "results.json"
    results: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    for name, stage in stages.items():
        if name in results or (only and name not in only):
            continue
        wall, processor = time.perf_counter(), time.process_time()
        found = stage(study)
        results[name] = {
            "found": found,
            "minutes": round((time.perf_counter() - wall) / 60, 2),
            "processor_minutes": round((time.process_time() - processor) / 60, 2),
        }
        path.write_text(json.dumps(results, indent=1), encoding="utf-8")
        print(f"{name}: {results[name]['processor_minutes']} processor minutes", flush=True)
    return results


if __name__ == "__main__":
    main()
