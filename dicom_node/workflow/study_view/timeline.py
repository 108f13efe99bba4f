"""What happened to a study, in order: from the association that brought it to the last confirmation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from dicom_node.storage.changes import Change
from dicom_node.storage.clinical_records import Opinion, SiteEntry
from dicom_node.storage.records import Event, Severity
from dicom_node.storage.study_history import (
    ArrivedAssociation,
    StudyAnalysisRow,
    StudyDelivery,
    StudyRetrieval,
)

__all__ = ["Step", "StudyRows", "TimelineEntry", "timeline"]


class Step(StrEnum):
    """What an entry of the timeline is about."""

    ARRIVED = "arrived"
    QUARANTINED = "quarantined"
    COMPLETE = "complete"
    ROUTED = "routed"
    ANALYSIS_QUEUED = "analysis_queued"
    ANALYSIS_STARTED = "analysis_started"
    ANALYSIS_ENDED = "analysis_ended"
    DELIVERY_QUEUED = "delivery_queued"
    DELIVERY_STORED = "delivery_stored"
    DELIVERY_ASKED = "delivery_asked"
    DELIVERED = "delivered"
    RETRIEVAL = "retrieval"
    RETRIEVED = "retrieved"
    CHANGE = "change"
    SITE_ENTRY = "site_entry"
    OPINION = "opinion"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline.

    Attributes
    ----------
    at : str
        ISO 8601 UTC.
    state : str
        A state of the journal's that says how it stands, e.g. of a delivery; empty where there is none.
    values : mapping of str to object
        What stands in the sentence that names the step.
    detail : str
        Reason or message, in English as journalled.
    person : str
        Who did it, if a person did.
    """

    at: str
    step: Step
    state: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    detail: str = ""
    person: str = ""


@dataclass(frozen=True, slots=True)
class StudyRows:
    """Everything the journal has on one study's way."""

    arrivals: Sequence[ArrivedAssociation] = ()
    events: Sequence[Event] = ()
    analyses: Sequence[StudyAnalysisRow] = ()
    deliveries: Sequence[StudyDelivery] = ()
    retrievals: Sequence[StudyRetrieval] = ()
    changes: Sequence[Change] = ()
    site_entries: Sequence[SiteEntry] = ()
    opinions: Sequence[Opinion] = ()


def timeline(rows: StudyRows) -> tuple[TimelineEntry, ...]:
    """Return the steps of a study, oldest first; what happened at once stays in the order of the work."""
    parts: tuple[Iterable[TimelineEntry], ...] = (
        _arrivals(rows.arrivals),
        _retrievals(rows.retrievals),
        _events(rows.events),
        _analyses(rows.analyses),
        _deliveries(rows.deliveries),
        _entries(rows.site_entries),
        _opinions(rows.opinions),
        _changes(rows.changes),
    )
    entries = [entry for part in parts for entry in part if entry.at]
    return tuple(sorted(entries, key=lambda entry: entry.at))


def _arrivals(arrivals: Sequence[ArrivedAssociation]) -> Iterator[TimelineEntry]:
    for item in arrivals:
        values = {"calling": item.calling_ae, "called": item.called_ae, "address": item.peer_address}
        if item.objects:
            told = values | {"objects": item.objects, "bytes": item.bytes}
            yield TimelineEntry(item.first_at, Step.ARRIVED, values=told)
        if item.quarantined:
            told = values | {"objects": item.quarantined}
            yield TimelineEntry(item.last_at, Step.QUARANTINED, "error", told)


TOLD_ELSEWHERE = frozenset(
    {"study_analyzed", "study_not_applicable", "study_rejected", "study_failed", "site_entry", "own_result"}
)
"""Codes of events whose rows the timeline tells itself."""

STEPS_OF_EVENTS = {"study_complete": Step.COMPLETE, "study_routed": Step.ROUTED}


def _events(events: Sequence[Event]) -> Iterator[TimelineEntry]:
    for event in events:
        if event.code in TOLD_ELSEWHERE:
            continue
        step = STEPS_OF_EVENTS.get(event.code, Step.EVENT)
        state = "" if event.severity is Severity.INFO else str(event.severity)
        yield TimelineEntry(event.at, step, state, {"code": event.code}, event.message)


