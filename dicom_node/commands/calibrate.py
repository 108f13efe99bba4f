"""``dicom-node calibrate``: a scanner's linear scale from scans of a phantom of known densities."""

from __future__ import annotations

import argparse
import csv
import math
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.quality_control.calibration import CalibrationFit, PhantomReading

READING_COLUMNS = ("certificate_g_cm2", "reading")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "phantom_files",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="DICOM scans of a step phantom, files or folders; its steps are found in the image",
    )
    parser.add_argument(
        "--certificate",
        type=_densities,
        metavar="G/CM2,...",
        help="certified densities of the phantom's steps, e.g. 0.2,0.4,0.6,0.9,1.2",
    )
    parser.add_argument(
        "--readings",
        type=Path,
        metavar="CSV",
        help=f"readings instead of scans, with the columns {', '.join(READING_COLUMNS)}",
    )
    parser.add_argument(
        "--input",
        choices=("density", "stored_value"),
        help="what the readings of a CSV are: the image's own g/cm² or stored values; scans speak for "
        "themselves",
    )
    parser.add_argument("--device", required=True, metavar="NAME", help="the scanner, as studies name it")
    parser.add_argument(
        "--phantom", required=True, metavar="TEXT", help="phantom and certificate, for the provenance"
    )
    parser.add_argument(
        "--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day of the readings of a CSV"
    )
    parser.add_argument("--out", type=Path, metavar="TOML", help="write the scale into this devices file")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw line and residuals")


def run(options: argparse.Namespace) -> int:
    from analysis.quality_control.calibration import fit_scale
    from dicom_node.tables import print_table

    readings, kind, day, scans = _readings(options)
    try:
        fit = fit_scale(readings)
    except ValueError as error:
        raise ConfigurationError(f"no scale can be fitted: {error}") from error
    print_table(_table(fit))
    unit = "g/cm²" if kind == "density" else "stored value"
    low, high = fit.slope_interval
    print(f"slope      {fit.slope:.6g} (95 % {low:.6g} to {high:.6g}) g/cm² per {unit}")
    low, high = fit.intercept_interval
    print(f"intercept  {fit.intercept:+.5f} (95 % {low:+.5f} to {high:+.5f}) g/cm²")
    print(f"SEE        {fit.see_g_cm2:.5f} g/cm², largest residual of a step {fit.worst_percent:.2f} %")
    if options.plot is not None:
        from analysis.quality_control.figures import draw_calibration

        draw_calibration(fit, f"{options.device}: {options.phantom}", options.plot)
        print(f"plot written to {options.plot}")
    if not fit.linear:
        print("The readings do not lie on a line: nothing is written. Look at the plot.")
        return 1
    if options.out is not None:
        _write(options, fit, kind, day, scans)
    return 0


def _readings(options: argparse.Namespace) -> tuple[list[PhantomReading], str, date, str]:
    """Readings, what they are readings of, their day, and where they come from."""
    if bool(options.phantom_files) == (options.readings is not None):
        raise ConfigurationError("name either DICOM scans of the phantom or --readings CSV")
    if options.readings is None:
        return _scanned(options)
    if options.date is None or options.input is None:
        raise ConfigurationError("--readings needs --date YYYY-MM-DD and --input density or stored_value")
    readings = _tabled(options.readings)
    return readings, options.input, options.date, f"{len(readings)} readings of {options.readings.name}"


