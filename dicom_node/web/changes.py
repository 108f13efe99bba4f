"""Every change by a person is journalled: the audit page and the study's timeline show it."""

from __future__ import annotations

from dicom_node.storage.journal import Journal
from dicom_node.web.context import User

__all__ = ["record_change"]


def record_change(
    journal: Journal, user: User, action: str, subject: str, reason: str, *, detail: str = ""
) -> None:
    """Write who changed what and why.

    Parameters
    ----------
    action : str
        ``"topic.verb"``, e.g. ``"delivery.retry"``.
    subject : str
        Study Instance UID, destination, job or user; no patient data.
    reason : str
        As the person gave it.
    """
    journal.note_change(user.name, action, subject, reason, detail)
