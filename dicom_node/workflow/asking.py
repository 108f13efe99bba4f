"""What a node asks archives for, put together: one queue per ``[[archive]]``, and the search for priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dicom_node.config import NodeConfig
from dicom_node.network.storing import StorageService
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.workflow.priors import Priors
from dicom_node.workflow.retrieval import RetrievalQueue

__all__ = ["Asking"]


class Asking:
    """The jobs that ask the configured archives.

    Parameters
    ----------
    owner : str
        This process's name on leases.
    wake : callable
        Runs a job by its name at once.
    """

    def __init__(
        self,
        config: NodeConfig,
        files: Archive,
        journal: Journal,
        *,
        owner: str,
        wake: Callable[[str], None],
    ) -> None:
        storage = StorageService(config.receiver, files, journal)
        self._queues = [
            RetrievalQueue(
                archive,
                config.retrieval,
                journal,
                storage,
                calling_ae_title=config.node.ae_title,
                owner=owner,
                first=number == 0,
            )
            for number, archive in enumerate(config.archives)
        ]
        jobs: dict[str, Callable[[], object]] = {_job(queue.name): queue.pump for queue in self._queues}
        if config.priors.archive is not None:
            name = config.priors.archive
            priors = Priors(
                config.priors,
                config.archive(name),
                config.retrieval,
                files,
                journal,
                calling_ae_title=config.node.ae_title,
                wake=lambda: wake(_job(name)),
            )
            jobs["priors"] = priors.check
        self.jobs: Mapping[str, Callable[[], object]] = jobs

    def stop(self) -> None:
        """Claim nothing more; what is being fetched is finished."""
        for queue in self._queues:
            queue.stop()


def _job(archive: str) -> str:
    return f"retrieval from {archive}"
