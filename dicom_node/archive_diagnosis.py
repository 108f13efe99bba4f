"""What `doctor` finds out about the archives that the node may ask."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_node.config import NodeConfig, RemoteArchive
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ArchiveError, ConfigurationError

__all__ = ["check_archives"]

NO_STUDY = "2.25.0"
"""A legal UID that no study has: the question costs the archive nothing."""


def check_archives(config: NodeConfig) -> Iterator[Finding]:
    """Ask every ``[[archive]]`` for a study that does not exist."""
    for archive in config.archives:
        yield _check_archive(archive, config)
    if config.priors.archive is not None:
        waits = f"an analysis waits at most {config.priors.wait_seconds:g} s"
        yield Finding(Level.OK, "priors", f"from {config.priors.archive}; {waits}")


def _check_archive(archive: RemoteArchive, config: NodeConfig) -> Finding:
    from dicom_node.network.query import StudyFilter, archive_peer, find_studies

    subject = f"archive {archive.name}"
    try:
        peer = archive_peer(archive, config.retrieval, config.node.ae_title)
        find_studies(peer, StudyFilter(study_instance_uid=NO_STUDY))
    except ConfigurationError as error:
        return Finding(Level.FAIL, subject, str(error))
    except ArchiveError as error:
        return Finding(Level.WARN, subject, f"{error}; nothing is fetched until it answers")
    way = (
        "QIDO-RS"
        if archive.type == "dicomweb"
        else f"C-FIND; studies are fetched by {archive.retrieve.upper()}"
    )
    return Finding(Level.OK, subject, f"{peer} answers {way}")
