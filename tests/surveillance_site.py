"""A site's journal for surveillance: months of studies, distributed as the shipped models' cohort or not.

Rows are written as the node would have left them, thousands in a second.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from scipy.stats import norm

from analysis.risk import SHIPPED_MODELS, load_models
from analysis.risk.model import RiskModel
from analysis.surveillance import references_of
from analysis.surveillance.distributions import FEW_VALUES, Distribution
from dicom_node.storage.journal import Journal

MODEL = "deployable"
TODAY = date(2026, 11, 20)

Change = Callable[[str, dict[str, np.ndarray]], None]
"""Given the month (YYYY-MM) and the features of its patients, changes them in place."""


class Site:
    """Fills a journal month by month; everything follows from the seed."""

    def __init__(self, path: Path, seed: int = 1, *, today: date = TODAY) -> None:
        Journal(path).close()
        self.path = path
        self._today = today
        self._rng = np.random.default_rng(seed)
        self._model: RiskModel = next(
            model for model in load_models(SHIPPED_MODELS).models if model.identity.name == MODEL
        )
        self._reference = references_of(SHIPPED_MODELS)[MODEL, self._model.identity.version]
        self._studies = 0

    def add_months(
        self,
        scanner: str,
        months: Sequence[str],
        studies: int = 80,
        *,
        change: Change = lambda month, features: None,
        findings: Mapping[str, float] | None = None,
        declined: float = 0.02,
        agree: float = 0.95,
        worse: Callable[[str], float] = lambda month: 1.0,
        opinions: int = 0,
        outcomes_until: date | None = None,
    ) -> None:
        """Add the studies of some months.

        Parameters
        ----------
        findings : mapping of str to float
            Code of a warning -> share of studies that have it.
        worse : callable
            Month -> how many times as many fractures happen as the model predicts.
        opinions : int
            How many studies a month a radiologist speaks about.
        outcomes_until : date, optional
            What became of the patients is known until then.
        """
        with sqlite3.connect(self.path) as journal:
            journal.execute("PRAGMA synchronous = OFF")
            for month in months:
                features = self._features(studies)
                change(month, features)
                values = np.column_stack([features[feature.name] for feature in self._model.features])
                risks = self._model.risk(values)
                refused = self._rng.random(studies) < declined
                first = date.fromisoformat(f"{month}-01")
                for index in range(studies):
                    day = first + timedelta(days=int(self._rng.integers(0, 28)))
                    if day > self._today:
                        continue
                    key = self._study(journal, scanner, day, declined=bool(refused[index]))
                    if refused[index]:
                        continue
                    for code, share in (findings or {}).items():
                        if self._rng.random() < share:
                            journal.execute(
                                "INSERT INTO study_findings VALUES (?, ?, 'warning')", (code, key)
                            )
                    analysis = self._analysis(journal, key, values[index], risks[index])
                    if index < opinions:
                        self._opinion(journal, key, analysis, agree)
                    if outcomes_until is not None:
                        hazard = np.concatenate([[0.0], -np.log1p(-risks[index])]) * worse(month)
                        self._outcome(journal, key, day, hazard, outcomes_until)

    def _features(self, size: int) -> dict[str, np.ndarray]:
        """Values that go together as in training (a Gaussian copula), each distributed as there."""
        scale = np.sqrt(np.diag(self._model.correlation))
        correlation = self._model.correlation / np.outer(scale, scale)
        normal = self._rng.multivariate_normal(np.zeros(len(scale)), correlation, size, method="eigh")
        shares = norm.cdf(normal)
        return {
            feature.name: _drawn(self._reference.features[feature.name], shares[:, column])
            for column, feature in enumerate(self._model.features)
        }

    def _study(self, journal: sqlite3.Connection, scanner: str, day: date, *, declined: bool) -> int:
        self._studies += 1
        key, state = self._studies, "rejected" if declined else "analyzed"
        at = f"{day.isoformat()}T09:00:00.000000+00:00"
        journal.execute(
            "INSERT INTO studies (study_instance_uid, state, reason, completed_reason, calling_ae,"
            " patient_key, study_date, first_received_at, last_received_at)"
            " VALUES (?, ?, '', '', 'DXA', ?, ?, ?, ?)",
            (f"1.2.{key}", state, f"patient-{key}", day.strftime("%Y%m%d"), at, at),
        )
        journal.execute(
            "UPDATE study_facts SET scanner = ?, due = 0 WHERE study_instance_uid = ?",
            (scanner, f"1.2.{key}"),
        )
        row = journal.execute(
            "SELECT study_key FROM study_facts WHERE study_instance_uid = ?", (f"1.2.{key}",)
        )
        study_key = int(row.fetchone()[0])
        if declined:
            code = "radius_not_found" if self._rng.random() < 0.6 else "side_conflict"
            journal.execute("INSERT INTO study_findings VALUES (?, ?, 'error')", (code, study_key))
        return study_key

    def _analysis(self, journal: sqlite3.Connection, key: int, values: np.ndarray, risks: np.ndarray) -> int:
        identity = self._model.identity
        document = {
            "risk": {
                "horizons": {
                    str(years): {"probability": float(risk), "interval": [float(risk)] * 2}
                    for years, risk in zip((1, 3, 5, 10), risks, strict=True)
                },
                "model": {"name": identity.name, "version": identity.version},
            },
            "explanation": [
                {"feature": feature.name, "value": float(value), "imputed": False}
                for feature, value in zip(self._model.features, values, strict=True)
            ],
        }
        cursor = journal.execute(
            'INSERT INTO analyses (study_instance_uid, "trigger", input_digest, identity, engine_version,'
            " model_version, state, attempts, interruptions, next_attempt_at, lease_owner, lease_expires_at,"
            " reason, status, result_json, queued_at, started_at, finished_at)"
            " SELECT study_instance_uid, 'received', '', '', '', ?, 'done', 1, 0, '', '', '', '', 'analyzed',"
            " ?, received_at, received_at, received_at FROM study_facts WHERE study_key = ?",
            (identity.version, json.dumps(document), key),
        )
        return int(cursor.lastrowid or 0)

    def _opinion(self, journal: sqlite3.Connection, key: int, analysis: int, agree: float) -> None:
        verdict = "agree" if self._rng.random() < agree else "disagree"
        journal.execute(
            "INSERT INTO opinions (study_instance_uid, analysis_id, verdict, comment, amendments, source,"
            " origin, reference, recorded_by, reason, recorded_at, superseded_by)"
            " SELECT study_instance_uid, ?, ?, '', '{}', 'console', '', '', 'reader', '', received_at, NULL"
            " FROM study_facts WHERE study_key = ?",
            (analysis, verdict, key),
        )

    def _outcome(
        self, journal: sqlite3.Connection, key: int, day: date, hazard: np.ndarray, until: date
    ) -> None:
        """A fracture by a cumulative hazard, few deaths, and the rest is followed."""
        times = np.array([0.0, 1.0, 3.0, 5.0, 10.0])
        fracture = float(np.interp(self._rng.exponential(), hazard, times, right=99.0))
        death = float(self._rng.exponential(60.0))
        end = (until - day).days / 365.25
        if end <= 0:
            return
        kind, site, years = "end_of_follow_up", "", end
        if fracture < min(death, end):
            kind, site, years = "fracture", "wrist", fracture
        elif death < end:
            kind, years = "death", death
        on = day + timedelta(days=max(1, round(years * 365.25)))
        journal.execute(
            "INSERT INTO outcomes (patient_key, kind, occurred_on, site, mechanism, source, origin,"
            " reference, recorded_by, reason, recorded_at, withdrawn, superseded_by)"
            " VALUES (?, ?, ?, ?, ?, 'csv', '', '', '', '', ?, 0, NULL)",
            (f"patient-{key}", kind, on.isoformat(), site, "fragility" if site else "", on.isoformat()),
        )


def _drawn(reference: Distribution, shares: np.ndarray) -> np.ndarray:
    """Values of the reference's distribution at some shares, between its knots by interpolation."""
    if len(reference.values) <= FEW_VALUES:
        return reference.values[np.searchsorted(reference.cumulative, shares)]
    return np.interp(shares, reference.cumulative, reference.values)
