"""Make the fonts of the results from the Noto fonts: ``python -m reports.fonts.make_fonts``.

Needs ``fonttools`` (it comes with matplotlib) and npm, which fetches the two packages that carry Google's
static TrueType builds of Noto Sans and Noto Sans SC under the SIL Open Font License 1.1.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FOLDER = Path(__file__).parent
PACKAGES = {
    "noto-sans": "@expo-google-fonts/noto-sans@0.4.2",
    "noto-sans-sc": "@expo-google-fonts/noto-sans-sc@0.4.3",
}
SOURCES = {
    "NotoSans-Regular.ttf": ("noto-sans", "package/400Regular/NotoSans_400Regular.ttf"),
    "NotoSans-Bold.ttf": ("noto-sans", "package/700Bold/NotoSans_700Bold.ttf"),
    "NotoSansSC-Regular.ttf": ("noto-sans-sc", "package/400Regular/NotoSansSC_400Regular.ttf"),
}
"""Shipped file -> package and file it is cut from."""

LICENCES = {
    "NotoSans-LICENSE.txt": ("noto-sans", "package/LICENSE_FONT"),
    "NotoSansSC-LICENSE.txt": ("noto-sans-sc", "package/LICENSE_FONT"),
}

EUROPEAN = (
    *range(0x20, 0x7F),
    *range(0xA0, 0x250),  # Latin-1, Latin Extended-A and -B
    *range(0x370, 0x400),  # Greek
    *range(0x400, 0x530),  # Cyrillic
    *range(0x1E00, 0x1F00),  # Latin Extended Additional: Vietnamese
    *range(0x2010, 0x2028),
    *range(0x2030, 0x203B),
    *range(0x2070, 0x20A0),  # superscripts and subscripts
    *(0x20AC, 0x2116, 0x2122, 0x2190, 0x2191, 0x2192, 0x2193, 0x2206, 0x2212, 0x2260, 0x2264, 0x2265, 0x25CA),
)
"""Code points of Noto Sans: scripts that are drawn letter after letter from left to right."""

CHINESE_PUNCTUATION = "…—–‘’“”·×÷±≤≥≠≈→←↑↓℃％‰°′″№"


def main() -> None:
    """Fetch, cut and write every font and licence."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archives = {package: _fetched(npm_name, folder) for package, npm_name in PACKAGES.items()}
        for target, (package, member) in SOURCES.items():
            wanted = gb2312() if "SC" in target else set(EUROPEAN)
            _cut(archives[package] / member, FOLDER / target, wanted)
        for target, (package, member) in LICENCES.items():
            shutil.copyfile(archives[package] / member, FOLDER / target)


def gb2312() -> set[int]:
    """Code points of GB/T 2312-1980 (6763 hanzi, kana, punctuation, full-width forms)."""
    characters = set(CHINESE_PUNCTUATION) | {chr(code) for code in range(0x20, 0x7F)}
    for row in (*range(0xA1, 0xAA), *range(0xB0, 0xF8)):
        for cell in range(0xA1, 0xFF):
            characters |= set(bytes((row, cell)).decode("gb2312", errors="ignore"))
    return {ord(character) for character in characters}


def _fetched(npm_name: str, folder: Path) -> Path:
    packed = subprocess.run(
        ["npm", "pack", "--silent", npm_name], cwd=folder, check=True, capture_output=True, text=True
    )
    archive = folder / packed.stdout.strip().splitlines()[-1]
    target = folder / archive.stem
    with tarfile.open(archive) as packed_files:
        packed_files.extractall(target, filter="data")
    return target


def _cut(source: Path, target: Path, code_points: set[int]) -> None:
    """Keep outlines, widths and names; layout tables go, since no text engine here reads them."""
    options = Options()
    options.hinting = False
    options.layout_features = []
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "BASE", "STAT", "vhea", "vmtx", "VORG", "DSIG", "meta"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.notdef_outline = True
    options.recalc_timestamp = False
    font = TTFont(source, recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points)
    subsetter.subset(font)
    font.save(target)


if __name__ == "__main__":
    main()
