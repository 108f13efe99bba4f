"""Finding the scan on a report page that does not say where it lies."""

from __future__ import annotations

import numpy as np
import pytest
from handmade_studies import COLUMNS, ROWS, hologic_page

from analysis.acquisition.hologic import parse_analysis
from analysis.acquisition.page import scan_rectangle
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
