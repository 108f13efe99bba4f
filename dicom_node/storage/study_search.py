"""What studies are found by: patient, dates, scanner, state, risk and quality findings.

Patient data stays in the journal's file. Facts from headers and results are written by a scheduled job
(`dicom_node.workflow.search_facts`); state and dates follow the study by triggers of the database.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from dicom_node.storage.connection import Row
from dicom_node.storage.events import EventLog

__all__ = [
    "DueStudy",
    "FoundStudy",
    "SearchChoices",
    "StudyFacts",
    "StudyFilter",
    "StudySearch",
    "comparable",
]

LONGEST_COUNT = 1000
"""Beyond it a search says "more than": nobody pages that far, and counting costs as much as finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFilter:
    """What is searched for; empty = anything.

    Attributes
    ----------
    patient : str
        Parts of name or ID, in any order and case.
    dated_from, dated_until : str
        Study Date (0008,0020) as YYYYMMDD, both included.
    received_from, received_until : str
        Time of the first object as the journal writes times: from, and before.
    risk : str
        Risk category.
    finding : str
        Code of a quality finding.
    held : bool
        Only studies that an administrator holds back.
    """

    patient: str = ""
    dated_from: str = ""
    dated_until: str = ""
    received_from: str = ""
    received_until: str = ""
    scanner: str = ""
    state: str = ""
    risk: str = ""
    finding: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """What the headers and the newest result of a study say; empty where they do not.

    `patient_name`, `patient_id` and `station` are None where no header could be read: what was known stays.
    """

    patient_name: str | None = None
    patient_id: str | None = None
    scanner: str = ""
    station: str | None = None
    laterality: str = ""
    risk_category: str = ""
    risk_10_years: float | None = None
    engine_version: str = ""
    model_version: str = ""
    findings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Code -> severity."""


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """One line of a list of studies."""

    study_key: int
    study_instance_uid: str
    state: str
    reason: str
    study_date: str
    received_at: str
    patient_name: str
    patient_id: str
    scanner: str
    station: str
    laterality: str
    risk_category: str
    risk_10_years: float | None
    engine_version: str
    model_version: str
    held: bool
    findings: int
    """Quality findings that are warnings or errors."""
    deliveries: int
    delivered: int
    dead: int


@dataclass(frozen=True, slots=True)
class SearchChoices:
    """What a filter can be set to, as far as studies have it."""

    scanners: tuple[str, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DueStudy:
    """A study whose facts are to be read, and where from.

    Attributes
    ----------
    due : int
        Counts its changes; facts that are older than the last one are not the last word.
    files : tuple of (path, Transfer Syntax UID)
        Objects as received, then results, all relative to the data directory and still kept.
    result_json : str
        The newest finished analysis; empty without one.
    """

    study_key: int
    study_instance_uid: str
    due: int
    files: tuple[PurePosixPath, ...]
    result_json: str
    model_version: str


def comparable(text: str) -> str:
    """Return a text as names and IDs are compared: case, width and the separators of PN set aside.

    >>> comparable("SIMULÉE^Zoë=模拟")
    'simulée zoë 模拟'
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.replace("^", " ").replace("=", " ").split())


