"""A study's completion: state, route, analysis and forwarded originals in one transaction."""

from __future__ import annotations

from dataclasses import replace

from dicom_node.storage.outbox import Outbox
from dicom_node.storage.records import Severity, Study, StudyState
from dicom_node.storage.routings import DEFAULT_ROUTING, Routing, RoutingTables

__all__ = ["Completions"]


class Completions(Outbox, RoutingTables):
    """What happens to the tables when a study is complete; and the table ``discarded_instances``."""

    def complete_study(
        self,
        study: Study,
        reason: str,
        routing: Routing = DEFAULT_ROUTING,
        *,
        warning: str = "",
        missing: str = "",
    ) -> bool:
        """Close a study that `reason` shows to be complete, and queue what its route decided.

        Parameters
        ----------
        warning : str
            What remains unproven or missing; becomes a warning.
        missing : str
            What is known to exist, or expected by a profile, and did not come: reports say so.

        Returns
        -------
        bool
            False, with nothing changed, if the study received something since `study` was read.
        """
        uid = study.study_instance_uid
        with self._transaction():
            changed = self._execute(
                "UPDATE studies SET state = 'complete', completed_reason = ?"
                " WHERE study_instance_uid = ? AND state = 'receiving' AND last_received_at = ?",
                (reason, uid, study.last_received_at),
            )
            if not changed:
                return False
            self.drop_completion_request(uid)
            self.note_event(Severity.INFO, "study_complete", reason, study_instance_uid=uid)
            self.record_shortfall(uid, missing)
            if warning:
                self.note_event(Severity.WARNING, "expected_content_missing", warning, study_instance_uid=uid)
            self._carry_out(uid, self._as_history(uid, self._permitted(uid, routing)))
            return True

    def reprocess_study(
        self, study_instance_uid: str, routing: Routing, *, trigger: str = "reprocess"
    ) -> bool:
        """Queue another analysis of a study as `routing` says; False as for `requeue_study`."""
        with self._transaction():
            if not self.requeue_study(study_instance_uid, trigger):
                return False
            self.record_routing(study_instance_uid, self._as_history(study_instance_uid, routing))
            return True

    def _permitted(self, uid: str, routing: Routing) -> Routing:
        """Keep a study that somebody relies on: it was analysed, passed on or promised to be kept before."""
        if "discard" not in routing.actions:
            return routing
        relied_on = self._row(
            "SELECT 1 FROM analyses WHERE study_instance_uid = ? AND state IN ('running', 'done')"
            " UNION ALL SELECT 1 FROM deliveries WHERE study_instance_uid = ?"
            " UNION ALL SELECT 1 FROM instances JOIN pledged_instances USING (sop_instance_uid)"
            " WHERE study_instance_uid = ? AND failure_reason = 0",  # storage commitment
            (uid, uid, uid),
        )
        if relied_on is None:
            return routing
        why = "not discarded: it was analysed, forwarded or committed to before"
        self.note_event(Severity.WARNING, "study_not_discarded", why, study_instance_uid=uid)
        return replace(routing, actions=("store",), reasons=(*routing.reasons, why))

    def _as_history(self, uid: str, routing: Routing) -> Routing:
        """Keep for this node what was fetched as another study's history: nobody waits for results of it."""
        if not self.is_history(uid):
            return routing
        return replace(
            routing,
            actions=("analyse",) if "analyse" in routing.actions else ("store",),
            destinations=(),
            forward_to=(),
            reasons=(*routing.reasons, "fetched as a prior: results are kept as history, not sent"),
        )

    def _carry_out(self, uid: str, routing: Routing) -> None:
        self.record_routing(uid, routing)
        if "analyse" in routing.actions:
            self._queue_analysis(uid, self._trigger(uid))
        else:
            self._close_unanalysed(uid, str(routing))
        for destination in routing.forward_to:
            self.queue_originals(uid, destination, priority=routing.priority)
        if "discard" in routing.actions:
            self._discard(uid, routing.route)

    def _close_unanalysed(self, uid: str, reason: str) -> None:
        self._execute(
            "UPDATE studies SET state = ?, reason = ? WHERE study_instance_uid = ?",
            (StudyState.NOT_APPLICABLE, reason, uid),
        )
        self._execute(  # of an earlier completion, under another route
            "UPDATE analyses SET state = 'failed', reason = ?, finished_at = ?"
            " WHERE study_instance_uid = ? AND state = 'queued'",
            (reason, self._now(), uid),
        )

    def _discard(self, uid: str, route: str) -> None:
        """Leave of a study's objects a row each that tells what was discarded; retention unlinks the files.

        Without their rows in ``instances`` the same objects are new when they are sent again, and are routed
        again.
        """
        of_study = "FROM instances WHERE study_instance_uid = ? AND kind = 'input'"
        moved = self._execute(
            "INSERT INTO discarded_instances (study_instance_uid, sop_instance_uid, sop_class_uid, sha256,"
            " size, calling_ae, called_ae, peer_address, received_at, route, discarded_at)"
            " SELECT study_instance_uid, sop_instance_uid, sop_class_uid, sha256, size,"
            f" calling_ae, called_ae, peer_address, received_at, ?, ? {of_study}",
            (route, self._now(), uid),
        )
        self._execute(
            f"INSERT INTO releases SELECT path, sop_instance_uid, sha256 {of_study} ON CONFLICT DO NOTHING",
            (uid,),
        )
        self._execute(f"DELETE {of_study}", (uid,))
        self.note_event(
            Severity.WARNING,
            "study_discarded",
            f"{moved} objects were discarded by route {route!r}; their sender was told that they are stored",
            study_instance_uid=uid,
        )