def _scanned(options: argparse.Namespace) -> tuple[list[PhantomReading], str, date, str]:
    from analysis.quality_control.calibration import PhantomReading
    from analysis.quality_control.step_phantom import read_steps
    from dicom_node.dicom_files import read_studies

    if options.certificate is None:
        raise ConfigurationError("--certificate is missing: the certified densities of the phantom's steps")
    studies, unreadable = read_studies(options.phantom_files)
    for file in unreadable:
        raise ConfigurationError(f"{file.path}: {file.reason}")
    readings: list[PhantomReading] = []
    kinds, days = set(), []
    for study in studies:
        for path, dataset in zip(study.paths, study.datasets, strict=True):
            try:
                pixels, kind = _pixels(dataset)
                steps = read_steps(pixels, len(options.certificate))
            except ValueError as error:
                raise ConfigurationError(f"{path}: {error}") from error
            kinds.add(kind)
            days += [study.study_date] if study.study_date else []
            readings += [
                PhantomReading(density, value, path.name)
                for density, value in zip(options.certificate, steps, strict=True)
            ]
    if len(kinds) != 1:
        raise ConfigurationError("some scans carry a density map and some do not; calibrate them apart")
    day = options.date or max(days, default=None)
    if day is None:
        raise ConfigurationError("the scans have no Study Date (0008,0020): give --date YYYY-MM-DD")
    return readings, kinds.pop(), day, f"{len(readings)} readings of {len(studies)} scans"


def _pixels(dataset: Any) -> tuple[Any, str]:
    """What the scanner measured: its density map, else stored values after Rescale Slope and Intercept."""
    from analysis.acquisition import header
    from analysis.acquisition.calibrated import density_map
    from analysis.acquisition.pixels import stored_values

    values = stored_values(dataset)
    density, _ = density_map(dataset, values)
    if density is not None:
        return density, "density"
    if values.ndim != 2:
        raise ValueError("a colour picture has no linear scale; export the scan itself")
    slope, intercept = header.number(dataset, "RescaleSlope"), header.number(dataset, "RescaleIntercept")
    return values * (1.0 if slope is None else slope) + (intercept or 0.0), "stored_value"


def _tabled(path: Path) -> list[PhantomReading]:
    from analysis.quality_control.calibration import PhantomReading

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error})") from error
    readings = []
    for line, row in enumerate(rows, start=2):
        try:
            density, value = (float(row.get(name) or "") for name in READING_COLUMNS)
        except ValueError:
            density = value = math.nan
        if not (math.isfinite(density) and math.isfinite(value) and density > 0):
            raise ConfigurationError(
                f"{path} line {line}: needs a number in each of the columns {', '.join(READING_COLUMNS)}"
            )
        readings.append(PhantomReading(density, value))
    return readings


def _write(options: argparse.Namespace, fit: CalibrationFit, kind: str, day: date, scans: str) -> None:
    from analysis.quality_control.devices_file import write_section

    densities = sorted({reading.certificate_g_cm2 for reading in fit.readings})
    steps = ", ".join(f"{density:g}" for density in densities)
    write_section(
        options.out,
        options.device,
        "calibration",
        {
            "input": kind,
            "slope": fit.slope,
            "intercept": fit.intercept,
            "see_g_cm2": fit.see_g_cm2,
            "slope_se": fit.slope_se,
            "intercept_se": fit.intercept_se,
            "date": day,
            "source": f"{options.phantom}: {scans}, steps {steps} g/cm²; dicom-node calibrate",
        },
    )
    print(f"written to {options.out}; use it with devices = ... under [analysis] of node.toml")


def _table(fit: CalibrationFit) -> Table:
    from rich.table import Table

    table = Table(title="Phantom readings")
    for heading in ("certificate g/cm²", "reading", "by the scale g/cm²", "residual g/cm²", "scan"):
        table.add_column(heading, justify="left" if heading == "scan" else "right")
    for item, residual in zip(fit.readings, fit.residuals_g_cm2, strict=True):
        table.add_row(
            f"{item.certificate_g_cm2:.4f}",
            f"{item.reading:.5g}",
            f"{item.certificate_g_cm2 + residual:.4f}",
            f"{residual:+.4f}",
            item.scan,
        )
    return table


def _densities(text: str) -> tuple[float, ...]:
    try:
        values = sorted(float(part) for part in text.split(","))
    except ValueError:
        values = []
    if len(values) < 3 or values[0] <= 0 or len(set(values)) < len(values):
        raise argparse.ArgumentTypeError(f"{text!r}: write three or more different densities, 0.2,0.4,0.6")
    return tuple(values)
