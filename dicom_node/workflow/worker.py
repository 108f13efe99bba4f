"""What a worker process does: read a study's files, analyse, write the results, say what came of it.

Workers never open the journal. Everything heavy is imported inside the functions, so that the receiver's
process stays small.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.config import AnalysisConfig, ClinicalContext, ClinicalRecord
from dicom_node.config import LoggingSettings
from dicom_node.errors import NodeError
from dicom_node.faults import reach
from dicom_node.observe import logs
from dicom_node.storage.records import AnalysisOutcome, ResultRecord, ShadowRecord
from dicom_node.workflow.lifeline import NODE_VARIABLE
from dicom_node.workflow.memory import limited_memory

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from analysis.results import PriorMeasurement, StudyAnalysis
    from dicom_node.storage.archive import Archive
    from dicom_node.workflow.supersession import Compared
    from reports import ReportOptions

__all__ = ["WorkOrder", "analyze_study", "killed_after", "new_worker"]

logger = logging.getLogger(__name__)

STRUCTURED_REPORT_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
"""What the UIDs of all SR Storage SOP classes begin with (PS3.4 table B.5-1)."""

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Everything one analysis needs; it can be pickled and sent to another process.

    Attributes
    ----------
    paths : mapping of str to Path
        SOP Instance UID -> file, in order of UID; objects of private and unknown classes are left out.
    priors : tuple of tuples of Path
        Files of earlier studies whose images a change is measured on.
    known : tuple of ResultRecord
        Results ever made of the study: one that comes out again is not written a second time.
    standing : mapping of str to tuple of str
        Destination -> UIDs of the results that stand there: its new reports say which of them they replace.
    previous : tuple of str
        Newest measurement and newest refusal of the study, JSON of schema "1": a result that says the same is
        not sent, another one says what it changes.
    identities : frozenset of str
        Of all earlier analyses of the study.
    reports : mapping of str to ReportOptions
        Destination -> what it wants.
    time_limit_seconds : float
        The process ends if the analysis takes longer.
    memory_limit_bytes : int
        A study that needs more is rejected.
    failure : str
        Why the analysis of this study was given up: it is then only written up as declined.
    incomplete : bool
        Whether more of the study was expected than came: its reports say so.
    clinical : ClinicalContext, optional
        What the site entered for the study.
    record : ClinicalRecord, optional
        What is recorded of the patient.
    """

    study_instance_uid: str
    input_digest: str
    paths: Mapping[str, Path]
    data_dir: Path
    history: tuple[PriorMeasurement, ...]
    priors: tuple[tuple[Path, ...], ...]
    known: tuple[ResultRecord, ...]
    standing: Mapping[str, tuple[str, ...]]
    config: AnalysisConfig
    reports: Mapping[str, ReportOptions]
    time_limit_seconds: float
    memory_limit_bytes: int
    failure: str = ""
    incomplete: bool = False
    previous: tuple[str, ...] = ()
    identities: frozenset[str] = frozenset()
    clinical: ClinicalContext | None = None
    record: ClinicalRecord | None = None


def analyze_study(order: WorkOrder) -> AnalysisOutcome:
    """Analyse one study and write its result objects durably into the archive.

    Returns
    -------
    AnalysisOutcome
        Status ``rejected`` where an object cannot be parsed at all or memory does not suffice, ``failed``
        where `order` says so; else what the engine says.
    """
    with killed_after(order.time_limit_seconds), logs.fields(study=order.study_instance_uid):
        if order.failure:
            return _declined(order)
        try:
            with limited_memory(order.memory_limit_bytes):
                return _analyzed(order)
        except MemoryError:  # it would need as much again: no failure of ours that another attempt mends
            return _outcome(_rejected(order, _TOO_LARGE, identity=order.input_digest), [], order)


_TOO_LARGE = (
    "the analysis needs more memory than [execution] memory_limit_bytes allows; its images are too large for "
    "a forearm scan, or the limit is too low"
)


