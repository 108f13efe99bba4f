"""``dicom-node precision``: a site's own precision error and least significant change, ISCD style."""

from __future__ import annotations

import argparse
import csv
import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.quality_control.precision import PrecisionError

logger = logging.getLogger(__name__)

Scans = dict[str, dict[str, list[float]]]
"""Region -> patient -> BMD of each scan, g/cm²."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="one CSV with the columns patient and ultradistal, mid, one_third, total (BMD in g/cm², a line "
        "for each scan), or DICOM files and folders: studies of one patient and side are repeats",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="node.toml whose [analysis] settings measure the DICOM scans; default: shipped",
    )
    parser.add_argument("--device", metavar="NAME", help="the scanner, as studies name it")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="TOML",
        help="store the result in this devices file: it then replaces the published precision",
    )
    parser.add_argument("--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day of the study")
    parser.add_argument("--operator", default="", metavar="NAME", help="who scanned, for the provenance")


def run(options: argparse.Namespace) -> int:
    from analysis.quality_control.precision import precision_error
    from dicom_node.tables import print_table

    if options.write is not None and (options.device is None or options.date is None):
        raise ConfigurationError("--write needs --device NAME and --date YYYY-MM-DD")
    scans = _read(options)
    errors = {
        region: error
        for region, patients in scans.items()
        if (error := precision_error(patients)) is not None
    }
    if not errors:
        raise ConfigurationError("no patient has two scans of a region: nothing repeats")
    print_table(_table(errors))
    few = [region for region, error in errors.items() if not error.sufficient]
    if few:
        print(f"Too few for a site's own precision: {_shown(few)}. {_ENOUGH}")
    if options.write is not None:
        _write(options, {region: error for region, error in errors.items() if error.sufficient})
        return 1 if few else 0
    return 0


_ENOUGH = (
    "ISCD asks for at least 30 degrees of freedom: 15 patients scanned three times or 30 patients scanned "
    "twice, repositioned between scans."
)


def _read(options: argparse.Namespace) -> Scans:
    tables = [path for path in options.paths if path.suffix.lower() == ".csv"]
    if tables and len(options.paths) > 1:
        raise ConfigurationError("name one CSV, or DICOM files and folders; not both")
    return _tabled(tables[0]) if tables else _measured(options)


def _tabled(path: Path) -> Scans:
    from analysis.results import REGIONS

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error})") from error
    regions = [name for name in REGIONS if name in columns]
    unknown = sorted(set(columns) - {"patient", *REGIONS})
    if "patient" not in columns or not regions or unknown:
        raise ConfigurationError(
            f"{path}: the columns are {', '.join(columns) or 'missing'}; needed are patient and one or "
            f"more of {', '.join(REGIONS)}"
        )
    scans: Scans = {region: {} for region in regions}
    for line, row in enumerate(rows, start=2):
        patient = (row["patient"] or "").strip()
        if not patient:
            raise ConfigurationError(f"{path} line {line}: patient is missing")
        for region in regions:
            text = (row[region] or "").strip()
            if text:
                value = _density(text, f"{path} line {line} {region}")
                scans[region].setdefault(patient, []).append(value)
    return scans


def _density(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 10:
        raise ConfigurationError(f"{where} = {text!r}: write BMD in g/cm² with a decimal point")
    return value


def _measured(options: argparse.Namespace) -> Scans:
    """BMD of every DICOM scan, by the engine; refused scans are named and left out."""
    from analysis.config import ClinicalContext
    from analysis.engine import analyze
    from analysis.results import Status
    from dicom_node.config import load_analysis_config
    from dicom_node.dicom_files import read_studies

    config = load_analysis_config(options.config)
    studies, unreadable = read_studies(options.paths)
    for file in unreadable:
        logger.error("%s: %s", file.path, file.reason)
    scans: Scans = {}
    for study in studies:
        analysis = analyze(study.datasets, clinical=ClinicalContext(), config=config)
        if analysis.status is not Status.ANALYZED:
            logger.warning("study %s is left out: %s", study.study_instance_uid, analysis.reason)
            continue
        if not study.patient_id:
            raise ConfigurationError(
                f"study {study.study_instance_uid}: without Patient ID (0010,0020) nobody knows whom "
                "it repeats"
            )
        arm = f"{study.patient_id} {analysis.laterality or ''}"
        for region, measurement in analysis.regions.items():
            if measurement.bmd_g_cm2 is not None:
                scans.setdefault(region, {}).setdefault(arm, []).append(measurement.bmd_g_cm2)
    return scans


def _write(options: argparse.Namespace, errors: Mapping[str, PrecisionError]) -> None:
    from analysis.quality_control.devices_file import write_section

    for region, error in errors.items():
        who = f", scanned by {options.operator}" if options.operator else ""
        write_section(
            options.write,
            options.device,
            f"precision.{region}",
            {
                "rms_sd_g_cm2": error.rms_sd_g_cm2,
                "rms_cv_percent": error.rms_cv_percent,
                "degrees_of_freedom": error.degrees_of_freedom,
                "date": options.date,
                "source": f"{error.patients} patients, {error.scans} scans{who}; dicom-node precision",
            },
        )
        print(f"{_shown([region])} written to {options.write}")


def _table(errors: Mapping[str, PrecisionError]) -> Table:
    from rich.table import Table

    from analysis.quality_control.precision import LSC_FACTOR

    table = Table(title="Precision and least significant change at 95 % confidence (95 % interval)")
    table.add_column("region")
    for heading in ("patients", "scans", "df", "RMS-SD g/cm²", "RMS-%CV", "LSC g/cm²", "LSC %"):
        table.add_column(heading, justify="right")
    for region, error in errors.items():
        sd, cv = error.rms_sd_interval, error.rms_cv_interval
        table.add_row(
            _shown([region]),
            str(error.patients),
            str(error.scans),
            str(error.degrees_of_freedom),
            f"{error.rms_sd_g_cm2:.4f} ({sd[0]:.4f}–{sd[1]:.4f})",
            f"{error.rms_cv_percent:.2f} ({cv[0]:.2f}–{cv[1]:.2f})",
            f"{error.lsc_g_cm2:.4f} ({LSC_FACTOR * sd[0]:.4f}–{LSC_FACTOR * sd[1]:.4f})",
            f"{error.lsc_percent:.2f} ({LSC_FACTOR * cv[0]:.2f}–{LSC_FACTOR * cv[1]:.2f})",
        )
    return table


def _shown(regions: list[str]) -> str:
    return ", ".join(region.replace("_", "-") for region in regions)
