"""Which received studies are meant: what a reprocessing job or plan selects by."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from dicom_node.storage.connection import Row
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import StudyState

__all__ = ["CURRENT", "SelectedStudy", "SelectionTables", "StudySelection"]

CURRENT = "current"
"""In place of a version to be older than: whatever is not in force when the studies are chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySelection:
    """Conditions that a study meets all of; what is empty does not count.

    Attributes
    ----------
    studies : tuple of str
        Study Instance UIDs.
    patients : tuple of str
        Digests of Patient IDs, as ``studies.patient_key`` holds them.
    received_from, received_until : str
        Time of the first object as the journal writes times: from, and before.
    dated_from, dated_until : str
        Study Date (0008,0020) as YYYYMMDD, both included.
    scanner : str
        Pattern with ``*`` and ``?`` that manufacturer and model, or the station's name, fits.
    calling_ae : str
        Pattern for the AE title that sent the study.
    states : tuple of str
        States of the study; empty: any in which nothing more is awaited of the scanner.
    findings : tuple of str
        Codes of quality findings, any of which the newest result has.
    model_older_than, engine_older_than : str
        Version, or `CURRENT`; a study without a result, or without a risk, is not older than anything.
    everything : bool
        Every study, so that nobody selects them all by leaving out the conditions.
    """

    studies: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    received_from: str = ""
    received_until: str = ""
    dated_from: str = ""
    dated_until: str = ""
    scanner: str = ""
    calling_ae: str = ""
    states: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    model_older_than: str = ""
    engine_older_than: str = ""
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it names no condition, and does not say that all are meant either."""
        return self == StudySelection()

    def to_json(self) -> str:
        """Return what `from_json` reads: the conditions that count."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def from_json(cls, text: str) -> StudySelection:
        """Read a selection back."""
        stored: dict[str, Any] = json.loads(text)
        lists = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
        return cls(**{**stored, **lists})

    def __str__(self) -> str:
        if self.everything and StudySelection(everything=True) == self:
            return "every study"
        spelled = {
            "studies": f"{len(self.studies)} named studies" if self.studies else "",
            "patients": "of one patient" if self.patients else "",
            "received_from": f"received from {self.received_from[:10]}",
            "received_until": f"received before {self.received_until[:10]}",
            "dated_from": f"dated from {self.dated_from}",
            "dated_until": f"dated until {self.dated_until}",
            "scanner": f"scanner {self.scanner!r}",
            "calling_ae": f"sent by {self.calling_ae!r}",
            "states": f"state {' or '.join(self.states)}",
            "findings": f"finding {' or '.join(self.findings)}",
            "model_older_than": f"model older than {self.model_older_than}",
            "engine_older_than": f"engine older than {self.engine_older_than}",
        }
        return ", ".join(text for name, text in spelled.items() if getattr(self, name))


@dataclass(frozen=True, slots=True)
class SelectedStudy:
    """A study that a selection's conditions on rows fit; those on versions are judged by who knows them.

    Attributes
    ----------
    engine_version, model_version : str
        Of the newest analysis that ended; empty without one, or without a risk.
    models : str
        Directory of models that its route names in place of that of ``[analysis]``; else empty.
    """

    study_instance_uid: str
    state: StudyState
    engine_version: str
    model_version: str
    models: str


class SelectionTables(EventLog):
    """Questions about studies over the tables ``studies``, ``study_facts``, ``analyses``, ``instances``."""

    def select_studies(self, selection: StudySelection) -> list[SelectedStudy]:
        """Return the studies that fit in all but versions, a patient's earlier ones before later ones."""
        where, parameters = _conditions(selection)
        rows = self._rows(
            f"""
            SELECT studies.study_instance_uid, studies.state,
                coalesce(newest.engine_version, '') AS engine_version,
                coalesce(newest.model_version, '') AS model_version, coalesce(routings.models, '') AS models
            FROM studies LEFT JOIN routings USING (study_instance_uid)
                LEFT JOIN analyses AS newest ON newest.id =
                    (SELECT max(id) FROM analyses AS ended
                     WHERE ended.study_instance_uid = studies.study_instance_uid AND ended.state = 'done')
            WHERE {where}
            ORDER BY study_date, first_received_at, studies.study_instance_uid
            """,  # noqa: S608 - our own conditions
            parameters,
        )
        return [SelectedStudy(**{**row, "state": StudyState(row["state"])}) for row in rows]

    def patient_keys(self, patient_id: str) -> tuple[str, ...]:
        """Return the digests under which studies of a Patient ID are kept: one for each issuer."""
        rows = self._rows(
            "SELECT DISTINCT patient_key FROM study_facts JOIN studies USING (study_instance_uid)"
            " WHERE patient_id = ? AND patient_key <> '' ORDER BY patient_key",
            (patient_id,),
        )
        return tuple(row["patient_key"] for row in rows)

    def studies_released(self) -> frozenset[str]:
        """Return the studies that lack originals, which an analysis would have to fetch."""
        rows = self._rows(
            "SELECT DISTINCT study_instance_uid FROM instances AS gone"
            " WHERE kind = 'input' AND released_at <> ''"
            " AND NOT EXISTS (SELECT 1 FROM instances AS kept"
            "                 WHERE kept.sop_instance_uid = gone.sop_instance_uid AND kept.kind = 'input'"
            "                   AND kept.released_at = '')"
        )
        return frozenset(row["study_instance_uid"] for row in rows)

    def analysis_seconds(self, *, newest: int = 200) -> list[float]:
        """Return how long the newest analyses that ended took, each in seconds."""
        rows = self._rows(
            "SELECT (julianday(finished_at) - julianday(started_at)) * 86400 AS seconds FROM analyses"
            " WHERE state = 'done' AND started_at <> '' ORDER BY id DESC LIMIT ?",
            (newest,),
        )
        return [max(0.0, row["seconds"]) for row in rows]


def _conditions(selection: StudySelection) -> tuple[str, Row]:
    where, parameters = ["studies.state <> 'receiving'"], Row()
    for name, condition in (
        ("received_from", "first_received_at >= :received_from"),
        ("received_until", "first_received_at < :received_until"),
        ("dated_from", "studies.study_date >= :dated_from"),
        ("dated_until", "studies.study_date <> '' AND studies.study_date <= :dated_until"),
        ("calling_ae", "upper(calling_ae) GLOB upper(:calling_ae)"),
        (
            "scanner",
            "studies.study_instance_uid IN (SELECT study_instance_uid FROM study_facts"
            " WHERE upper(scanner) GLOB upper(:scanner) OR upper(station) GLOB upper(:scanner))",
        ),
    ):
        if getattr(selection, name):
            where.append(condition)
            parameters[name] = getattr(selection, name)
    for column, values in (
        ("studies.study_instance_uid", selection.studies),
        ("patient_key", selection.patients),
        ("studies.state", selection.states),
    ):
        if values:
            where.append(f"{column} IN (SELECT value FROM json_each(:{_name(column)}))")  # noqa: S608
            parameters[_name(column)] = json.dumps(values)
    if selection.findings:
        where.append(
            "studies.study_instance_uid IN (SELECT study_instance_uid FROM study_findings"
            " JOIN study_facts USING (study_key) WHERE code IN (SELECT value FROM json_each(:findings)))"
        )
        parameters["findings"] = json.dumps(selection.findings)
    if selection.model_older_than:
        where.append("newest.model_version <> ''")
    if selection.engine_older_than:
        where.append("newest.engine_version <> ''")
    return " AND ".join(where), parameters


def _name(column: str) -> str:
    return column.replace(".", "_")
