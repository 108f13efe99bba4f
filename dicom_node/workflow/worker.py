"""What a worker process does: read a study's files, analyse, write the results, say what came of it.

Workers never open the journal. Everything heavy is imported inside the functions, so that the receiver's
process stays small.
"""

from __future__ import annotations

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.config import AnalysisConfig
from dicom_node.storage.records import AnalysisOutcome, ResultRecord

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from analysis.results import PriorMeasurement, StudyAnalysis
    from dicom_node.storage.archive import Archive
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
        SOP Instance UID -> file, in order of UID.
    priors : tuple of tuples of Path
        Files of earlier studies whose images a change is measured on.
    standing : tuple of ResultRecord
        Results of the study's earlier analysis: those that come out the same stand, the others are replaced.
    time_limit_seconds : float
        The process ends if the analysis takes longer.
    """

    study_instance_uid: str
    input_digest: str
    paths: Mapping[str, Path]
    data_dir: Path
    history: tuple[PriorMeasurement, ...]
    priors: tuple[tuple[Path, ...], ...]
    standing: tuple[ResultRecord, ...]
    config: AnalysisConfig
    reports: ReportOptions
    time_limit_seconds: float


def analyze_study(order: WorkOrder) -> AnalysisOutcome:
    """Analyse one study and write its result objects durably into the archive.

    Returns
    -------
    AnalysisOutcome
        Status ``rejected`` where an object cannot be parsed at all; else what the engine says.
    """
    with killed_after(order.time_limit_seconds):
        from pydicom import dcmread

        from analysis.engine import analyze

        datasets = []
        for uid, path in order.paths.items():
            try:
                datasets.append(dcmread(path))
            except Exception as error:  # hostile bytes raise many kinds; each means the same
                return _unreadable(order, uid, error)
        analysis = analyze(
            datasets, history=order.history, priors=_readable_priors(order.priors), config=order.config
        )
        return _outcome(analysis, _write_results(analysis, datasets, order))


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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dicom_node.workflow.preload"])
    executor = ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_prepare_worker)
    executor.submit(int).result()  # start-up must not count into the first study's time limit
    return executor


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the node, which then ends its workers
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    # pydicom's warnings quote values of the data set: patient data that must not reach the log
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
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


def _unreadable(order: WorkOrder, uid: str, error: Exception) -> AnalysisOutcome:
    from analysis import __version__

    reason = f"object {uid} cannot be parsed ({type(error).__name__}); send the study again from its source"
    return AnalysisOutcome(
        status="rejected",
        reason=reason,
        identity=order.input_digest,
        engine_version=__version__,
        model_version="",
        result_json="",
    )


def _write_results(
    analysis: StudyAnalysis, datasets: Sequence[Dataset], order: WorkOrder
) -> tuple[ResultRecord, ...]:
    from pydicom import dcmread

    from analysis.results import Status
    from dicom_node.storage.archive import Archive
    from reports import compose

    if analysis.status is not Status.ANALYZED:
        return ()
    archive = Archive(order.data_dir)
    standing = {record.sop_instance_uid: record for record in order.standing}
    predecessors = [
        dcmread(path)
        for record in order.standing
        if record.sop_class_uid.startswith(STRUCTURED_REPORT_CLASSES)
        and (path := archive.resolve(record.path)).is_file()
    ]
    results = compose(analysis, datasets, predecessors=predecessors, options=order.reports)
    return tuple(
        standing.get(str(result.SOPInstanceUID)) or _write_result(archive, analysis.identity, result)
        for result in results
    )


def _write_result(archive: Archive, identity: str, result: Dataset) -> ResultRecord:
    buffer = io.BytesIO()
    result.save_as(buffer, enforce_file_format=True)
    path, digest = archive.store_result(identity, buffer.getvalue())
    return ResultRecord(
        sop_instance_uid=str(result.SOPInstanceUID),
        sop_class_uid=str(result.SOPClassUID),
        kind=str(result.get("SeriesDescription", "")),
        path=str(path),
        sha256=digest,
    )


def _outcome(analysis: StudyAnalysis, results: tuple[ResultRecord, ...]) -> AnalysisOutcome:
    from analysis.serialization import to_json_object

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
    )
