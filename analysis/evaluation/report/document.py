"""What a report is made of, whatever it is written as: sections of paragraphs, tables and figures."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

PRINT_DPI = 200


@dataclass(frozen=True, slots=True)
class Reference:
    """A pointer to a section: a link on a screen, a page number on paper."""

    anchor: str


Cell = str | Reference


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; a ``warning`` stands out, a ``note`` stands back."""

    text: str
    kind: Literal["body", "note", "warning"] = "body"


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `weights` are relative widths of columns, `text_columns` are set flush left."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    weights: tuple[float, ...] = ()
    text_columns: frozenset[int] = frozenset({0})
    strong_rows: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A figure drawn with matplotlib, once.

    Attributes
    ----------
    caption : str
    alternative : str
        What it shows, for who cannot see it.
    draw : callable
        Returns a matplotlib Figure.
    """

    caption: str
    alternative: str
    draw: Callable[[], Any]

    @cached_property
    def _figure(self) -> Any:
        import matplotlib as mpl

        from analysis.evaluation.report.figures.style import STYLE

        with mpl.rc_context(STYLE):
            drawn = self.draw()
            drawn.draw_without_rendering()
            drawn.set_layout_engine("none")  # the layout is found once, not once for each format
            return drawn

    @cached_property
    def inches(self) -> tuple[float, float]:
        width, height = self._figure.get_size_inches()
        return float(width), float(height)

    @cached_property
    def svg(self) -> bytes:
        """Vector image with text as outlines; the same figure gives the same bytes."""
        return self._saved("svg", metadata={"Date": None, "Creator": None})

    @cached_property
    def png(self) -> bytes:
        return self._saved("png", dpi=PRINT_DPI)

    def _saved(self, kind: str, **options: Any) -> bytes:
        import matplotlib as mpl

        from analysis.evaluation.report.figures.style import STYLE

        buffer = io.BytesIO()
        with mpl.rc_context({**STYLE, "svg.hashsalt": "evaluation", "svg.fonttype": "path"}):
            self._figure.savefig(buffer, format=kind, **options)
        return buffer.getvalue()


Block = Paragraph | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A numbered part of the report."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report; `banner` stands at the top of every page."""

    title: str
    subtitle: str
    banner: str
    sections: tuple[Section, ...] = field(default_factory=tuple)
