"""What people did, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from dicom_node.web.i18n import speaker, translatable

__all__ = ["action_speaker"]

_ACTIONS: dict[str, str] = {
    "audit.export": translatable("Exported the list of changes"),
    "delivery.discard": translatable("Discarded deliveries"),
    "delivery.retry": translatable("Had deliveries retried"),
    "doctor.check": translatable("Checked the configuration"),
    "job.pause": translatable("Paused a job"),
    "job.resume": translatable("Let a job run again"),
    "job.run": translatable("Ran a job"),
    "model.end_shadow": translatable("Took a model out of the shadow"),
    "model.promote": translatable("Promoted a model"),
    "model.rollback": translatable("Rolled a model back"),
    "study.hold": translatable("Held a study back"),
    "study.opinion": translatable("Gave an opinion on a result"),
    "study.release": translatable("Released a study"),
    "study.reprocess": translatable("Had a study analysed again"),
    "study.resend": translatable("Had results sent again"),
    "study.site_entry": translatable("Corrected a study"),
    "model.shadow": translatable("Put a model in shadow"),
    "reprocessing.cancel": translatable("Cancelled a reprocessing"),
    "reprocessing.pause": translatable("Paused a reprocessing"),
    "reprocessing.resume": translatable("Resumed a reprocessing"),
    "reprocessing.schedule": translatable("Scheduled a reprocessing"),
    "reprocessing.start": translatable("Started a reprocessing"),
    "reprocessing.unschedule": translatable("Removed a schedule"),
    "token.add": translatable("Made a token"),
    "token.revoke": translatable("Revoked a token"),
    "user.add": translatable("Made a user"),
    "user.disable": translatable("Disabled a user"),
    "user.enable": translatable("Enabled a user"),
    "user.password": translatable("Set a password"),
    "user.role": translatable("Changed a role"),
}
"""Action -> what people read; an action that is not among them is shown as it is."""


def action_speaker(language: str) -> Callable[[str], str]:
    """Return a function that says an action in `language`."""
    say = speaker(language)
    return lambda action: say(_ACTIONS[action]) if action in _ACTIONS else action
