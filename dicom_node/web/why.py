"""Why something waits, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from dicom_node.web.i18n import speaker, translatable
from dicom_node.workflow.queue_view import QueueItem, Why

__all__ = ["why_text"]

_WHYS: dict[Why, str] = {
    Why.GIVEN_UP: translatable("Given up: it will not be tried again by itself"),
    Why.NOT_CONFIGURED: translatable("No destination of this name is configured"),
    Why.HELD: translatable("The study is held by {held_by}: {hold_reason}"),
    Why.SENDING: translatable("Being sent now"),
    Why.COMMITMENT_AWAITED: translatable("Accepted; storage commitment is awaited"),
    Why.SEARCH_AWAITED: translatable("Accepted; a search has yet to find it there"),
    Why.OUTSIDE_HOURS: translatable("Outside the hours in which this destination is sent to"),
    Why.DESTINATION_DOWN: translatable("The destination does not answer (circuit breaker open)"),
    Why.DESTINATION_RESTS: translatable("The destination rests after a failed connection"),
    Why.BEHIND: translatable("Waits behind an earlier object of its study"),
    Why.RETRY_LATER: translatable("The last attempt failed; it is tried again"),
    Why.NEXT: translatable("Next in line"),
}


def why_text(language: str) -> Callable[[QueueItem], str]:
    """Return a function that says in `language` why an item of the queue waits."""
    say = speaker(language)
    return lambda item: say(
        _WHYS[item.why], held_by=item.delivery.held_by, hold_reason=item.delivery.hold_reason
    )
