"""What the learning job learns from, whom it never learns from, and what its runs came to."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dicom_node.storage.events import EventLog

__all__ = ["IndexStudy", "LearningRun", "LearningTables", "RunState"]

RunState = Literal["running", "done", "declined", "failed", "interrupted"]

PSEUDONYM_LENGTH = 16
"""Hexadecimal digits of a patient's pseudonym in a cohort: 64 bits, so that no two patients share one."""


@dataclass(frozen=True, slots=True)
class IndexStudy:
    """A study that was analysed, with what risk models were given in its newest analysis.

    Attributes
    ----------
    study_date : str
        YYYYMMDD.
    inputs : mapping of str to float
        By the names of features.
    device : str
        Manufacturer and model; may be empty.
    """

    patient_key: str
    study_instance_uid: str
    study_date: str
    analysis_id: int
    inputs: Mapping[str, float]
    device: str


@dataclass(frozen=True, slots=True)
class LearningRun:
    """One run of the learning job.

    Attributes
    ----------
    state : {"running", "done", "declined", "failed", "interrupted"}
        Declined: there was too little to learn from; `reason` says of what.
    started_by : str
        A user's name, or ``schedule``.
    last_outcome_id : int
        Newest outcome that the journal held then.
    figures : mapping
        What it came to, as `dicom_node.workflow.learning` writes it; empty before its end.
    """

    id: int
    state: RunState
    reason: str
    started_by: str
    last_outcome_id: int
    started_at: str
    finished_at: str
    figures: Mapping[str, Any]


class LearningTables(EventLog):
    """The tables ``learning_split``, ``learning_patients`` and ``learning_runs``."""

    def begin_split(self, share: float, key: str = "") -> None:
        """Fix who will be held out; does nothing where that is fixed already.

        Parameters
        ----------
        share : float
            Of patients to hold out, 0-1.
        key : str
            Hexadecimal; a random one if empty, as everywhere but in a simulation.
        """
        with self._transaction():
            self._execute(
                "INSERT INTO learning_split (id, key, held_out_share, created_at) VALUES (1, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (key or secrets.token_hex(32), share, self._now()),
            )

    def hold_out(self, patient_keys: Iterable[str], share: float) -> dict[str, bool]:
        """Say of each patient whether he is held out: never trained on, once and for all.

        A keyed hash decides when a patient is first seen; the key never leaves the journal.

        Parameters
        ----------
        share : float
            Of patients to hold out, if that is not fixed yet; a later one does not move anybody.
        """
        with self._transaction():
            self.begin_split(share)
            split = self._rows("SELECT key, held_out_share FROM learning_split")[0]
            known = {
                row["patient_key"]: bool(row["held_out"])
                for row in self._rows("SELECT patient_key, held_out FROM learning_patients")
            }
            asked = list(dict.fromkeys(patient_keys))
            for patient in asked:
                if patient not in known:
                    known[patient] = _fraction(bytes.fromhex(split["key"]), patient) < split["held_out_share"]
                    self._execute(
                        "INSERT INTO learning_patients (patient_key, held_out, assigned_at) VALUES (?, ?, ?)",
                        (patient, int(known[patient]), self._now()),
                    )
        return {patient: known[patient] for patient in asked}

    def pseudonyms(self, patient_keys: Iterable[str]) -> dict[str, str]:
        """Return what stands for each patient in a cohort: nobody finds the way back without the journal."""
        rows = self._rows("SELECT key FROM learning_split")
        key = bytes.fromhex(rows[0]["key"])
        return {patient: _digest(key, f"pseudonym {patient}")[:PSEUDONYM_LENGTH] for patient in patient_keys}

    def index_studies(self) -> list[IndexStudy]:
        """Return every analysed study of which it is known what models were given, by patient and date."""
        rows = self._rows(
            """
            SELECT patient_key, study.study_instance_uid, study_date, newest.id AS analysis_id, inputs,
                json_extract(analysis.result_json, '$.device') AS device
            FROM (SELECT study_instance_uid, max(id) AS id FROM analyses
                  WHERE state = 'done' AND status = 'analyzed' GROUP BY study_instance_uid) AS newest
            JOIN studies AS study ON study.study_instance_uid = newest.study_instance_uid
            JOIN model_inputs ON model_inputs.analysis_id = newest.id
            JOIN analyses AS analysis ON analysis.id = newest.id
            WHERE patient_key <> '' AND study_date <> ''
            ORDER BY patient_key, study_date, study.study_instance_uid
            """
        )
        return [
            IndexStudy(**row | {"inputs": json.loads(row["inputs"]), "device": row["device"] or ""})
            for row in rows
        ]

    def last_outcome_id(self) -> int:
        """Return the number of the newest outcome; 0 without any."""
        return int(self._rows("SELECT coalesce(max(id), 0) AS id FROM outcomes")[0]["id"])

    def new_fractures(self, after_outcome_id: int) -> int:
        """Return how many fractures that stand were told after an outcome, of patients with a study here."""
        row = self._rows(
            "SELECT count(*) AS fractures FROM outcomes WHERE id > ? AND kind = 'fracture'"
            " AND superseded_by IS NULL AND withdrawn = 0"
            " AND patient_key IN (SELECT patient_key FROM studies)",
            (after_outcome_id,),
        )[0]
        return int(row["fractures"])

    def begin_learning(self, started_by: str) -> int:
        """Journal the begin of a run and return its number; one that never ended is marked as interrupted.

        Only who holds the lock of learning may call it.
        """
        with self._transaction():
            self.settle_learning()
            self._execute(
                "INSERT INTO learning_runs"
                " (state, reason, started_by, last_outcome_id, started_at, finished_at, figures)"
                " VALUES ('running', '', ?, ?, ?, '', '{}')",
                (started_by, self.last_outcome_id(), self._now()),
            )
            return int(self._rows("SELECT max(id) AS id FROM learning_runs")[0]["id"])

    def settle_learning(self) -> int:
        """Mark runs whose process is gone as interrupted; return how many. As `begin_learning`."""
        return self._execute(
            "UPDATE learning_runs SET state = 'interrupted', finished_at = ?,"
            " reason = 'the process ended in the middle; nothing of it counts' WHERE state = 'running'",
            (self._now(),),
        )

    def end_learning(
        self, run: int, state: RunState, reason: str, figures: Mapping[str, Any] | None = None
    ) -> None:
        """Journal the end of a run."""
        with self._transaction():
            self._execute(
                "UPDATE learning_runs SET state = ?, reason = ?, figures = ?, finished_at = ? WHERE id = ?",
                (state, reason, json.dumps(dict(figures or {})), self._now(), run),
            )

    def learning_runs(self, limit: int = 20) -> list[LearningRun]:
        """Return the newest runs, newest first."""
        rows = self._rows("SELECT * FROM learning_runs ORDER BY id DESC LIMIT ?", (limit,))
        return [LearningRun(**row | {"figures": json.loads(row["figures"])}) for row in rows]


def _fraction(key: bytes, patient_key: str) -> float:
    """A number in [0, 1) that only the key can tell."""
    return int(_digest(key, patient_key)[:16], 16) / 16**16


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
