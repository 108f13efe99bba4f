"""The reading guide: the same in both languages, and about objects and remarks that exist."""

from __future__ import annotations

import re
from pathlib import Path

from reports.identity import SERIES

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = (
    (ROOT / "docs" / name).read_text() for name in ("reading-the-results.md", "reading-the-results.zh.md")
)
CODE, NUMBER = re.compile(r"`([^`]+)`"), re.compile(r"\d+\.\d+")


def rows(text: str) -> list[int]:
    """Cells of every table row."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def test_both_languages_have_the_same_chapters_tables_names_and_decimals() -> None:
    assert len(re.findall("^## ", CHINESE, re.MULTILINE)) == len(re.findall("^## ", ENGLISH, re.MULTILINE))
    assert rows(CHINESE) == rows(ENGLISH)
    assert set(CODE.findall(CHINESE)) == set(CODE.findall(ENGLISH))
    assert sorted(NUMBER.findall(CHINESE)) == sorted(NUMBER.findall(ENGLISH))


def test_every_result_series_is_explained() -> None:
    for series in SERIES.values():
        name = series.description.split(" - ")[0]
        for text in (ENGLISH, CHINESE):
            assert f"| {series.number} {name}" in text


def test_every_remark_named_is_one_of_the_engines() -> None:
    engine = "\n".join(path.read_text() for path in (ROOT / "analysis").rglob("*.py"))
    named = re.findall(r"^\| `(\w+)`(?:[,、] ?`(\w+)`)? \|", ENGLISH, re.MULTILINE)
    codes = [code for pair in named for code in pair if code]
    assert len(codes) > 10
    assert [code for code in codes if f'"{code}"' not in engine and "vendor_" not in code] == []


def test_pictures_and_pages_it_points_to_exist() -> None:
    for text in (ENGLISH, CHINESE):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / "docs" / target).exists(), target
        for target in re.findall(r"`(docs/[\w.-]+)`", text):
            assert (ROOT / target).exists(), target