def _analyzed(order: WorkOrder) -> AnalysisOutcome:
    from pydicom import dcmread

    from analysis.engine import analyze
    from analysis.incomplete import of_incomplete_study

    if not order.paths:
        return _outcome(_without_known_objects(order), [], order)
    datasets: list[Dataset] = []
    for uid, path in order.paths.items():
        try:
            datasets.append(dcmread(path))
        except Exception as error:  # hostile bytes raise many kinds; each means the same
            return _outcome(_unreadable(order, uid, error), datasets, order)
    reach("worker.before_analysis")
    analysis = analyze(
        datasets,
        history=order.history,
        priors=_readable_priors(order.priors),
        clinical=order.clinical,
        record=order.record,
        config=order.config,
    )
    if order.incomplete:
        analysis = of_incomplete_study(analysis)
    reach("worker.after_analysis")
    done = _outcome(analysis, datasets, order)
    reach("worker.after_results")
    return with_shadow(done, order.config.models, analysis.model_inputs)


def with_shadow(done: AnalysisOutcome, models: Path, known: Mapping[str, float]) -> AnalysisOutcome:
    """Add what risk models were given and what those in shadow say; their failure costs nothing else."""
    from analysis.risk.shadow import shadow_risks

    try:
        said = shadow_risks(models, known)
    except Exception as error:  # whatever it is, the analysis itself is done
        logger.warning("the models in shadow were not computed: %s", _described(error))
        said = ()
    shadow = tuple(
        ShadowRecord(risk.model.name, risk.model.version, risk.model.sha256, dict(risk.horizons))
        for risk in said
    )
    return replace(done, model_inputs=dict(known), shadow=shadow)


def _described(error: Exception) -> str:
    """Our own errors' texts are free of patient data; of others only the class is told."""
    return str(error) if isinstance(error, NodeError) else type(error).__name__


def _readable_priors(priors: Sequence[Sequence[Path]]) -> list[list[Dataset]]:
    """Earlier studies that can still be read; without them the change is that of the journalled numbers."""
    from pydicom import dcmread

    readable: list[list[Dataset]] = []
    for paths in priors:
        try:
            readable.append(list(map(dcmread, paths)))
        except Exception:  # no longer archived, or damaged: that must not cost the new study its analysis
            logger.warning("an earlier study's files cannot be read; its numbers stand in for its image")
    return readable


def new_worker() -> Executor:
    """Return an executor of one warm worker process, which ends when its parent does.

    It comes from a fork server, that is from a process without threads, locks or database connections.
    """
    for name in _THREAD_LIMITS:  # one worker, one core: more threads only fight each other
        os.environ[name] = "1"
    os.environ[NODE_VARIABLE] = str(os.getpid())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dicom_node.workflow.preload"])
    reader, writer = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        max_workers=1,
        mp_context=context,
        initializer=_prepare_worker,
        initargs=(writer, logs.settings_in_use()),
    )
    executor.submit(int).result()  # start-up must not count into the first study's time limit
    writer.close()  # the worker has its own: when it ends, so does what is read
    logs.relay(reader)
    return executor


