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
    _ = speaker(language)
    return lambda chosen: " · ".join(_conditions(chosen, _)) or _("Every study")


def pace_speaker(language: str) -> Callable[[PlanPace], str]:
    """Return a function that says in `language` when and how fast studies are queued."""
    _ = speaker(language)

    def spoken(pace: PlanPace) -> str:
        said = []
        if pace.hours:
            said.append(_("at {hours} local time", hours=pace.hours))
        if pace.studies_per_hour:
            number = format(pace.studies_per_hour, "g")
            said.append(_("at most {number} an hour", number=number))
        return " · ".join(said) or _("as fast as the node can")

    return spoken


def _conditions(chosen: StudySelection, _: Say) -> list[str]:
    said = []
    if chosen.studies:
        said.append(_("{count} chosen studies", count=len(chosen.studies)))
    if chosen.patients:
        said.append(_("of one patient"))
    if chosen.received_from:
        said.append(_("received from {day}", day=chosen.received_from[:10]))
    if chosen.received_until:
        said.append(_("received before {day}", day=chosen.received_until[:10]))
    if chosen.dated_from:
        said.append(_("dated from {day}", day=chosen.dated_from))
    if chosen.dated_until:
        said.append(_("dated until {day}", day=chosen.dated_until))
    if chosen.scanner:
        said.append(_("scanner {pattern}", pattern=chosen.scanner))
    if chosen.calling_ae:
        said.append(_("sent by {pattern}", pattern=chosen.calling_ae))
    if chosen.states:
        states = ", ".join(_(state_word(state)) for state in chosen.states)
        said.append(_("state: {states}", states=states))
    if chosen.findings:
        findings = ", ".join(finding_name(_, code) for code in chosen.findings)
        said.append(_("finding: {findings}", findings=findings))
    return [*said, *_versions(chosen, _)]


def _versions(chosen: StudySelection, _: Say) -> list[str]:
    said = []
    if chosen.model_older_than == CURRENT:
        said.append(_("result of a model that is not in force"))
    elif chosen.model_older_than:
        said.append(_("result of a model older than {version}", version=chosen.model_older_than))
    if chosen.engine_older_than == CURRENT:
        said.append(_("analysed by another engine"))
    elif chosen.engine_older_than:
        said.append(_("analysed by an engine older than {version}", version=chosen.engine_older_than))
    return said
