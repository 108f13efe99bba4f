"""The numbers of a simulated site's history: what the figure shows, and what is written beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis import __version__
from analysis.cohort.columns import FloatArray
from analysis.evaluation.intervals import Estimate
from analysis.risk.model_file import parse_model
from analysis.risk.registry import json_object, verified_bytes
from analysis.risk.versions import list_versions
from analysis.simulation.site import DAYS_PER_YEAR, SCAN_DAY, SHIFTED
from dicom_node.simulated_site.loop import HORIZON, MODEL, SiteHistory

__all__ = ["Point", "document", "points"]

Role = Literal["in force", "in shadow", "replaced"]

LEAST_FRACTURES = 20
"""Fewer fractures of a group make no point: they know O:E to a factor of 1.5 (1/√events)."""


@dataclass(frozen=True, slots=True)
class Point:
    """One model on the patients scanned in a part of a year.

    Attributes
    ----------
    role : {"in force", "in shadow", "replaced"}
        Replaced: what the former model would have said of patients who were told something else.
    begin, end : float
        Years since the first day between which the patients were scanned.
    """

    role: Role
    version: str
    begin: float
    end: float
    subjects: int
    fractures: int
    observed_to_expected: Estimate | None
    slope: Estimate | None
    auc: Estimate | None


def points(history: SiteHistory) -> list[Point]:
    """Figures by year of scan, divided where another model took over; of models in shadow while they were."""
    patients = history.patients
    told = patients["told_risk"].to_numpy(np.float64)
    version = patients["told_version"].to_numpy(str)
    found: list[Point] = []
    for begin, end in _spans(history):
        inside = _scanned(history, begin, end)
        for one in sorted({item for item in version[inside] if item}):
            found += _point(
                history, "in force", one, (begin, end), risk=told, chosen=inside & (version == one)
            )
        replaced = [item.before for item in history.promotions if item.month <= 12 * begin + 1e-9]
        if replaced:
            risk = _risk_by(history, replaced[0])
            found += _point(history, "replaced", replaced[0], (begin, end), risk=risk, chosen=inside)
    for span in history.shadows:
        begin, end = span.since / 12, (span.until or history.months) / 12
        if span.version in history.shadow:
            risk, inside = history.shadow[span.version], _scanned(history, begin, end)
            found += _point(history, "in shadow", span.version, (begin, end), risk=risk, chosen=inside)
    return found


def document(history: SiteHistory) -> dict[str, Any]:
    """Everything as plain JSON."""
    plan = history.plan
    content: dict[str, Any] = _plain(
        {
            "what": "simulated site; research use only",
            "version": __version__,
            "plan": asdict(plan),
            "model": MODEL,
            "horizon_years": HORIZON,
            "least_fractures": LEAST_FRACTURES,
            "limits": asdict(history.limits),
            "patients": len(history.patients),
            "patients_with_a_risk": int(history.patients["told_risk"].notna().sum()),
            "share_of_other_population_by_year": _shares(history),
            "by_year_of_scan": [asdict(point) for point in points(history)],
            "surveillance": [
                {
                    "month": item.month,
                    "subjects": item.performance.subjects,
                    "fractures": item.performance.fractures,
                    "observed_to_expected": _or_none(item.performance.observed_to_expected),
                    "judged": item.performance.judged,
                    "crossed": item.performance.ratio_crossed,
                }
                for item in history.watched
            ],
            "first_alarm_month": history.alarms[0] if history.alarms else None,
            "alarm_months": history.alarms,
            "learning_runs": [{"month": month, **figures} for month, figures in history.learning],
            "shadows": [asdict(span) for span in history.shadows],
            "promotions": [asdict(promotion) for promotion in history.promotions],
        }
    )
    return content


def _spans(history: SiteHistory) -> list[tuple[float, float]]:
    changes = {promotion.month / 12 for promotion in history.promotions}
    years = history.plan.years
    edges = sorted({*np.arange(0.0, years), years, *(month for month in changes if month < years)})
    return list(itertools.pairwise(edges))


def _scanned(history: SiteHistory, begin: float, end: float) -> NDArray[np.bool_]:
    year = history.patients[SCAN_DAY].to_numpy(np.float64) / DAYS_PER_YEAR
    return np.asarray((year >= begin) & (year < end))


def _point(
    history: SiteHistory,
    role: Role,
    version: str,
    span: tuple[float, float],
    *,
    risk: FloatArray,
    chosen: NDArray[np.bool_],
) -> list[Point]:
    chosen = chosen & np.isfinite(risk)
    if not chosen.any():
        return []
    found = history.judged(chosen, risk)
    if found.fractures < LEAST_FRACTURES:
        return []
    slope = found.calibration.slope if found.calibration else None
    counts = found.subjects, found.fractures
    return [Point(role, version, *span, *counts, found.observed_to_expected, slope, found.auc)]


def _risk_by(history: SiteHistory, version: str) -> FloatArray:
    """One-year risks of everybody by a version that the registry still holds."""
    entry = next(
        item.entry for item in list_versions(history.models) if (item.name, item.version) == (MODEL, version)
    )
    file = str(entry["file"])
    raw = verified_bytes(history.models, entry)
    model = parse_model(json_object(raw, file), file=file, sha256=str(entry["sha256"]))
    values = history.patients[[feature.name for feature in model.features]].to_numpy(np.float64)
    usable = model.usable(values)
    risk = np.full(len(values), np.nan)
    risk[usable] = model.risk(values[usable])[:, 0]
    return risk


def _shares(history: SiteHistory) -> list[float]:
    years = np.floor(history.patients[SCAN_DAY] / DAYS_PER_YEAR)
    return [float(share) for share in history.patients.groupby(years)[SHIFTED].mean()]


def _or_none(estimate: Estimate | None) -> dict[str, float] | None:
    return asdict(estimate) if estimate is not None else None


def _plain(value: Any) -> Any:
    """JSON without NaN, numbers to six digits."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
