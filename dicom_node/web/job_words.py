"""What the node's periodic jobs are for, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from dicom_node.web.i18n import speaker, translatable

__all__ = ["job_speaker"]

_PURPOSES: dict[str, str] = {
    "archive sweep": translatable("Removes files that no journal row names"),
    "audit": translatable("Writes and sends DICOM audit messages"),
    "backup": translatable("Copies the journal every night"),
    "certificate expiry": translatable("Warns before a certificate expires"),
    "certificate reload": translatable("Takes a renewed certificate into use"),
    "commitment promises": translatable("Ends storage commitments whose time is over"),
    "commitment reports": translatable("Tells peers what the node keeps for them"),
    "completion": translatable("Decides which studies are complete"),
    "console": translatable("Keeps this console running"),
    "execution": translatable("Hands complete studies to the analysis"),
    "fhir": translatable("Reads outcomes and clinical facts from the FHIR server"),
    "job board": translatable("Carries out what people want of the other jobs"),
    "learning": translatable("Trains challengers when enough new outcomes are known"),
    "notifications": translatable("Sends what somebody must know by mail or webhook"),
    "priors": translatable("Asks archives for earlier studies of patients"),
    "reprocessing": translatable("Has studies of plans analysed again"),
    "retention": translatable("Releases files whose time is over"),
    "retrievals that nobody serves": translatable(
        "Gives up retrievals from archives that are not configured"
    ),
    "study search": translatable("Notes what studies are found by"),
    "surveillance": translatable("Looks for drift and lost calibration"),
    "watch": translatable("Notices studies that are stuck, and a clock that was set back"),
}

_PREFIXES: tuple[tuple[str, str], ...] = (
    ("delivery to ", translatable("Sends what waits for {name}")),
    ("confirmation at ", translatable("Has {name} confirm what it accepted")),
    ("retrieval from ", translatable("Fetches studies from {name}")),
    ("count at ", translatable("Asks {name} how many objects studies have")),
)


def job_speaker(language: str) -> Callable[[str], str]:
    """Return a function that says in `language` what a job is for; empty for one that is not known."""
    say = speaker(language)

    def purpose(name: str) -> str:
        if name in _PURPOSES:
            return say(_PURPOSES[name])
        for prefix, text in _PREFIXES:
            if name.startswith(prefix):
                return say(text, name=name.removeprefix(prefix))
        return ""

    return purpose
