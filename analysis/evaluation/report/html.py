"""The report as one HTML file that needs nothing else: pictures and style are inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from analysis.evaluation.report.document import (
    Block,
    Cell,
    Document,
    Paragraph,
    Picture,
    Reference,
    Section,
    Table,
)

STYLE_FILE = Path(__file__).parent / "report.css"


def as_html(document: Document, pages: Mapping[str, int]) -> str:
    """The whole file.

    Parameters
    ----------
    document : Document
    pages : mapping of str to int
        Anchor -> page of the PDF, shown beside references.
    """
    writer = _Writer(document, pages)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>\n{STYLE_FILE.read_text(encoding='utf-8')}</style>\n"
        f'</head>\n<body>\n<div class="banner">{escape(document.banner)}</div>\n<main>\n'
        f"<header><h1>{escape(document.title)}</h1><p>{escape(document.subtitle)}</p></header>\n"
        f"{writer.contents()}{''.join(writer.section(part) for part in document.sections)}"
        "</main>\n</body>\n</html>\n"
    )


class _Writer:
    """Writes sections, counting tables and figures."""

    def __init__(self, document: Document, pages: Mapping[str, int]) -> None:
        self._document = document
        self._pages = pages
        self._tables = self._figures = 0
        self._number = {part.anchor: place for place, part in enumerate(document.sections, start=1)}

    def contents(self) -> str:
        links = "".join(
            f'<li><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in self._document.sections
        )
        return f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n'

    def section(self, part: Section) -> str:
        blocks = "".join(self._block(block) for block in part.blocks)
        heading = f"{self._number[part.anchor]}&ensp;{escape(part.title)}"
        return f'<section id="{part.anchor}">\n<h2>{heading}</h2>\n{blocks}</section>\n'

    def _block(self, block: Block) -> str:
        if isinstance(block, Paragraph):
            return f'<p class="{block.kind}">{escape(block.text)}</p>\n'
        return self._picture(block) if isinstance(block, Picture) else self._table(block)

    def _picture(self, picture: Picture) -> str:
        self._figures += 1
        data = base64.b64encode(picture.svg).decode("ascii")
        width = round(96 * picture.inches[0])
        return (
            f'<figure><img width="{width}" alt="{escape(picture.alternative)}" '
            f'src="data:image/svg+xml;base64,{data}"><figcaption><b>Figure {self._figures}.</b> '
            f"{escape(picture.caption)}</figcaption></figure>\n"
        )

    def _table(self, table: Table) -> str:
        self._tables += 1
        head = "".join(
            f'<th scope="col"{_side(table, place)}>{escape(name)}</th>'
            for place, name in enumerate(table.header)
        )
        rows = "".join(
            self._row(table, row, strong=number in table.strong_rows) for number, row in enumerate(table.rows)
        )
        note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
        caption = f"<b>Table {self._tables}.</b> {escape(table.caption)}"
        return (
            f'<div class="table"><table><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}</div>\n"
        )

    def _row(self, table: Table, row: tuple[Cell, ...], *, strong: bool) -> str:
        cells = "".join(f"<td{_side(table, place)}>{self._cell(cell)}</td>" for place, cell in enumerate(row))
        return f'<tr class="strong">{cells}</tr>\n' if strong else f"<tr>{cells}</tr>\n"

    def _cell(self, cell: Cell) -> str:
        if not isinstance(cell, Reference):
            return escape(cell)
        if cell.anchor not in self._number:
            return ""
        page = f", p. {self._pages[cell.anchor]}" if cell.anchor in self._pages else ""
        return f'<a href="#{cell.anchor}">section {self._number[cell.anchor]}</a>{page}'


def _side(table: Table, place: int) -> str:
    return ' class="text"' if place in table.text_columns else ""