class StudySearch(EventLog):
    """The tables ``study_facts`` and ``study_findings``."""

    def search_studies(
        self, wanted: StudyFilter, *, before: int | None = None, limit: int
    ) -> list[FoundStudy]:
        """Return the studies that fit, last received first.

        Parameters
        ----------
        before : int, optional
            Key of the last study of the page before this one.
        """
        return self._found(self._keys(wanted, before, limit))

    def search_and_count(self, wanted: StudyFilter, *, limit: int) -> tuple[list[FoundStudy], int]:
        """Return the first page of what fits, and how many fit, by one search.

        The count is `LONGEST_COUNT` + 1 where there are more.
        """
        keys = self._keys(wanted, None, max(limit, LONGEST_COUNT + 1))
        return self._found(keys[:limit]), min(len(keys), LONGEST_COUNT + 1)

    def _keys(self, wanted: StudyFilter, before: int | None, limit: int) -> list[int]:
        where, parameters = _conditions(wanted)
        if before is not None:
            where, parameters = f"{where} AND study_key < :before", {**parameters, "before": before}
        rows = self._rows(
            f"SELECT study_key FROM study_facts WHERE {where} ORDER BY study_key DESC LIMIT :limit",  # noqa: S608
            {**parameters, "limit": limit},
        )
        return [row["study_key"] for row in rows]

    def _found(self, keys: Sequence[int]) -> list[FoundStudy]:
        """Return some studies by their keys, newest first."""
        rows = self._rows(
            """
            WITH page AS (SELECT study_facts.* FROM json_each(:keys) JOIN study_facts ON study_key = value)
            SELECT study_key, page.study_instance_uid, page.state, studies.reason, page.study_date,
                received_at, patient_name, patient_id, scanner, station, laterality, risk_category,
                risk_10_years, engine_version, model_version,
                EXISTS (SELECT 1 FROM holds WHERE holds.study_instance_uid = page.study_instance_uid) AS held,
                (SELECT count(*) FROM study_findings
                 WHERE study_findings.study_key = page.study_key AND severity <> 'info') AS findings,
                count(deliveries.id) AS deliveries,
                total(deliveries.state = 'delivered') AS delivered,
                total(deliveries.state = 'dead') AS dead
            FROM page JOIN studies USING (study_instance_uid)
                LEFT JOIN deliveries ON deliveries.study_instance_uid = page.study_instance_uid
                    AND deliveries.state <> 'discarded'
            GROUP BY study_key ORDER BY study_key DESC
            """,
            {"keys": json.dumps(list(keys))},
        )
        return [_found(row) for row in rows]

    def search_choices(self) -> SearchChoices:
        """Return which scanners and findings there are to choose from."""
        return SearchChoices(
            self._distinct("study_facts", "scanner"), self._distinct("study_findings", "code")
        )

    def study_key(self, study_instance_uid: str) -> int | None:
        """Return what stands for a study in URLs, None for one that was never received."""
        row = self._row(
            "SELECT study_key FROM study_facts WHERE study_instance_uid = ?", (study_instance_uid,)
        )
        return int(row["study_key"]) if row else None

    def found_study(self, study_key: int) -> FoundStudy | None:
        """Return the study that a URL names, None if there is none."""
        found = self._found([study_key])
        return found[0] if found else None

    def due_studies(self, limit: int) -> list[DueStudy]:
        """Return studies whose facts are to be read, the newest first: a backlog must not hide them."""
        rows = self._rows(
            """
            SELECT study_key, study_facts.study_instance_uid, due,
                coalesce(analyses.result_json, '') AS result_json,
                coalesce(analyses.model_version, '') AS model_version
            FROM study_facts LEFT JOIN analyses ON analyses.id =
                (SELECT max(id) FROM analyses AS done
                 WHERE done.study_instance_uid = study_facts.study_instance_uid AND done.state = 'done')
            WHERE due > 0 ORDER BY study_key DESC LIMIT ?
            """,
            (limit,),
        )
        return [DueStudy(**row, files=self._kept_files(row["study_instance_uid"])) for row in rows]

    def record_facts(self, read: Sequence[tuple[DueStudy, StudyFacts]]) -> None:
        """Journal what was read of some studies, together; one that has changed since stays due."""
        with self._transaction():
            for study, facts in read:
                self._record_facts(study, facts)

    def _record_facts(self, study: DueStudy, facts: StudyFacts) -> None:
        key = study.study_key
        self._execute(
            """
            UPDATE study_facts SET patient_name = coalesce(?, patient_name),
                patient_id = coalesce(?, patient_id), searched = coalesce(?, searched),
                scanner = iif(? = '', scanner, ?), station = coalesce(?, station),
                laterality = ?, risk_category = ?, risk_10_years = ?, engine_version = ?,
                model_version = ?, due = due - ?
            WHERE study_key = ?
            """,
            (
                facts.patient_name,
                facts.patient_id,
                None if facts.patient_name is None else _searched(facts),
                facts.scanner,
                facts.scanner,
                facts.station,
                facts.laterality,
                facts.risk_category,
                facts.risk_10_years,
                facts.engine_version,
                facts.model_version,
                study.due,
                key,
            ),
        )
        self._execute("DELETE FROM study_findings WHERE study_key = ?", (key,))
        for code, severity in facts.findings.items():
            self._execute("INSERT INTO study_findings VALUES (?, ?, ?)", (code, key, severity))

    def _kept_files(self, study_instance_uid: str) -> tuple[PurePosixPath, ...]:
        rows = self._rows(
            """
            SELECT path FROM
                (SELECT path, 0 AS rank, id FROM instances
                 WHERE study_instance_uid = :uid AND kind = 'input' AND released_at = ''
                 UNION ALL
                 SELECT path, 1 AS rank, rowid FROM results
                 WHERE study_instance_uid = :uid AND released_at = '')
            ORDER BY rank, id LIMIT :limit
            """,
            {"uid": study_instance_uid, "limit": FILES_TRIED},
        )
        return tuple(PurePosixPath(row["path"]) for row in rows)

    def _distinct(self, table: str, column: str) -> tuple[str, ...]:
        """Return the values of an indexed column but the empty one, each found by one step in its index."""
        rows = self._rows(
            f"""
            WITH RECURSIVE steps (value) AS (
                SELECT min({column}) FROM {table} WHERE {column} > ''
                UNION ALL
                SELECT (SELECT min({column}) FROM {table} WHERE {column} > value) FROM steps
                WHERE value IS NOT NULL)
            SELECT value FROM steps WHERE value IS NOT NULL
            """  # noqa: S608 - our own names
        )
        return tuple(row["value"] for row in rows)


