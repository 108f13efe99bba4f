"""The figures of every scanner and month, each held against its limit.

`detail` of a figure, by kind:

- ``quality``, ``declined``, ``agreement``: ``count``, ``total``, ``value``, ``low``, ``high`` (95 %) and
  ``limit``;
- ``feature``, ``risk``: ``subjects``, ``known``, ``known_in_training``, ``psi``, ``psi_by_chance``, ``ks``,
  ``p_value``, ``level``, ``quantiles`` and ``training_quantiles`` (of `QUANTILES`); of the risk ``version``;
- ``outcome``: ``subjects``, ``fractures``, ``deaths``, ``unfollowed``, ``waiting``, ``observed``,
  ``expected``, ``ratio``, ``auc``, ``c_index``, ``slope`` (each value, low, high), and of the calibration
  ``groups`` and ``curve`` (predicted, observed, low, high).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np

from analysis.cohort.columns import FloatArray, FollowUp
from analysis.evaluation.calibration import CalibrationCurve
from analysis.evaluation.intervals import Estimate
from analysis.results import HORIZONS_YEARS
from analysis.surveillance import (
    Distribution,
    DriftLimits,
    OutcomeLimits,
    Performance,
    Rate,
    RateLimit,
    ReferenceSet,
    drift_of_groups,
    performance_of_groups,
    rates,
)
from dicom_node.config.surveillance import SurveillanceSettings
from dicom_node.storage.clinical_records import Verdict
from dicom_node.storage.surveillance import Figure, FigureKind, MonitoredStudy, SurveyedAnalysis
from dicom_node.workflow.surveillance.gather import ALL_SCANNERS, Gathered, independent, months_until, samples

__all__ = ["ANY", "QUANTILES", "RISK_HORIZON", "References", "figures"]

References = Mapping[tuple[str, str], ReferenceSet]
"""(Model name, version) -> its training reference."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

RISK_HORIZON = 10
"""Years of the risk whose distribution is watched: that of the category."""

COHORT_MONTHS = 12
"""Outcomes are those of patients first scanned in so many months."""

CURVE_POINTS = 21
"""Points kept of a calibration curve."""

ANY = ""
"""Subject of a figure over all findings or reasons."""

OURS = ("analyzed", "rejected", "failed")
"""States of forearm studies; what is not applicable is nobody's fault."""


def figures(gathered: Gathered, references: References, settings: SurveillanceSettings) -> Iterator[Figure]:
    """Yield every figure; what is judged together is that of one kind and month."""
    for month in gathered.months:
        groups = {
            scanner: studies
            for scanner in gathered.scanners
            if scanner != ALL_SCANNERS and (studies := gathered.studies.get((scanner, month)))
        }
        yield from _quality(month, groups, settings)
        yield from _declined(month, groups, settings)
        yield from _agreement(month, groups, gathered, settings)
        yield from _features(month, groups, references, settings)
        yield from _risks(month, groups, references, settings)
        yield from _outcomes(month, gathered, settings)


Groups = Mapping[str, Sequence[MonitoredStudy]]


def _quality(month: str, groups: Groups, settings: SurveillanceSettings) -> Iterator[Figure]:
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for scanner, studies in groups.items():
        analysed = [study for study in studies if study.state == "analyzed"]
        worse = [
            {code for code, severity in study.findings.items() if severity != "info"} for study in analysed
        ]
        found = Counter(code for codes in worse for code in codes)
        if analysed:
            counts[scanner, ANY] = sum(map(bool, worse)), len(analysed)
        counts |= {(scanner, code): (number, len(analysed)) for code, number in found.items()}
    accepted = {key for key in counts if key[1] == ANY or key[1] in settings.accepted_findings}
    judged = {key: count for key, count in counts.items() if key not in accepted}
    limit = RateLimit(settings.quality_rate, settings.least_studies, significance=settings.significance)
    yield from _rates("quality", month, rates(judged, limit), limit)
    shown = RateLimit(1.0, settings.least_studies)  # a share is never above 1
    yield from _rates("quality", month, rates({key: counts[key] for key in accepted}, shown), None)


