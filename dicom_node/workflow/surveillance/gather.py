"""From the journal to what figures are made of: inputs and risks, groups of studies, follow-up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from analysis.cohort.columns import FloatArray, FollowUp
from dicom_node.config import NodeConfig
from dicom_node.dicom_files import parse_date
from dicom_node.storage.clinical_records import Outcome, Verdict
from dicom_node.storage.journal import Journal
from dicom_node.storage.surveillance import MonitoredStudy, SurveyedAnalysis
from dicom_node.workflow.learning.cohort import DAYS_PER_YEAR, follow_up_end

__all__ = ["ALL_SCANNERS", "Gathered", "gather", "independent", "months_until", "survey"]

ALL_SCANNERS = ""
"""The group of all scanners together; made where there is more than one."""

ANALYSES_AT_ONCE = 200
"""Results of so many analyses are read and journalled together: about 10 MB."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that figures are made of.

    Attributes
    ----------
    months : tuple of str
        YYYY-MM, oldest first; the last one is the present month, which is not over.
    studies : mapping of (scanner, month) to sequence of MonitoredStudy
        With `ALL_SCANNERS` where there are several.
    verdicts : mapping of str to sequence of Verdict
        Study Instance UID -> what radiologists say of it.
    outcomes : mapping of str to sequence of Outcome
        By patient.
    known_until : date or None
        Until when it is known of every patient what happened.
    """

    months: tuple[str, ...]
    studies: Mapping[tuple[str, str], Sequence[MonitoredStudy]]
    verdicts: Mapping[str, Sequence[Verdict]]
    outcomes: Mapping[str, Sequence[Outcome]]
    known_until: date | None

    @property
    def scanners(self) -> tuple[str, ...]:
        return tuple(sorted({scanner for scanner, _ in self.studies}))

    def follow_up(self, studies: Sequence[MonitoredStudy]) -> tuple[list[MonitoredStudy], FollowUp]:
        """Return those of whom anything is known after their study, and what became of them."""
        followed, years, endings = [], [], []
        for study in studies:
            start = parse_date(study.date)
            if start is None or not study.patient_key:
                continue
            end = follow_up_end(self.outcomes.get(study.patient_key, ()), start, start, self.known_until)
            if end is not None:
                followed.append(study)
                years.append((end.day - start).days / DAYS_PER_YEAR)
                endings.append(end.ending)
        return followed, FollowUp(np.array(years, dtype=np.float64), np.array(endings, dtype=np.int_))


def survey(journal: Journal) -> int:
    """Read inputs and risks of the analyses that are new, and journal them; return how many."""
    read = 0
    while results := journal.unsurveyed_results(ANALYSES_AT_ONCE):
        journal.record_surveyed(_surveyed(*result) for result in results)
        read += len(results)
    return read


def gather(journal: Journal, config: NodeConfig, today: date) -> Gathered:
    """Read what the figures of all months until `today` are made of."""
    months = months_until(today, config.surveillance.months)
    # patients count from their first scan in twelve months: the oldest month needs those before it
    earliest = months_until(date.fromisoformat(f"{months[0]}-01"), 12)[0]
    studies: dict[tuple[str, str], list[MonitoredStudy]] = defaultdict(list)
    last = f"{months[-1].replace('-', '')}31"
    for study in journal.monitored_studies(f"{earliest.replace('-', '')}01"):
        if study.date <= last and study.scanner:
            studies[study.scanner, study.month].append(study)
    if len({scanner for scanner, _ in studies}) > 1:
        for (_, month), own in list(studies.items()):
            studies[ALL_SCANNERS, month].extend(own)
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for opinion in journal.opinions():
        verdicts[opinion.study_instance_uid].append(opinion.verdict)
    told: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in journal.outcomes():
        told[outcome.patient_key].append(outcome)
    days = config.learning.followed_up_days
    return Gathered(months, studies, verdicts, told, today - timedelta(days=days) if days else None)


def independent(studies: Iterable[MonitoredStudy], *, latest: bool) -> list[MonitoredStudy]:
    """Return one study of each patient, the latest or the earliest: tests take their sample as independent.

    Studies without a Patient ID count each.
    """
    chosen: dict[str, MonitoredStudy] = {}
    for study in studies:  # by date
        key = study.patient_key or study.study_instance_uid
        if latest or key not in chosen:
            chosen[key] = study
    return list(chosen.values())


def months_until(today: date, count: int) -> tuple[str, ...]:
    """Return the last `count` months as YYYY-MM, oldest first, that of `today` last."""
    newest = today.year * 12 + today.month - 1
    return tuple(f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(newest - count + 1, newest + 1))


def samples(analyses: Sequence[SurveyedAnalysis], names: Iterable[str]) -> dict[str, FloatArray]:
    """Return the values of features, (analyses,); NaN where unknown."""
    return {
        name: np.array([item.inputs.get(name, np.nan) for item in analyses], dtype=np.float64)
        for name in names
    }


def _surveyed(analysis_id: int, study_instance_uid: str, result_json: str) -> SurveyedAnalysis:
    document: dict[str, Any] = json.loads(result_json)
    risk = document.get("risk") or {}
    model = risk.get("model") or {}
    return SurveyedAnalysis(
        analysis_id,
        study_instance_uid,
        str(model.get("name", "")),
        str(model.get("version", "")),
        {
            item["feature"]: item["value"]
            for item in document.get("explanation") or ()
            if item["value"] is not None and not item["imputed"]
        },
        {
            int(years): horizon["probability"]
            for years, horizon in (risk.get("horizons") or {}).items()
            if horizon
        },
    )
