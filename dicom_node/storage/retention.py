"""Releases files whose time is over; their rows stay, so that history and recognition of repeats go on.

A file goes in three steps: its row says ``released_at`` and `releases` names its path (one commit), the file
is unlinked, the path is struck from `releases`. After a crash in between, what `releases` still names is
settled at the next start. What a study still needs is protected by one condition, `_FINISHED`, which lists
what is harmless: a state that this module does not know protects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicom_node.faults import reach
from dicom_node.storage.connection import Row, timestamp
from dicom_node.storage.events import EventLog

__all__ = ["Releasable", "ReleasedKind", "Releases"]


class ReleasedKind(StrEnum):
    """What a file is to the node, as far as retention is concerned."""

    ORIGINAL = "original"
    """An admitted object as received; own results that a PACS brought back count as well."""
    RESULT = "result"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Releasable:
    """One kept file that nothing needs any more."""

    kind: ReleasedKind
    id: int
    sop_instance_uid: str
    sha256: str
    path: str
    """Relative to the data directory."""


_NOTHING_OPEN = """
    NOT EXISTS (SELECT 1 FROM analyses
                    WHERE analyses.study_instance_uid = kept.study_instance_uid
                      AND analyses.state NOT IN ('done', 'failed'))
    AND NOT EXISTS (SELECT 1 FROM deliveries
                    WHERE deliveries.study_instance_uid = kept.study_instance_uid
                      AND deliveries.state NOT IN ('delivered', 'discarded'))
    AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.study_instance_uid = kept.study_instance_uid)
    AND NOT EXISTS (SELECT 1 FROM pledged_instances
                    WHERE pledged_instances.sop_instance_uid = kept.sop_instance_uid
                      AND coalesce(failure_reason, 0) = 0)
"""
"""Nothing is to be analysed, undelivered, uncommitted, a dead letter, held, or promised."""

_FINISHED = f"""
    NOT EXISTS (SELECT 1 FROM studies
                WHERE studies.study_instance_uid = kept.study_instance_uid
                  AND (studies.state NOT IN ({{states}}) OR studies.last_received_at >= :before))
    AND {_NOTHING_OPEN}
