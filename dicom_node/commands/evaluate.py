"""``dicom-node evaluate``: risk models on a simulated or a site's own cohort, as HTML, PDF and JSON.

The cohort is a directory of ``dicom-node simulate-cohort``, or a site's CSV or Parquet file as described in
``docs/cohort-schema.md``; with ``--dicom`` the site's studies are analysed and give the measured columns.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable
    from analysis.evaluation import Evaluation, Predictions

logger = logging.getLogger(__name__)

HORIZONS = (1, 3, 5, 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cohort",
        type=Path,
        required=True,
        metavar="PATH",
        help="directory written by simulate-cohort, or a CSV or Parquet file (docs/cohort-schema.md)",
    )
    parser.add_argument(
        "--dicom",
        type=Path,
        metavar="FOLDER",
        help="DICOM studies whose Patient ID is the cohort's subject_id: analysed, they give the measured "
        "columns that the table does not hold",
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="registry of models; default: shipped")
    parser.add_argument(
        "--reference",
        metavar="NAME",
        help="the model the report is about; default: the most preferred usable",
    )
    parser.add_argument(
        "--horizons",
        type=int,
        nargs="+",
        choices=HORIZONS,
        default=list(HORIZONS),
        metavar="YEARS",
        help="1, 3, 5 and 10 or some of them",
    )
    parser.add_argument(
        "--recalibrate", action="store_true", help="also fit the reference to this cohort's level of risk"
    )
    parser.add_argument(
        "--attainable", type=Path, metavar="DIR", help="models of the same names trained on far more subjects"
    )
    parser.add_argument(
        "--other-seeds",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="the same training with other seeds, for the seed variance of the reference",
    )
    parser.add_argument(
        "--resamples", type=int, default=200, metavar="N", help="bootstrap samples for gaps between subgroups"
    )
    parser.add_argument("--seed", type=int, default=20261127, metavar="S", help="same seed, same figures")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="node.toml whose [analysis] settings --dicom uses"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="write the report here")


def run(options: argparse.Namespace) -> int:
    try:
        return _run(options)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"evaluating needs {error.name}: install the extra with pip install 'radius-dxa-node[training]'"
        ) from error


def _run(options: argparse.Namespace) -> int:
    from analysis.cohort.table import load_cohort
    from analysis.evaluation import Settings, evaluate
    from analysis.evaluation.report import write_report

    table = load_cohort(options.cohort)
    if options.dicom is not None:
        table = _measured(table, options.dicom, options.config)
    predictions = _predictions(table, options.models)
    reference = options.reference or _preferred(predictions)
    settings = Settings(
        horizons=tuple(sorted(set(options.horizons))),
        attainable=_models(table, options.attainable) if options.attainable else {},
        trainings=_trainings(table, predictions, reference, options.other_seeds),
        recalibrate=options.recalibrate,
        resamples=options.resamples,
        seed=options.seed,
    )
    evaluation = evaluate(table, predictions, reference=reference, settings=settings)
    files = write_report(evaluation, options.out)
    _show(evaluation)
    print(f"report   {files.html}\nprint    {files.pdf}\nfigures  {files.json}")
    return 0


def _measured(table: CohortTable, folder: Path, config_file: Path | None) -> CohortTable:
    """The table with what the engine measures on the first study of each subject that it can analyse."""
    from analysis.engine import analyze
    from analysis.evaluation.studies import columns_of_study, with_measurements
    from analysis.results import Status
    from dicom_node.config import load_analysis_config
    from dicom_node.dicom_files import read_studies

    config = load_analysis_config(config_file)
    studies, unreadable = read_studies([folder])
    for file in unreadable:
        logger.warning("%s: %s", file.path, file.reason)
    subjects = set(table.ids)
    measured: dict[str, Mapping[str, float]] = {}
    strangers = refused = 0
    for study in sorted(studies, key=lambda item: (item.study_date or date.max, item.study_instance_uid)):
        if study.patient_id not in subjects:
            strangers += 1
        elif study.patient_id not in measured:
            analysis = analyze(study.datasets, config=config)
            if analysis.status is Status.ANALYZED:
                measured[study.patient_id] = columns_of_study(analysis, study.datasets)
            else:
                refused += 1
                logger.warning("study %s is not used: %s", study.study_instance_uid, analysis.reason)
    print(
        f"{len(measured)} of {len(table)} subjects measured on their first study; {refused} studies not "
        f"usable, {strangers} of nobody in the table"
    )
    if not measured:
        raise ConfigurationError(
            f"{folder} holds no usable study of a subject of the cohort: Patient ID (0010,0020) must equal "
            "the table's subject_id"
        )
    return with_measurements(table, measured)


def _predictions(table: CohortTable, directory: Path | None) -> dict[str, Predictions]:
    """Models in order of preference, then comparators."""
    from analysis.evaluation.predict import comparator_predictions

    models = {
        name: part for name, part in _models(table, directory, named=True).items() if part.available.any()
    }
    if not models:
        raise ConfigurationError(
            "no model can be used on this cohort: its columns lack what every model needs "
            "(docs/cohort-schema.md names them); give the studies with --dicom, or other models with --models"
        )
    return models | comparator_predictions(table, models)


def _models(table: CohortTable, directory: Path | None, *, named: bool = False) -> dict[str, Predictions]:
    from analysis.evaluation.predict import predict_table
    from analysis.risk import SHIPPED_MODELS, load_models

    truth_known = table.true_risk(HORIZONS[-1]) is not None
    models = load_models(directory or SHIPPED_MODELS).models
    return {
        model.identity.name: predict_table(model, table, with_interval=named and truth_known)
        for model in models
    }


def _preferred(predictions: Mapping[str, Predictions]) -> str:
    """The first model that says something of half of those of whom any model does."""
    models = {name: int(part.available.sum()) for name, part in predictions.items() if not part.comparator}
    most = max(models.values())
    return next(name for name, subjects in models.items() if 2 * subjects >= most)


def _trainings(
    table: CohortTable, predictions: Mapping[str, Predictions], reference: str, directories: list[Path]
) -> dict[str, list[Predictions]]:
    if not directories:
        return {}
    others = [_models(table, directory).get(reference) for directory in directories]
    found = [part for part in others if part is not None]
    if len(found) < len(directories) or reference not in predictions:
        raise ConfigurationError(f"--other-seeds: every directory must hold a model named {reference!r}")
    return {reference: [predictions[reference], *found]}


def _show(evaluation: Evaluation) -> None:
    """One line per model at the longest horizon, and the reference at every horizon."""
    from rich.table import Table

    from analysis.evaluation.report.compose import BANNERS
    from analysis.evaluation.report.wording import NOTHING, count, estimate
    from dicom_node.tables import print_table

    print(BANNERS[evaluation.cohort.simulated])
    reference = evaluation.models[evaluation.reference]
    table = Table(
        "years",
        "subjects",
        "fractures",
        "AUC (95 %)",
        "of the oracle's",
        "O:E (95 %)",
        "slope (95 %)",
        title=f"reference model {evaluation.reference}",
        title_justify="left",
    )
    for found in reference.horizons.values():
        part = found.calibration
        table.add_row(
            str(found.years),
            count(found.subjects),
            count(found.fractures),
            estimate(found.auc),
            estimate(found.oracle.ratio) if found.oracle else NOTHING,
            estimate(part.observed_to_expected, 2) if part else NOTHING,
            estimate(part.slope, 2) if part else NOTHING,
        )
    print_table(table)
    last = max(evaluation.horizons)
    others = Table(
        "model", "subjects", f"AUC at {last} years", "C-index", title="all models", title_justify="left"
    )
    for model in evaluation.models.values():
        others.add_row(
            model.name, count(model.subjects), estimate(model.horizons[last].auc), estimate(model.c_index)
        )
    print_table(others)
