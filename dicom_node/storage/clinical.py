"""Clinical facts and outcomes of patients, entries for studies: told from outside, nothing is overwritten.

A correction is a new row; the old one stays and names it. What the same source tells again in the same words
changes nothing. What different sources tell stands side by side, and where it contradicts itself no analysis
uses it, until a person says which is right: an entry by a person supersedes whatever stands of that day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from analysis.advice.entries import EntryValue
from dicom_node.clinical_catalogue import checked, item_of
from dicom_node.errors import ConfigurationError
from dicom_node.storage.clinical_records import (
    FRACTURE_SITES,
    MECHANISMS,
    Added,
    ClinicalFact,
    ClinicalInputs,
    Outcome,
    OutcomeKind,
    SiteEntry,
    Source,
    Told,
)
from dicom_node.storage.connection import Row
from dicom_node.storage.events import EventLog

__all__ = ["ClinicalTables", "check_fact", "check_outcome", "day"]


class ClinicalTables(EventLog):
    """The tables ``clinical_facts``, ``outcomes`` and ``site_entries``."""

    def add_fact(self, fact: ClinicalFact) -> Added:
        """Record something known of a patient.

        Raises
        ------
        ConfigurationError
            For an unknown name, a value that it cannot have, or a date that is none.
        """
        value = check_fact(fact, today=self._clock().date())
        return self._tell(
            _FACTS,
            key={"name": fact.name, "valid_from": fact.valid_from},
            content={
                "patient_key": fact.patient_key,
                "name": fact.name,
                "value": _to_json(value),
                "valid_from": fact.valid_from,
                "valid_until": fact.valid_until,
                "withdrawn": int(fact.withdrawn),
            },
            told=fact.told,
        )

    def add_outcome(self, outcome: Outcome) -> Added:
        """Record what became of a patient.

        Raises
        ------
        ConfigurationError
            For a date that is none or lies ahead, or a site or mechanism that is unknown or does not belong
            to the kind.
        """
        check_outcome(outcome, today=self._clock().date())
        of_fracture = {"occurred_on": outcome.occurred_on, "site": outcome.site}
        return self._tell(
            _OUTCOMES,
            key={"kind": outcome.kind, **(of_fracture if outcome.kind is OutcomeKind.FRACTURE else {})},
            content={
                "patient_key": outcome.patient_key,
                "kind": outcome.kind,
                "occurred_on": outcome.occurred_on,
                "site": outcome.site,
                "mechanism": outcome.mechanism,
                "withdrawn": int(outcome.withdrawn),
            },
            told=outcome.told,
        )

    def add_all(self, told: Iterable[ClinicalFact | Outcome]) -> dict[Added, int]:
        """Record all of these or, if one of them cannot be, none; return how many amounted to what."""
        counted = dict.fromkeys(Added, 0)
        with self._transaction():
            for one in told:
                added = self.add_fact(one) if isinstance(one, ClinicalFact) else self.add_outcome(one)
                counted[added] += 1
        return counted

    def retract(self, told: Told) -> int:
        """Withdraw whatever a record of a source has told, since the source declares it an error."""
        withdrawn = 0
        with self._transaction():
            for table in (_FACTS, _OUTCOMES):
                same = {"source": told.source, "origin": told.origin, "reference": told.reference}
                rows = self._rows(
                    f"SELECT id FROM {table.name} WHERE {_all_equal(same)}"  # noqa: S608
                    " AND superseded_by IS NULL AND withdrawn = 0",
                    same,
                )
                for row in rows:
                    self._withdraw(table, row["id"], replace(told, reason="declared an error by its source"))
                withdrawn += len(rows)
        return withdrawn

    def withdraw_fact(self, fact_id: int, told: Told) -> Added:
        """Take a fact back: a new row says so, the old one stays.

        Raises
        ------
        ConfigurationError
            If no such fact stands.
        """
        return self._withdraw(_FACTS, fact_id, told)

    def withdraw_outcome(self, outcome_id: int, told: Told) -> Added:
        """Take an outcome back, as `withdraw_fact` does a fact."""
        return self._withdraw(_OUTCOMES, outcome_id, told)

    def facts(self, patient_key: str = "", *, history: bool = False) -> list[ClinicalFact]:
        """Return the facts that stand, or all ever told, of one patient or of all, by patient and name."""
        rows = self._rows(
            f"SELECT * FROM clinical_facts WHERE {_of_patient(patient_key)} {_standing(history)}"  # noqa: S608
            " ORDER BY patient_key, name, valid_from, id",
            {"patient": patient_key},
        )
        return [_fact(row) for row in rows]

    def outcomes(self, patient_key: str = "", *, history: bool = False) -> list[Outcome]:
        """Return the outcomes that stand, or all ever told, of one patient or of all, by patient and day."""
        rows = self._rows(
            f"SELECT * FROM outcomes WHERE {_of_patient(patient_key)} {_standing(history)}"  # noqa: S608
            " ORDER BY patient_key, occurred_on, id",
            {"patient": patient_key},
        )
        return [_outcome(row) for row in rows]

    def site_entries(self, study_instance_uid: str, *, history: bool = False) -> list[SiteEntry]:
        """Return what was entered for a study and stands, or all ever entered, by field and age."""
        standing = "" if history else "AND superseded_by IS NULL AND value <> 'null'"
        rows = self._rows(
            f"SELECT * FROM site_entries WHERE study_instance_uid = ? {standing} ORDER BY field, id",  # noqa: S608
            (study_instance_uid,),
        )
        return [_entry(row) for row in rows]

    def clinical_inputs(self, study_instance_uid: str) -> ClinicalInputs:
        """Return what an analysis of a study is told beyond its objects.

        Facts and fractures are those up to the day of the study; without a Study Date or a Patient ID there
        are none.
        """
        entries = tuple(self.site_entries(study_instance_uid))
        study = self._row(
            "SELECT patient_key, study_date FROM studies WHERE study_instance_uid = ?", (study_instance_uid,)
        )
        if study is None or not study["patient_key"] or not study["study_date"]:
            return ClinicalInputs(entries)
        written = study["study_date"]
        on = f"{written[:4]}-{written[4:6]}-{written[6:]}"
        facts = tuple(
            fact
            for fact in self.facts(study["patient_key"])
            if fact.valid_from <= on and (not fact.valid_until or on <= fact.valid_until)
        )
        fractures = tuple(
            outcome
            for outcome in self.outcomes(study["patient_key"])
            if outcome.kind is OutcomeKind.FRACTURE and outcome.occurred_on < on
        )
        return ClinicalInputs(entries, facts, fractures)

    def patients_known(self, patient_keys: Sequence[str]) -> list[str]:
        """Return which of these patients have a study here, in the order given."""
        return [
            key
            for key in dict.fromkeys(patient_keys)
            if self._rows("SELECT 1 FROM studies WHERE patient_key = ? LIMIT 1", (key,))
        ]

    def studies_of_patient(self, patient_key: str) -> list[tuple[str, str]]:
        """Return (Study Instance UID, Study Date) of a patient, oldest first."""
        rows = self._rows(
            "SELECT study_instance_uid, study_date FROM studies WHERE patient_key = ? AND patient_key <> ''"
            " ORDER BY study_date, study_instance_uid",
            (patient_key,),
        )
        return [(row["study_instance_uid"], row["study_date"]) for row in rows]

    def _tell(self, table: _Table, *, key: dict[str, Any], content: dict[str, Any], told: Told) -> Added:
        """Add a row, unless its source has said the same last; mark what it supersedes."""
        with self._transaction():
            if told.source.is_person:
                standing = self._standing_under(table, key, content["patient_key"])
                known = len(standing) == 1 and _says(standing[0], content)
            else:
                earlier = self._told_before(table, key, content["patient_key"], told)
                standing = [row for row in earlier if row["superseded_by"] is None]
                known = bool(earlier) and _says(earlier[-1], content)  # also if a person corrected it since
            if known:
                return Added.UNCHANGED
            new = self._insert_told(table.name, content, told)
            for old in standing:
                self._execute(
                    f"UPDATE {table.name} SET superseded_by = ? WHERE id = ?",  # noqa: S608
                    (new, old["id"]),
                )
            return Added.CORRECTED if standing else Added.NEW

    def _told_before(self, table: _Table, key: dict[str, Any], patient_key: str, told: Told) -> list[Row]:
        """Return what this source has told before under this key, oldest first."""
        same = {"source": told.source, "origin": told.origin, "reference": told.reference}
        if told.reference:  # what the source itself calls it; it may have been another patient's
            same |= {name: key[name] for name in table.within_reference if name in key}
        else:
            same |= {"patient_key": patient_key, **key}
        return self._rows(
            f"SELECT * FROM {table.name} WHERE {_all_equal(same)} ORDER BY id",  # noqa: S608
            same,
        )

    def _standing_under(self, table: _Table, key: dict[str, Any], patient_key: str) -> list[Row]:
        same = {"patient_key": patient_key, **key}
        return self._rows(
            f"SELECT * FROM {table.name} WHERE {_all_equal(same)} AND superseded_by IS NULL",  # noqa: S608
            same,
        )

    def _withdraw(self, table: _Table, row_id: int, told: Told) -> Added:
        with self._transaction():
            row = self._row(
                f"SELECT * FROM {table.name} WHERE id = ? AND superseded_by IS NULL AND withdrawn = 0",  # noqa: S608
                (row_id,),
            )
            if row is None:
                raise ConfigurationError(
                    f"no entry {row_id} stands; list them first: it may be corrected already"
                )
            content = {
                name: value
                for name, value in row.items()
                if name not in ("id", "superseded_by", "recorded_at", *_TOLD_COLUMNS)
            }
            new = self._insert_told(table.name, content | {"withdrawn": 1}, told)
            self._execute(f"UPDATE {table.name} SET superseded_by = ? WHERE id = ?", (new, row_id))  # noqa: S608
            return Added.CORRECTED

    def _insert_told(self, table: str, content: dict[str, Any], told: Told) -> int:
        values = content | {
            "source": told.source,
            "origin": told.origin,
            "reference": told.reference,
            "recorded_by": told.recorded_by,
            "reason": told.reason,
            "recorded_at": self._now(),
        }
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        self._execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608
        return int(self._rows("SELECT last_insert_rowid() AS id")[0]["id"])


def day(name: str, text: str) -> date:
    """Return the day that `text` names.

    Raises
    ------
    ConfigurationError
        If it names none.
    """
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{name} = {text!r} must be a date, as 2024-12-31") from None


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    within_reference: tuple[str, ...] = ()
    """What else tells two rows apart that one record of a source gave rise to."""


_FACTS = _Table("clinical_facts", ("name",))
_OUTCOMES = _Table("outcomes", ("kind",))
_TOLD_COLUMNS = ("source", "origin", "reference", "recorded_by", "reason")


def check_fact(fact: ClinicalFact, *, today: date) -> EntryValue:
    """Return the value as it is recorded; raises as `ClinicalTables.add_fact`."""
    if item_of(fact.name).of == "study":
        raise ConfigurationError(f"{fact.name} is entered for a study, not told of a patient")
    begin = _past("date", fact.valid_from, today)
    if fact.valid_until and day("until", fact.valid_until) < begin:
        raise ConfigurationError(
            f"until = {fact.valid_until} lies before date = {fact.valid_from}; correct one"
        )
    return checked(fact.name, fact.value)


def check_outcome(outcome: Outcome, *, today: date) -> None:
    """Check an outcome; raises as `ClinicalTables.add_outcome`."""
    _past("date", outcome.occurred_on, today)
    if outcome.kind is not OutcomeKind.FRACTURE:
        if outcome.site or outcome.mechanism:
            raise ConfigurationError(
                f"site and mechanism belong to a fracture, not to {outcome.kind}; leave them empty"
            )
        return
    for column, value, choices in (
        ("site", outcome.site, FRACTURE_SITES),
        ("mechanism", outcome.mechanism, MECHANISMS),
    ):
        if value not in choices:
            raise ConfigurationError(f"{column} = {value!r} must be one of {', '.join(choices)}")


def _past(name: str, text: str, today: date) -> date:
    found = day(name, text)
    if found > today:
        raise ConfigurationError(f"{name} = {text} lies ahead; correct it")
    return found


def _says(row: Row, content: dict[str, Any]) -> bool:
    return all(row[name] == value for name, value in content.items())


def _standing(history: bool) -> str:
    return "" if history else "AND superseded_by IS NULL AND withdrawn = 0"


def _of_patient(patient_key: str) -> str:
    return "patient_key = :patient" if patient_key else ":patient = ''"


def _all_equal(values: dict[str, Any]) -> str:
    return " AND ".join(f"{name} = :{name}" for name in values)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _from_json(text: str) -> Any:
    value = json.loads(text)
    return tuple(value) if isinstance(value, list) else value


def _told(row: Row) -> Told:
    source = Source(row["source"])
    return Told(**{name: row[name] for name in _TOLD_COLUMNS} | {"source": source})


def _without_told(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _TOLD_COLUMNS}


def _fact(row: Row) -> ClinicalFact:
    values = _without_told(row) | {"value": _from_json(row["value"]), "withdrawn": bool(row["withdrawn"])}
    return ClinicalFact(**values, told=_told(row))


def _outcome(row: Row) -> Outcome:
    values = _without_told(row) | {"kind": OutcomeKind(row["kind"]), "withdrawn": bool(row["withdrawn"])}
    return Outcome(**values, told=_told(row))


def _entry(row: Row) -> SiteEntry:
    return SiteEntry(**_without_told(row) | {"value": _from_json(row["value"])}, told=_told(row))
