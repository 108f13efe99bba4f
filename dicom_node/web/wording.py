"""Words for the states of the journal, and the tone in which a badge says them."""

from __future__ import annotations

from dicom_node.web.i18n import translatable

__all__ = ["state_tone", "state_word"]

_STATES: dict[str, tuple[str, str]] = {
    # studies
    "receiving": (translatable("Receiving"), "running"),
    "complete": (translatable("Complete"), "waiting"),
    "analyzing": (translatable("Analysing"), "running"),
    "analyzed": (translatable("Analysed"), "good"),
    "not_applicable": (translatable("Not applicable"), "neutral"),
    "rejected": (translatable("Rejected"), "bad"),
    "failed": (translatable("Failed"), "bad"),
    # analyses and jobs
    "queued": (translatable("Queued"), "waiting"),
    "running": (translatable("Running"), "running"),
    "done": (translatable("Done"), "good"),
    "paused": (translatable("Paused"), "neutral"),
    "cancelled": (translatable("Cancelled"), "neutral"),
    # deliveries
    "pending": (translatable("Waiting"), "waiting"),
    "sending": (translatable("Sending"), "running"),
    "stored": (translatable("Stored, not confirmed"), "waiting"),
    "delivered": (translatable("Delivered"), "good"),
    "dead": (translatable("Given up"), "bad"),
    "discarded": (translatable("Discarded"), "neutral"),
    "held": (translatable("Held"), "neutral"),
    # whatever is watched
    "up": (translatable("In order"), "good"),
    "down": (translatable("Down"), "bad"),
    "failing": (translatable("Nothing arrives"), "bad"),
    "closed": (translatable("In order"), "good"),
    "open": (translatable("Down"), "bad"),
    "warning": (translatable("Warning"), "waiting"),
    "error": (translatable("Error"), "bad"),
    "info": (translatable("Note"), "neutral"),
    "enabled": (translatable("Enabled"), "good"),
    "disabled": (translatable("Disabled"), "neutral"),
    "valid": (translatable("Valid"), "good"),
    "revoked": (translatable("Revoked"), "neutral"),
    "viewer": (translatable("Viewer"), "neutral"),
    "operator": (translatable("Operator"), "neutral"),
    "administrator": (translatable("Administrator"), "neutral"),
}
"""State -> (what people read, tone). Tones: good, running, waiting, bad, neutral."""


def state_word(state: str) -> str:
    """Return a state in English words, for a speaker to say; an unknown one as it is."""
    return _STATES.get(state, (state, ""))[0]


def state_tone(state: str) -> str:
    """Return the tone of a state; neutral for an unknown one."""
    return _STATES.get(state, ("", "neutral"))[1]
