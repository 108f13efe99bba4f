"""Text on pages: wrapped within its width, nothing lost, no boxes in place of characters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st

from reports import drawing
from reports.drawing import (
    BOLD,
    CHINESE,
    NOT_AT_LINE_END,
    NOT_AT_LINE_START,
    REGULAR,
    is_printable,
    name_in_print,
    runs,
    text_width,
    wrapped,
)
from reports.fonts.make_fonts import EUROPEAN, FOLDER, LICENCES, gb2312


@pytest.fixture
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine without any East Asian font."""
    monkeypatch.setattr(drawing, "_wide_fonts", lambda: ())
    drawing._font_of.cache_clear()
    text_width.cache_clear()
    yield
    drawing._font_of.cache_clear()
    text_width.cache_clear()


@given(st.text(alphabet="abcdeWMil ², 骨密度（）。", max_size=300), st.integers(60, 600))
def test_wrapped_lines_fit_their_width_and_lose_nothing(text: str, width: int) -> None:
    lines = wrapped(text, 24, width)
    assert all(text_width(line, 24) <= width or len(line) == 1 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.text(alphabet="骨密度降低风险，。（）；", max_size=200))
def test_a_chinese_line_neither_begins_with_a_closing_nor_ends_with_an_opening_mark(text: str) -> None:
    lines = [line for line in wrapped(text, 24, 300) if line]
    for before, after in pairwise(lines):
        # only what is itself wider than a line may be cut anywhere
        unbreakable = set(before + after) <= NOT_AT_LINE_START | NOT_AT_LINE_END
        assert unbreakable or before[-1] not in NOT_AT_LINE_END or after[0] not in NOT_AT_LINE_START


@pytest.mark.usefixtures("no_system_fonts")
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Müller^Jürgen^^Dr.", "Müller, Jürgen Dr."),
        ("Nguyễn^Thị Ánh", "Nguyễn, Thị Ánh"),
        ("Wang^XiaoDong=王^小东", "Wang, XiaoDong (王, 小东)"),
        ("王^小东", "王, 小东"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎 / やまだ, たろう)"),
        ("Jane Doe", "Jane Doe"),
        ("", ""),
    ],
)
def test_names_in_european_scripts_chinese_and_kana_print_on_every_machine(name: str, printed: str) -> None:
    assert name_in_print(name) == printed


@pytest.mark.usefixtures("no_system_fonts")
def test_without_a_font_the_alphabetic_group_stands_alone_and_without_one_nothing_is_printed() -> None:
    assert name_in_print("Hong^Gildong=洪^吉洞=홍^길동") == "Hong, Gildong"
    assert name_in_print("홍^길동") is None


@pytest.mark.parametrize("name", ["محمد^علي", "שרה^כהן", "राम^कुमार", "สมชาย^ใจดี"])
def test_scripts_whose_letters_join_or_run_leftwards_are_not_misspelt_but_left_to_the_header(
    name: str,
) -> None:
    assert name_in_print(name) is None


@pytest.mark.usefixtures("no_system_fonts")
def test_characters_without_a_font_become_question_marks_in_sentences() -> None:
    assert "".join(text for _, text, _ in runs("홍길 X1 g/cm²")) == "?? X1 g/cm²"


def test_bold_chinese_is_thickened_and_bold_latin_has_a_font_of_its_own() -> None:
    assert runs("骨 BMD", bold=True) == [(CHINESE, "骨", True), (BOLD, " BMD", False)]


def test_every_character_of_gb_2312_has_an_outline() -> None:
    assert len([code for code in gb2312() if 0x4E00 <= code < 0xA000]) == 6763
    assert is_printable("".join(map(chr, gb2312())))


@pytest.mark.parametrize("name", [REGULAR, BOLD])
def test_the_shipped_fonts_are_cut_to_scripts_that_are_drawn_letter_by_letter(name: str) -> None:
    held = set(TTFont(FOLDER / f"{name}.ttf").getBestCmap())
    assert {ord(character) for character in "aéłđŻςЖ²±−–"} <= held <= set(EUROPEAN)


def test_fonts_come_with_their_licences_and_stay_small() -> None:
    assert all("SIL OPEN FONT LICENSE" in (FOLDER / name).read_text("utf-8") for name in LICENCES)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ttf")) < 3e6
