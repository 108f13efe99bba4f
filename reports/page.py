"""A page: lines, boxes, text and pictures from the top left, as a PDF or as pixels.

One engine draws for the screen and for print: ReportLab writes the page, PDFium turns it into pixels where a
picture is wanted. Lengths are in units of the page: pixels of a picture, points of a printed page.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from reports.drawing import ASCENT, line_height, plain_font, runs, text_width, wrapped

rl_config.useA85 = 0  # streams stay binary: a quarter smaller, and nothing here is sent by 7-bit mail

Color = tuple[float, float, float]
"""RGB, 0-1."""

Point = tuple[float, float]
Anchor = Literal["left", "middle", "right"]

THICKENING = 0.028
"""Stroke that stands in for a bold font, over the size of the type."""


def mixed(color: Color, share: float, ground: Color) -> Color:
    """Return `share` of a colour on a ground."""
    red, green, blue = (share * c + (1.0 - share) * g for c, g in zip(color, ground, strict=True))
    return (red, green, blue)


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours and the size of plain text.

    Attributes
    ----------
    paper, ink, muted, faint, accent, warning : Color
        Ground, text, secondary text, hairlines, headings and what must be noticed.
    band : Color
        Fill of an area behind lines and text.
    size : float
        Of plain text, in units of the page.
    """

    paper: Color
    ink: Color
    muted: Color
    faint: Color
    accent: Color
    warning: Color
    band: Color
    size: float


def gray(level: float) -> Color:
    """Return a grey, 0-1."""
    return (level, level, level)


SCREEN = Theme(
    paper=gray(0.0),
    ink=gray(1.0),
    muted=gray(0.74),
    faint=gray(0.36),
    accent=(0.47, 0.78, 1.0),
    warning=(1.0, 0.77, 0.25),
    band=gray(0.16),
    size=26.0,
)
"""Dark, as the reading room is. Of 2000 pixels shown as 1000, plain text keeps 13."""

PRINT = Theme(
    paper=gray(1.0),
    ink=gray(0.05),
    muted=gray(0.36),
    faint=gray(0.72),
    accent=(0.05, 0.29, 0.53),
    warning=(0.70, 0.28, 0.0),
    band=gray(0.925),
    size=8.6,
)
"""Points on A4."""


