"""Text that flows down the columns of as many pages as it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.drawing import line_height, wrapped
from reports.page import Page

INDENT = 0.75
"""Of a sentence behind its bullet, over the size of the type."""

WHOLE_LINES = 8
"""A sentence of no more lines is not torn apart between columns."""

EPSILON = 1e-6
"""Rounding of sums of heights."""

HEADING_GAP = 0.35
"""Above and below a heading, over the size of the type."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the sentences under it."""

    heading: str
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of one page.

    Attributes
    ----------
    lefts : tuple of float
    top, bottom, width : float
    """

    lefts: tuple[float, ...]
    top: float
    bottom: float
    width: float


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of text: of a heading, or of a sentence and then perhaps its first.

    `together` is the height from this line on that must not be torn apart.
    """

    text: str
    height: float
    together: float
    heading: bool = False
    bullet: bool = False


def fitting_size(sections: Sequence[Section], frame: Frame, sizes: Sequence[float]) -> float:
    """Return the first of `sizes` at which the sections fill no more than one page, else the last."""
    for size in sizes:
        if len(_placed(_lines(sections, frame.width, size), frame)) <= len(frame.lefts):
            return size
    return sizes[-1]


def balanced_height(sections: Sequence[Section], width: float, size: float) -> float:
    """Return the least height of two columns that hold the sections."""
    lines = _lines(sections, width, size)
    height = sum(line.height for line in lines) / 2
    while len(_placed(lines, Frame((0.0, 0.0), 0.0, height, width))) > 2:
        height += line_height(size) / 2
    return height


def flow(
    page: Page, sections: Sequence[Section], frame: Frame, size: float, turn_page: Callable[[], Frame]
) -> None:
    """Write sections down the columns; `turn_page` begins another page and returns its columns."""
    columns = _placed(_lines(sections, frame.width, size), frame)
    for number, lines in enumerate(columns):
        position = number % len(frame.lefts)
        if number and position == 0:
            frame = turn_page()
        _write(page, lines, frame.lefts[position], frame, size)


def _lines(sections: Sequence[Section], width: float, size: float) -> list[_Line]:
    """Break sections into lines; a heading stays with the first sentence, a sentence in one piece."""
    plain, heading = line_height(size), line_height(size) + HEADING_GAP * size
    lines: list[_Line] = []
    for section in sections:
        sentences = [wrapped(sentence, size, width - INDENT * size) for sentence in section.sentences]
        pieces = [min(len(texts), WHOLE_LINES) * plain for texts in sentences]
        for text in wrapped(section.heading, size, width, bold=True):
            lines.append(_Line(text, heading, heading + pieces[0], heading=True))
        for texts, piece in zip(sentences, pieces, strict=True):
            lines += [
                _Line(text, plain, plain if number else piece, bullet=number == 0)
                for number, text in enumerate(texts)
            ]
    return lines


def _placed(lines: Sequence[_Line], frame: Frame) -> list[list[_Line]]:
    """Fill columns of one height."""
    columns: list[list[_Line]] = [[]]
    free = frame.bottom - frame.top
    for line in lines:
        if line.together > free + EPSILON and columns[-1]:
            columns.append([])
            free = frame.bottom - frame.top
        columns[-1].append(line)
        free -= line.height
    return columns


def _write(page: Page, lines: Sequence[_Line], x: float, frame: Frame, size: float) -> None:
    theme, y, width = page.theme, frame.top, frame.width
    for line in lines:
        if line.heading:
            top = y + HEADING_GAP * size * 0.7
            page.text(x, top, line.text, size=size, bold=True, color=theme.accent)
            page.line([(x, top), (x + width, top)], theme.faint, size / 16)
        else:
            if line.bullet:
                page.dot(x + 0.25 * size, y + 0.68 * size, 0.13 * size, fill=theme.muted)
            page.text(x + INDENT * size, y, line.text, size=size)
        y += line.height
