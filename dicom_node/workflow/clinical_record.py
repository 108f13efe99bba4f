"""What the journal knows of a patient and a study, as the engine takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from analysis.config import ClinicalContext, ClinicalRecord
from dicom_node.clinical_catalogue import CATALOGUE
from dicom_node.clinical_entries import ANSWERS, entries
from dicom_node.storage.clinical_records import ClinicalFact, Outcome, SiteEntry

__all__ = ["Resolved", "clinical_record", "resolved", "site_context"]

RECENT = timedelta(days=731)
"""What ``clinical.recent_fracture`` calls recent: the last two years."""

PRIOR_FRACTURE, RECENT_FRACTURE = "clinical.prior_fracture", "clinical.recent_fracture"

Resolved = tuple[dict[str, tuple[Any, str]], dict[str, str]]
"""Name -> (value, day from which it is known), and name -> day of those on which records differ."""


def site_context(entered: Sequence[SiteEntry]) -> ClinicalContext | None:
    """Return the standing entries for a study as the engine takes them; None if there are none."""
    known = {entry.field: entry.value for entry in entered if entry.field in CATALOGUE}
    return entries(known) if known else None


def clinical_record(
    facts: Sequence[ClinicalFact], fractures: Sequence[Outcome], day: date | None
) -> ClinicalRecord | None:
    """Return what is recorded of a patient on the day of a study; None if that is nothing.

    Parameters
    ----------
    facts, fractures
        Standing ones up to that day, see `dicom_node.storage.clinical_records.ClinicalInputs`.
    """
    if day is None or not (facts or fractures):
        return None
    known, conflicts = resolved(facts, fractures, day)
    birth = known.pop("birth_date", None)
    dates = {_field(name): recorded_on for name, (_, recorded_on) in known.items()}
    return ClinicalRecord(
        known=entries({name: value for name, (value, _) in known.items()}),
        dates=dates | ({"birth_date": birth[1]} if birth else {}),
        birth_date=date.fromisoformat(birth[0]) if birth else None,
        conflicts={_field(name): on for name, on in conflicts.items()},
    )


def resolved(facts: Sequence[ClinicalFact], fractures: Sequence[Outcome], day: date) -> Resolved:
    """Return which of several facts count on a day, and on which of them records differ.

    The newest counts, and of one source's several of one day the last. Sources that differ are a conflict,
    and so is a fragility fracture that is recorded beside a newer fact that there was none: then nothing
    counts until a person says what is right.
    """
    known: dict[str, tuple[Any, str]] = {}
    conflicts: dict[str, str] = {}
    lasting = [fact for fact in facts if fact.name in CATALOGUE and _still_says(fact, day)]
    for name, group in groupby(sorted(lasting, key=lambda fact: fact.name), key=lambda fact: fact.name):
        of_name = list(group)
        newest = max(fact.valid_from for fact in of_name)
        last_words = {
            (fact.told.source, fact.told.origin): fact.value
            for fact in sorted(of_name, key=lambda fact: fact.id)
            if fact.valid_from == newest
        }
        values = {repr(value): value for value in last_words.values()}
        if len(values) == 1:
            known[name] = (next(iter(values.values())), newest)
        else:
            conflicts[name] = newest
    for name, on in _told_by_fractures(fractures, day).items():
        if name in known and not known[name][0] and known[name][1] >= on:
            conflicts[name] = known.pop(name)[1]
        elif name not in conflicts:
            known[name] = (True, on)
    return known, conflicts


def _told_by_fractures(fractures: Sequence[Outcome], day: date) -> Mapping[str, str]:
    """Return which predictors recorded fragility fractures answer with yes, and by which day's fracture."""
    days = [item.occurred_on for item in fractures if item.mechanism == "fragility"]
    if not days:
        return {}
    last = max(days)
    recent = day - date.fromisoformat(last) <= RECENT
    return {PRIOR_FRACTURE: last, **({RECENT_FRACTURE: last} if recent else {})}


def _still_says(fact: ClinicalFact, day: date) -> bool:
    days = CATALOGUE[fact.name].days
    return days is None or day - date.fromisoformat(fact.valid_from) <= timedelta(days=days)


def _field(name: str) -> str:
    """Return what the engine calls a name of the catalogue."""
    return ANSWERS.get(name, name)