class Page:
    """One page after another; (0, 0) is the top left corner.

    Parameters
    ----------
    width, height : float
    theme : Theme
    sampling : int
        Pixels of a placed picture per unit of the page: 1 for the screen, more for print.
    """

    def __init__(self, width: float, height: float, theme: Theme, *, sampling: int = 1) -> None:
        self.width, self.height, self.theme, self.sampling = width, height, theme, sampling
        self._buffer = io.BytesIO()
        self._canvas = Canvas(
            self._buffer,
            pagesize=(width, height),
            initialFontName=plain_font(),  # ReportLab's own default is a font that it does not embed
            invariant=1,
            pageCompression=1,
        )
        self._ground()

    def pdf(self) -> bytes:
        """Finish; return the PDF, the same bytes for the same content."""
        self._canvas.save()
        return self._buffer.getvalue()

    def picture(self) -> Image.Image:
        """Finish; return the one page as RGB, a pixel per unit."""
        import pypdfium2

        document = pypdfium2.PdfDocument(self.pdf())
        try:
            rendered: Image.Image = document[0].render(scale=1.0).to_pil()
            return rendered.convert("RGB")
        finally:
            document.close()

    def next_page(self) -> None:
        """Begin another page."""
        self._canvas.showPage()
        self._ground()

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float | None = None,
        color: Color | None = None,
        bold: bool = False,
        anchor: Anchor = "left",
        halo: Color | None = None,
    ) -> None:
        """Write one line whose top is `y`."""
        size = size or self.theme.size
        width = text_width(text, size, bold=bold)
        x -= {"left": 0.0, "middle": width / 2, "right": width}[anchor]
        baseline = self.height - (y + ASCENT * size)
        if halo is not None:
            self._line_of_text(x, baseline, text, size, halo, bold=bold, outline=0.16 * size)
        self._line_of_text(x, baseline, text, size, color or self.theme.ink, bold=bold)

    def paragraph(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        *,
        size: float | None = None,
        color: Color | None = None,
        bold: bool = False,
        anchor: Anchor = "left",
    ) -> float:
        """Write text in lines no wider than `width`; return the y coordinate below it."""
        size = size or self.theme.size
        x += {"left": 0.0, "middle": width / 2, "right": width}[anchor]
        for line in wrapped(text, size, width, bold=bold):
            self.text(x, y, line, size=size, color=color, bold=bold, anchor=anchor)
            y += line_height(size)
        return y

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: Color | None,
        line: Color | None = None,
    ) -> None:
        """Draw a box, filled, outlined or both."""
        if fill is not None:
            self._canvas.setFillColorRGB(*fill)
        if line is not None:
            self._canvas.setStrokeColorRGB(*line)
            self._canvas.setLineWidth(self.theme.size / 18)
        self._canvas.rect(
            x, self.height - y - height, width, height, stroke=line is not None, fill=fill is not None
        )

    def line(
        self,
        points: Sequence[Point],
        color: Color,
        width: float,
        *,
        dash: tuple[float, float] | None = None,
    ) -> None:
        """Draw a line through points."""
        self._canvas.setDash(*(dash or ()))
        self._canvas.setStrokeColorRGB(*color)
        self._canvas.setLineWidth(width)
        self._canvas.setLineJoin(1)
        path = self._canvas.beginPath()
        path.moveTo(points[0][0], self.height - points[0][1])
        for x, y in points[1:]:
            path.lineTo(x, self.height - y)
        self._canvas.drawPath(path, stroke=1, fill=0)
        self._canvas.setDash()

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        """Fill a shape."""
        path = self._canvas.beginPath()
        path.moveTo(points[0][0], self.height - points[0][1])
        for x, y in points[1:]:
            path.lineTo(x, self.height - y)
        path.close()
        self._canvas.setFillColorRGB(*fill)
        self._canvas.drawPath(path, stroke=0, fill=1)

    def dot(
        self, x: float, y: float, radius: float, *, fill: Color, line: Color | None = None, width: float = 0.0
    ) -> None:
        """Draw a disc, open if `fill` is the ground's colour and `line` another."""
        self._canvas.setFillColorRGB(*fill)
        if line is not None:
            self._canvas.setStrokeColorRGB(*line)
            self._canvas.setLineWidth(width)
        self._canvas.circle(x, self.height - y, radius, stroke=line is not None, fill=1)

    def image(self, pixels: NDArray[np.float64], x: float, y: float, width: float, height: float) -> None:
        """Place a picture, (rows, columns) or (rows, columns, 3), 0-1."""
        eight_bit = np.round(255.0 * np.clip(pixels, 0.0, 1.0)).astype(np.uint8)
        self._canvas.drawImage(
            ImageReader(Image.fromarray(eight_bit)), x, self.height - y - height, width, height
        )

    def _ground(self) -> None:
        self._canvas.setFillColorRGB(*self.theme.paper)
        self._canvas.rect(0, 0, self.width, self.height, stroke=0, fill=1)

    def _line_of_text(
        self,
        x: float,
        baseline: float,
        text: str,
        size: float,
        color: Color,
        *,
        bold: bool,
        outline: float = 0.0,
    ) -> None:
        pen = self._canvas.beginText(x, baseline)
        pen.setFillColorRGB(*color)
        pen.setStrokeColorRGB(*color)
        for name, part, thick in runs(text, bold=bold):
            stroke = outline or (THICKENING * size if thick else 0.0)
            pen.setTextRenderMode(2 if stroke else 0)
            pen.setFont(name, size)
            self._canvas.setLineWidth(stroke)
            pen.textOut(part)
        pen.setTextRenderMode(0)
        self._canvas.drawText(pen)
