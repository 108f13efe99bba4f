"""Text that flows down the columns of as many pages as it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.drawing import line_height, wrapped
from reports.page import Page

INDENT = 0.75
"""Of a sentence behind its bullet, over the size of the type."""

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
    """One line of text: of a heading, or of a sentence and then perhaps its first."""

    text: str
    height: float
    heading: bool = False
    bullet: bool = False


def fitting_size(sections: Sequence[Section], frame: Frame, sizes: Sequence[float]) -> float:
    """Return the first of `sizes` at which the sections fill no more than one page, else the last."""
    for size in sizes:
        if len(_placed(_lines(sections, frame.width, size), frame)) <= len(frame.lefts):
            return size
    return sizes[-1]


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
    lines: list[_Line] = []
    for section in sections:
        lines += [
            _Line(text, line_height(size) + HEADING_GAP * size, heading=True)
            for text in wrapped(section.heading, size, width, bold=True)
        ]
        for sentence in section.sentences:
            for number, text in enumerate(wrapped(sentence, size, width - INDENT * size)):
                lines.append(_Line(text, line_height(size), bullet=number == 0))
    return lines


def _placed(lines: Sequence[_Line], frame: Frame) -> list[list[_Line]]:
    """Fill columns of one height; a heading goes with the line after it."""
    columns: list[list[_Line]] = [[]]
    free = frame.bottom - frame.top
    for index, line in enumerate(lines):
        needed = line.height
        if line.heading and index + 1 < len(lines):
            needed += lines[index + 1].height
        if needed > free and columns[-1]:
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
