"""A page in two columns: headings, paragraphs and tables, nothing clipped, nothing overlapping.

Landscape and in two columns, because viewers fit a picture into a landscape screen: the same text in one tall
column would come out half as large.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from reports.drawing import (
    BLACK,
    GREY,
    WHITE,
    Color,
    Font,
    draw_paragraph,
    line_height,
    text_in_print,
    wrapped,
)

WIDTH = 2000
MARGIN = 36
COLUMN_WIDTH = (WIDTH - 3 * MARGIN) // 2
TEXT_SIZE = 27
"""Pixels."""
SECTION_GAP = 14
HEADING: Color = (120, 200, 255)
RULE: Color = (90, 90, 90)
MAXIMUM_HEIGHT = 6000


class Block:
    """A part of the page of one width, written from the top; `picture` is cut to what was written."""

    def __init__(self, width: int = COLUMN_WIDTH) -> None:
        self._width = width
        self._image = Image.new("RGB", (width, MAXIMUM_HEIGHT), BLACK)
        self._draw = ImageDraw.Draw(self._image)
        self._y = 0.0

    @property
    def picture(self) -> Image.Image:
        """What was written so far."""
        return self._image.crop((0, 0, self._width, min(MAXIMUM_HEIGHT, round(self._y))))

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._draw.line([(0, self._y), (self._width, self._y)], RULE, 2)
        self._y += 8
        self.text(text, bold=True, color=HEADING)

    def text(self, text: str, *, size: int = TEXT_SIZE, bold: bool = False, color: Color = WHITE) -> None:
        """Write a paragraph."""
        self.text_in_font(*text_in_print(text, size, bold=bold), color=color)

    def text_in_font(self, text: str, typeface: Font, *, color: Color = WHITE) -> None:
        """Write a paragraph in a font chosen by the caller."""
        self._y = draw_paragraph(self._draw, (0, self._y), text, typeface, width=self._width, color=color)

    def bullets(self, sentences: Sequence[str]) -> None:
        """Write a list; each sentence is indented behind its bullet."""
        indent, radius = 28, 5
        for sentence in sentences:
            text, typeface = text_in_print(sentence, TEXT_SIZE)
            self._draw.circle((radius, self._y + typeface.size * 0.62), radius, GREY)
            self._y = draw_paragraph(
                self._draw, (indent, self._y), text, typeface, width=self._width - indent
            )

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]) -> None:
        """Write a table; the first column is left-aligned, the others centred, every cell wrapped.

        Parameters
        ----------
        header : sequence of str
        rows : sequence of sequence of str
        widths : sequence of float
            Relative column widths.
        """
        unit = self._width / sum(widths)
        pixels = [unit * width for width in widths]
        self._row(header, pixels, GREY)
        for row in rows:
            self._row(row, pixels, WHITE)

    def _row(self, cells: Sequence[str], widths: Sequence[float], color: Color) -> None:
        x, deepest = 0.0, self._y
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            text, typeface = text_in_print(cell, TEXT_SIZE)
            y = self._y
            for line in wrapped(text, typeface, width - 8):
                anchor, at = ("la", x) if number == 0 else ("ma", x + width / 2)
                self._draw.text((at, y), line, color, typeface, anchor=anchor)
                y += line_height(typeface)
            x += width
            deepest = max(deepest, y)
        self._y = deepest + 2


def set_in_columns(banner: Image.Image, sections: Sequence[Image.Image]) -> Image.Image:
    """Lay sections out in two columns below a banner, in reading order, as evenly as whole sections allow."""
    heights = [section.height + SECTION_GAP for section in sections]
    split = min(range(len(sections) + 1), key=lambda k: max(sum(heights[:k]), sum(heights[k:])))
    top = MARGIN + banner.height + SECTION_GAP
    height = top + max(sum(heights[:split]), sum(heights[split:])) + MARGIN - SECTION_GAP
    page = Image.new("RGB", (WIDTH, height), BLACK)
    page.paste(banner, (MARGIN, MARGIN))
    for column, members in enumerate((sections[:split], sections[split:])):
        y = top
        for section in members:
            page.paste(section, (MARGIN + column * (COLUMN_WIDTH + MARGIN), y))
            y += section.height + SECTION_GAP
    return page