"""  # noqa: S608
"""The study has ended, nothing came for it since, and nothing is open."""

_CANDIDATES = {
    ReleasedKind.ORIGINAL: """
        SELECT id, sop_instance_uid, sha256, path FROM instances AS kept
        WHERE released_at = '' AND path <> '' AND kind IN ('input', 'own_result') AND received_at < :before
          AND (kind = 'own_result' OR EXISTS (SELECT 1 FROM studies
               WHERE studies.study_instance_uid = kept.study_instance_uid))
          AND {finished} AND {only}
        ORDER BY received_at LIMIT :limit
    """,
    # kept: what went nowhere; reports, which a later report names; documents, which hold the numbers
    ReleasedKind.RESULT: """
        SELECT rowid AS id, sop_instance_uid, sha256, path FROM results AS kept
        WHERE released_at = '' AND created_at < :before
          AND sop_class_uid NOT LIKE '1.2.840.10008.5.1.4.1.1.88.%'
          AND sop_class_uid <> '1.2.840.10008.5.1.4.1.1.104.1'
          AND EXISTS (SELECT 1 FROM deliveries WHERE deliveries.sop_instance_uid = kept.sop_instance_uid)
          AND {finished} AND {only}
        ORDER BY created_at LIMIT :limit
    """,
    ReleasedKind.QUARANTINED: """
        SELECT id, sop_instance_uid, sha256, path FROM instances AS kept
        WHERE released_at = '' AND path <> '' AND kind = 'quarantined' AND received_at < :before
          AND {only}
        ORDER BY received_at LIMIT :limit
    """,
}


class Releases(EventLog):
    """The journal's table ``releases`` and the columns ``released_at``."""

    def releasable(
        self, kind: ReleasedKind, *, before: datetime, ended_states: Sequence[str], limit: int
    ) -> list[Releasable]:
        """Return kept files of one kind that may go, oldest first.

        Parameters
        ----------
        before : datetime
            Only what came in before, of studies to which nothing was added since.
        ended_states : sequence of str
            Studies in any other state are protected.
        """
        parameters = {"before": timestamp(before), "limit": limit}
        rows = self._rows(_candidates(kind, ended_states), {**parameters, **_named(ended_states)})
        return [Releasable(kind=kind, **row) for row in rows]

    def release(
        self, kind: ReleasedKind, *, before: datetime, ended_states: Sequence[str], limit: int
    ) -> int:
        """Give up at most `limit` files, see `releasable`; return how many (`settle_releases` unlinks).

        The search, which may be long where much is protected, holds no lock; what it finds is checked again.
        """
        found = self.releasable(kind, before=before, ended_states=ended_states, limit=limit)
        recheck = _candidates(kind, ended_states, only="kept.rowid = :id")
        parameters = {"before": timestamp(before), "limit": 1, **_named(ended_states)}
        with self._transaction():
            chosen = [item for item in found if self._row(recheck, {**parameters, "id": item.id})]
            for item in chosen:
                table = "results" if kind is ReleasedKind.RESULT else "instances"
                self._execute(
                    f"UPDATE {table} SET released_at = ? WHERE rowid = ?",  # noqa: S608
                    (self._now(), item.id),
                )
                self._execute(
                    "INSERT INTO releases VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (item.path, item.sop_instance_uid, item.sha256),
                )
            return len(chosen)

    def settle_releases(self, unlink: Callable[[str], None], *, limit: int) -> int:
        """Unlink at most `limit` of the files given up; return how many are settled.

        Under the journal's write lock, so that nobody can journal the same bytes again in between. A file
        that has become needed since (the sender brought it again, its study is to be analysed again) stays.

        Parameters
        ----------
        unlink : callable
            Removes the file at a path relative to the data directory; one that is gone already is no error.
        """
        with self._transaction():
            rows = self._rows("SELECT path, sop_instance_uid, sha256 FROM releases LIMIT ?", (limit,))
            for row in rows:
                if not self._is_needed(row):
                    reach("retention.before_unlink")
                    unlink(row["path"])
                    reach("retention.after_unlink")
                self._execute("DELETE FROM releases WHERE path = ?", (row["path"],))
            return len(rows)

    def forget_events(self, *, before: datetime, limit: int) -> int:
        """Delete, of the oldest `limit` events, those older than `before`; return how many.

        The newest stays: it keeps SQLite from counting anew below the bookmarks of who reads events.
        """
        with self._transaction():
            return self._execute(
                "DELETE FROM events WHERE id IN"
                " (SELECT id FROM (SELECT id, at FROM events ORDER BY id LIMIT ?) WHERE at < ?)"
                " AND id < (SELECT max(id) FROM events)",
                (limit, timestamp(before)),
            )

    def _is_needed(self, release: Row) -> bool:
        """Tell whether a file given up is wanted again; then it counts as kept."""
        kept = self._row(
            """
            SELECT 1 FROM instances
            WHERE sop_instance_uid = :sop_instance_uid AND sha256 = :sha256 AND path = :path
              AND released_at = ''
            UNION ALL
            SELECT 1 FROM instances
            WHERE kind = 'quarantined' AND path <> '' AND released_at = '' AND path = :path
            UNION ALL
            SELECT 1 FROM results
            WHERE sop_instance_uid = :sop_instance_uid AND path = :path AND released_at = ''
            """,
            release,
        )
        if kept:
            return True
        return any(
            self._execute(
                f"""
                UPDATE {table} AS kept SET released_at = ''
                WHERE sop_instance_uid = :sop_instance_uid AND path = :path AND NOT ({_NOTHING_OPEN})
                """,  # noqa: S608
                release,
            )
            for table in ("instances", "results")
        )


def _candidates(kind: ReleasedKind, ended_states: Sequence[str], only: str = "TRUE") -> str:
    finished = _FINISHED.format(states=", ".join(f":{name}" for name in _named(ended_states)))
    return _CANDIDATES[kind].format(finished=finished, only=only)


def _named(ended_states: Sequence[str]) -> dict[str, str]:
    return {f"state{number}": state for number, state in enumerate(ended_states)}
