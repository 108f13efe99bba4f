"""What commands and the console do with plans of reprocessing: preview, make, follow; and with jobs that make
them again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from dicom_node.config import NodeConfig
from dicom_node.config.delivering import hours_of, legal_hours
from dicom_node.config.reprocessing import ConfiguredJob
from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import timestamp
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import JobSource, PlanPace, PlanState, ReprocessingPlan
from dicom_node.storage.selection import SelectedStudy, StudySelection
from dicom_node.workflow.cron import next_time
from dicom_node.workflow.model_versions import VersionsInForce

__all__ = [
    "Preview",
    "Progress",
    "adopt_configured_jobs",
    "make_plan",
    "preview",
    "progress",
    "selected",
    "set_job",
]

RATE_SECONDS = 600.0
"""A plan's rate is that of so many last seconds."""

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a plan would do.

    Attributes
    ----------
    studies : tuple of SelectedStudy
        In the order in which they would be analysed.
    changing_model, changing_engine : tuple of str
        Study Instance UIDs whose newest result is by another model, by another engine than those in force.
    never_analysed : int
        Studies without any result.
    to_fetch : int
        Studies whose originals were released and must be fetched from a PACS.
    can_fetch : bool
        Whether an ``[[archive]]`` is configured.
    by_model : mapping of str to int
        How many of the studies each version of a model has judged; "" for those without a risk.
    engine, models : str, tuple of str
        Versions in force.
    seconds_per_study : float or None
        Median of measured analyses; None if there was none yet.
    seconds : float or None
        How long the plan would take on a node that does nothing else; None if that is unknown.
    """

    studies: tuple[SelectedStudy, ...]
    changing_model: tuple[str, ...]
    changing_engine: tuple[str, ...]
    never_analysed: int
    to_fetch: int
    can_fetch: bool
    by_model: Mapping[str, int]
    engine: str
    models: tuple[str, ...]
    seconds_per_study: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a plan has come.

    Attributes
    ----------
    settled, studies : int
        How many of how many.
    per_hour : float or None
        Analyses that ended lately; None before the first, and for a plan that does not run.
    expected_end : datetime or None
        At that rate, hours outside of the window not counted.
    """

    settled: int
    studies: int
    per_hour: float | None
    expected_end: datetime | None


def selected(
    journal: Journal,
    config: NodeConfig,
    selection: StudySelection,
    *,
    versions: VersionsInForce | None = None,
) -> list[SelectedStudy]:
    """Return the studies that are meant, a patient's earlier ones before later ones.

    Raises
    ------
    ConfigurationError
        If the selection is empty, or names a study that was never received.
    """
    if selection.is_empty:
        raise ConfigurationError("nothing says which studies; give a condition, or say that all are meant")
    for uid in selection.studies:
        if journal.study(uid) is None:
            raise ConfigurationError(
                f"study {uid!r} was never received; dicom-node studies lists those that were"
            )
    in_force = versions or VersionsInForce(config)
    return [study for study in journal.select_studies(selection) if in_force.fits(selection, study)]


def preview(journal: Journal, config: NodeConfig, selection: StudySelection, pace: PlanPace) -> Preview:
    """Say what a plan would do, and do nothing; raises as `selected` and `make_plan`."""
    _check_pace(pace)
    versions = VersionsInForce(config)
    studies = tuple(selected(journal, config, selection, versions=versions))
    released = journal.studies_released()
    measured = journal.analysis_seconds()
    each = median(measured) if measured else None
    return Preview(
        studies=studies,
        changing_model=tuple(item.study_instance_uid for item in studies if versions.changes_model(item)),
        changing_engine=tuple(item.study_instance_uid for item in studies if versions.changes_engine(item)),
        never_analysed=sum(not item.engine_version for item in studies),
        to_fetch=sum(item.study_instance_uid in released for item in studies),
        can_fetch=bool(config.archives),
        by_model=dict(sorted(Counter(item.model_version for item in studies).items())),
        engine=versions.engine,
        models=versions.models,
        seconds_per_study=each,
        seconds=_estimate(len(studies), each, config.execution.workers, pace),
    )


