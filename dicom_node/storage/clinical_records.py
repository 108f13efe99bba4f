"""What is told of patients and studies from outside: one frozen dataclass per kind of row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.advice.entries import EntryValue

__all__ = [
    "FRACTURE_SITES",
    "MECHANISMS",
    "Added",
    "ClinicalFact",
    "ClinicalInputs",
    "Opinion",
    "Outcome",
    "OutcomeKind",
    "SiteEntry",
    "Source",
    "Told",
    "Verdict",
]

FRACTURE_SITES = ("wrist", "hip", "spine", "humerus", "other", "unknown")
"""Where a fracture was; the first four are those of `analysis.cohort.columns.FRACTURE_SITES`."""

MECHANISMS = ("fragility", "trauma", "unknown")
"""Fragility: from standing height or less, or without a fall."""


class Source(StrEnum):
    """By which way something came."""

    CSV = "csv"
    FHIR = "fhir"
    CONSOLE = "console"
    COMMAND = "command"
    DICOM = "dicom"

    @property
    def is_person(self) -> bool:
        """Whether somebody entered it looking at what stands: it corrects whatever stands."""
        return self in (Source.CONSOLE, Source.COMMAND)


class OutcomeKind(StrEnum):
    """What became of a patient."""

    FRACTURE = "fracture"
    DEATH = "death"
    END_OF_FOLLOW_UP = "end_of_follow_up"


class Verdict(StrEnum):
    """What a radiologist says of a result."""

    AGREE = "agree"
    DISAGREE = "disagree"
    AMEND = "amend"


class Added(StrEnum):
    """What recording something amounted to."""

    NEW = "new"
    UNCHANGED = "unchanged"
    """It was told before, by the same source, in the same words."""
    CORRECTED = "corrected"
    """It supersedes what was told before; that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How something came to be known.

    Attributes
    ----------
    source : Source
    origin : str
        Which of several: a registry's name, a FHIR server's name.
    reference : str
        What it is called there, e.g. ``Condition/12``; a changed row of the same name is a correction.
    recorded_by : str
        The user, or the job, that brought it.
    reason : str
        Why it was entered or corrected; may be empty.
    """

    source: Source
    origin: str = ""
    reference: str = ""
    recorded_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalFact:
    """Something known of a patient from a day on, by its name in `dicom_node.clinical_catalogue`.

    Attributes
    ----------
    valid_from, valid_until : str
        YYYY-MM-DD; `valid_until` is the last day, or empty.
    id, recorded_at, superseded_by
        As the journal has them; 0, empty and None of a fact that is not recorded yet.
    """

    patient_key: str
    name: str
    value: EntryValue
    valid_from: str
    valid_until: str = ""
    told: Told
    withdrawn: bool = False
    id: int = 0
    recorded_at: str = ""
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a patient on a day.

    Attributes
    ----------
    occurred_on : str
        YYYY-MM-DD. Of ``end_of_follow_up``: the last day on which it is known what had happened.
    site, mechanism : str
        Of a fracture, of `FRACTURE_SITES` and `MECHANISMS`; empty otherwise.
    """

    patient_key: str
    kind: OutcomeKind
    occurred_on: str
    site: str = ""
    mechanism: str = ""
    told: Told
    withdrawn: bool = False
    id: int = 0
    recorded_at: str = ""
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEntry:
    """What the site entered for one study; a `value` of None takes an earlier entry back."""

    study_instance_uid: str
    field: str
    value: EntryValue | None
    told: Told
    id: int = 0
    recorded_at: str = ""
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a radiologist says of one analysis' result.

    Attributes
    ----------
    amendments : mapping of str to str
        What should be said instead, by what it is about, e.g. ``{"one_third.t_score": "-2.1"}``.
    """

    study_instance_uid: str
    analysis_id: int
    verdict: Verdict
    comment: str = ""
    amendments: Mapping[str, str] = field(default_factory=dict)
    told: Told
    id: int = 0
    recorded_at: str = ""
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True)
class ClinicalInputs:
    """What the journal knows for one analysis: it counts into the identity of its result.

    Attributes
    ----------
    entries : tuple of SiteEntry
        Standing ones, in order of field.
    facts : tuple of ClinicalFact
        Standing ones that are valid on the day of the study, in order of name and age.
    fractures : tuple of Outcome
        Standing ones up to that day.
    """

    entries: tuple[SiteEntry, ...] = ()
    facts: tuple[ClinicalFact, ...] = ()
    fractures: tuple[Outcome, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries or self.facts or self.fractures)

    @property
    def digested(self) -> str:
        """What of it an analysis reads, whoever told it when; empty if there is nothing."""
        lines = (
            *(f"{entry.field} {entry.value!r}" for entry in self.entries),
            *(f"{fact.name} {fact.value!r} {fact.valid_from} {fact.told.origin}" for fact in self.facts),
            *(f"{item.site} {item.mechanism} {item.occurred_on}" for item in self.fractures),
        )
        return "".join(f"{line}\n" for line in lines)
