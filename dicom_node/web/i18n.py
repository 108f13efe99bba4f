"""What the console says, in the reader's language: gettext with the English sentence as the key.

In templates ``{{ _("{count} studies", count=3) }}``, in Python ``_ = speaker(user.language)`` and then the
same. Values stand in named places. ``make messages`` brings new messages into the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from gettext import NullTranslations

from markupsafe import Markup, escape

from reports.language import compiled_catalogue

__all__ = [
    "CATALOGUE",
    "LANGUAGES",
    "markup_speaker",
    "plural_speaker",
    "preferred_language",
    "speaker",
    "translatable",
]

CATALOGUE = "locale/zh_CN/LC_MESSAGES/console.po"
"""The Chinese catalogue, from this package."""

LANGUAGES = {"en": "English", "zh": "中文"}
"""Language -> its own name for itself."""

Say = Callable[..., str]


def speaker(language: str) -> Say:
    """Return a function that says an English message in `language`, as plain text."""
    return partial(_say, language)


def markup_speaker(language: str) -> Callable[..., Markup]:
    """Return the same for templates: whatever stands in the places is escaped."""
    return partial(_say_markup, language)


def plural_speaker(language: str) -> Callable[..., Markup]:
    """Return for templates: ``_n("{count} study", "{count} studies", count)``."""
    return partial(_say_plural, language)


def translatable(message: str) -> str:
    """Mark a message that a table holds and a speaker says later."""
    return message


def preferred_language(accept_language: str) -> str:
    """Return the language of `LANGUAGES` that a browser likes best (RFC 9110, 12.5.4); else English."""
    best, weight = "en", 0.0
    for entry in accept_language[:200].split(","):
        tag, _, parameter = entry.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    return best


def _say(language: str, message: str, /, **values: object) -> str:
    return _catalogue(language).gettext(message).format(**values)


def _say_markup(language: str, message: str, /, **values: object) -> Markup:
    return escape(_catalogue(language).gettext(message)).format(**values)


def _say_plural(language: str, one: str, many: str, count: int, /, **values: object) -> Markup:
    return escape(_catalogue(language).ngettext(one, many, count)).format(count=count, **values)


@cache
def _catalogue(language: str) -> NullTranslations:
    return compiled_catalogue("dicom_node.web", CATALOGUE) if language == "zh" else NullTranslations()
