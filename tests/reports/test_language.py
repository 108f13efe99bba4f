"""Chinese is complete: every message of the sources has a translation with the same values, and no other."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from reports.language import CATALOGUES, translated, translated_plural

ROOT = Path(__file__).parents[2]
KEYWORDS = {"translated": (1,), "translatable": (1,), "translated_plural": (1, 2)}
"""The functions of `reports.language` and which of their arguments are messages."""

CHINESE, WORD, PLACE = re.compile("[\u4e00-\u9fff]"), re.compile("[A-Za-z]{4}"), re.compile(r"\{\w+\}")

Messages = set[str]


def extracted() -> Messages:
    found = extract_from_dir(ROOT / "reports", method_map=[("**.py", "python")], keywords=KEYWORDS)
    return {part for _, _, message, _, _ in found for part in _parts(message)}


def catalogue() -> Catalog:
    path = ROOT / "reports" / CATALOGUES["zh"]
    return read_po(BytesIO(path.read_bytes()), abort_invalid=True)


def _parts(message: str | tuple[str, ...] | list[str]) -> Messages:
    return {message} if isinstance(message, str) else set(message)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_message_of_the_sources_has_a_chinese_translation() -> None:
    known = {part for entry in catalogue() if entry.id and entry.string for part in _parts(entry.id)}
    assert sorted(extracted() - known) == []


def test_the_catalogue_holds_no_message_that_no_source_says() -> None:
    held = {part for entry in catalogue() if entry.id for part in _parts(entry.id)}
    assert sorted(held - extracted()) == []


def test_no_translation_is_marked_as_unsure() -> None:
    assert [entry.id for entry in catalogue() if entry.id and entry.fuzzy] == []


def test_a_translation_keeps_every_value_and_is_chinese() -> None:
    for entry in catalogue():
        if not entry.id or not entry.string:
            continue
        message = sorted(_parts(entry.id), key=len)[-1]
        for said in _parts(entry.string):
            assert _places(said) == _places(message), message
            assert CHINESE.search(said) or not WORD.search(PLACE.sub("", message)), message


def test_values_stand_where_the_language_wants_them() -> None:
    assert translated("{a} before {b}", "en", a=1, b=2) == "1 before 2"


def test_a_message_without_translation_is_said_in_english() -> None:
    assert translated("Nobody translated this.", "zh") == "Nobody translated this."


@pytest.mark.parametrize(("count", "said"), [(1, "1 dog"), (2, "2 dogs")])
def test_english_counts(count: int, said: str) -> None:
    assert translated_plural("{count} dog", "{count} dogs", count, "en") == said
