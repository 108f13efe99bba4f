"""Lengths of time in the reader's language, in the unit that fits."""

from __future__ import annotations

from collections.abc import Callable

from dicom_node.web.i18n import speaker, translatable

__all__ = ["duration_speaker"]

_UNITS = (
    (86_400.0, translatable("{number} d")),
    (3600.0, translatable("{number} h")),
    (60.0, translatable("{number} min")),
    (1.0, translatable("{number} s")),
)
_LEAST = translatable("{number} ms")


def duration_speaker(language: str) -> Callable[[float], str]:
    """Return a function that says seconds in `language`: ``2 ms``, ``1.5 s``, ``3 h``."""
    say = speaker(language)

    def spoken(seconds: float) -> str:
        for length, text in _UNITS:
            if seconds >= length:
                return say(text, number=f"{seconds / length:.3g}")
        return say(_LEAST, number=f"{seconds * 1000:.0f}")

    return spoken