FILES_TRIED = 20
"""Objects of a study whose headers are read until one names the patient (assumption)."""


def _conditions(wanted: StudyFilter) -> tuple[str, dict[str, Any]]:
    """Return a WHERE clause over ``study_facts`` and its parameters."""
    conditions, parameters = ["1"], dict[str, Any]()
    for name, column, operator in (
        ("state", "state", "="),
        ("scanner", "scanner", "="),
        ("risk", "risk_category", "="),
        ("dated_from", "study_date", ">="),
        ("dated_until", "study_date", "<="),
        ("received_from", "received_at", ">="),
        ("received_until", "received_at", "<"),
    ):
        value = getattr(wanted, name)
        if value:
            conditions.append(f"{column} {operator} :{name}")
            parameters[name] = value
    if wanted.dated_until:
        conditions.append("study_date <> ''")
    words = comparable(wanted.patient).split()
    if words:  # the narrow index alone is read through, not the table
        parts = " AND ".join(f"instr(searched, :word{number}) > 0" for number in range(len(words)))
        conditions.append(f"study_key IN (SELECT study_key FROM study_facts WHERE {parts})")  # noqa: S608
        parameters |= {f"word{number}": word for number, word in enumerate(words)}
    if wanted.finding:
        conditions.append("study_key IN (SELECT study_key FROM study_findings WHERE code = :finding)")
        parameters["finding"] = wanted.finding
    if wanted.held:
        conditions.append("study_instance_uid IN (SELECT study_instance_uid FROM holds)")
    return " AND ".join(conditions), parameters


def _searched(facts: StudyFacts) -> str:
    return comparable(f"{facts.patient_name} {facts.patient_id or ''}")


def _found(row: Row) -> FoundStudy:
    counts = {name: int(row[name]) for name in ("findings", "deliveries", "delivered", "dead")}
    return FoundStudy(**{**row, **counts, "held": bool(row["held"])})
