"""What the engine says in English, said in Chinese: quality findings, reasons of refusals, provenance.

The engine writes one language. Its sentences are a closed set with numbers and names in them, so a second
catalogue holds them as templates: a sentence is translated if, and only if, a template fits it from end to
end. What no template fits stays English rather than half translated. A test holds the catalogue to the
engine's sources.

Places of a template, in braces:

- ``{name}``: a number or a name, taken over as it stands;
- ``{name!t}``: a phrase that must have a template of its own;
- ``{name!l}``: a list of such phrases, joined by commas or "and".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Formatter

from analysis.wording.names import Language
from reports.language import listed, read_catalogue

CATALOGUE = "locale/zh_CN/LC_MESSAGES/engine.po"

_LIST = re.compile(r", and |, | and |; ")


@dataclass(frozen=True, slots=True)
class Template:
    """An English sentence with places, and its translation."""

    english: re.Pattern[str]
    kinds: dict[str, str | None]
    literal: int
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
    return english if language == "en" else _said(english) or english


def template(english: str, chinese: str) -> Template:
    """Compile one entry of the catalogue."""
    pattern, kinds, literal = "", {}, 0
    for text, name, _, conversion in Formatter().parse(english):
        pattern += re.escape(text)
        literal += len(text)
        if name is not None:
            pattern += f"(?P<{name}>.+?)" if name not in kinds else f"(?P={name})"
            kinds[name] = conversion
    return Template(re.compile(pattern, re.DOTALL), kinds, literal, chinese)


def _value(text: str, kind: str | None) -> str | None:
    if kind == "t":
        return _said(text)
    if kind == "l":
        whole = _said(text)
        parts = [_said(part) for part in _LIST.split(text)]
        return whole or (None if None in parts else listed([part for part in parts if part], "zh"))
    return text


@lru_cache(maxsize=1024)
def _said(sentence: str) -> str | None:
    return next((said for item in _templates() if (said := item.said(sentence)) is not None), None)


@cache
def _templates() -> tuple[Template, ...]:
    """Those with most words first: they say most surely what is meant."""
    entries = [
        template(str(entry.id), str(entry.string))
        for entry in read_catalogue(CATALOGUE)
        if entry.id and entry.string
    ]
    return tuple(sorted(entries, key=lambda item: -item.literal))
