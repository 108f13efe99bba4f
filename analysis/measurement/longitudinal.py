"""Change of BMD since the last study of the same forearm, against the least significant change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from analysis.measurement.densitometry import PRECISION_CV_PERCENT
from analysis.results import (
    REGIONS,
    Laterality,
    PriorMeasurement,
    QualityFinding,
    RegionChange,
    RegionMeasurement,
    Severity,
)

LSC_FACTOR = 2.77
"""Least significant change over precision error at 95 % confidence: 1.96 · √2 (ISCD)."""

SHORTEST_RATE_YEARS = 0.5
"""Interval below which a change is not stated per year: division would only magnify noise (assumption)."""

_DAYS_PER_YEAR = 365.25


def least_significant_change_percent(region: str) -> float | None:
    """Smallest change in % that is real with 95 % confidence; ``None`` where no precision is known.

    From the published precision of one device; a site's own precision study would replace it.
    """
    precision = PRECISION_CV_PERCENT.get(region)
    return precision * LSC_FACTOR if precision is not None else None


def changes(
    regions: Mapping[str, RegionMeasurement],
    laterality: Laterality | None,
    device: str,
    study_date: date | None,
    history: Sequence[PriorMeasurement],
) -> tuple[tuple[RegionChange, ...], tuple[QualityFinding, ...]]:
    """Change of every region since the most recent earlier study of the same side.

    Returns
    -------
    changes : tuple of RegionChange
        In the order of `REGIONS`; empty if there is no comparable prior. ``significant`` is ``None`` where no
        least significant change is known or the machine changed: two machines differ by more than bone does.
    findings : tuple of QualityFinding
        ``prior_not_comparable`` (side or date unknown), ``machine_changed`` or ``lsc_published``.
    """
    if not history:
        return (), ()
    if laterality is None or study_date is None:
        return (), (_NOT_COMPARABLE,)
    earlier = [prior for prior in history if prior.laterality is laterality and prior.study_date < study_date]
    if not earlier:
        return (), ()
    prior = max(earlier, key=lambda measurement: (measurement.study_date, measurement.study_instance_uid))
    same_machine = bool(device) and prior.device == device
    found = tuple(
        change
        for region in REGIONS
        if (change := _change(region, regions.get(region), prior, study_date, same_machine)) is not None
    )
    if not found:
        return (), ()
    return found, (_LSC_PUBLISHED if same_machine else _machine_changed(prior.device, device),)


def _change(
    region: str,
    measurement: RegionMeasurement | None,
    prior: PriorMeasurement,
    study_date: date,
    same_machine: bool,
) -> RegionChange | None:
    now = measurement.bmd_g_cm2 if measurement is not None else None
    before = prior.bmd_g_cm2.get(region)
    if now is None or before is None or before <= 0:
        return None
    years = (study_date - prior.study_date).days / _DAYS_PER_YEAR
    percent = 100 * (now - before) / before
    threshold = least_significant_change_percent(region)
    return RegionChange(
        region=region,
        prior_study_instance_uid=prior.study_instance_uid,
        prior_date=prior.study_date,
        years=years,
        change_g_cm2=now - before,
        change_percent=percent,
        percent_per_year=percent / years if years >= SHORTEST_RATE_YEARS else None,
        least_significant_change_percent=threshold,
        significant=abs(percent) >= threshold if threshold is not None and same_machine else None,
    )


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


def _machine_changed(before: str, now: str) -> QualityFinding:
    return QualityFinding(
        "machine_changed",
        Severity.WARNING,
        f"The prior was measured on {before or 'an unnamed machine'}, this study on "
        f"{now or 'an unnamed machine'}: without cross-calibration no change can be called significant.",
    )
