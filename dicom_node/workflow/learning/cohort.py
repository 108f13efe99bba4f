"""The site's accumulated cohort: one row per patient, from the journal alone.

A patient's index scan is the first one of which it is known what models were given. Follow-up ends with the
first fracture that counts, with death, or where knowledge ends. Nothing after the index scan is a predictor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from analysis.cohort.columns import (
    CAUSE,
    CENSORED,
    DEATH,
    ENDING,
    FRACTURE,
    FRACTURE_SITES,
    SCANNER,
    SUBJECT_ID,
    YEARS,
)
from dicom_node.config import LearningSettings
from dicom_node.dicom_files import parse_date
from dicom_node.storage.clinical_records import Outcome, OutcomeKind
from dicom_node.storage.journal import Journal
from dicom_node.storage.learning import IndexStudy

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

__all__ = ["UNFOLLOWED", "FollowUpEnd", "SiteCohort", "follow_up_end", "site_cohort"]

DAYS_PER_YEAR = 365.25

UNKNOWN_SITE = "unknown"
"""A fracture whose site is not known counts; one elsewhere than at `FRACTURE_SITES` does not: the models
predict fractures there."""

UNFOLLOWED = "nothing is known of the time after the first scan"
"""Why a patient is left out."""

TRAUMA = "trauma"
"""Fractures from more than a fall from standing height do not count; of unknown mechanism they do."""


@dataclass(frozen=True, slots=True)
class SiteCohort:
    """Who is trained on, who is held out, and who is neither.

    Attributes
    ----------
    training, held_out : CohortTable
        No patient is in both, now or at any other time.
    left_out : mapping of str to int
        Reason -> patients.
    """

    training: CohortTable
    held_out: CohortTable
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FollowUpEnd:
    """When and how a patient's follow-up ended; `cause` is the site of the fracture, or empty."""

    day: date
    ending: int
    cause: str = ""


def site_cohort(
    journal: Journal, settings: LearningSettings, today: date, *, manifest: Mapping[str, Any] | None = None
) -> SiteCohort:
    """Build the cohort as the journal knows it today.

    Parameters
    ----------
    today : date
    manifest : mapping, optional
        What is to be said of where the patients come from.

    Returns
    -------
    SiteCohort
        `subject_id` is a pseudonym.
    """
    told: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in journal.outcomes():
        told[outcome.patient_key].append(outcome)
    scans: dict[str, list[tuple[date, IndexStudy]]] = defaultdict(list)
    for study in journal.index_studies():
        day = parse_date(study.study_date)
        if day is not None and day <= today:
            scans[study.patient_key].append((day, study))
    rows: dict[str, dict[str, Any]] = {}
    left_out: Counter[str] = Counter()
    for patient, own in scans.items():
        (first, index), last_seen = own[0], own[-1][0]
        if settings.window_years and (today - first).days > settings.window_years * DAYS_PER_YEAR:
            left_out["first scanned before [learning] window_years"] += 1
            continue
        end = follow_up_end(told[patient], first, last_seen, _known_until(settings, today))
        if end is None:
            left_out[UNFOLLOWED] += 1
        else:
            rows[patient] = _row(index, first, end)
    held_out = journal.hold_out(rows, settings.held_out_share)
    pseudonyms = journal.pseudonyms(rows)
    parts = {
        part: [
            {SUBJECT_ID: pseudonyms[patient], **row}
            for patient, row in rows.items()
            if held_out[patient] is part
        ]
        for part in (False, True)
    }
    about = {"source": "the journal of this site", **(manifest or {})}
    return SiteCohort(_table(parts[False], about), _table(parts[True], about), left_out)


def follow_up_end(
    outcomes: Sequence[Outcome], start: date, last_seen: date, known_until: date | None
) -> FollowUpEnd | None:
    """When and how follow-up from `start` ended; None if nothing is known of any day after it.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of one patient, those that stand.
    last_seen : date
        Of the patient's last scan.
    known_until : date or None
        Until when it is known of every patient what happened. What is known of somebody beyond it does not
        count: fractures come to light sooner than that there was none.
    """
    told = [item for item in outcomes if date.fromisoformat(item.occurred_on) > start]
    after = [item for item in told if not known_until or date.fromisoformat(item.occurred_on) <= known_until]
    fractures = [item for item in after if item.kind is OutcomeKind.FRACTURE and _counts(item)]
    deaths = [item for item in after if item.kind is OutcomeKind.DEATH]
    first = min(fractures, key=lambda item: item.occurred_on, default=None)
    death = min((date.fromisoformat(item.occurred_on) for item in deaths), default=None)
    if first is not None and (death is None or date.fromisoformat(first.occurred_on) <= death):
        cause = first.site if first.site in FRACTURE_SITES else ""
        return FollowUpEnd(date.fromisoformat(first.occurred_on), FRACTURE, cause)
    if death is not None:
        return FollowUpEnd(death, DEATH)
    end = known_until or max([date.fromisoformat(item.occurred_on) for item in after] + [last_seen])
    return FollowUpEnd(end, CENSORED) if end > start else None


def _counts(fracture: Outcome) -> bool:
    return fracture.site in (*FRACTURE_SITES, UNKNOWN_SITE) and fracture.mechanism != TRAUMA


def _known_until(settings: LearningSettings, today: date) -> date | None:
    if not settings.followed_up_days:
        return None
    return today - timedelta(days=settings.followed_up_days)


def _row(index: IndexStudy, first: date, end: FollowUpEnd) -> dict[str, Any]:
    return {
        YEARS: (end.day - first).days / DAYS_PER_YEAR,
        ENDING: end.ending,
        CAUSE: end.cause,
        SCANNER: index.device,
        **index.inputs,
    }


def _table(rows: list[dict[str, Any]], manifest: Mapping[str, Any]) -> CohortTable:
    import numpy as np
    import pandas as pd

    from analysis.cohort.table import CohortTable

    rows = sorted(rows, key=lambda row: str(row[SUBJECT_ID]))  # the order of patients tells nothing of them
    needed = [SUBJECT_ID, YEARS, ENDING, CAUSE, SCANNER]
    frame = pd.DataFrame(rows, columns=[*needed, *sorted({name for row in rows for name in row} - {*needed})])
    return CohortTable(frame, dict(manifest), None, np.arange(len(frame)))
