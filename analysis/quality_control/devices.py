"""What a site knows of its own scanners: one TOML file, read by the engine through `AnalysisConfig.devices`.

The file ``conf/devices.toml`` explains every key; ``dicom-node calibrate``, ``precision`` and
``quality-control`` write and show its entries.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from analysis.errors import ConfigurationError
from analysis.quality_control.phantom_log import PhantomScan, read_log, scan_lines
from analysis.quality_control.tables import Table, read_tables
from analysis.results import REGIONS

CalibrationInput = Literal["density", "stored_value"]


@dataclass(frozen=True, slots=True)
class LinearScale:
    """A site's calibration of one scanner against a phantom: ``g/cm² = slope · input + intercept``.

    Attributes
    ----------
    input : {"density", "stored_value"}
        What the scale is applied to: the image's own g/cm², or its stored values (after Rescale Slope and
        Intercept) where it has no density map.
    slope, intercept : float
        g/cm² per unit of input, and g/cm².
    see_g_cm2 : float
        Standard error of the estimate: the scatter of single readings about the line.
    slope_se, intercept_se : float
    date : datetime.date
        Of the phantom scans; images taken earlier are not rescaled.
    source : str
        Phantom, certificate, scans and who fitted it.
    """

    input: CalibrationInput
    slope: float
    intercept: float
    see_g_cm2: float
    slope_se: float
    intercept_se: float
    date: date
    source: str


@dataclass(frozen=True, slots=True)
class PhantomControl:
    """How a scanner's phantom scans are judged."""

    log: Path
    phantom: str
    baseline_scans: int
    interval_days: int
    scans: tuple[PhantomScan, ...]


@dataclass(frozen=True, slots=True)
class Precision:
    """A site's own precision of one region, from repeated scans (root mean square over patients)."""

    rms_sd_g_cm2: float
    rms_cv_percent: float
    degrees_of_freedom: int
    date: date
    source: str


@dataclass(frozen=True, slots=True)
class Device:
    """One scanner, by the name that studies show for it (Manufacturer and Manufacturer's Model Name)."""

    name: str
    calibration: LinearScale | None = None
    quality_control: PhantomControl | None = None
    precision: Mapping[str, Precision] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CrossCalibration:
    """A site-entered equation ``BMD on to_device = slope · BMD on from_device + intercept``.

    `see_g_cm2` is the regression's standard error of the estimate, `subjects` how many people (or phantom
    steps) were measured on both.
    """

    from_device: str
    to_device: str
    regions: tuple[str, ...]
    slope: float
    intercept: float
    see_g_cm2: float
    subjects: int
    date: date
    source: str


@dataclass(frozen=True, slots=True)
class Devices:
    """Every scanner and every equation between scanners that the site has entered."""

    path: Path | None = None
    entries: tuple[Device, ...] = ()
    equations: tuple[CrossCalibration, ...] = ()

    def find(self, name: str) -> Device | None:
        """The entry of a scanner; case and spaces in its name do not count."""
        return next((entry for entry in self.entries if _key(entry.name) == _key(name)), None)

    def precision(self, device: str, region: str) -> Precision | None:
        """The site's own precision of a region on a scanner; ``None`` if it has not been studied."""
        entry = self.find(device)
        return entry.precision.get(region) if entry is not None else None

    def equation(self, from_device: str, to_device: str, region: str) -> CrossCalibration | None:
        """The equation that takes a region's BMD from one scanner to the other, in this direction only: the
        inverse of a regression is another regression."""
        return next(
            (
                item
                for item in self.equations
                if region in item.regions
                and _key(item.from_device) == _key(from_device)
                and _key(item.to_device) == _key(to_device)
            ),
            None,
        )

    def cross_calibrated(
        self, value: float, from_device: str, to_device: str, region: str
    ) -> tuple[float, float] | None:
        """A BMD measured on one scanner as another would have measured it.

        Parameters
        ----------
        value : float
            g/cm² on `from_device`.

        Returns
        -------
        (value, uncertainty) or None
            g/cm²; the uncertainty (1 SD) is that of predicting one more person, ``SEE · √(1 + 1/n)``.
            ``None`` if the site has entered no equation in this direction for this region.
        """
        item = self.equation(from_device, to_device, region)
        if item is None:
            return None
        return item.slope * value + item.intercept, item.see_g_cm2 * (1 + 1 / item.subjects) ** 0.5


