"""Every cell of the fault matrix has a test, and the page that tells of it is of a whole run."""

from __future__ import annotations

import re
from pathlib import Path

from matrix import CELLS

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"


def test_every_cell_has_a_test() -> None:
    marked: set[str] = set()
    for path in HERE.glob("test_*.py"):
        for arguments in re.findall(r"mark\.cell\(([^)]*)\)", path.read_text(encoding="utf-8")):
            marked |= set(re.findall(r'"(\w+)"', arguments))
    assert marked == set(CELLS)


def test_the_page_holds_every_cell_and_every_cell_holds() -> None:
    rows = dict(re.findall(r"^\| (\w+) \|.*\| (\w[\w ]*) \|[^|]*\|$", PAGE.read_text(), re.MULTILINE))
    assert set(CELLS) <= set(rows)
    assert {rows[name] for name in CELLS} == {"holds"}
