"""Text for pages: fonts that hold every name, widths, lines that break where a language allows it.

The shipped Noto fonts make every machine draw the same, in Latin, Greek, Cyrillic and Chinese (GB 2312). What
they lack in East Asian scripts is looked for among the fonts of the system. Scripts whose letters join, stack
or run from right to left are not drawn at all: letter after letter they would be misspelt.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from pydicom.valuerep import PersonName
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

REGULAR, BOLD, CHINESE = "NotoSans-Regular", "NotoSans-Bold", "NotoSansSC-Regular"

LINE_HEIGHT = 1.28
"""Distance of baselines over the size of the type."""

ASCENT = 0.98
"""From the top of a line to its baseline, over the size of the type."""

UNKNOWN = "?"
"""In place of a character that no font holds."""

WIDE_FONT_NAMES = (
    "notosanssc",
    "notosanskr",
    "notosansjp",
    "sourcehansans",
    "droidsansfallback",
    "wqy-microhei",
    "wqy-zenhei",
    "nanumgothic",
    "uming",
    "ukai",
    "unifont",
    "msyh",
    "malgun",
    "simsun",
)
"""Beginnings of the file names of fonts with Chinese, Japanese or Korean TrueType outlines, best first."""

NOT_AT_LINE_START = frozenset("，。、；：！？）》」』】〕”’％%‰°℃,.;:!?)]}")
NOT_AT_LINE_END = frozenset("（《「『【〔“‘([{")
"""Characters that a line of Chinese must not begin or end with (GB/T 15834-2011, 5.1)."""

Run = tuple[str, str, bool]
"""Font name, text, and whether the text must be thickened because the font has no bold."""


def runs(text: str, *, bold: bool = False) -> list[Run]:
    """Split text by the font that draws it; characters no font holds become ``?``."""
    found: list[Run] = []
    for character in text:
        name = _font_of(character, bold=bold)
        drawn = character if name else UNKNOWN
        name = name or (BOLD if bold else REGULAR)
        thick = bold and name != BOLD
        if found and found[-1][0] == name and found[-1][2] == thick:
            found[-1] = (name, found[-1][1] + drawn, thick)
        else:
            found.append((name, drawn, thick))
    return found


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line, in the unit of `size`."""
    return sum(float(pdfmetrics.stringWidth(part, name, size)) for name, part, _ in runs(text, bold=bold))


@lru_cache(maxsize=1024)
def wrapped(text: str, size: float, width: float, *, bold: bool = False) -> tuple[str, ...]:
    """Break text into lines no wider than `width`, within a word only where it alone is too wide."""
    lines: list[str] = []
    line = ""
    for piece, spaced in _pieces(text):
        candidate = f"{line} {piece}" if line and spaced else line + piece
        if text_width(candidate, size, bold=bold) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        *full, line = _cut(piece, size, width, bold=bold)
        lines += full
    return (*lines, line) if line else tuple(lines)


def shortened(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return text that fits one line of `width`, cut with an ellipsis if it must be."""
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(f"{text}…", size, bold=bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def plain_font() -> str:
    """Name of the registered font of plain text."""
    return runs("a")[0][0]


def line_height(size: float) -> float:
    """Distance of baselines."""
    return LINE_HEIGHT * size


def name_in_print(name: PersonName | str) -> str | None:
    """Return a patient's name as it can be printed, or None where it cannot.

    All component groups are shown where fonts have their characters; else the alphabetic group alone. A box
    in place of a character never appears. An absent name is the empty string.
    """
    full, alphabetic = _readable_groups(PersonName(str(name)))
    if not full:
        return ""
    return next((text for text in (full, alphabetic) if text and is_printable(text)), None)


def is_printable(text: str) -> bool:
    """Whether fonts hold every character."""
    return all(_font_of(character, bold=False) for character in text)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield what must stay on one line, and whether a space stands before it."""
    for word in text.split():
        piece, spaced = "", True
        for character in word:
            breaks = bool(piece) and (_is_wide(character) or _is_wide(piece[-1]))
            if breaks and character not in NOT_AT_LINE_START and piece[-1] not in NOT_AT_LINE_END:
                yield piece, spaced
                piece, spaced = "", False
            piece += character
        yield piece, spaced


def _cut(piece: str, size: float, width: float, *, bold: bool) -> list[str]:
    """Cut into parts no wider than `width`, of one character at least."""
    parts, part = [], ""
    for character in piece:
        if part and text_width(part + character, size, bold=bold) > width:
            parts.append(part)
            part = ""
        part += character
    return [*parts, part]


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


@cache
def _font_of(character: str, *, bold: bool) -> str | None:
    """Name of the registered font that draws a character; None if there is none."""
    shipped = (BOLD, CHINESE) if bold else (REGULAR, CHINESE)
    for name in shipped:
        if ord(character) in _registered(name, _shipped_file(name)):
            return name
    if not _is_wide(character):
        return None
    for path in _wide_fonts():
        name = f"system-{path.stem}"
        if ord(character) in _registered(name, str(path)):
            return name
    return None


@cache
def _registered(name: str, path: str) -> frozenset[int]:
    """Register a font; return its code points, none where it has no TrueType outlines."""
    try:
        typeface = TTFont(name, path)
    except (TTFError, OSError):
        return frozenset()
    pdfmetrics.registerFont(typeface)
    return frozenset(code for code, glyph in typeface.face.charToGlyph.items() if glyph)


def _shipped_file(name: str) -> str:
    return str(files("reports.fonts").joinpath(f"{name}.ttf"))


@cache
def _wide_fonts() -> Sequence[Path]:
    """System fonts with East Asian characters, best first."""
    from matplotlib.font_manager import findSystemFonts

    found = sorted(Path(path) for path in findSystemFonts())
    return [
        path for beginning in WIDE_FONT_NAMES for path in found if path.name.lower().startswith(beginning)
    ]


def _readable_groups(name: PersonName) -> tuple[str, str]:
    alphabetic, ideographic, phonetic = (_readable(group) for group in (*name.components, "", "", "")[:3])
    others = [group for group in (ideographic, phonetic) if group]
    if not alphabetic:
        return " / ".join(others), ""
    return (f"{alphabetic} ({' / '.join(others)})" if others else alphabetic), alphabetic


def _readable(group: str) -> str:
    family, *others = [part.strip() for part in group.split("^")]
    rest = " ".join(part for part in others if part)
    return f"{family}, {rest}" if family and rest else family or rest
