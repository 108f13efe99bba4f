"""Month by month through a simulated site: patients are scanned, outcomes come to light, somebody decides."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRLittleEndian

from analysis import __version__
from analysis.cohort.columns import CAUSE, CENSORED, DEATH, FRACTURE, SIMULATED_SITE, FloatArray, FollowUp
from analysis.results import (
    HORIZONS_YEARS,
    HorizonRisk,
    RiskEstimate,
    Status,
    StudyAnalysis,
)
from analysis.risk import RiskModel
from analysis.risk.registry import SHADOW_FILE, load_models
from analysis.serialization import to_json_object
from analysis.simulation.site import (
    DAYS_PER_YEAR,
    DEATH_DAY,
    FRACTURE_DAY,
    SCAN_DAY,
    SitePlan,
    draw_site,
)
from analysis.surveillance import OutcomeLimits, Performance, performance
from dicom_node.config import LearningSettings
from dicom_node.storage.clinical_records import Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, InstanceKind, ReceivedInstance, ShadowRecord
from dicom_node.workflow.learning.job import learning_due
from dicom_node.workflow.learning.run import Learning
from dicom_node.workflow.promotion import promote_model

if TYPE_CHECKING:
    import pandas as pd

    from analysis.training.tuning import Plan

FIRST_DAY = date(2020, 1, 1)
DAYS_PER_MONTH = DAYS_PER_YEAR / 12

MODEL = "simplified"
"""The model that densities and site entries allow: pictures, and with them texture, are not simulated."""

HORIZON = 1
"""Years: whether a prediction came true is known a year after the scan."""

WATCHED_MONTHS = 12
"""Surveillance judges the patients scanned in so many months, once all of them were followed for a year."""

SHADOW_MONTHS = 3
"""So long the simulated person watches a challenger in shadow before a decision."""

OUTCOMES_AFTER_DAYS = 30
"""After so many days every fracture and death has come to the journal."""

PERSON = "simulated administrator"
DEVICE = "simulated densitometer"
CLINIC_HOUR, NIGHT_HOUR = 8, 22
_AE = "SIMULATED"
_UID_ROOT = "1.2.826.0.1.3680043.8.498.1"
_IMAGE_CLASS = "1.2.840.10008.5.1.4.1.1.1.1"
"""Digital X-Ray Image Storage - For Presentation (PS3.4 table B.5-1)."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What surveillance found in one month: how the last patients whose first year is over fared."""

    month: int
    performance: Performance


@dataclass(frozen=True, slots=True)
class Promotion:
    """A decision of the simulated person: which month, which version for which, and why."""

    month: int
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShadowSpan:
    """A challenger in shadow from one month on; `until` is None while it is there."""

    version: str
    since: int
    until: int | None = None


@dataclass(eq=False, slots=True)
class SiteHistory:
    """Everything that happened.

    Attributes
    ----------
    patients : DataFrame
        As drawn, with ``told_risk`` and ``told_version`` at the scan (NaN and empty where no risk could be
        estimated).
    shadow : mapping of version to ndarray, (patients,)
        One-year risk said in shadow at the scan; NaN where it was not in shadow.
    alarms : list of int
        Months in which surveillance crossed its limit.
    learning : list of (month, figures)
        Of every learning run that was made.
    """

    plan: SitePlan
    limits: OutcomeLimits
    patients: pd.DataFrame
    shadow: dict[str, FloatArray]
    watched: list[Watched]
    alarms: list[int]
    learning: list[tuple[int, dict[str, Any]]]
    promotions: list[Promotion]
    shadows: list[ShadowSpan]
    models: Path

    @property
    def months(self) -> int:
        """Months in which patients are scanned."""
        return round(12 * self.plan.years)

    def judged(self, chosen: NDArray[np.bool_], risk: FloatArray) -> Performance:
        """How the chosen patients fared in the year after their scan against what was said of them."""
        part = self.patients[chosen]
        fracture, death = (part[name].to_numpy(np.float64) for name in (FRACTURE_DAY, DEATH_DAY))
        scan, first = part[SCAN_DAY].to_numpy(np.float64), np.minimum(fracture, death)
        end = np.minimum(first, scan + HORIZON * DAYS_PER_YEAR + 1.0)
        ending = np.where(first > end, CENSORED, np.where(fracture <= death, FRACTURE, DEATH))
        follow_up = FollowUp((end - scan) / DAYS_PER_YEAR, ending.astype(np.int_))
        return performance(risk[chosen], follow_up, float(HORIZON), self.limits)


class _SimulatedJournal(Journal):
    """A journal in which a month's work becomes durable at once."""

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._transaction():
            yield


