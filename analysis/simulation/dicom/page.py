"""The look of a Hologic report page: patient block, scan, results table, reference chart."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from analysis.results import Laterality
from analysis.simulation.dicom.common import StudyHeader
from analysis.simulation.dicom.hologic import ScanRectangle
from analysis.simulation.vendor import YOUNG_ADULT

PAGE_WIDTH, PAGE_HEIGHT = 720, 620
SCAN_X, SCAN_Y = 24, 150
_INK, _FAINT, _RULE = (20, 20, 20), (90, 90, 90), (0, 60, 120)
_COLUMN_X = (0, 50, 112, 170, 248, 298, 328, 372)
_CHART = (36, 300, 392, 150)
"""x and y of the chart from the right-hand column's left edge and the page's top; width, height."""


def draw_page(
    header: StudyHeader, display: NDArray[np.float64], laterality: Laterality, table: list[tuple[str, ...]]
) -> tuple[NDArray[np.uint8], ScanRectangle]:
    """Compose the page.

    Parameters
    ----------
    header : StudyHeader
    display : ndarray of float64, (rows, columns)
        The scan, 0–1; it is pasted pixel by pixel.
    laterality : Laterality
    table : list of rows of cells, header first
        Cells may hold HTML tags, which are not shown.

    Returns
    -------
    page : ndarray of uint8, (rows, columns, 3)
    rectangle : ScanRectangle
    """
    rows, columns = display.shape
    rectangle = ScanRectangle(SCAN_X, SCAN_Y, columns, rows)
    height = max(PAGE_HEIGHT, SCAN_Y + rows + 60)
    page = Image.new("RGB", (max(PAGE_WIDTH, SCAN_X + columns + 430), height), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    _draw_patient(draw, header, page.width)
    grey = np.round(255 * np.clip(display, 0, 1)).astype(np.uint8)
    page.paste(Image.fromarray(grey).convert("RGB"), (rectangle.x, rectangle.y))
    draw.text((SCAN_X, SCAN_Y - 20), f"{'Left' if laterality == 'L' else 'Right'} Forearm", _INK, _font(14))
    draw.text((SCAN_X, SCAN_Y + rows + 6), "Image not for diagnostic use", _FAINT, _font(11))
    left = SCAN_X + columns + 24
    _draw_table(draw, table, left)
    _draw_chart(draw, header.age_years, table, left)
    note = "Simulated scan of a physics phantom. Not a patient, not a Hologic product."
    draw.text((SCAN_X, height - 26), note, _FAINT, _font(11))
    return np.asarray(page, dtype=np.uint8), rectangle


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw_patient(draw: ImageDraw.ImageDraw, header: StudyHeader, width: int) -> None:
    """Identity burned into the picture, as real pages have it; the built-in font has Latin letters only."""
    draw.text((SCAN_X, 12), "Simulated Hospital", _RULE, _font(18))
    draw.line((SCAN_X, 38, width - SCAN_X, 38), _RULE, 2)
    left = (
        f"Name: {header.patient_name.split('=')[0].replace('^', ', ')}",
        f"Patient ID: {header.patient_id}",
        f"DOB: {header.birth_date:%d %B %Y}",
    )
    right = (
        f"Sex: {'Female' if header.sex == 'F' else 'Male'}     Age: {header.age_years}",
        f"Height: {header.height_mm / 10:.1f} cm     Weight: {header.weight_kg:.1f} kg",
        f"Scan date: {header.study_date:%d %B %Y}",
    )
    for line, (first, second) in enumerate(zip(left, right, strict=True)):
        draw.text((SCAN_X, 48 + 20 * line), first, _INK, _font(13))
        draw.text((SCAN_X + 340, 48 + 20 * line), second, _INK, _font(13))
    draw.line((SCAN_X, 116, width - SCAN_X, 116), _RULE, 1)


def _draw_table(draw: ImageDraw.ImageDraw, table: list[tuple[str, ...]], left: int) -> None:
    draw.text((left, SCAN_Y - 20), "DXA Results Summary: Radius", _INK, _font(14))
    for row, cells in enumerate(table):
        y = SCAN_Y + 6 + 22 * row
        for cell, offset in zip(cells, _COLUMN_X, strict=True):
            text = re.sub(r"<[^>]*>", "", cell).replace("[(g)]", "(g)")
            draw.text((left + offset, y), text, _RULE if row == 0 else _INK, _font(10 if row == 0 else 12))
        draw.line((left, y + 18, left + 390, y + 18), (200, 200, 200), 1)


def _draw_chart(draw: ImageDraw.ImageDraw, age: int, table: list[tuple[str, ...]], left: int) -> None:
    """BMD of the one-third radius against age over bands of T-score."""
    mean, deviation = YOUNG_ADULT["one_third"]
    bmd = next(float(cells[3]) for cells in table if cells[0] == "1/3")
    offset, top, width, height = _CHART
    x, low, high = left + offset, mean - 5 * deviation, mean + 2 * deviation

    def level(value: float) -> float:
        return float(top + height * (high - np.clip(value, low, high)) / (high - low))

    bands = (
        (high, mean - deviation, (205, 235, 205)),
        (mean - deviation, mean - 2.5 * deviation, (250, 240, 190)),
        (mean - 2.5 * deviation, low, (250, 210, 205)),
    )
    for upper, lower, colour in bands:
        draw.rectangle((x, level(upper), x + width - offset, level(lower)), colour)
    for value in (low, mean - 2.5 * deviation, mean - deviation, mean, high):
        draw.text((left, level(value) - 6), f"{value:.2f}", _FAINT, _font(10))
    for year in range(20, 101, 20):
        draw.text(
            (x + (width - offset) * (year - 20) / 80 - 6, top + height + 4), str(year), _FAINT, _font(10)
        )
    spot = x + (width - offset) * (np.clip(age, 20, 100) - 20) / 80
    draw.ellipse((spot - 4, level(bmd) - 4, spot + 4, level(bmd) + 4), (0, 0, 0))
    draw.text((left, top - 20), "1/3 radius BMD (g/cm2) and age, young-adult reference", _INK, _font(12))
