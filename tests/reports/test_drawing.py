"""Text on pages: wrapped within its column, nothing lost, no boxes in place of characters."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_support import make_analysis, make_source

from reports import drawing
from reports.drawing import font, name_in_print, text_in_print, wrapped
from reports.options import ReportOptions
from reports.page import MARGIN, WIDTH, Block, set_in_columns
from reports.source import report_context
from reports.summary import draw_summary_page


@given(st.text(alphabet="abcdeWMil ², ", max_size=300), st.integers(60, 600))
def test_wrapped_lines_fit_their_width_and_lose_nothing(text: str, width: int) -> None:
    lines = wrapped(text, font(24), width)
    assert all(font(24).getlength(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.fixture
def no_wide_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_wide_font", lambda text: None)


@pytest.mark.usefixtures("no_wide_font")
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Müller^Jürgen^^Dr.", "Müller, Jürgen Dr."),
        ("Wang^XiaoDong=王^小东", "Wang, XiaoDong"),
        ("王^小东", "(name: see header)"),
        ("Jane Doe", "Jane Doe"),
        ("", "(no name)"),
    ],
)
def test_a_name_is_printed_as_far_as_the_fonts_go_and_never_as_boxes(name: str, printed: str) -> None:
    assert name_in_print(name, 24)[0] == printed


def test_with_a_font_that_has_the_characters_all_groups_of_a_name_are_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # DejaVu Sans Display stands in for a font with Chinese characters; has_characters is told so
    stand_in = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    monkeypatch.setattr(drawing, "_wide_font", lambda text: stand_in)
    text, typeface = name_in_print("Wang^XiaoDong=王^小东", 24)
    assert text == "Wang, XiaoDong (王, 小东)"
    assert typeface.path == stand_in


@pytest.mark.usefixtures("no_wide_font")
def test_characters_without_a_font_become_question_marks_in_sentences() -> None:
    assert text_in_print("装置 X1 g/cm²", 24)[0] == "?? X1 g/cm²"


def test_a_table_cell_that_is_too_wide_is_wrapped_and_pushes_the_next_row_down() -> None:
    short, long = Block(400), Block(400)
    short.table(("a", "b"), [("x", "y")], (1, 1))
    long.table(("a", "b"), [("several words that need more than one line", "y")], (1, 1))
    assert long.picture.height > short.picture.height


def test_columns_hold_whole_sections_and_are_as_even_as_these_allow() -> None:
    sections = [Image.new("RGB", (10, height), (255, 255, 255)) for height in (300, 300, 200, 400)]
    page = set_in_columns(Image.new("RGB", (10, 50)), sections)
    assert page.width == WIDTH
    assert page.height < 50 + 2 * MARGIN + 700


@pytest.mark.parametrize("name", ["A" * 64 + "^" + "B" * 60, "Maria Anna^" + "de la Cruz y " * 12])
def test_a_very_long_name_stays_on_the_page(name: str) -> None:
    context = report_context(make_analysis(), [make_source(PatientName=name)])
    pixels = np.asarray(draw_summary_page(context))
    assert not pixels[:, -MARGIN // 2 :].any()
    plain = report_context(make_analysis(), [make_source()])
    assert pixels.shape[0] > np.asarray(draw_summary_page(plain)).shape[0]


def test_the_summary_page_is_wider_than_a_portrait_page_even_when_everything_is_said() -> None:
    context = report_context(make_analysis(), [make_source()])
    width, height = draw_summary_page(context).size
    assert width >= height


def test_the_patient_can_be_kept_off_the_summary_page() -> None:
    pages = [
        np.asarray(
            draw_summary_page(
                report_context(make_analysis(), [source], options=ReportOptions(patient_on_summary=False))
            )
        )
        for source in (make_source(), make_source(PatientName="Roe^Richard", PatientID="99"))
    ]
    assert np.array_equal(*pages)
