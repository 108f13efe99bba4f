"""Analyses named studies again at once, because somebody waits for the result.

Many studies, later, or in the background: `dicom_node.workflow.reprocess_plans`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.errors import ConfigurationError
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.workflow.routing import Router

__all__ = ["Reprocessing", "reprocess"]


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """What became of one study: queued again, or why not."""

    study_instance_uid: str
    queued: bool
    reason: str


def reprocess(
    journal: Journal, router: Router, studies: Sequence[str], *, dry_run: bool = False
) -> list[Reprocessing]:
    """Queue another analysis of each study, by the routes of today.

    They decide on guideline, models, destinations and priority. Originals are not forwarded again and nothing
    is discarded; a study that its route does not analyse is left alone.

    The same input under the same engine, models and settings gives results that exist already, with the same
    UIDs: nothing new is sent then (law 3 of the house). Nor is a result that says what the one before says.

    Raises
    ------
    ConfigurationError
        If a study is unknown.
    """
    unknown = [uid for uid in studies if journal.study(uid) is None]
    if unknown:
        raise ConfigurationError(
            f"study {unknown[0]!r} was never received; dicom-node studies lists those that were"
        )
    return [_reprocess_one(journal, router, uid, dry_run) for uid in studies]


def _reprocess_one(journal: Journal, router: Router, uid: str, dry_run: bool) -> Reprocessing:
    study = journal.study(uid)
    if study is not None and study.state is StudyState.RECEIVING:
        return Reprocessing(uid, False, "still arriving; it is analysed when complete")
    routing = router.decide(uid)
    if "analyse" not in routing.actions:
        return Reprocessing(uid, False, f"not analysed: {routing}")
    if dry_run:
        return Reprocessing(uid, True, "would be queued")
    queued = journal.reprocess_study(uid, routing)
    return Reprocessing(uid, queued, "queued" if queued else "an analysis is queued already")