class SimulatedSite:
    """A site in a folder of its own.

    Parameters
    ----------
    folder : Path
        Gets ``models``, ``journal.db`` and ``learning``.
    shipped : Path
        Models to start with.
    settings : LearningSettings
    training : Plan
        How hyperparameters of a refit are searched for.
    """

    def __init__(
        self,
        folder: Path,
        plan: SitePlan,
        *,
        shipped: Path,
        settings: LearningSettings,
        training: Plan,
        progress: Callable[[str, int, int], None] = lambda step, done, total: None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._models = Path(shutil.copytree(shipped, folder / "models"))
        self._now = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
        self._journal = _SimulatedJournal(folder / "journal.db", clock=lambda: self._now)
        self._journal.begin_split(settings.held_out_share, key=f"{plan.seed:064x}")
        self._settings = replace(settings, enabled=True, followed_up_days=float(OUTCOMES_AFTER_DAYS))
        self._learning = Learning(
            self._journal,
            self._settings,
            self._models,
            folder / "learning",
            today=lambda: self._now.date(),  # noqa: PLW0108 - the clock moves
            plan=training,
            manifest={
                SIMULATED_SITE: True,
                "population": f"{plan.home}, then {plan.other}",
                "scanner": DEVICE,
                "seed": plan.seed,
            },
        )
        self._progress = progress
        patients = draw_site(plan)
        patients["told_risk"] = np.nan
        patients["told_version"] = ""
        self._history = SiteHistory(plan, OutcomeLimits(), patients, {}, [], [], [], [], [], self._models)

    def run(self) -> SiteHistory:
        """Live through the scans and one more year, in which the last patients' first year ends."""
        history = self._history
        last = history.months + 12 * HORIZON + 1
        for month in range(last + 1):
            self._progress("months", month, last)
            if month < history.months:
                self._scan(month)
            self._tell_outcomes(month)
            self._watch(month)
            if month < history.months:
                self._learn(month)
                self._decide(month)
        self._journal.close()
        return history

    def _scan(self, month: int) -> None:
        """Journal the month's studies with their risks, as receiver and worker do."""
        rows = _in_month(self._history.patients, SCAN_DAY, month)
        frame = self._history.patients.loc[rows]
        active = next(item for item in load_models(self._models).models if item.identity.name == MODEL)
        told = _Told.by(active, frame)
        said = [_Told.by(model, frame) for model in self._in_shadow()]
        with self._journal.together():
            for place, index in enumerate(rows):
                self._now = _moment(frame.at[index, SCAN_DAY], CLINIC_HOUR)
                self._study(index, told, said, place)
        usable = np.isfinite(told.risk[:, 0])
        self._history.patients.loc[rows, "told_risk"] = told.risk[:, 0]
        self._history.patients.loc[rows, "told_version"] = np.where(usable, active.identity.version, "")
        for item in said:
            unsaid = np.full(len(self._history.patients), np.nan)
            self._history.shadow.setdefault(item.model.identity.version, unsaid)[rows] = item.risk[:, 0]

    def _study(self, index: int, told: _Told, said: list[_Told], place: int) -> None:
        """One study through the journal: received, complete, claimed, finished."""
        uid = f"{_UID_ROOT}.{index + 1}"
        self._journal.record_instance(
            ReceivedInstance(
                sop_instance_uid=f"{uid}.1.1",
                sop_class_uid=_IMAGE_CLASS,
                study_instance_uid=uid,
                series_instance_uid=f"{uid}.1",
                transfer_syntax_uid=ExplicitVRLittleEndian,
                sha256=hashlib.sha256(uid.encode()).hexdigest(),
                path=f"simulated/{index}",
                size=0,
                kind=InstanceKind.INPUT,
                calling_ae=_AE,
                association_id=uid,
                patient_key=_patient(index),
                study_date=f"{self._now:%Y%m%d}",
            )
        )
        study = self._journal.study(uid)
        assert study is not None  # noqa: S101 - it was recorded just now
        self._journal.complete_study(study, "simulated")
        job = self._journal.claim_analysis(_AE, 60.0)
        assert job is not None  # noqa: S101 - as above
        self._journal.finish_analysis(job, _outcome(uid, told, said, place))

    def _tell_outcomes(self, month: int) -> None:
        """Journal the fractures and deaths of the month, as an import from a registry does."""
        self._now = _moment((month + 1) * DAYS_PER_MONTH, NIGHT_HOUR)
        patients = self._history.patients
        with self._journal.together():
            for kind, column in ((OutcomeKind.FRACTURE, FRACTURE_DAY), (OutcomeKind.DEATH, DEATH_DAY)):
                for index in _in_month(patients, column, month):
                    self._journal.add_outcome(
                        Outcome(
                            patient_key=_patient(index),
                            kind=kind,
                            occurred_on=_moment(patients.at[index, column], 0).date().isoformat(),
                            site=patients.at[index, CAUSE] if kind is OutcomeKind.FRACTURE else "",
                            mechanism="fragility" if kind is OutcomeKind.FRACTURE else "",
                            told=_REGISTRY,
                        )
                    )

    def _watch(self, month: int) -> None:
        """Judge the patients whose first year has ended, as surveillance does every month."""
        end = (month + 1) * DAYS_PER_MONTH - OUTCOMES_AFTER_DAYS - HORIZON * DAYS_PER_YEAR
        history = self._history
        day = history.patients[SCAN_DAY].to_numpy(np.float64)
        chosen = (day < end) & (day >= end - WATCHED_MONTHS * DAYS_PER_MONTH)
        if end < WATCHED_MONTHS * DAYS_PER_MONTH:
            return
        found = history.judged(chosen, history.patients["told_risk"].to_numpy(np.float64))
        history.watched.append(Watched(month + 1, found))
        if found.ratio_crossed:
            history.alarms.append(month + 1)

    def _learn(self, month: int) -> None:
        if not learning_due(self._journal, self._settings, self._now):
            return
        run = self._learning.run("schedule")
        self._history.learning.append((month + 1, dict(run.figures)))
        for challenge in run.figures.get("challenges", []):
            self._end_spans(month + 1)
            self._history.shadows.append(ShadowSpan(challenge["challenger"], month + 1))

    def _decide(self, month: int) -> None:
        """The simulated person: after an alarm, promote a challenger that has proved itself in shadow."""
        history, now = self._history, month + 1
        acted = history.promotions[-1].month if history.promotions else 0
        if not history.shadows or not any(month > acted for month in history.alarms):
            return
        span = history.shadows[-1]
        if span.until is not None or now - span.since < SHADOW_MONTHS:
            return
        challenge = next(
            item
            for _, figures in reversed(history.learning)
            for item in figures.get("challenges", [])
            if item["challenger"] == span.version
        )
        if challenge["miscalibration"]["high"] >= 0.0:
            return
        ratio = challenge["challenger_figures"]["observed_to_expected"]["value"]
        reason = f"calibration alarm; on held-out patients the challenger's O:E is {ratio:.2f}"
        promote_model(self._models, self._journal, MODEL, span.version, user=PERSON, reason=reason)
        history.promotions.append(Promotion(now, challenge["champion"], span.version, reason))
        self._end_spans(now)

    def _end_spans(self, month: int) -> None:
        spans = self._history.shadows
        spans[:] = [replace(span, until=month) if span.until is None else span for span in spans]

    def _in_shadow(self) -> list[RiskModel]:
        there = (self._models / SHADOW_FILE).exists()
        return list(load_models(self._models, SHADOW_FILE).models) if there else []


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What one model says of some patients: risks, (patients, horizons), and their intervals; NaN where it
    cannot be used."""

    model: RiskModel
    inputs: list[dict[str, float]]
    risk: FloatArray
    interval: FloatArray

    @classmethod
    def by(cls, model: RiskModel, frame: pd.DataFrame) -> _Told:
        values = frame[[feature.name for feature in model.features]].to_numpy(np.float64)
        usable = model.usable(values)
        risk = np.full((len(values), len(HORIZONS_YEARS)), np.nan)
        interval = np.full((*risk.shape, 2), np.nan)
        if usable.any():
            risk[usable], interval[usable] = model.risk(values[usable]), model.interval(values[usable])
        names = [feature.name for feature in model.features]
        known = [{n: float(v) for n, v in zip(names, row, strict=True) if np.isfinite(v)} for row in values]
        return cls(model, known, risk, interval)

    def estimate(self, place: int) -> RiskEstimate | None:
        if not np.isfinite(self.risk[place, 0]):
            return None
        ends = self.interval[place]
        horizons = {
            years: HorizonRisk(float(self.risk[place, k]), (float(ends[k, 0]), float(ends[k, 1])))
            for k, years in enumerate(HORIZONS_YEARS)
        }
        return self.model.estimate(horizons)

    def record(self, place: int) -> ShadowRecord:
        identity = self.model.identity
        risks = dict(zip(HORIZONS_YEARS, map(float, self.risk[place]), strict=True))
        return ShadowRecord(identity.name, identity.version, identity.sha256, risks)


def _outcome(uid: str, told: _Told, said: list[_Told], place: int) -> AnalysisOutcome:
    """What a worker would report, without result objects."""
    risk = told.estimate(place)
    analysis = StudyAnalysis(
        study_instance_uid=uid,
        status=Status.ANALYZED,
        reason="",
        identity=hashlib.sha256(f"{uid} {told.model.identity.sha256}".encode()).hexdigest(),
        engine_version=__version__,
        device=DEVICE,
        risk=risk,
    )
    return AnalysisOutcome(
        status=str(analysis.status),
        reason="",
        identity=analysis.identity,
        engine_version=__version__,
        model_version=told.model.identity.version if risk else "",
        result_json=json.dumps(to_json_object(analysis)),
        model_inputs=told.inputs[place],
        shadow=tuple(item.record(place) for item in said if np.isfinite(item.risk[place, 0])),
    )


_REGISTRY = Told(source=Source.CSV, origin="simulated registry", recorded_by="simulation")


def _in_month(patients: pd.DataFrame, column: str, month: int) -> list[int]:
    """Rows whose day lies in a month, in order of the day."""
    day = patients[column].to_numpy(np.float64)
    inside = (day >= month * DAYS_PER_MONTH) & (day < (month + 1) * DAYS_PER_MONTH)
    return [int(row) for row in patients.index[inside][np.argsort(day[inside], kind="stable")]]


def _moment(day: float, hour: int) -> datetime:
    return datetime.combine(FIRST_DAY + timedelta(days=int(day)), datetime.min.time(), UTC) + timedelta(
        hours=hour
    )


def _patient(index: int) -> str:
    return f"simulated patient {index:06d}"
