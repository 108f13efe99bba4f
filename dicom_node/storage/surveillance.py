"""What surveillance reads of analyses, the figures it makes by scanner and month, and its alarms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = [
    "Alarm",
    "Figure",
    "FigureKind",
    "MonitoredStudy",
    "SurveillanceResult",
    "SurveillanceRun",
    "SurveillanceTables",
    "SurveyedAnalysis",
]

FigureKind = Literal["quality", "declined", "feature", "risk", "agreement", "outcome"]


@dataclass(frozen=True, slots=True)
class SurveyedAnalysis:
    """What one analysis fed a model, and what that said.

    Attributes
    ----------
    inputs : mapping of str to float
        By feature; what was unknown is absent.
    risks : mapping of int to float
        Probability by horizon in years; empty where no risk was estimated.
    """

    analysis_id: int
    study_instance_uid: str
    model_name: str
    model_version: str
    inputs: Mapping[str, float]
    risks: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class MonitoredStudy:
    """A study that has ended, as surveillance sees it.

    Attributes
    ----------
    scanner : str
        Manufacturer and model, with Station Name (0008,1010) where there is one; empty if unknown.
    date : str
        Study Date as YYYYMMDD, else the day on which it was received.
    findings : mapping of str to str
        Code -> severity, of the newest result; of a declined study, why.
    newest, first : SurveyedAnalysis or None
        Its analyses that estimated a risk: the newest one, and the one before any outcome was known.
    """

    study_instance_uid: str
    patient_key: str
    scanner: str
    date: str
    state: str
    findings: Mapping[str, str]
    newest: SurveyedAnalysis | None
    first: SurveyedAnalysis | None

    @property
    def month(self) -> str:
        """YYYY-MM."""
        return f"{self.date[:4]}-{self.date[4:6]}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one scanner and month.

    Attributes
    ----------
    scanner : str
        Empty: all scanners together.
    month : str
        YYYY-MM of the studies; of outcomes, the last of twelve months in which patients were first scanned.
    subject : str
        Finding, feature, model or horizon; empty where there is but one.
    judged, crossed : bool
        Whether there was enough to judge it, and whether it lies beyond its limit.
    detail : mapping
        What it is made of; see `dicom_node.workflow.surveillance.figures`.
    """

    scanner: str
    month: str
    kind: FigureKind
    subject: str
    judged: bool
    crossed: bool
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A limit that was crossed, from the month that showed it to the one that showed it no more.

    `figure` says in words what was found; `ended_at` is empty while it is open.
    """

    id: int
    scanner: str
    kind: FigureKind
    subject: str
    month: str
    figure: str
    raised_at: str
    ended_month: str
    ended_at: str

    @property
    def open(self) -> bool:
        return not self.ended_at


@dataclass(frozen=True, slots=True)
class SurveillanceResult:
    """What a run came to.

    Attributes
    ----------
    studies : int
        Over how many.
    raised : sequence of (Figure, str)
        Those that have crossed their limit and had no open alarm, and what the alarm says.
    ended : sequence of (Alarm, str)
        With the month that ended it; empty if nothing of it is seen any more.
    events : sequence of (Severity, code, message)
    """

    studies: int
    figures: Sequence[Figure]
    raised: Sequence[tuple[Figure, str]]
    ended: Sequence[tuple[Alarm, str]]
    events: Sequence[tuple[Severity, str, str]]


@dataclass(frozen=True, slots=True)
class SurveillanceRun:
    """One run: over how many studies, with how many figures."""

    id: int
    state: str
    reason: str
    started_at: str
    finished_at: str
    studies: int
    figures: int


class SurveillanceTables(EventLog):
    """The tables ``surveyed_analyses``, ``surveillance_figures``, ``surveillance_alarms`` and ``…_runs``."""

    def unsurveyed_results(self, limit: int) -> list[tuple[int, str, str]]:
        """Return (analysis, Study Instance UID, result as JSON) of analyses that were not read yet."""
        rows = self._rows(
            "SELECT id, study_instance_uid, result_json FROM analyses"
            " WHERE state = 'done' AND status = 'analyzed'"
            " AND NOT EXISTS (SELECT 1 FROM surveyed_analyses WHERE analysis_id = analyses.id)"
            " ORDER BY id LIMIT ?",
            (limit,),
        )
        return [(row["id"], row["study_instance_uid"], row["result_json"]) for row in rows]

    def record_surveyed(self, analyses: Iterable[SurveyedAnalysis]) -> None:
        """Journal what was read of some analyses, together."""
        with self._transaction():
            for item in analyses:
                self._execute(
                    "INSERT OR REPLACE INTO surveyed_analyses VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        item.analysis_id,
                        item.study_instance_uid,
                        item.model_name,
                        item.model_version,
                        json.dumps(dict(item.inputs)),
                        json.dumps(dict(item.risks)),
                    ),
                )

    def monitored_studies(self, since: str) -> Iterator[MonitoredStudy]:
        """Yield the ended studies whose date is `since` (YYYYMMDD) or later, by date."""
        findings: dict[int, dict[str, str]] = {}
        for row in self._rows(
            "SELECT study_key, code, severity FROM study_findings ORDER BY study_key, code"
        ):
            findings.setdefault(row["study_key"], {})[row["code"]] = row["severity"]
        newest = self._surveyed("max")
        first = self._surveyed("min")
        for row in self._rows(
            """
            SELECT study_key, study_instance_uid, patient_key, scanner, station, study_facts.state,
                iif(study_facts.study_date <> '', study_facts.study_date,
                    replace(substr(received_at, 1, 10), '-', '')) AS date
            FROM study_facts JOIN studies USING (study_instance_uid)
            WHERE study_facts.state IN ('analyzed', 'not_applicable', 'rejected', 'failed') AND due = 0
              AND date >= ? ORDER BY date, study_instance_uid
            """,
            (since,),
        ):
            uid = row["study_instance_uid"]
            station = f" ({row['station']})" if row["station"] else ""
            yield MonitoredStudy(
                study_instance_uid=uid,
                patient_key=row["patient_key"],
                scanner=f"{row['scanner']}{station}".strip(),
                date=row["date"],
                state=row["state"],
                findings=findings.get(row["study_key"], {}),
                newest=newest.get(uid),
                first=first.get(uid),
            )

    def begin_surveillance(self) -> int:
        """Journal the begin of a run; one that never ended has failed. Return its number."""
        with self._transaction():
            now = self._now()
            self._execute(
                "UPDATE surveillance_runs SET state = 'failed', finished_at = ?,"
                " reason = 'the process ended in the middle' WHERE state = 'running'",
                (now,),
            )
            self._execute(
                "INSERT INTO surveillance_runs (state, reason, started_at, finished_at, studies, figures)"
                " VALUES ('running', '', ?, '', 0, 0)",
                (now,),
            )
            return int(self._rows("SELECT max(id) AS id FROM surveillance_runs")[0]["id"])

    def end_surveillance(self, run: int, result: SurveillanceResult) -> None:
        """Replace all figures, raise and end alarms and write their events, all in one transaction."""
        with self._transaction():
            now = self._now()
            self._execute("DELETE FROM surveillance_figures")
            for item in result.figures:
                detail = json.dumps(dict(item.detail), sort_keys=True)
                self._execute(
                    "INSERT INTO surveillance_figures VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*_key(item), int(item.judged), int(item.crossed), detail),
                )
            for item, said in result.raised:
                self._execute(
                    "INSERT INTO surveillance_alarms"
                    " (scanner, month, kind, subject, figure, raised_at, ended_month, ended_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, '', '')",
                    (*_key(item), said, now),
                )
            for alarm, month in result.ended:
                self._execute(
                    "UPDATE surveillance_alarms SET ended_month = ?, ended_at = ? WHERE id = ?",
                    (month, now, alarm.id),
                )
            for event in result.events:
                self.note_event(*event)
            self._execute(
                "UPDATE surveillance_runs SET state = 'done', finished_at = ?, studies = ?, figures = ?"
                " WHERE id = ?",
                (now, result.studies, len(result.figures), run),
            )

    def fail_surveillance(self, run: int, reason: str) -> None:
        """Journal that a run ended badly; the figures of the one before stand."""
        with self._transaction():
            self._execute(
                "UPDATE surveillance_runs SET state = 'failed', reason = ?, finished_at = ? WHERE id = ?",
                (reason, self._now(), run),
            )

    def surveillance_figures(self, kind: str = "", scanner: str | None = None) -> list[Figure]:
        """Return the figures of the last run that ended well, by scanner, kind, subject and month."""
        rows = self._rows(
            "SELECT * FROM surveillance_figures WHERE (:kind = '' OR kind = :kind)"
            " AND (:scanner IS NULL OR scanner = :scanner) ORDER BY scanner, kind, subject, month",
            {"kind": kind, "scanner": scanner},
        )
        return [
            Figure(
                **row
                | {
                    "judged": bool(row["judged"]),
                    "crossed": bool(row["crossed"]),
                    "detail": json.loads(row["detail"]),
                }
            )
            for row in rows
        ]

    def surveillance_alarms(self, *, only_open: bool = False, limit: int = 100) -> list[Alarm]:
        """Return alarms, open ones first, of each the newest first."""
        where = "WHERE ended_at = ''" if only_open else ""
        rows = self._rows(
            f"SELECT * FROM surveillance_alarms {where} ORDER BY ended_at <> '', id DESC LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [Alarm(**row) for row in rows]

    def surveillance_runs(self, limit: int = 20) -> list[SurveillanceRun]:
        """Return the newest runs, newest first."""
        return [
            SurveillanceRun(**row)
            for row in self._rows("SELECT * FROM surveillance_runs ORDER BY id DESC LIMIT ?", (limit,))
        ]

    def _surveyed(self, which: Literal["min", "max"]) -> dict[str, SurveyedAnalysis]:
        """Return the first or the newest analysis of each study that estimated a risk."""
        rows = self._rows(
            f"""
            SELECT * FROM surveyed_analyses WHERE analysis_id IN
                (SELECT {which}(analysis_id) FROM surveyed_analyses WHERE risks <> '{{}}'
                 GROUP BY study_instance_uid)
            """  # noqa: S608 - our own words
        )
        return {
            row["study_instance_uid"]: SurveyedAnalysis(
                **row
                | {
                    "inputs": json.loads(row["inputs"]),
                    "risks": {int(years): risk for years, risk in json.loads(row["risks"]).items()},
                }
            )
            for row in rows
        }


def _key(one: Figure) -> tuple[str, str, str, str]:
    return one.scanner, one.month, one.kind, one.subject
