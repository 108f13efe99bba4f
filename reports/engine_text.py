"""What the engine says in English, said in Chinese: quality findings, reasons of refusals, provenance.

The engine writes one language. Its sentences are a closed set with numbers and names in them, so a second
catalogue holds them as templates: a sentence is translated if, and only if, a template fits it from end to
end. What no template fits stays English rather than half translated. A test holds the catalogue to the
engine's sources.

Places of a template, in braces:

- ``{name}``: whatever stands there, a name or a number, is taken over;
- ``{name!n}``: a number, with its unit if it has one, is taken over; anything else does not fit;
- ``{name!w}``: one word, such as a model's name, is taken over;
- ``{name!t}``: a phrase that must have a template of its own;
- ``{name!l}``: a list of such phrases, joined by commas, semicolons or "and", or several sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Formatter

from analysis.wording.names import Language, phrase_of_feature
from reports.language import read_catalogue

CATALOGUE = "locale/zh_CN/LC_MESSAGES/engine.po"

NUMBER = r"(?:[<>≤≥] ?)?[-+−]?\d[\d.,]*(?: ?[A-Za-zµ/%²³^\d·]+)?"
WORD = r"\S+?"
ANYTHING = ".+?"

_SEPARATOR = re.compile(r"(, and |, | and |; |(?<=\.) )")
_SEPARATED_BY = {"; ": "；", " ": ""}
"""How the parts of a list are set apart in Chinese, where not by an enumeration comma."""


@dataclass(frozen=True, slots=True)
class Template:
    """An English sentence with places, and its translation."""

    english: re.Pattern[str]
    kinds: dict[str, str | None]
    weight: tuple[int, int]
    chinese: str

    def said(self, sentence: str) -> str | None:
        """The translation of `sentence`; None if it is not this one or a phrase in it is not known."""
        match = self.english.fullmatch(sentence)
        if match is None:
            return None
        values = {name: _value(text, self.kinds[name]) for name, text in match.groupdict().items()}
        return None if None in values.values() else self.chinese.format(**values)


def engine_text(english: str, language: Language) -> str:
    """Say a sentence of the engine in `language`; English where no template fits."""
    return english if language == "en" else _said(english) or _list_said(english) or english


def template(english: str, chinese: str) -> Template:
    """Compile one entry of the catalogue."""
    kinds: dict[str, str | None] = {}
    pattern, letters = "", 0
    for text, name, _, kind in Formatter().parse(english):
        pattern += re.escape(text)
        letters += len(text)
        if name is not None:
            place = {"n": NUMBER, "w": WORD}.get(kind or "", ANYTHING)
            pattern += f"(?P={name})" if name in kinds else f"(?P<{name}>{place})"
            kinds[name] = kind
    free = sum(kind is None for kind in kinds.values())
    return Template(re.compile(pattern, re.DOTALL), kinds, (-letters, free), chinese)


def _value(text: str, kind: str | None) -> str | None:
    if kind == "t":
        return _said(text)
    return _list_said(text) if kind == "l" else text


def _list_said(text: str) -> str | None:
    """Every part of a list said, or None if one is not known; a part may hold separators itself."""
    parts = _SEPARATOR.split(text)
    for end in range(1, len(parts) + 1, 2):
        first = _said("".join(parts[:end]))
        if first is None:
            continue
        if end == len(parts):
            return first
        rest = _list_said("".join(parts[end + 1 :]))
        if rest is not None:
            separator = _SEPARATED_BY.get(parts[end], "、")
            return (first.removesuffix("。") if separator else first) + separator + rest
    return None


@lru_cache(maxsize=1024)
def _said(sentence: str) -> str | None:
    for item in _templates():
        if (said := item.said(sentence)) is not None:
            return said
    return phrase_of_feature(sentence, "zh")


@cache
def _templates() -> tuple[Template, ...]:
    """Those with most words first, then those that ask most of their places: they are surest of the sense."""
    entries = (
        template(str(entry.id), str(entry.string))
        for entry in read_catalogue(CATALOGUE)
        if entry.id and entry.string
    )
    return tuple(sorted(entries, key=lambda item: item.weight))
