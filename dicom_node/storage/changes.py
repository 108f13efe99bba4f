"""What people changed: who, what, why."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.storage.events import EventLog

__all__ = ["Change", "Changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """One change by a person.

    Attributes
    ----------
    action : str
        A word of the topic that changed, e.g. ``"user.role"`` or ``"delivery.retry"``.
    subject : str
        What was changed: a Study Instance UID, a destination, a user's name.
    detail : str
        What it was and is, in English; no patient data.
    """

    id: int
    at: str
    user: str
    action: str
    subject: str
    reason: str
    detail: str


class Changes(EventLog):
    """The journal's table ``changes``: rows are added and never edited."""

    def note_change(self, user: str, action: str, subject: str, reason: str, detail: str = "") -> None:
        """Write one change; inside another method's transaction it stands or falls with it."""
        with self._transaction():
            self._execute(
                "INSERT INTO changes (at, user, action, subject, reason, detail) VALUES (?, ?, ?, ?, ?, ?)",
                (self._now(), user, action, subject, reason, detail),
            )

    def changes(
        self, *, subject: str | None = None, before_id: int | None = None, limit: int = 100
    ) -> list[Change]:
        """Return the newest changes, newest first: of one subject, or those older than `before_id`."""
        of_subject = "subject = :subject AND" if subject is not None else ""
        rows = self._rows(
            "SELECT id, at, user, action, subject, reason, detail FROM changes"  # noqa: S608
            f" WHERE {of_subject} (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
            {"subject": subject, "before": before_id, "limit": limit},
        )
        return [Change(**row) for row in rows]
