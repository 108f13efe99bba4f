"""Results that are sent in another SOP class because a destination does not take the first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dicom_node.storage.outbox import Outbox
from dicom_node.storage.records import Severity

__all__ = ["Replacement", "Replacements", "UnsentResult"]


@dataclass(frozen=True, slots=True)
class UnsentResult:
    """A result that a destination still waits for."""

    sop_instance_uid: str
    sop_class_uid: str
    path: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """What goes in a result's place; its file is already durable under `path`."""

    sop_instance_uid: str
    sop_class_uid: str
    path: str
    sha256: str


class Replacements(Outbox):
    """The rows of ``deliveries`` with `replaced_by`."""

    def unsent_results(self, destination: str, study_instance_uid: str) -> list[UnsentResult]:
        """Return a study's results that a destination waits for, in their order."""
        rows = self._rows(
            "SELECT sop_instance_uid, sop_class_uid, path FROM deliveries WHERE destination = ?"
            " AND study_instance_uid = ? AND kind = 'result' AND state IN ('pending', 'sending') ORDER BY id",
            (destination, study_instance_uid),
        )
        return [UnsentResult(**row) for row in rows]

    def replace_results(
        self, destination: str, study_instance_uid: str, replacements: Mapping[str, Replacement]
    ) -> None:
        """Send other objects in the place of results, from now on and in one transaction.

        The replacements are results too, of the same analysis, so that they are known when they come back
        and a later analysis names them as its predecessors at this destination.

        Parameters
        ----------
        replacements : mapping
            SOP Instance UID of a result -> what goes in its place.
        """
        with self._transaction():
            for uid, new in replacements.items():
                self._replace(destination, uid, new)
            self.note_event(
                Severity.WARNING,
                "results_rewritten",
                f"to {destination}: it does not take the SOP class of {len(replacements)} results or of what "
                'they refer to; they are sent as others (set sr_class = "enhanced" in its '
                "[destination.reports])",
                study_instance_uid=study_instance_uid,
            )

    def _replace(self, destination: str, uid: str, new: Replacement) -> None:
        now = self._now()
        self._execute(
            "INSERT INTO results (sop_instance_uid, analysis_id, study_instance_uid, sop_class_uid, kind,"
            " path, sha256, created_at) SELECT ?, analysis_id, study_instance_uid, ?, kind, ?, ?, ?"
            " FROM results WHERE sop_instance_uid = ? ON CONFLICT DO NOTHING",
            (new.sop_instance_uid, new.sop_class_uid, new.path, new.sha256, now, uid),
        )
        self._execute(
            """
            INSERT INTO deliveries (sop_instance_uid, sop_class_uid, study_instance_uid, destination, kind,
                path, priority, state, attempts, next_attempt_at, lease_owner, lease_expires_at, reason,
                last_status, created_at, stored_at, delivered_at, transaction_uid, requested_at,
                verifications, refusals, replaced_by)
            SELECT :new_uid, :new_class, study_instance_uid, destination, kind,
                :new_path, priority, 'pending', 0, :now, '', '', '',
                NULL, created_at, '', '', '', '',
                0, 0, ''
            FROM deliveries WHERE destination = :destination AND sop_instance_uid = :uid
            ON CONFLICT DO NOTHING
            """,
            {
                "new_uid": new.sop_instance_uid,
                "new_class": new.sop_class_uid,
                "new_path": new.path,
                "now": now,
                "destination": destination,
                "uid": uid,
            },
        )
        self._execute(
            "UPDATE deliveries SET state = 'discarded', lease_owner = '', lease_expires_at = '',"
            " replaced_by = ?, reason = 'sent in another SOP class' WHERE destination = ?"
            " AND sop_instance_uid = ?",
            (new.sop_instance_uid, destination, uid),
        )
