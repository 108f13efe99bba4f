"""What is recorded of the patient fills what neither the site nor the study says, each value with its day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from typing import Any

from pydicom.dataset import Dataset

from analysis.acquisition import header
from analysis.acquisition.clinical import DAYS_PER_YEAR, shown_field, shown_name, shown_predictor
from analysis.acquisition.dates import dicom_date
from analysis.advice.entries import ENTRIES, written_entry
from analysis.config import ClinicalContext, ClinicalRecord
from analysis.results import QualityFinding, Severity
from analysis.risk.predictors import PREDICTORS

Findings = tuple[QualityFinding, ...]


def with_record(
    context: ClinicalContext,
    provenance: Mapping[str, str],
    record: ClinicalRecord | None,
    datasets: Sequence[Dataset],
    day: date | None,
) -> tuple[ClinicalContext, dict[str, str], Findings]:
    """Fill what is unknown from the patient's record; what is known stays.

    Parameters
    ----------
    context, provenance
        As `clinical_context` gives them.
    datasets : sequence of Dataset
        Of the study: sex and birth date of its headers must be those of the record.
    day : date or None
        Of the study.

    Returns
    -------
    context : ClinicalContext
    provenance : dict
    findings : tuple of QualityFinding
        ``clinical_record_conflict`` where the record contradicts itself, ``clinical_record_mismatch`` where
        it may be another person's.
    """
    if record is None:
        return context, dict(provenance), ()
    filled = _filled(context, record.known)
    if filled.age_years is None and record.birth_date is not None and day is not None:
        filled = replace(filled, age_years=(day - record.birth_date).days / DAYS_PER_YEAR)
    told = dict(provenance) | _told(context, filled, record)
    return filled, told, (*_conflicts(record), *_mismatches(context, record, datasets))


def _filled(context: ClinicalContext, known: ClinicalContext) -> ClinicalContext:
    plain = {
        item.name: getattr(known, item.name)
        for item in fields(context)
        if item.name not in ("predictors", "advice") and getattr(context, item.name) is None
    }
    return replace(
        context,
        **plain,
        predictors={**known.predictors, **context.predictors},
        advice={**known.advice, **context.advice},
    )


def _told(context: ClinicalContext, filled: ClinicalContext, record: ClinicalRecord) -> dict[str, str]:
    """Provenance of what was filled in."""
    told: dict[str, str] = {}
    for item in fields(filled):
        value = getattr(filled, item.name)
        if item.name in ("predictors", "advice") or value is None or getattr(context, item.name) is not None:
            continue
        shown = f"{value:.1f} y" if item.name == "age_years" else shown_field(item.name, value)
        told[shown_name(item.name)] = f"{shown} ({_source(record, item.name)})"
    for name, number in filled.predictors.items():
        if name not in context.predictors:
            told[PREDICTORS[name].phrase] = f"{shown_predictor(name, number)} ({_source(record, name)})"
    for name, entry in filled.advice.items():
        if name not in context.advice:
            told[ENTRIES[name].phrase] = f"{written_entry(name, entry)} ({_source(record, name)})"
    return told


def _source(record: ClinicalRecord, name: str) -> str:
    recorded_on = record.dates.get("birth_date" if name == "age_years" else name)
    return f"clinical record of {recorded_on}" if recorded_on else "clinical record"


def _conflicts(record: ClinicalRecord) -> Findings:
    return tuple(
        QualityFinding(
            "clinical_record_conflict",
            Severity.WARNING,
            f"The clinical records of {day} contradict each other on {_phrase(name)}: neither is used. Enter "
            "the right value for the patient.",
        )
        for name, day in sorted(record.conflicts.items())
    )


def _mismatches(context: ClinicalContext, record: ClinicalRecord, datasets: Sequence[Dataset]) -> Findings:
    wrong = []
    if record.known.sex is not None and context.sex not in (None, record.known.sex):
        wrong.append("sex")
    born = {dicom_date(header.text(item, "PatientBirthDate")) for item in datasets} - {None}
    if record.birth_date is not None and born and record.birth_date not in born:
        wrong.append("date of birth")
    return tuple(
        QualityFinding(
            "clinical_record_mismatch",
            Severity.WARNING,
            f"The clinical record has another {what} than the study, whose own counts; make sure that both "
            "are of one patient.",
        )
        for what in wrong
    )


def _phrase(name: str) -> str:
    described: Any = PREDICTORS.get(name) or ENTRIES.get(name)
    return described.phrase if described is not None else shown_name(name).replace("_", " ")
