"""Searches what people changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from dicom_node.storage.changes import Change, Changes
from dicom_node.storage.connection import timestamp

__all__ = ["ChangeFilter", "ChangeSearch"]


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes are wanted; what is empty or None does not choose.

    Attributes
    ----------
    since, until : date or None
        Days in UTC, both included.
    action : str
        An action such as ``"delivery.retry"``, or the topic of several, ``"delivery"``.
    """

    since: date | None = None
    until: date | None = None
    user: str = ""
    action: str = ""


class ChangeSearch(Changes):
    """The table ``changes``, as an auditor asks it."""

    def search_changes(
        self, wanted: ChangeFilter, *, before_id: int | None = None, limit: int = 50
    ) -> list[Change]:
        """Return changes, newest first: at most `limit` of those older than `before_id`."""
        conditions, parameters = _conditions(wanted)
        if before_id is not None:
            conditions.append("id < :before")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._rows(
            f"SELECT id, at, user, action, subject, reason, detail FROM changes {where}"  # noqa: S608
            " ORDER BY id DESC LIMIT :limit",
            {**parameters, "before": before_id, "limit": limit},
        )
        return [Change(**row) for row in rows]

    def changed_by(self) -> list[str]:
        """Return everybody who ever changed something, by name."""
        return [row["user"] for row in self._rows("SELECT DISTINCT user FROM changes ORDER BY user")]

    def changed_actions(self) -> list[str]:
        """Return every action that anybody ever took, by name."""
        return [row["action"] for row in self._rows("SELECT DISTINCT action FROM changes ORDER BY action")]


def _conditions(wanted: ChangeFilter) -> tuple[list[str], dict[str, object]]:
    chosen: dict[str, tuple[str, object]] = {}
    if wanted.since is not None:
        chosen["since"] = ("at >= :since", _midnight(wanted.since))
    if wanted.until is not None:
        chosen["until"] = ("at < :until", _midnight(wanted.until + timedelta(days=1)))
    if wanted.user:
        chosen["user"] = ("user = :user", wanted.user)
    if wanted.action:
        # a topic and what follows its dot: '/' comes next after '.'
        chosen["action"] = (
            "(action = :action OR action >= :action || '.' AND action < :action || '/')",
            wanted.action,
        )
    return [text for text, _ in chosen.values()], {name: value for name, (_, value) in chosen.items()}


def _midnight(day: date) -> str:
    return timestamp(datetime.combine(day, time.min, UTC))
