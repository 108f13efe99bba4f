"""What a study's page says of states, steps and findings, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicom_node.web.action_words import action_speaker
from dicom_node.web.i18n import Say, speaker, translatable
from dicom_node.workflow.study_view import Step, TimelineEntry

__all__ = [
    "CALIBRATIONS",
    "RISKS",
    "SEVERITY_TONES",
    "SIDES",
    "VERDICTS",
    "StepWords",
]

RISKS = {
    "low": translatable("Low risk"),
    "moderate": translatable("Moderate risk"),
    "high": translatable("High risk"),
}

SIDES = {"L": translatable("Left"), "R": translatable("Right")}

SEVERITY_TONES = {"error": "bad", "warning": "waiting", "info": "neutral"}

VERDICTS = {
    "agree": translatable("Agrees"),
    "disagree": translatable("Disagrees"),
    "amend": translatable("Amends"),
}

CALIBRATIONS = {
    "real_world_value_map": translatable("Real World Value Map of the image"),
    "vendor_table": translatable("table of the densitometer"),
    "site": translatable("the site's own calibration"),
    "vendor_anchor": translatable("greys scaled by the densitometer's values, relative only"),
    "none": translatable("none: no density from pixels"),
}

TRIGGERS = {
    "received": translatable("the study was received"),
    "late_instance": translatable("a late object arrived"),
    "reprocess": translatable("reprocessing was asked for"),
    "site_entry": translatable("an entry was made or corrected"),
}

FIELDS = {
    "laterality": translatable("side"),
    "forearm_length_mm": translatable("forearm length"),
}

PURPOSES = {
    "asked": translatable("as a person asked"),
    "prior": translatable("as history of another study"),
    "original": translatable("as its originals had been released"),
}

EVENTS = {
    "commitment_failed": translatable("Storage commitment failed"),
    "delivery_failed": translatable("A delivery was given up"),
    "delivery_postponed": translatable("A delivery was postponed"),
    "duplicate_instance": translatable("An object was received again"),
    "expected_content_missing": translatable("Expected content is missing"),
    "other_bytes": translatable("One UID named different objects"),
    "study_delivered": translatable("Everything was delivered"),
    "study_held": translatable("Held back"),
    "study_released": translatable("Released"),
    "study_stuck": translatable("Did not move on"),
    "completion_requested": translatable("Completion was asked for"),
    "result_unchanged": translatable("The result is unchanged; nothing was sent"),
}


class StepWords:
    """Says the steps of a timeline in one language."""

    def __init__(self, language: str) -> None:
        self._say = speaker(language)
        self._action = action_speaker(language)

    def __call__(self, entry: TimelineEntry) -> str:
        """Return the sentence of one step, as plain text."""
        values = dict(entry.values)
        tellers: dict[Step, Callable[[dict[str, Any]], str]] = {
            Step.CHANGE: lambda told: self._action(str(told["action"])),
            Step.SITE_ENTRY: self._entry,
            Step.OPINION: self._opinion,
            Step.EVENT: lambda told: _known(self._say, EVENTS, str(told["code"])),
            Step.RETRIEVAL: self._retrieval,
            Step.RETRIEVED: lambda told: self._say(
                translatable("Objects fetched from {archive}: {received}"), **told
            ),
        }
        if entry.step in tellers:
            return tellers[entry.step](values)
        return self._work(entry.step, values)

    def _work(self, step: Step, values: dict[str, Any]) -> str:
        say = self._say
        if "trigger" in values:
            values["trigger"] = _known(say, TRIGGERS, str(values["trigger"]))
        sentences = {
            Step.ARRIVED: translatable("Objects received from {calling} ({address}): {objects}"),
            Step.QUARANTINED: translatable("Objects from {calling} refused and quarantined: {objects}"),
            Step.COMPLETE: translatable("Complete"),
            Step.ROUTED: translatable("Routed"),
            Step.ANALYSIS_QUEUED: translatable("Analysis {analysis} queued: {trigger}"),
            Step.ANALYSIS_STARTED: translatable("Analysis {analysis} started, attempt {attempts}"),
            Step.ANALYSIS_ENDED: translatable("Analysis {analysis} ended"),
            Step.DELIVERY_QUEUED: translatable("Objects queued for {destination}: {objects}"),
            Step.DELIVERY_STORED: translatable(
                "Objects accepted by {destination}, to be confirmed: {objects}"
            ),
            Step.DELIVERY_ASKED: translatable("Objects that {destination} was asked to commit to: {objects}"),
            Step.DELIVERED: translatable("Objects delivered to {destination}: {objects}"),
        }
        if step is Step.DELIVERED and values.get("confirmed"):
            return say(translatable("Objects that {destination} confirmed to keep: {objects}"), **values)
        return say(sentences[step], **values)

    def _retrieval(self, values: dict[str, Any]) -> str:
        values["archive"] = values["archive"] or self._say(translatable("the first archive"))
        values["purpose"] = _known(self._say, PURPOSES, str(values["purpose"]))
        return self._say(translatable("To be fetched from {archive}, {purpose}"), **values)

    def entry(self, field: str, value: Any) -> str:
        """Return what was entered, e.g. "side: Left"."""
        named = _known(self._say, FIELDS, field)
        if field == "laterality" and value in SIDES:
            return f"{named}: {self._say(SIDES[value])}"
        return f"{named}: {value:g} mm" if field.endswith("_mm") else f"{named}: {value}"

    def _entry(self, values: dict[str, Any]) -> str:
        field, value = str(values["field"]), values["value"]
        if value is None:
            return self._say(
                translatable("Entry taken back: {field}"), field=_known(self._say, FIELDS, field)
            )
        return self._say(translatable("Entered: {entry}"), entry=self.entry(field, value))

    def _opinion(self, values: dict[str, Any]) -> str:
        verdict = _known(self._say, VERDICTS, str(values["verdict"]))
        return self._say(
            translatable("{verdict} with analysis {analysis}"), verdict=verdict, analysis=values["analysis"]
        )


def _known(say: Say, words: dict[str, str], key: str) -> str:
    """Say a word of a table; what it lacks is said by its own name."""
    return say(words[key]) if key in words else key.replace("_", " ")
