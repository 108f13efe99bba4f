"""Decides when a study is complete: DIMSE never says "done".

A study is complete when no association that fed it is open *and*

- everything is there that its scanner's profile expects and that the archive counts, or
- nothing is known of what it holds, and nothing new has come for the quiet time, or
- something is missing, and nothing new has come for as long as the site has patience, or
- an administrator says so.

The reason is journalled. A late object opens the study again, and a new analysis follows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_node.config import CompletionProfile, CompletionSettings, Expectation
from dicom_node.faults import reach
from dicom_node.observe.metrics import COMPLETIONS
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Study, StudyState
from dicom_node.workflow.facts import ObjectFacts
from dicom_node.workflow.routing import Router, meets

__all__ = ["Completion", "missing_content"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Why a study is complete, and the metric's word for it."""

    reason: str
    why: str
    warning: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class _Doubts:
    """In words, what speaks against a study's being complete."""

    missing: tuple[str, ...] = ()
    """What is known to exist, or expected by the profile, and did not come."""
    unproven: tuple[str, ...] = ()
    """What the archive has not told."""

    @property
    def text(self) -> str:
        return "; ".join((*self.missing, *self.unproven))


class Completion:
    """Closes studies that are complete and queues what their routes decide.

    Parameters
    ----------
    open_associations : callable
        Number of associations still open that have fed a study, by Study Instance UID.
    look_at_returned : callable
        Tells documents about our own results from inputs, before a study is judged by what it holds.
    on_complete : callable
        Called once after studies have been closed, so that what comes next begins without delay.
    """

    def __init__(
        self,
        journal: Journal,
        router: Router,
        settings: CompletionSettings,
        *,
        open_associations: Callable[[str], int],
        look_at_returned: Callable[[], object] = lambda: None,
        on_complete: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._look_at_returned = look_at_returned
        self._on_complete = on_complete
        self._journal = journal
        self._router = router
        self._settings = settings
        self._open_associations = open_associations
        self._clock = clock
        self._started = clock()

    def check(self) -> int:
        """Close every study that is complete now; return how many."""
        self._look_at_returned()
        closed = self._carry_out_requests()
        held = self._journal.holds()
        for study in self._journal.studies_in_state(StudyState.RECEIVING):
            if study.study_instance_uid not in held:
                verdict = self._judge(study)
                closed += verdict is not None and self._close(study, verdict)
        if closed:
            self._on_complete()
        return closed

    def _carry_out_requests(self) -> int:
        closed = 0
        held = self._journal.holds()
        for request in self._journal.completion_requests():
            uid = request.study_instance_uid
            if uid in held:
                continue
            study = self._journal.study(uid)
            verdict = _Verdict(f"completed by {request.requested_by}: {request.reason}", "requested")
            if study is not None and study.state is StudyState.RECEIVING:
                closed += self._close(study, verdict)
            else:  # it has become complete by itself
                self._journal.drop_completion_request(uid)
        return closed

    def _close(self, study: Study, verdict: _Verdict) -> bool:
        uid = study.study_instance_uid
        routing = self._router.decide(uid)
        reach("completion.before_commit")
        if not self._journal.complete_study(
            study, verdict.reason, routing, warning=verdict.warning, missing=verdict.missing
        ):
            return False
        reach("completion.after_commit")
        COMPLETIONS.labels(why=verdict.why).inc()
        level = logging.WARNING if verdict.warning else logging.INFO
        logger.log(level, "study %s: complete, %s; %s", uid, verdict.reason, routing)
        return True

    def _judge(self, study: Study) -> _Verdict | None:
        """Return why the study is complete, None while it is not."""
        settings = self._settings
        quiet = self._quiet_seconds(study)
        if 0 <= quiet < min(settings.settled_seconds, settings.quiet_seconds):
            return None
        if self._open_associations(study.study_instance_uid):
            return None
        if quiet < 0:
            reason = "no open association feeds it; the clock was set back, so the quiet time is unknown"
            return _Verdict(reason, "quiet")
        profile, doubts = self._doubts(study)
        if doubts.text:
            enough = max(settings.patience_seconds, settings.quiet_seconds)
            reason = f"nothing new for {enough:g} s; {doubts.text}"
            verdict = _Verdict(reason, "missing", doubts.text, "; ".join(doubts.missing))
        elif profile is not None:
            enough = settings.settled_seconds
            expected = " and ".join(map(str, profile.expect))
            text = f"everything is there that profile {profile.name!r} expects ({expected}), "
            verdict = _Verdict(f"{text}{_silence(enough)}{self._counted(study)}", "expected")
        else:
            enough = settings.quiet_seconds
            verdict = _Verdict(f"{_silence(enough)}{self._counted(study)}", "quiet")
        return verdict if quiet >= enough else None

    def _quiet_seconds(self, study: Study) -> float:
        # a restart cut every association: the sender gets the quiet time to connect again and go on
        last_sign = max(datetime.fromisoformat(study.last_received_at), self._started)
        return (self._clock() - last_sign).total_seconds()

    def _doubts(self, study: Study) -> tuple[CompletionProfile | None, _Doubts]:
        """Return the study's profile, and what is missing of it or of the archive's count."""
        if not self._settings.profiles and self._settings.count_at is None:
            return None, _Doubts()
        objects = self._router.objects(study.study_instance_uid)
        profile = next(
            (item for item in self._settings.profiles if any(meets(item.when, one) for one in objects)), None
        )
        unmet = missing_content(profile.expect, objects) if profile else []
        missing = [f"profile {profile.name!r} expects {text}" for text in unmet] if profile else []
        counted = self._doubts_by_count(study)
        return profile, _Doubts((*missing, *counted.missing), counted.unproven)

    def _doubts_by_count(self, study: Study) -> _Doubts:
        archive = self._settings.count_at
        if archive is None:
            return _Doubts()
        count = self._journal.expected_count(study.study_instance_uid)
        if count is None or count.archive != archive or count.asked_at < study.last_received_at:
            return _Doubts(unproven=(f"{archive} has not been asked yet how many objects there are",))
        if count.instances is None:
            return _Doubts(unproven=(f"{archive} does not say how many objects there are: {count.problem}",))
        received = self._journal.count_inputs(study.study_instance_uid)
        if received < count.instances:
            return _Doubts((f"{received} of the {count.instances} objects that {archive} has were received",))
        return _Doubts()

    def _counted(self, study: Study) -> str:
        count = self._journal.expected_count(study.study_instance_uid)
        if self._settings.count_at is None or count is None:
            return ""
        received = self._journal.count_inputs(study.study_instance_uid)
        return f"; {received} received, {count.archive} has {count.instances}"


def _silence(seconds: float) -> str:
    return f"nothing new for {seconds:g} s and no open association feeds it"


def missing_content(expected: Sequence[Expectation], objects: Sequence[ObjectFacts]) -> list[str]:
    """Return in words every expectation that too few objects meet."""
    found = [(item, sum(meets(item.when, one) for one in objects)) for item in expected]
    return [f"{item}, {there} came" for item, there in found if there < item.at_least]
