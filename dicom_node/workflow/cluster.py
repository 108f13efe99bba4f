"""Analyses on more than one machine: a `concurrent.futures.Executor` over a Dask cluster.

An order travels with its files, and the results travel back: machines share no file system, and the journal
stays on this one. The worker's side is `dicom_node.workflow.parcel`. What is lost with a worker Dask gives to
another; what is lost with the scheduler goes back to the journal and waits.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING, Any

from dicom_node.config import ExecutionSettings
from dicom_node.errors import AnalysisError, ConfigurationError, ExecutorUnavailableError
from dicom_node.storage.archive import Archive
from dicom_node.workflow.parcel import Parcel, ReturnedParcel, analyze_parcel, pack, unpack_results
from dicom_node.workflow.worker import WorkOrder

if TYPE_CHECKING:
    from distributed import Client, Security

__all__ = ["ClusterExecutor", "cluster_security", "count_workers"]

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer before its analyses are put back."""

QUEUE_MARGIN_SECONDS = 45.0
"""Beyond an analysis' own time limit: transfer, and waiting for a worker. Shorter than the lease's margin."""


class ClusterExecutor(Executor):
    """One lane to the cluster: what `dicom_node.workflow.execution.Execution` takes for a worker.

    Parameters
    ----------
    settings : ExecutionSettings
        Names the scheduler, and the certificates if its connections are encrypted.
    archive : Archive
        Where orders find their files, and results are written.

    Raises
    ------
    ConfigurationError
        If Dask is not installed.
    ExecutorUnavailableError
        If the scheduler does not answer.
    """

    def __init__(self, settings: ExecutionSettings, archive: Archive) -> None:
        self._settings = settings
        self._archive = archive
        self._client = _connect(settings)
        self._executor = self._client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send one analysis; `fn` must be `dicom_node.workflow.worker.analyze_study`.

        The future ends with `ExecutorUnavailableError` where the cluster, not the study, is at fault.
        """
        order: WorkOrder = args[0]
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()
        if self._client.status != "running":
            answer.set_exception(ExecutorUnavailableError(f"{self._settings.scheduler}: connection lost"))
            return answer
        remote: Future[ReturnedParcel] = self._executor.submit(analyze_parcel, Parcel(fn, pack(order)))
        _Courier(self._archive, self._settings, remote, answer).start(
            order.time_limit_seconds + QUEUE_MARGIN_SECONDS
        )
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; it goes on without us."""
        with contextlib.suppress(Exception):  # a scheduler that is gone cannot be told
            self._executor.shutdown(wait=wait and not cancel_futures)
            self._client.close(timeout=2)


def count_workers(settings: ExecutionSettings) -> int:
    """Return how many workers the cluster has now.

    Raises
    ------
    ConfigurationError, ExecutorUnavailableError
        As for `ClusterExecutor`.
    """
    client = _connect(settings)
    try:
        return len(client.scheduler_info()["workers"])
    finally:
        client.close(timeout=2)


class _Courier:
    """Takes one answer from the cluster to the archive, and to who waits for it: once, whatever happens."""

    def __init__(
        self,
        archive: Archive,
        settings: ExecutionSettings,
        remote: Future[ReturnedParcel],
        answer: Future[Any],
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._remote = remote
        self._answer = answer
        self._lock = threading.Lock()

    def start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._give_up, [seconds])
        self._timer.daemon = True
        self._timer.start()
        # Dask's own loop runs the callback: writing results there would hold up every connection
        self._remote.add_done_callback(
            lambda _: threading.Thread(target=self._deliver, name="cluster result", daemon=True).start()
        )

    def _deliver(self) -> None:
        self._timer.cancel()
        try:
            outcome = unpack_results(self._remote.result(), self._archive)
        except BaseException as error:
            self._settle(error=_translated(error, self._settings.scheduler))
        else:
            self._settle(outcome=outcome)

    def _give_up(self, seconds: float) -> None:
        self._settle(
            error=ExecutorUnavailableError(
                f"{self._settings.scheduler}: no answer to an analysis in {seconds:.0f} s; are there "
                "dicom-node worker processes, as many as [execution] workers?"
            )
        )
        self._remote.cancel()

    def _settle(self, *, outcome: object = None, error: BaseException | None = None) -> None:
        with self._lock:
            if self._answer.done():
                return
            if error is None:
                self._answer.set_result(outcome)
            else:
                self._answer.set_exception(error)


def cluster_security(settings: ExecutionSettings) -> Security | None:
    """Return the certificates for mutual TLS inside the cluster, None where none are configured.

    Raises
    ------
    ConfigurationError
        If only some of the three are.
    """
    from distributed import Security

    files = {name: getattr(settings, name) for name in ("cluster_ca", "cluster_certificate", "cluster_key")}
    missing = [name for name, path in files.items() if path is None]
    if len(missing) == len(files):
        return None
    if missing:
        raise ConfigurationError(f"[execution] {missing[0]} is missing; TLS needs all of {', '.join(files)}")
    ca, certificate, key = (str(path) for path in files.values())
    return Security(
        tls_ca_file=ca,
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
        require_encryption=True,
    )


def _connect(settings: ExecutionSettings) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigurationError(
            '[execution] executor = "dask": Dask is missing; type pip install "radius-dxa-node[cluster]"'
        ) from None
    try:
        return Client(
            settings.scheduler,
            timeout=CONNECT_SECONDS,
            security=cluster_security(settings),
            set_as_default=False,
            name="dicom-node",
        )
    except (OSError, TimeoutError) as error:
        raise ExecutorUnavailableError(
            f"[execution] scheduler = {settings.scheduler!r} does not answer ({error}); analyses wait for it"
        ) from error


def _translated(error: BaseException, scheduler: str) -> BaseException:
    """Tell what the study did from what happened to the cluster."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    if isinstance(error, KilledWorker):
        return AnalysisError("every cluster worker that took the analysis died; is there enough memory?")
    if isinstance(error, FutureCancelledError | CommClosedError | CancelledError | TimeoutError):
        return ExecutorUnavailableError(
            f"{scheduler}: the cluster lost the analysis ({type(error).__name__})"
        )
    return error