NO_DEVICES = Devices()
"""A site that has entered nothing."""


def load_devices(path: Path | None) -> Devices:
    """Read and check a devices file with the phantom logs it names.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, or a key is unknown, missing or wrong.
    """
    if path is None:
        return NO_DEVICES
    document = _document(path)
    top = Table(document, f"{path}")
    entries = [_device(table, path.parent) for table in read_tables(top, "device", f"{path}: [[device]]")]
    equations = [
        _equation(table) for table in read_tables(top, "cross_calibration", f"{path}: [[cross_calibration]]")
    ]
    top.nothing_else()
    names = [_key(entry.name) for entry in entries]
    for entry in entries:
        if names.count(_key(entry.name)) > 1:
            raise ConfigurationError(f"{path}: device {entry.name!r} is entered twice; merge the entries")
    return Devices(path, tuple(entries), tuple(equations))


def devices_digest(path: Path, until: date | None) -> str:
    """SHA-256 of what a study of one day depends on: the devices file, and phantom scans up to that day.

    Later phantom scans do not count: they change nothing about an old study, so analysing it again next year
    gives the same identity.
    """
    devices = load_devices(path)
    digest = hashlib.sha256(path.read_bytes())
    for entry in devices.entries:
        control = entry.quality_control
        if control is not None and until is not None:
            digest.update("\n".join((entry.name, *scan_lines(control.scans, until))).encode())
    return digest.hexdigest()


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"analysis.devices: {path} cannot be read ({error}); name a file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}; mend that line") from None


def _device(table: Table, base: Path) -> Device:
    entry = Device(
        name=table.text("name"),
        calibration=_optional(table, "calibration", _scale),
        quality_control=_optional(table, "quality_control", lambda found: _control(found, base)),
        precision=MappingProxyType(_optional(table, "precision", _precisions) or {}),
    )
    table.nothing_else()
    return entry


def _optional(table: Table, key: str, read: Callable[[Table], Any]) -> Any:
    found = table.table(key)
    if found is None:
        return None
    value = read(found)
    found.nothing_else()
    return value


def _scale(table: Table) -> LinearScale:
    return LinearScale(
        input=table.choice("input", get_args(CalibrationInput)),
        slope=table.number("slope", above=0),
        intercept=table.number("intercept"),
        see_g_cm2=table.number("see_g_cm2", above=0),
        slope_se=table.number("slope_se", above=0),
        intercept_se=table.number("intercept_se", above=0),
        date=table.day("date"),
        source=table.text("source"),
    )


def _control(table: Table, base: Path) -> PhantomControl:
    log = base / table.text("log")
    return PhantomControl(
        log=log,
        phantom=table.text("phantom"),
        baseline_scans=table.whole("baseline_scans", 15, 25, default=25),
        interval_days=table.whole("interval_days", 1, 31, default=7),
        scans=read_log(log),
    )


def _precisions(table: Table) -> dict[str, Precision]:
    found = {}
    for region in REGIONS:
        value = _optional(table, region, _precision)
        if value is not None:
            found[region] = value
    return found


def _precision(table: Table) -> Precision:
    return Precision(
        rms_sd_g_cm2=table.number("rms_sd_g_cm2", above=0),
        rms_cv_percent=table.number("rms_cv_percent", above=0),
        degrees_of_freedom=table.whole("degrees_of_freedom", 1, 100_000),
        date=table.day("date"),
        source=table.text("source"),
    )


def _equation(table: Table) -> CrossCalibration:
    equation = CrossCalibration(
        from_device=table.text("from"),
        to_device=table.text("to"),
        regions=table.choices("regions", REGIONS),
        slope=table.number("slope", above=0),
        intercept=table.number("intercept"),
        see_g_cm2=table.number("see_g_cm2", above=0),
        subjects=table.whole("subjects", 3, 100_000),
        date=table.day("date"),
        source=table.text("source"),
    )
    table.nothing_else()
    return equation


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