def _analyses(analyses: Sequence[StudyAnalysisRow]) -> Iterator[TimelineEntry]:
    for item in analyses:
        values = {"analysis": item.id, "trigger": item.trigger}
        yield TimelineEntry(item.queued_at, Step.ANALYSIS_QUEUED, values=values)
        if item.started_at:
            tried = values | {"attempts": item.attempts, "interruptions": item.interruptions}
            waiting = item.reason if item.state == "queued" else ""
            yield TimelineEntry(item.started_at, Step.ANALYSIS_STARTED, values=tried, detail=waiting)
        if item.finished_at:
            made = values | {"engine": item.engine_version, "model": item.model_version}
            state = item.status or item.state
            yield TimelineEntry(item.finished_at, Step.ANALYSIS_ENDED, state, made, item.reason)


def _deliveries(deliveries: Sequence[StudyDelivery]) -> Iterator[TimelineEntry]:
    """One entry for what went together: the same kind of object, to one destination, in one state."""

    def together(row: StudyDelivery) -> tuple[str, ...]:
        return (row.created_at, row.destination, row.kind, row.state)

    for (created_at, destination, kind, state), group in groupby(
        sorted(deliveries, key=together), key=together
    ):
        rows = list(group)
        values: dict[str, object] = {"destination": destination, "kind": kind, "objects": len(rows)}
        reasons = "; ".join(dict.fromkeys(row.reason for row in rows if row.reason))
        tried = values | {"attempts": max(row.attempts for row in rows)}
        yield TimelineEntry(
            created_at, Step.DELIVERY_QUEUED, state if state in UNFINISHED else "", tried, reasons
        )
        stored, asked, done = (
            max(getattr(row, name) for row in rows) for name in ("stored_at", "requested_at", "delivered_at")
        )
        if stored and stored != done:
            yield TimelineEntry(stored, Step.DELIVERY_STORED, "stored", values)
        if asked:
            yield TimelineEntry(asked, Step.DELIVERY_ASKED, values=values)
        if done:
            confirmed = values | {"confirmed": stored != done}
            yield TimelineEntry(done, Step.DELIVERED, "delivered", confirmed)


UNFINISHED = ("pending", "sending", "dead", "discarded")


def _retrievals(retrievals: Sequence[StudyRetrieval]) -> Iterator[TimelineEntry]:
    for item in retrievals:
        values: dict[str, object] = {
            "archive": item.archive,
            "purpose": item.purpose,
            "received": item.received,
            "expected": item.expected,
            "attempts": item.attempts,
        }
        yield TimelineEntry(item.requested_at, Step.RETRIEVAL, values=values)
        if item.finished_at:
            yield TimelineEntry(item.finished_at, Step.RETRIEVED, item.state, values, item.reason)


def _entries(entries: Sequence[SiteEntry]) -> Iterator[TimelineEntry]:
    for entry in entries:
        values = {"field": entry.field, "value": entry.value}
        yield TimelineEntry(
            entry.recorded_at,
            Step.SITE_ENTRY,
            values=values,
            detail=entry.told.reason,
            person=entry.told.recorded_by,
        )


def _opinions(opinions: Sequence[Opinion]) -> Iterator[TimelineEntry]:
    for opinion in opinions:
        values = {
            "verdict": str(opinion.verdict),
            "analysis": opinion.analysis_id,
            "source": str(opinion.told.source),
        }
        amended = [f"{name}: {value}" for name, value in opinion.amendments.items()]
        said = "; ".join(filter(None, (opinion.comment, *amended)))
        yield TimelineEntry(
            opinion.recorded_at, Step.OPINION, values=values, detail=said, person=opinion.told.recorded_by
        )


OF_ENTRIES = frozenset({"study.site_entry", "study.opinion"})
"""Changes by people that are entries or opinions, told as such."""


def _changes(changes: Sequence[Change]) -> Iterator[TimelineEntry]:
    for change in changes:
        if change.action not in OF_ENTRIES:
            said = " - ".join(filter(None, (change.detail, change.reason)))
            yield TimelineEntry(
                change.at, Step.CHANGE, values={"action": change.action}, detail=said, person=change.user
            )
