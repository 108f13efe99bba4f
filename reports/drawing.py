"""Drawing on a page: fonts that hold every name, text with a halo, wrapped paragraphs.

Pillow draws; the DejaVu fonts that matplotlib carries make every machine draw the same. Only text in a script
DejaVu lacks, such as Chinese, depends on the fonts of the system.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont
from pydicom.valuerep import PersonName

Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
GREY: Color = (190, 190, 190)
AMBER: Color = (255, 196, 64)

_FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
_REGULAR, _BOLD = _FONTS / "DejaVuSans.ttf", _FONTS / "DejaVuSans-Bold.ttf"

_WIDE_FONT_NAMES = (
    "notosanscjk",
    "sourcehansans",
    "droidsansfallback",
    "wqy-microhei",
    "wqy-zenhei",
    "uming",
    "unifont",
    "msyh",
    "pingfang",
)
"""Beginnings of the file names of fonts with Chinese, Japanese and Korean characters, best first."""


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> Font:
    """Return DejaVu Sans at a size in pixels."""
    return ImageFont.truetype(_BOLD if bold else _REGULAR, size)


def draw_text(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    typeface: Font,
    color: Color = WHITE,
    *,
    anchor: str = "la",
    halo: int = 0,
) -> None:
    """Draw one line, if asked with a dark halo that keeps it legible on any picture."""
    draw.text(position, text, color, typeface, anchor=anchor, stroke_width=halo, stroke_fill=BLACK)


def draw_paragraph(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    typeface: Font,
    *,
    width: float,
    color: Color = WHITE,
) -> float:
    """Draw text wrapped to `width` pixels; return the y coordinate below it."""
    x, y = position
    for line in wrapped(text, typeface, width):
        draw.text((x, y), line, color, typeface)
        y += line_height(typeface)
    return y


def line_height(typeface: Font) -> int:
    """Distance of baselines, in pixels."""
    return round(1.24 * typeface.size)


def wrapped(text: str, typeface: Font, width: float) -> list[str]:
    """Break text into lines no wider than `width` pixels, within a word only where it alone is too wide."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if typeface.getlength(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, typeface, width)
        lines += full
    return [*lines, line] if line else lines


def _pieces(word: str, typeface: Font, width: float) -> list[str]:
    """Cut a word into pieces no wider than `width`, of one character at least."""
    pieces, piece = [], ""
    for character in word:
        if piece and typeface.getlength(piece + character) > width:
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece]


def name_in_print(name: PersonName | str, size: int) -> tuple[str, Font]:
    """Return a patient's name as it can be printed, and the font that holds it.

    All component groups are shown where a font has their characters; else the alphabetic group alone; else a
    note that points to the DICOM header. A box in place of a character never appears.
    """
    full, alphabetic = _readable_groups(PersonName(str(name)))
    for text in (full, alphabetic):
        if text and _has_characters(_REGULAR, text):
            return text, font(size)
        if text and (wide := _wide_font(text)) is not None:
            return text, ImageFont.truetype(wide, size)
    return ("(name: see header)" if full else "(no name)"), font(size)


def text_in_print(text: str, size: int, *, bold: bool = False) -> tuple[str, Font]:
    """Return a sentence and the font that holds it; characters no font of the system has become ``?``."""
    path = _BOLD if bold else _REGULAR
    if _has_characters(path, text):
        return text, font(size, bold=bold)
    if (wide := _wide_font(text)) is not None:
        return text, ImageFont.truetype(wide, size)
    known = "".join(character if _has_characters(path, character) else "?" for character in text)
    return known, font(size, bold=bold)


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


def _has_characters(path: Path, text: str) -> bool:
    face = _face(path)
    return all(face.get_char_index(ord(character)) for character in text if not character.isspace())


@lru_cache(maxsize=8)
def _face(path: Path) -> FT2Font:
    return FT2Font(str(path))


def _wide_font(text: str) -> Path | None:
    from matplotlib.font_manager import findSystemFonts

    found = sorted(Path(path) for path in findSystemFonts())
    for beginning in _WIDE_FONT_NAMES:
        for path in found:
            if path.name.lower().startswith(beginning) and _has_characters(path, text):
                return path
    return None
