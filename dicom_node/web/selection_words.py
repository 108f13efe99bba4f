"""Which studies are reprocessed, and how fast, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from dicom_node.storage.reprocessing import PlanPace
from dicom_node.storage.selection import CURRENT, StudySelection
from dicom_node.web.finding_words import finding_name
from dicom_node.web.i18n import Say, speaker
from dicom_node.web.wording import state_word

__all__ = ["pace_speaker", "selection_speaker"]


def selection_speaker(language: str) -> Callable[[StudySelection], str]:
    """Return a function that says a selection in `language`."""
    say = speaker(language)
    return lambda chosen: " · ".join(_conditions(chosen, say)) or say("Every study")


def pace_speaker(language: str) -> Callable[[PlanPace], str]:
    """Return a function that says in `language` when and how fast studies are queued."""
    say = speaker(language)

    def spoken(pace: PlanPace) -> str:
        said = []
        if pace.hours:
            said.append(say("{hours} o'clock UTC", hours=pace.hours))
        if pace.studies_per_hour:
            said.append(say("at most {number} an hour", number=f"{pace.studies_per_hour:g}"))
        return " · ".join(said) or say("as fast as the node can")

    return spoken


def _conditions(chosen: StudySelection, say: Say) -> list[str]:
    said = []
    if chosen.studies:
        said.append(say("{count} chosen studies", count=len(chosen.studies)))
    if chosen.patients:
        said.append(say("of one patient"))
    if chosen.received_from:
        said.append(say("received from {day}", day=chosen.received_from[:10]))
    if chosen.received_until:
        said.append(say("received before {day}", day=chosen.received_until[:10]))
    if chosen.dated_from:
        said.append(say("dated from {day}", day=chosen.dated_from))
    if chosen.dated_until:
        said.append(say("dated until {day}", day=chosen.dated_until))
    if chosen.scanner:
        said.append(say("scanner {pattern}", pattern=chosen.scanner))
    if chosen.calling_ae:
        said.append(say("sent by {pattern}", pattern=chosen.calling_ae))
    if chosen.states:
        states = ", ".join(say(state_word(state)) for state in chosen.states)
        said.append(say("state: {states}", states=states))
    if chosen.findings:
        findings = ", ".join(finding_name(say, code) for code in chosen.findings)
        said.append(say("finding: {findings}", findings=findings))
    return [*said, *_versions(chosen, say)]


def _versions(chosen: StudySelection, say: Say) -> list[str]:
    said = []
    if chosen.model_older_than == CURRENT:
        said.append(say("result of a model that is not in force"))
    elif chosen.model_older_than:
        said.append(say("result of a model older than {version}", version=chosen.model_older_than))
    if chosen.engine_older_than == CURRENT:
        said.append(say("analysed by another engine"))
    elif chosen.engine_older_than:
        said.append(say("analysed by an engine older than {version}", version=chosen.engine_older_than))
    return said
