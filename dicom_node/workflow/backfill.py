"""What an archive has of a study against what is here, and the request to fetch the difference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dicom_node.network.query import ArchivePeer, FoundStudy, find_instances
from dicom_node.storage.journal import Journal
from dicom_node.storage.retrievals import RetrievalPurpose

__all__ = ["StudyComparison", "compare", "request"]


@dataclass(frozen=True, slots=True)
class StudyComparison:
    """One study at an archive and here; it prints without patient data."""

    study_instance_uid: str
    study_date: str
    modalities: tuple[str, ...]
    there: int | None
    """Objects at the archive; None if it does not tell and nothing of the study is here."""
    missing: int | None
    """Objects that were never here; None = all, however many."""

    def __str__(self) -> str:
        there = "?" if self.there is None else self.there
        if self.missing == 0:
            state = "all here"
        elif self.missing is None:
            state = "none here"
        else:
            state = f"{self.missing} missing here"
        modalities = "\\".join(self.modalities) or "-"
        return (
            f"{self.study_date or '-':8} {modalities:8} {self.study_instance_uid}: {there} objects, {state}"
        )


def compare(journal: Journal, archive: ArchivePeer, study: FoundStudy) -> StudyComparison:
    """Compare one study; instances are asked for only where part of it is here.

    Raises
    ------
    ArchiveError
        If the archive does not answer.
    """
    uid = study.study_instance_uid
    known = journal.known_instances(uid)
    if not known:
        there, missing = study.instance_count, None
    else:
        found = {instance.sop_instance_uid for instance in find_instances(archive, uid)}
        there, missing = len(found), len(found - known)
    return StudyComparison(uid, study.study_date, study.modalities, there, missing)


def request(
    journal: Journal, archive: str, study: StudyComparison, *, hold: bool, not_before: datetime
) -> None:
    """Have the node fetch a study; asked for in so many words, it is no longer history only.

    Parameters
    ----------
    hold : bool
        Treat a study of which nothing is here as history: its results are kept, not sent.
    """
    uid = study.study_instance_uid
    if hold and study.missing is None:
        journal.mark_history(uid, "")
    elif not hold:
        journal.treat_as_received(uid)
    journal.request_retrieval(uid, archive, RetrievalPurpose.ASKED, not_before=not_before)
