"""Change of BMD since the last study of the same forearm, against the least significant change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

from analysis.measurement.densitometry import precision_cv_percent
from analysis.quality_control.devices import NO_DEVICES, CrossCalibration, Devices
from analysis.quality_control.precision import LSC_FACTOR
from analysis.results import (
    REGIONS,
    Laterality,
    PriorMeasurement,
    QualityFinding,
    RegionChange,
    RegionMeasurement,
    Severity,
    TrendPoint,
)

SHORTEST_RATE_YEARS = 0.5
"""Interval below which a change is not stated per year: division would only magnify noise (assumption)."""

_DAYS_PER_YEAR = 365.25


def least_significant_change_percent(
    region: str, device: str = "", devices: Devices = NO_DEVICES
) -> float | None:
    """Smallest change in % that is real with 95 % confidence; ``None`` where no precision is known.

    From the site's own precision study of the device, else from the published precision of one device.
    """
    precision = precision_cv_percent(device, devices).get(region)
    return precision * LSC_FACTOR if precision is not None else None


def changes(
    regions: Mapping[str, RegionMeasurement],
    laterality: Laterality | None,
    device: str,
    study_date: date | None,
    history: Sequence[PriorMeasurement],
    *,
    devices: Devices = NO_DEVICES,
) -> tuple[tuple[RegionChange, ...], tuple[QualityFinding, ...]]:
    """Change of every region since the most recent earlier study of the same side.

    Parameters
    ----------
    devices : Devices
        The site's own precision and equations between its machines: a prior of another machine is converted
        where an equation exists for the region.

    Returns
    -------
    changes : tuple of RegionChange
        In the order of `REGIONS`; empty if there is no comparable prior. ``significant`` is ``None`` where no
        least significant change is known or the machine changed without an equation: two machines differ by
        more than bone does.
    findings : tuple of QualityFinding
        ``prior_not_comparable`` (side or date unknown); ``machine_changed``, and ``cross_calibrated`` for
        the regions that an equation converts; ``lsc_published`` or ``lsc_site`` where a change is judged.
    """
    if not history:
        return (), ()
    if laterality is None or study_date is None:
        return (), (_NOT_COMPARABLE,)
    earlier = [prior for prior in history if prior.laterality is laterality and prior.study_date < study_date]
    if not earlier:
        return (), ()
    prior = max(earlier, key=lambda measurement: (measurement.study_date, measurement.study_instance_uid))
    found = tuple(
        change
        for region in REGIONS
        if (change := _change(region, regions.get(region), prior, study_date, device=device, devices=devices))
        is not None
    )
    if not found:
        return (), ()
    machine: tuple[QualityFinding, ...] = ()
    if not _same_machine(prior.device, device):
        names = [change.region for change in found]
        equations = {name: devices.equation(prior.device, device, name) for name in names}
        machine = _machine_findings(prior.device, device, equations)
    judged = [change.region for change in found if change.significant is not None]
    return found, (*machine, *_precision_findings(judged, device, devices))


def trend(
    regions: Mapping[str, RegionMeasurement],
    laterality: Laterality | None,
    device: str,
    study_date: date | None,
    history: Sequence[PriorMeasurement],
    *,
    devices: Devices = NO_DEVICES,
) -> tuple[TrendPoint, ...]:
    """Every study of the same side up to this one, oldest first; empty if this one would stand alone.

    BMD of another machine is converted where the site has an equation for the region. A machine without one
    keeps its own numbers and is marked as not comparable.
    """
    earlier = [
        prior
        for prior in history
        if laterality is not None
        and prior.laterality is laterality
        and study_date is not None
        and prior.study_date < study_date
    ]
    now = {
        region: found.bmd_g_cm2
        for region in REGIONS
        if (found := regions.get(region)) is not None and found.bmd_g_cm2 is not None
    }
    if not earlier or not now or study_date is None:
        return ()
    points = [
        _trend_point(prior, device, devices) for prior in sorted(earlier, key=lambda prior: prior.study_date)
    ]
    return (*points, TrendPoint(study_date, now, device, comparable=True))


def _trend_point(prior: PriorMeasurement, device: str, devices: Devices) -> TrendPoint:
    if _same_machine(prior.device, device):
        return TrendPoint(prior.study_date, dict(prior.bmd_g_cm2), prior.device, comparable=True)
    converted = {
        region: found[0]
        for region, bmd in prior.bmd_g_cm2.items()
        if (found := devices.cross_calibrated(bmd, prior.device, device, region)) is not None and found[0] > 0
    }
    known = converted or dict(prior.bmd_g_cm2)
    return TrendPoint(prior.study_date, known, prior.device, comparable=bool(converted))


def _change(
    region: str,
    measurement: RegionMeasurement | None,
    prior: PriorMeasurement,
    study_date: date,
    *,
    device: str,
    devices: Devices,
) -> RegionChange | None:
    now = measurement.bmd_g_cm2 if measurement is not None else None
    before = prior.bmd_g_cm2.get(region)
    if now is None or before is None or before <= 0:
        return None
    comparable = _same_machine(prior.device, device)
    threshold = least_significant_change_percent(region, device, devices)
    if not comparable:
        converted = devices.cross_calibrated(before, prior.device, device, region)
        comparable = converted is not None and converted[0] > 0
        if converted is not None and comparable:
            before, uncertainty = converted
            threshold = _with_conversion(threshold, 100 * uncertainty / before)
    years = (study_date - prior.study_date).days / _DAYS_PER_YEAR
    percent = 100 * (now - before) / before
    return RegionChange(
        region=region,
        prior_study_instance_uid=prior.study_instance_uid,
        prior_date=prior.study_date,
        years=years,
        change_g_cm2=now - before,
        change_percent=percent,
        percent_per_year=percent / years if years >= SHORTEST_RATE_YEARS else None,
        least_significant_change_percent=threshold,
        significant=abs(percent) >= threshold if threshold is not None and comparable else None,
    )


def _same_machine(before: str, now: str) -> bool:
    """Two machines without a name are not known to be the same."""
    return bool(now) and before == now


def _with_conversion(threshold: float | None, conversion_percent: float) -> float | None:
    """Least significant change with the conversion's error (1 SD, %) in quadrature, at 95 % confidence.

    The scatter about a regression holds the precision of both machines already, so this errs on the side of
    "not significant".
    """
    return math.hypot(threshold, 1.96 * conversion_percent) if threshold is not None else None


_NOT_COMPARABLE = QualityFinding(
    "prior_not_comparable",
    Severity.WARNING,
    "Earlier studies exist, but the side or the date of this one is unknown, so no change is stated.",
)


_LSC_PUBLISHED = QualityFinding(
    "lsc_published",
    Severity.INFO,
    f"Changes are judged by the published precision of forearm DXA times {LSC_FACTOR} (Hologic QDR-1000, "
    "100 women), not by this site's own precision.",
)


def _precision_findings(judged: Sequence[str], device: str, devices: Devices) -> tuple[QualityFinding, ...]:
    """Whose precision the verdicts rest on."""
    own = {region: found for region in judged if (found := devices.precision(device, region)) is not None}
    site = (
        QualityFinding(
            "lsc_site",
            Severity.INFO,
            f"The change of {_shown([region])} is judged by this site's own precision, RMS-CV "
            f"{precision.rms_cv_percent:.2f} % with {precision.degrees_of_freedom} degrees of freedom "
            f"({precision.source}, {precision.date}), times {LSC_FACTOR}.",
        )
        for region, precision in own.items()
    )
    return (*(() if len(own) == len(judged) else (_LSC_PUBLISHED,)), *site)


def _machine_findings(
    before: str, now: str, equations: Mapping[str, CrossCalibration | None]
) -> tuple[QualityFinding, ...]:
    """That the machine changed, and which regions were converted."""
    converted = {region: item for region, item in equations.items() if item is not None}
    left = [region for region in equations if region not in converted]
    changed = QualityFinding(
        "machine_changed",
        Severity.WARNING,
        f"The prior was measured on {before or 'an unnamed machine'}, this study on "
        f"{now or 'an unnamed machine'}: "
        + (
            f"without cross-calibration of {_shown(left)} no change of it can be called significant."
            if left
            else "changes are seen through the site's cross-calibration and are less certain."
        ),
    )
    equation_findings = (
        QualityFinding(
            "cross_calibrated",
            Severity.INFO,
            f"The prior BMD of {_shown([region])} was converted to {item.to_device}: {item.slope:g} · BMD "
            f"{item.intercept:+g} g/cm², SEE {item.see_g_cm2:g} g/cm², {item.subjects} subjects "
            f"({item.source}, {item.date}); its error is in the least significant change.",
        )
        for region, item in converted.items()
    )
    return (changed, *equation_findings)


def _shown(regions: Sequence[str]) -> str:
    return ", ".join(region.replace("_", "-") for region in regions)
