"""A page that grows downwards: headings, paragraphs and tables, nothing clipped, nothing overlapping."""

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

WIDTH = 1200
MARGIN = 36
TEXT_SIZE = 29
"""Pixels; at least 24 on a page 1000 pixels wide, so that the page can be read when fitted to a screen."""
HEADING: Color = (120, 200, 255)
RULE: Color = (90, 90, 90)
MAXIMUM_HEIGHT = 8000


class Page:
    """A black page written from the top; `picture` is cut to what was written."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH, MAXIMUM_HEIGHT), BLACK)
        self._draw = ImageDraw.Draw(self._image)
        self._y: float = MARGIN

    @property
    def picture(self) -> Image.Image:
        """The page as written so far."""
        return self._image.crop((0, 0, WIDTH, min(MAXIMUM_HEIGHT, round(self._y) + MARGIN)))

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._y += 12
        self._draw.line([(MARGIN, self._y), (WIDTH - MARGIN, self._y)], RULE, 2)
        self._y += 8
        self.text(text, bold=True, color=HEADING)

    def text(self, text: str, *, size: int = TEXT_SIZE, bold: bool = False, color: Color = WHITE) -> None:
        """Write a paragraph over the full width."""
        self.text_in_font(*text_in_print(text, size, bold=bold), color=color)

    def text_in_font(self, text: str, typeface: Font, *, color: Color = WHITE) -> None:
        """Write a paragraph in a font chosen by the caller."""
        self._y = draw_paragraph(
            self._draw, (MARGIN, self._y), text, typeface, width=WIDTH - 2 * MARGIN, color=color
        )

    def bullets(self, sentences: Sequence[str]) -> None:
        """Write a list; each sentence is indented behind its bullet."""
        indent = 30
        for sentence in sentences:
            text, typeface = text_in_print(sentence, TEXT_SIZE)
            radius = 5
            centre = (MARGIN + radius, self._y + typeface.size * 0.62)
            self._draw.circle(centre, radius, GREY)
            self._y = draw_paragraph(
                self._draw, (MARGIN + indent, self._y), text, typeface, width=WIDTH - 2 * MARGIN - indent
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
        unit = (WIDTH - 2 * MARGIN) / sum(widths)
        pixels = [unit * width for width in widths]
        self._row(header, pixels, GREY)
        for row in rows:
            self._row(row, pixels, WHITE)

    def _row(self, cells: Sequence[str], widths: Sequence[float], color: Color) -> None:
        x, deepest = float(MARGIN), self._y
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            text, typeface = text_in_print(cell, TEXT_SIZE)
            y = self._y
            for line in wrapped(text, typeface, width - 8):
                anchor, at = ("la", x) if number == 0 else ("ma", x + width / 2)
                self._draw.text((at, y), line, color, typeface, anchor=anchor)
                y += line_height(typeface)
            x += width
            deepest = max(deepest, y)
        self._y = deepest + 4