def _declined(month: str, groups: Groups, settings: SurveillanceSettings) -> Iterator[Figure]:
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    reasons: dict[tuple[str, str], tuple[int, int]] = {}
    for scanner, studies in groups.items():
        ours = [study for study in studies if study.state in OURS]
        declined = [study for study in ours if study.state != "analyzed"]
        elsewhere = len(studies) - len(ours)
        if ours:
            totals[scanner, ANY] = len(declined), len(ours)
        why = Counter(_reason(study) for study in declined)
        reasons |= {(scanner, reason): (number, len(ours)) for reason, number in why.items()}
        if elsewhere:
            reasons[scanner, "not_applicable"] = elsewhere, len(studies)
    limit = RateLimit(settings.declined_rate, settings.least_studies, significance=settings.significance)
    yield from _rates("declined", month, rates(totals, limit), limit)
    yield from _rates("declined", month, rates(reasons, RateLimit(1.0, settings.least_studies)), None)


def _reason(study: MonitoredStudy) -> str:
    """The engine's own code for why it declined; a failure has none."""
    if study.state == "failed":
        return "failed"
    return next((code for code, severity in study.findings.items() if severity == "error"), "unreadable")


def _agreement(
    month: str, groups: Groups, gathered: Gathered, settings: SurveillanceSettings
) -> Iterator[Figure]:
    counts = {}
    for scanner, studies in groups.items():
        said = [
            verdict for study in studies for verdict in gathered.verdicts.get(study.study_instance_uid, ())
        ]
        if said:
            counts[scanner, ANY] = sum(verdict is Verdict.AGREE for verdict in said), len(said)
    limit = RateLimit(
        settings.agreement_rate, settings.least_studies, too_low=True, significance=settings.significance
    )
    yield from _rates("agreement", month, rates(counts, limit), limit)


def _rates(
    kind: FigureKind, month: str, found: Mapping[tuple[str, str], Rate], limit: RateLimit | None
) -> Iterator[Figure]:
    """Figures of shares; those without a limit are shown only."""
    for (scanner, subject), rate in found.items():
        detail = {name: getattr(rate, name) for name in ("count", "total", "value", "low", "high")}
        detail["limit"] = limit.limit if limit else None
        judged = rate.judged and limit is not None
        yield Figure(scanner, month, kind, subject, judged, judged and rate.crossed, detail)


def _features(
    month: str, groups: Groups, references: References, settings: SurveillanceSettings
) -> Iterator[Figure]:
    """What models were fed, against the reference of the model that most studies of the month had."""
    compared: dict[str, tuple[Mapping[str, Distribution], dict[str, FloatArray]]] = {}
    for scanner, studies in groups.items():
        analyses = _with_risk(studies)
        version = _commonest(analyses)
        if version is not None and version in references:
            reference = references[version].features
            names = sorted({name for item in analyses for name in item.inputs} & reference.keys())
            compared[scanner] = reference, samples(analyses, names)
    yield from _drifts("feature", month, compared, settings, {})


def _risks(
    month: str, groups: Groups, references: References, settings: SurveillanceSettings
) -> Iterator[Figure]:
    """What each model said, against what it said of its training cohort."""
    compared: dict[str, tuple[Mapping[str, Distribution], dict[str, FloatArray]]] = {}
    versions: dict[tuple[str, str], str] = {}
    for scanner, studies in groups.items():
        analyses = _with_risk(studies)
        own: dict[str, Distribution] = {}
        said: dict[str, FloatArray] = {}
        for name in sorted({item.model_name for item in analyses}):
            by_model = [item for item in analyses if item.model_name == name]
            version = _commonest(by_model)
            reference = references.get(version) if version else None
            if version and reference and RISK_HORIZON in reference.risks.get(name, {}):
                own[name] = reference.risks[name][RISK_HORIZON]
                values = [
                    item.risks[RISK_HORIZON]
                    for item in by_model
                    if item.model_version == version[1] and RISK_HORIZON in item.risks
                ]
                said[name] = np.array(values, dtype=np.float64)
                versions[scanner, name] = version[1]
        if said:
            compared[scanner] = own, said
    yield from _drifts("risk", month, compared, settings, versions)


def _drifts(
    kind: FigureKind,
    month: str,
    compared: Mapping[str, tuple[Mapping[str, Distribution], Mapping[str, FloatArray]]],
    settings: SurveillanceSettings,
    versions: Mapping[tuple[str, str], str],
) -> Iterator[Figure]:
    limits = DriftLimits(settings.least_studies, far=settings.psi, significance=settings.significance)
    for scanner, found in drift_of_groups(compared, limits).items():
        reference, sampled = compared[scanner]
        for subject, drift in found.items():
            values = sampled[subject][np.isfinite(sampled[subject])]
            detail: dict[str, Any] = asdict(drift)
            crossed = bool(detail.pop("crossed"))
            detail["quantiles"] = [float(q) for q in np.quantile(values, QUANTILES)] if values.size else None
            detail["training_quantiles"] = _quantiles(reference[subject])
            if (scanner, subject) in versions:
                detail["version"] = versions[scanner, subject]
            yield Figure(scanner, month, kind, subject, drift.p_value is not None, crossed, detail)


