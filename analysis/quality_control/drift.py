"""What a study must say about its scanner's quality control on the day it was made."""

from __future__ import annotations

from datetime import date

from analysis.quality_control.control_chart import RULES, ControlChart, control_chart, estimated_shift
from analysis.quality_control.devices import Devices, PhantomControl
from analysis.quality_control.phantom_log import PhantomScan, current_series
from analysis.results import QualityFinding, Severity

WARNED_PERCENT = 0.5
"""Estimated shift of the phantom from which a broken rule is a warning and not only a remark: a third of the
±1.5 % band (assumption). Limits from 25 scans are themselves uncertain: on simulated scanners in control
(CV 0.3 to 0.4 %) some rule was broken on 9 % of days, with such a shift on 1 %; a true shift of 1 % was found
as soon with this limit as without it."""


def scanner_findings(devices: Devices, device: str, study_date: date | None) -> tuple[QualityFinding, ...]:
    """Judge the scanner by its phantom scans up to the day of the study; no clock is involved.

    Returns
    -------
    tuple of QualityFinding
        ``scanner_drift`` if the latest phantom scan breaks a rule (a warning from a shift of
        `WARNED_PERCENT` on, else info), ``quality_control_overdue`` (info) if it is older than the site's own
        interval, ``no_quality_control`` (info) if nothing can be judged. Empty for a scanner in control, and
        for a site that has entered no devices file.
    """
    if devices.path is None:
        return ()
    entry = devices.find(device)
    control = entry.quality_control if entry is not None else None
    if control is None:
        return (_none(f"the devices file has no quality control for {device or 'an unnamed device'}"),)
    if study_date is None:
        return (_none("the study has no date, so no phantom scan can be set against it"),)
    scans = current_series(control.scans, control.phantom, study_date)
    if not scans:
        return (_none(f"no scan of phantom {control.phantom} of {device} is logged up to {study_date}"),)
    chart = control_chart([scan.bmd_g_cm2 for scan in scans], control.baseline_scans)
    if chart is None:
        judged: tuple[QualityFinding, ...] = (
            _none(
                f"the baseline of phantom {control.phantom} has {min(len(scans), control.baseline_scans)} of "
                f"{control.baseline_scans} scans, or no scatter"
            ),
        )
    else:
        judged = _drift(chart, scans, device)
    return (*judged, *_overdue(control, scans[-1].date, study_date, device))


def _drift(chart: ControlChart, scans: tuple[PhantomScan, ...], device: str) -> tuple[QualityFinding, ...]:
    broken = chart.signals[-1]
    if not broken:
        return ()
    shift = estimated_shift(chart, len(scans) - 1)
    rules = "; ".join(RULES[name] for name in broken)
    return (
        QualityFinding(
            "scanner_drift",
            Severity.WARNING if abs(shift.percent) >= WARNED_PERCENT else Severity.INFO,
            f"{device} was out of control on {scans[-1].date} ({rules}): its phantom reads "
            f"{shift.percent:+.2f} % ({shift.g_cm2:+.4f} g/cm²) off its baseline since "
            f"{scans[shift.first].date}. Repeat the phantom scan, call service if it repeats, and judge "
            "changes of BMD with this in mind.",
        ),
    )


def _overdue(
    control: PhantomControl, latest: date, study_date: date, device: str
) -> tuple[QualityFinding, ...]:
    age = (study_date - latest).days
    if age <= control.interval_days:
        return ()
    return (
        QualityFinding(
            "quality_control_overdue",
            Severity.INFO,
            f"The last phantom scan of {device} before this study is {age} days old ({latest}); the site's "
            f"interval is {control.interval_days} days. Scan phantom {control.phantom} and enter it with "
            "dicom-node quality-control add.",
        ),
    )


def _none(why: str) -> QualityFinding:
    return QualityFinding(
        "no_quality_control",
        Severity.INFO,
        f"The scanner's stability on the day of this study is unknown: {why}.",
    )
