"""What people do to a study on its page, and programs through the REST API: each with person and reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dicom_node.config import NodeConfig
from dicom_node.errors import OperationRefusedError
from dicom_node.storage.archive import Archive
from dicom_node.storage.clinical_records import Added, Verdict
from dicom_node.storage.journal import Journal
from dicom_node.web.changes import record_change
from dicom_node.web.context import User
from dicom_node.workflow.reprocess import reprocess
from dicom_node.workflow.routing import Router

__all__ = ["CORRECTABLE", "StudyActions"]

CORRECTABLE = ("laterality", "forearm_length_mm")
"""What a study's page corrects; everything else is entered on the clinical page."""


class StudyActions:
    """Operations on one study by one person.

    Each journals the change in the transaction that makes it, and raises `OperationRefusedError` where there
    is nothing to do as things stand.
    """

    def __init__(
        self, config: NodeConfig, journal: Journal, archive: Archive, user: User, study_instance_uid: str
    ) -> None:
        self._config = config
        self._journal = journal
        self._archive = archive
        self._user = user
        self._uid = study_instance_uid

    def reprocess(self, reason: str) -> None:
        """Queue another analysis, by the routes, models and entries of now."""
        router = Router(self._config.routes, self._archive, self._journal)
        with self._journal.all_or_nothing():
            (outcome,) = reprocess(self._journal, router, [self._uid])
            if not outcome.queued:
                raise OperationRefusedError(f"nothing was queued: {outcome.reason}")
            self._record("study.reprocess", reason)

    def resend(self, reason: str, destination: str = "") -> int:
        """Send what stands once more, to one destination or to each; return how many objects."""
        with self._journal.all_or_nothing():
            sent = self._journal.resend_study(self._uid, destination=destination or None)
            if not sent:
                where = f" at {destination}" if destination else ""
                raise OperationRefusedError(
                    f"nothing of the study stands{where} that could be sent again; what waits or was"
                    " given up is on the queue's page"
                )
            told = f"{sent} objects" + (f" to {destination}" if destination else "")
            self._record("study.resend", reason, told)
            return sent

    def hold(self, reason: str) -> None:
        """Keep the study from being completed, analysed and delivered."""
        with self._journal.all_or_nothing():
            if not self._journal.hold_study(self._uid, by=self._user.name, reason=reason):
                raise OperationRefusedError("the study is held already")
            self._record("study.hold", reason)

    def release(self, reason: str) -> None:
        """Let a held study go on."""
        with self._journal.all_or_nothing():
            if not self._journal.release_study(self._uid, by=self._user.name, reason=reason):
                raise OperationRefusedError("the study is not held")
            self._record("study.release", reason)

    def correct(self, field: str, value: Any, reason: str) -> None:
        """Enter what the objects say wrongly or not at all; a result made before is superseded.

        Parameters
        ----------
        field : str
            One of `CORRECTABLE`.
        value
            None takes an earlier entry back.
        """
        if field not in CORRECTABLE:
            raise OperationRefusedError(f"{field} is not corrected here; use one of {', '.join(CORRECTABLE)}")
        with self._journal.all_or_nothing():
            added = self._journal.add_site_entry(self._uid, field, value, self._user.name, reason)
            if added is Added.UNCHANGED:
                raise OperationRefusedError("that is what stands already; nothing was changed")
            self._record("study.site_entry", reason, field)

    def opine(
        self,
        analysis_id: int,
        verdict: Verdict,
        comment: str,
        amendments: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Say of a result whether it is right; the comment is the reason."""
        with self._journal.all_or_nothing():
            added = self._journal.add_opinion(
                self._uid,
                analysis_id,
                verdict,
                comment=comment,
                amendments=amendments,
                user=self._user.name,
            )
            if added is Added.UNCHANGED:
                raise OperationRefusedError("that is your opinion already; nothing was changed")
            self._record("study.opinion", comment, f"{verdict} with analysis {analysis_id}")

    def _record(self, action: str, reason: str, detail: str = "") -> None:
        record_change(self._journal, self._user, action, self._uid, reason, detail=detail)