def make_plan(
    journal: Journal,
    config: NodeConfig,
    selection: StudySelection,
    pace: PlanPace,
    *,
    by: str,
    reason: str,
    job: str = "",
) -> int:
    """Journal a plan, which the running node carries out; return its number.

    Raises
    ------
    ConfigurationError
        If no study is selected, or the pace is none.
    """
    _check_pace(pace)
    studies = selected(journal, config, selection)
    if not studies:
        raise ConfigurationError(f"no study fits: {selection}")
    uids = [study.study_instance_uid for study in studies]
    return journal.create_plan(uids, selection, pace, by=by, reason=reason, job=job)


def progress(journal: Journal, plan: ReprocessingPlan, *, now: datetime | None = None) -> Progress:
    """Say how far a plan has come, how fast it is and when it should end."""
    settled = plan.studies - plan.remaining
    unknown = Progress(settled, plan.studies, None, None)
    if plan.state is not PlanState.RUNNING or not plan.first_queued_at:
        return unknown
    moment = now or datetime.now(UTC)
    since_first = (moment - datetime.fromisoformat(plan.first_queued_at)).total_seconds()
    window = min(RATE_SECONDS, max(since_first, 1.0))
    ended = journal.ended_within(plan.id, seconds=window)
    if not ended:
        return unknown
    rate = ended / window
    return Progress(settled, plan.studies, rate * 3600.0, moment + timedelta(seconds=plan.remaining / rate))


def set_job(
    journal: Journal,
    name: str,
    cron: str,
    selection: StudySelection,
    pace: PlanPace,
    *,
    source: JobSource,
    by: str,
    reason: str,
) -> datetime:
    """Have a plan made whenever a cron expression comes; return when it first does.

    Raises
    ------
    ConfigurationError
        For an empty name or selection, a wrong expression or pace, or a name taken by the configuration.
    """
    if not name.strip():
        raise ConfigurationError("a job needs a name")
    if selection.is_empty:
        raise ConfigurationError(f"job {name!r} selects nothing; give a condition, or say that all are meant")
    _check_pace(pace)
    first = next_time(cron, datetime.now(UTC))
    journal.put_reprocessing_job(
        name, selection, pace, cron=cron, next_at=timestamp(first), source=source, by=by, reason=reason
    )
    return first


def adopt_configured_jobs(journal: Journal, config: NodeConfig) -> None:
    """Make the journal hold the jobs of the configuration as they are written there now.

    Raises
    ------
    ConfigurationError
        As `set_job`.
    """
    for job in config.jobs:
        set_job(
            journal,
            job.name,
            job.cron,
            _selection(job),
            PlanPace(job.hours or "", job.studies_per_hour),
            source="configuration",
            by="configuration",
            reason=f"[[job]] of {config.path.name}",
        )
    names = {job.name for job in config.jobs}
    for known in journal.reprocessing_jobs():
        if known.source == "configuration" and known.name not in names:
            journal.remove_reprocessing_job(known.name, by="configuration", reason="it is not there any more")


def _selection(job: ConfiguredJob) -> StudySelection:
    return StudySelection(
        scanner=job.scanner,
        calling_ae=job.calling_ae,
        states=job.states,
        findings=job.findings,
        model_older_than=job.model_older_than,
        engine_older_than=job.engine_older_than,
        everything=job.everything,
    )


def _check_pace(pace: PlanPace) -> None:
    remedy = legal_hours(pace.hours) if pace.hours else None
    if remedy:
        raise ConfigurationError(f"hours {pace.hours!r}: must be {remedy}")
    if pace.studies_per_hour < 0:
        raise ConfigurationError(f"{pace.studies_per_hour:g} studies per hour: must be 0 (no limit) or more")


def _estimate(studies: int, each: float | None, workers: int, pace: PlanPace) -> float | None:
    """Return the longer of what analysing takes and what the rate allows, closed hours included."""
    limited = studies * 3600.0 / pace.studies_per_hour if pace.studies_per_hour else 0.0
    if each is None and not limited:
        return None
    busy = max(limited, (each or 0.0) * studies / workers)
    days, rest = divmod(busy, _open_seconds(pace.hours))
    return days * DAY_SECONDS + rest


def _open_seconds(hours: str) -> float:
    """Return how long a day's window is."""
    if not hours:
        return DAY_SECONDS
    begin, end = hours_of(hours)
    minutes = (end.hour - begin.hour) * 60 + end.minute - begin.minute
    return (minutes % (24 * 60)) * 60.0
