"""The training reference of the shipped models: what surveillance holds a site's studies against.

    .venv/bin/python benchmarks/training_reference.py --cohort cohort

`cohort` is that of ``dicom-node simulate-cohort --size 12856 --seed 20261127 --out cohort``, of which
`benchmarks/evaluation.py` trained the shipped models on four fifths. Writes ``reference.json`` and its name
in ``versions.json``; a cohort whose SHA-256 is not the one in the models is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation_parts.cohorts import development_split

from analysis.cohort.table import load_cohort
from analysis.risk import SHIPPED_MODELS
from analysis.training.models import add_reference


def main() -> None:
    """Split as for the training, describe, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS)
    options = parser.parse_args()
    training, _ = development_split(load_cohort(options.cohort))
    print(f"{add_reference(options.models, training)} versions have a training reference")


if __name__ == "__main__":
    main()
