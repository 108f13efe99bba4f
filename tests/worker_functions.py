"""What test workers do in a process of their own; imports little, so that such processes start quickly."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

from dicom_node.observe.logs import fields
from dicom_node.storage.records import AnalysisOutcome
from dicom_node.workflow.worker import WorkOrder, killed_after


def analyze_as_rejected(order: WorkOrder) -> AnalysisOutcome:
    """Reject every study, and say how many objects it has."""
    return AnalysisOutcome(
        status="rejected",
        reason=f"{len(order.paths)} objects seen",
        identity=order.input_digest,
        engine_version="0",
        model_version="",
        result_json="",
    )


def die_or_reject(order: WorkOrder) -> AnalysisOutcome:
    """Die of study 1.2 as if the kernel had run out of memory; reject every other."""
    if order.study_instance_uid == "1.2":
        os.kill(os.getpid(), signal.SIGKILL)
    return analyze_as_rejected(order)


def hang(order: WorkOrder) -> AnalysisOutcome:
    """Never end by itself."""
    with killed_after(order.time_limit_seconds):
        time.sleep(60)
    return analyze_as_rejected(order)


def stop_for_ever(order: WorkOrder) -> AnalysisOutcome:
    """Be stopped, as by a debugger: not even the time limit's signal is heard."""
    with killed_after(order.time_limit_seconds):
        os.kill(os.getpid(), signal.SIGSTOP)
    return analyze_as_rejected(order)


def analyze_after_a_while(order: WorkOrder) -> AnalysisOutcome:
    """Take so long that the cluster can lose its scheduler meanwhile."""
    time.sleep(4)
    return analyze_as_rejected(order)


def kill_the_cluster_worker_once(order: WorkOrder) -> AnalysisOutcome:
    """Kill the Dask worker whose child this process is, the first time that any worker gets here."""
    mark = Path(os.environ["KILLED_MARK"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(30)
    return analyze_as_rejected(order)


def log_a_line(secret: str) -> None:
    """Log a sound line, then one that quotes `secret` as a library would."""
    with fields(study="1.2.3"):
        logging.getLogger("dicom_node.test").warning("from a worker")
    logging.getLogger("highdicom").error("value %s", secret)
