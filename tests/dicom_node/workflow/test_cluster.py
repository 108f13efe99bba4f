"""A Dask cluster of other processes takes the place of the worker processes, and its losses lose nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import load_config, receive_complete, wait_until
from real_peers import pick_free_port
from worker_functions import analyze_after_a_while, analyze_as_rejected, kill_the_cluster_worker_once

from dicom_node.config import NodeConfig
from dicom_node.errors import ExecutorUnavailableError
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.workflow.cluster import ClusterExecutor, count_workers
from dicom_node.workflow.execution import Execution, Work

BIN = Path(sys.executable).parent


class Cluster:
    """``dask scheduler`` and ``dicom-node worker`` processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.port = pick_free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._folder = folder
        self.scheduler = self.start_scheduler()
        self.workers = [self.start_worker()]

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        scheduler = self._start(
            BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"
        )
        wait_until(self._answers, seconds=60)
        return scheduler

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start(BIN / "dicom-node", "worker", self.address)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        with (self._folder / "cluster.log").open("ab") as log:
            environment = {
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),  # where the tests' work functions are
                "KILLED_MARK": str(self._folder / "killed"),
            }
            return subprocess.Popen(arguments, stdout=log, stderr=log, env=environment, cwd=self._folder)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def running_execution(config: NodeConfig, work: Work) -> Iterator[Journal]:
    archive = Archive(config.node.data_dir)
    journal = Journal(archive.journal_path)
    execution = Execution(
        config,
        archive,
        journal,
        owner="test",
        work=work,
        make_executor=lambda: ClusterExecutor(config.execution, archive),
    )
    journal_file = archive.store_instance(
        b"x", "ab" * 32, sop_class_uid="1.2", sop_instance_uid="1.3", transfer_syntax_uid="1.2.840.10008.1.2"
    )
    receive_complete(journal, "1.2", path=str(journal_file))
    try:
        execution.pump()
        yield journal
        wait_until(lambda: _ended(execution, journal), seconds=120)
    finally:
        execution.stop(grace_seconds=1)
        journal.close()


def _ended(execution: Execution, journal: Journal) -> bool:
    execution.pump()
    study = journal.study("1.2")
    time.sleep(0.1)
    return study is not None and study.state in (StudyState.REJECTED, StudyState.FAILED)


def cluster_config(folder: Path, cluster: Cluster) -> NodeConfig:
    return load_config(
        folder, extra=f'[execution]\nexecutor = "dask"\nscheduler = "{cluster.address}"\nretry_seconds = 0\n'
    )


@pytest.mark.slow
def test_a_study_is_analysed_by_a_worker_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster_config(tmp_path, cluster)
    wait_until(lambda: count_workers(config.execution) == 1, seconds=60)
    with running_execution(config, analyze_as_rejected) as journal:
        pass
    assert "1 objects seen" in reason_of(config)
    assert journal.path.is_file()


def reason_of(config: NodeConfig) -> str:
    journal = Journal(config.node.data_dir / "journal.db")
    try:
        study = journal.study("1.2")
        assert study is not None
        return study.reason
    finally:
        journal.close()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_study(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster_config(tmp_path, cluster)
    wait_until(lambda: count_workers(config.execution) == 1, seconds=60)
    with running_execution(config, kill_the_cluster_worker_once):
        pass
    assert "1 objects seen" in reason_of(config)


@pytest.mark.slow
def test_a_scheduler_that_is_killed_and_comes_back_costs_no_study(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster_config(tmp_path, cluster)
    wait_until(lambda: count_workers(config.execution) == 1, seconds=60)
    with running_execution(config, analyze_after_a_while) as journal:
        wait_until(lambda: journal.summary()["analyses"] == {"running": 1})
        time.sleep(1)
        cluster.scheduler.send_signal(signal.SIGKILL)
        cluster.scheduler.wait()
        for worker in cluster.workers:
            worker.kill()
            worker.wait()
        cluster.scheduler = cluster.start_scheduler()
        cluster.workers = [cluster.start_worker()]
    assert "1 objects seen" in reason_of(config)
    journal = Journal(config.node.data_dir / "journal.db")
    assert "executor_unavailable" in {event.code for event in journal.events()}
    journal.close()


def test_without_a_scheduler_analyses_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.workflow.cluster.CONNECT_SECONDS", 1.0)
    config = load_config(
        tmp_path,
        extra=f'[execution]\nexecutor = "dask"\nscheduler = "tcp://127.0.0.1:{pick_free_port()}"\n',
    )
    with pytest.raises(ExecutorUnavailableError, match="does not answer"):
        ClusterExecutor(config.execution, Archive(config.node.data_dir))