def _prepare_worker(log: Connection, settings: LoggingSettings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the node, which then ends its workers
    os.umask(0o077)
    logs.RelayHandler(log, settings).install()
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no orphan behind when the node is killed outright."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def killed_after(seconds: float) -> Iterator[None]:
    """Let the kernel end this process if the work takes longer, even inside compiled code."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _unreadable(order: WorkOrder, uid: str, error: Exception) -> StudyAnalysis:
    reason = f"object {uid} cannot be parsed ({type(error).__name__}); send the study again from its source"
    return _rejected(order, reason, identity=order.input_digest)


def _without_known_objects(order: WorkOrder) -> StudyAnalysis:
    from analysis.results import Status

    reason = "the study holds only objects of private or unknown classes; they are stored, not analysed"
    return replace(_rejected(order, reason, identity=order.input_digest), status=Status.NOT_APPLICABLE)


def _declined(order: WorkOrder) -> AnalysisOutcome:
    """Answer a study on which the analysis itself failed, where the site wants refusals: headers suffice."""
    from pydicom import dcmread

    headers: list[Dataset] = []
    for path in order.paths.values():
        with contextlib.suppress(Exception):  # what cannot even be named is not referred to
            headers.append(dcmread(path, stop_before_pixels=True))
    reason = f"the analysis failed on this study again and again and was given up: {order.failure}"
    # another identity than that of a sound analysis of these bytes, which may follow after an upgrade
    identity = hashlib.sha256(f"declined {order.input_digest}".encode()).hexdigest()
    outcome = _outcome(_rejected(order, reason, identity=identity), headers, order)
    return replace(outcome, status="failed")


def _rejected(order: WorkOrder, reason: str, *, identity: str) -> StudyAnalysis:
    from analysis import __version__
    from analysis.results import Status, StudyAnalysis

    return StudyAnalysis(
        study_instance_uid=order.study_instance_uid,
        status=Status.REJECTED,
        reason=reason,
        identity=identity,
        engine_version=__version__,
    )


def _outcome(analysis: StudyAnalysis, datasets: Sequence[Dataset], order: WorkOrder) -> AnalysisOutcome:
    from analysis.serialization import to_json_object
    from dicom_node.workflow.supersession import compared

    found = compared(analysis, order.previous, order.identities)
    analysis = found.analysis
    results, sets = _write_results(found, datasets, order)
    listed = [
        {
            "sop_class_uid": result.sop_class_uid,
            "sop_instance_uid": result.sop_instance_uid,
            "path": result.path,
        }
        for result in results
    ]
    return AnalysisOutcome(
        status=str(analysis.status),
        reason=analysis.reason,
        identity=analysis.identity,
        engine_version=analysis.engine_version,
        model_version=analysis.risk.model.version if analysis.risk else "",
        result_json=json.dumps(to_json_object(analysis, listed), ensure_ascii=False, allow_nan=False),
        results=results,
        sets=sets,
        comparison=found.comparison,
        changes=json.dumps([asdict(item) for item in found.revisions], ensure_ascii=False),
    )


def _write_results(
    found: Compared, datasets: Sequence[Dataset], order: WorkOrder
) -> tuple[tuple[ResultRecord, ...], dict[str, tuple[str, ...]]]:
    """Write the study up once for every distinct wish; destinations of one wish share the objects."""
    from dicom_node.storage.archive import Archive
    from reports import compose

    archive = Archive(order.data_dir)
    records = {record.sop_instance_uid: record for record in order.known if archive.holds(record.path)}
    known = {record.sop_instance_uid for record in order.known}
    sets: dict[str, tuple[str, ...]] = {}
    for options in dict.fromkeys(order.reports.values()):
        results = compose(
            found.analysis,
            datasets,
            predecessors=_predecessors(order, records, options),
            revisions=found.revisions,
            options=options,
        )
        for result in results:
            uid = str(result.SOPInstanceUID)
            if uid not in (known if found.by_other_work else records):
                known.add(uid)
                records[uid] = _write_result(archive, found.analysis.identity, result)
        uids = tuple(str(result.SOPInstanceUID) for result in results)
        if uids:
            sets |= {name: uids for name, wish in order.reports.items() if wish == options}
    made = dict.fromkeys(uid for uids in sets.values() for uid in uids)
    return tuple(records[uid] for uid in made if uid in records), sets


def _predecessors(
    order: WorkOrder, records: Mapping[str, ResultRecord], options: ReportOptions
) -> list[Dataset]:
    """Read the Structured Reports that stand where reports of this rendering go.

    By rendering, not by destination: an object that two destinations share must name the same predecessors
    whichever of them is served first. A report in another language for somebody else is none.
    """
    from pydicom import dcmread

    from dicom_node.storage.archive import Archive

    archive = Archive(order.data_dir)
    served = [name for name, wish in order.reports.items() if wish.rendering == options.rendering]
    standing = dict.fromkeys(uid for name in served for uid in order.standing.get(name, ()))
    return [
        dcmread(archive.resolve(records[uid].path))
        for uid in standing
        if uid in records and records[uid].sop_class_uid.startswith(STRUCTURED_REPORT_CLASSES)
    ]


def _write_result(archive: Archive, identity: str, result: Dataset) -> ResultRecord:
    buffer = io.BytesIO()
    result.save_as(buffer, enforce_file_format=True)
    path, digest = archive.store_result(identity, buffer.getvalue())
    reach("worker.between_results")
    return ResultRecord(
        sop_instance_uid=str(result.SOPInstanceUID),
        sop_class_uid=str(result.SOPClassUID),
        kind=str(result.get("SeriesDescription", "")),
        path=str(path),
        sha256=digest,
    )
