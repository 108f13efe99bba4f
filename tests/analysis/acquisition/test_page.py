"""Finding the scan on a report page that does not say where it lies."""

from __future__ import annotations

import numpy as np
import pytest
from handmade_studies import COLUMNS, ROWS, hologic_page
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition.hologic_text import parse_analysis
from analysis.acquisition.page import scan_rectangle, without_frame
from analysis.acquisition.pixels import stored_values
from analysis.errors import RejectedInput


def test_the_largest_grey_picture_is_taken_and_the_coloured_chart_is_not() -> None:
    rectangle, findings = scan_rectangle(stored_values(hologic_page()), None, "1.2")
    assert rectangle == (30, 20, ROWS, COLUMNS)
    assert [finding.code for finding in findings] == ["scan_rectangle_detected"]


def test_a_page_of_text_has_no_scan() -> None:
    page = np.full((300, 300, 3), 255, dtype=np.uint8)
    page[::10, ::3] = 0
    with pytest.raises(RejectedInput, match="ImageXPos") as refused:
        scan_rectangle(page, None, "1.2")
    assert refused.value.code == "scan_not_found"


def test_a_colour_image_without_paper_is_the_scan_itself() -> None:
    scan = np.full((100, 70, 3), 20, dtype=np.uint8)
    assert scan_rectangle(scan, None, "1.2") == ((0, 0, 100, 70), ())


def test_a_declared_rectangle_outside_the_page_is_refused() -> None:
    analysis = parse_analysis("ImageXPos = 200; ImageYPos = 0; ImageXSize = 80; ImageYSize = 120;", "test")
    with pytest.raises(RejectedInput) as refused:
        scan_rectangle(stored_values(hologic_page()), analysis, "1.2")
    assert refused.value.code == "scan_outside_page"


def test_a_frame_is_left_out_and_a_scan_that_is_bright_at_its_edge_is_not() -> None:
    scan = np.full((100, 60), 0.2, np.float32)
    scan[:, 20:30] = 0.9  # a bone that runs on to the border
    assert without_frame(scan, (0, 0, 100, 60)) == (0, 0, 100, 60)
    scan[:2] = scan[-1:] = scan[:, :3] = 1.0
    assert without_frame(scan, (0, 0, 100, 60)) == (2, 3, 97, 57)
    ramp = np.linspace(0, 1, 100, dtype=np.float32)[:, None] * np.ones((1, 60), np.float32)
    assert without_frame(ramp, (0, 0, 100, 60)) == (0, 0, 100, 60)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0]))
def test_no_scan_is_too_small_to_look_for_a_frame(rows: int, columns: int, seed: int, level: float) -> None:
    scan = np.random.default_rng(seed).random((rows, columns), dtype=np.float32)
    scan[: rows // 3] = level
    row, column, height, width = without_frame(scan, (0, 0, rows, columns))
    assert 0 <= row <= row + height <= rows
    assert 0 <= column <= column + width <= columns
    assert min(height, width) >= 1


def test_a_dark_page_without_text_is_the_scan_itself() -> None:
    scan = np.zeros((200, 150, 3), np.uint8)
    scan[20:180, 60:70] = 200
    assert scan_rectangle(scan, None, "1.2") == ((0, 0, 200, 150), ())
