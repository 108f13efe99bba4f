"""What the clinical page of a study shows and the REST API gives: what stands, and all before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dicom_node.dicom_files import parse_date
from dicom_node.storage.clinical_records import ClinicalFact, Outcome, SiteEntry
from dicom_node.storage.journal import Journal
from dicom_node.workflow.clinical_record import resolved

__all__ = ["ClinicalView", "clinical_view"]


@dataclass(frozen=True, slots=True)
class ClinicalView:
    """Clinical context and outcomes of a study's patient, and the entries for the study.

    Attributes
    ----------
    has_patient : bool
        Whether the study says whose it is.
    facts, outcomes, entries
        Those that stand.
    counted : frozenset of int
        Facts that count for this study.
    conflicts : mapping of str to str
        Names on which what is recorded contradicts itself for this study -> the day.
    fact_history, outcome_history, entry_history
        All that was ever told, newest first.
    """

    has_patient: bool
    facts: tuple[ClinicalFact, ...]
    outcomes: tuple[Outcome, ...]
    entries: tuple[SiteEntry, ...]
    counted: frozenset[int]
    conflicts: Mapping[str, str]
    fact_history: tuple[ClinicalFact, ...]
    outcome_history: tuple[Outcome, ...]
    entry_history: tuple[SiteEntry, ...]


def clinical_view(journal: Journal, study_instance_uid: str) -> ClinicalView:
    """Gather it for one study, which must be known."""
    study = journal.study(study_instance_uid)
    key = study.patient_key if study is not None else ""
    inputs = journal.clinical_inputs(study_instance_uid)
    day = parse_date(study.study_date) if study is not None else None
    known, conflicts = resolved(inputs.facts, inputs.fractures, day) if day is not None else ({}, {})
    facts = journal.facts(key, history=True) if key else []
    outcomes = journal.outcomes(key, history=True) if key else []
    entries = journal.site_entries(study_instance_uid, history=True)
    return ClinicalView(
        has_patient=bool(key),
        facts=tuple(item for item in facts if item.superseded_by is None and not item.withdrawn),
        outcomes=tuple(item for item in outcomes if item.superseded_by is None and not item.withdrawn),
        entries=tuple(item for item in entries if item.superseded_by is None and item.value is not None),
        counted=frozenset(
            fact.id
            for fact in inputs.facts
            if fact.name in known and known[fact.name] == (fact.value, fact.valid_from)
        ),
        conflicts=conflicts,
        fact_history=tuple(sorted(facts, key=lambda item: item.id, reverse=True)),
        outcome_history=tuple(sorted(outcomes, key=lambda item: item.id, reverse=True)),
        entry_history=tuple(sorted(entries, key=lambda item: item.id, reverse=True)),
    )
