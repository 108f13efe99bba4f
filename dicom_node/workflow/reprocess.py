"""Analyses received studies again: by study, by time of arrival, or all that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import timestamp
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.workflow.routing import Router

__all__ = ["Reprocessing", "reprocess", "studies_failed", "studies_received"]


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """What became of one study: queued again, or why not."""

    study_instance_uid: str
    queued: bool
    reason: str


def studies_received(journal: Journal, *, since: date, until: date | None) -> list[str]:
    """Return Study Instance UIDs first received from `since` to `until` (days in UTC, both included)."""
    start = datetime.combine(since, time.min, UTC)
    end = datetime.combine(until, time.min, UTC) + timedelta(days=1) if until else None
    rows = journal.list_studies(since=timestamp(start), until=timestamp(end) if end else "")
    return [row["study_instance_uid"] for row in rows]


def studies_failed(journal: Journal) -> list[str]:
    """Return Study Instance UIDs whose analysis was given up."""
    return [study.study_instance_uid for study in journal.studies_in_state(StudyState.FAILED)]


def reprocess(
    journal: Journal, router: Router, studies: Sequence[str], *, dry_run: bool = False
) -> list[Reprocessing]:
    """Queue another analysis of each study, by the routes of today.

    They decide on guideline, models, destinations and priority. Originals are not forwarded again and nothing
    is discarded; a study that its route does not analyse is left alone.

    The same input under the same engine, models and settings gives results that exist already, with the same
    UIDs: nothing new is sent then (law 3 of the house).

    Raises
    ------
    ConfigurationError
        If a study is unknown.
    """
    unknown = [uid for uid in studies if journal.study(uid) is None]
    if unknown:
        raise ConfigurationError(
            f"study {unknown[0]!r} was never received; dicom-node studies lists those that were"
        )
    return [_reprocess_one(journal, router, uid, dry_run) for uid in studies]


def _reprocess_one(journal: Journal, router: Router, uid: str, dry_run: bool) -> Reprocessing:
    study = journal.study(uid)
    if study is not None and study.state is StudyState.RECEIVING:
        return Reprocessing(uid, False, "still arriving; it is analysed when complete")
    routing = router.decide(uid)
    if "analyse" not in routing.actions:
        return Reprocessing(uid, False, f"not analysed: {routing}")
    if dry_run:
        return Reprocessing(uid, True, "would be queued")
    queued = journal.reprocess_study(uid, routing)
    return Reprocessing(uid, queued, "queued" if queued else "an analysis is queued already")