def _with_risk(studies: Sequence[MonitoredStudy]) -> list[SurveyedAnalysis]:
    """The newest analyses that estimated a risk, one of each patient."""
    predicted = [study for study in studies if study.newest is not None]
    return [study.newest for study in independent(predicted, latest=True) if study.newest is not None]


def _commonest(analyses: Sequence[SurveyedAnalysis]) -> tuple[str, str] | None:
    """Name and version of the model that most analyses used; of equals the last in order of version."""
    used = Counter((item.model_name, item.model_version) for item in analyses)
    return max(used, key=lambda version: (used[version], version[1], version[0]), default=None)


def _quantiles(reference: Distribution) -> list[float]:
    places = np.searchsorted(reference.cumulative, np.array(QUANTILES) - 1e-9)
    return [float(value) for value in reference.values[places]]


def _outcomes(month: str, gathered: Gathered, settings: SurveillanceSettings) -> Iterator[Figure]:
    """What became of patients first scanned in the twelve months that end with `month`."""
    window = months_until(date.fromisoformat(f"{month}-01"), COHORT_MONTHS)
    followed: dict[str, tuple[list[MonitoredStudy], FollowUp]] = {}
    for scanner in gathered.scanners:
        studies = [study for item in window for study in gathered.studies.get((scanner, item), ())]
        predicted = independent([study for study in studies if study.first is not None], latest=False)
        known, follow_up = gathered.follow_up(predicted)
        if known:
            followed[scanner] = known, follow_up
    longest = max((float(follow_up.years.max()) for _, follow_up in followed.values()), default=0.0)
    reached = [years for years in HORIZONS_YEARS if years == HORIZONS_YEARS[0] or longest >= years]
    limits = OutcomeLimits(
        settings.least_subjects,
        settings.least_fractures,
        ratio=(settings.observed_to_expected_from, settings.observed_to_expected_to),
        auc=settings.auc,
        # every horizon that anybody has reached belongs to the family
        significance=settings.significance / len(reached),
    )
    for years in reached:
        groups = {
            scanner: (_risk_at(known, years), follow_up) for scanner, (known, follow_up) in followed.items()
        }
        for scanner, part in performance_of_groups(groups, float(years), limits).items():
            yield Figure(
                scanner,
                month,
                "outcome",
                str(years),
                part.judged,
                part.ratio_crossed or part.auc_crossed,
                _performance(part),
            )


def _risk_at(studies: Sequence[MonitoredStudy], years: int) -> FloatArray:
    return np.array(
        [study.first.risks.get(years, np.nan) if study.first else np.nan for study in studies],
        dtype=np.float64,
    )


def _performance(part: Performance) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "subjects": part.subjects,
        "fractures": part.fractures,
        "deaths": part.deaths,
        "unfollowed": part.unfollowed,
        "waiting": part.waiting,
        "ratio_crossed": part.ratio_crossed,
        "auc_crossed": part.auc_crossed,
        "auc": _estimate(part.auc),
        "c_index": _estimate(part.c_index),
    }
    calibration = part.calibration
    if calibration is None:
        return detail
    return detail | {
        "observed": _estimate(calibration.observed),
        "expected": calibration.expected,
        "ratio": _estimate(calibration.observed_to_expected),
        "slope": _estimate(calibration.slope),
        "groups": [
            {"subjects": one.subjects, "predicted": one.predicted, "observed": _estimate(one.observed)}
            for one in calibration.groups
        ],
        "curve": _points(calibration.curve) if calibration.curve else [],
    }


def _points(curve: CalibrationCurve) -> list[list[float]]:
    chosen = np.linspace(0, len(curve.predicted) - 1, CURVE_POINTS).round().astype(int)
    columns = (curve.predicted, curve.observed, curve.low, curve.high)
    return [[float(column[index]) for column in columns] for index in chosen]


def _estimate(one: Estimate | None) -> dict[str, float] | None:
    return None if one is None else {"value": one.value, "low": one.low, "high": one.high}
