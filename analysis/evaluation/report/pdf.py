"""The report as PDF, with reportlab: a banner on every page, page numbers in contents and references."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from analysis.errors import ConfigurationError
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

MARGIN_MM = 16.0
BLUE, INK, SOFT, LINE, WARN, STRONG = "#0b4f8a", "#1c232b", "#5b6470", "#d7dce2", "#fff6e5", "#eef4fa"
FONTS = {"Report": "DejaVuSans.ttf", "Report-Bold": "DejaVuSans-Bold.ttf"}
"""matplotlib brings these, so that every sign of the tables is there."""
MOST_PASSES = 4
LONG_TABLE = 12
"""Tables of more rows may break over pages."""


def as_pdf(document: Document) -> tuple[bytes, dict[str, int]]:
    """The whole file, and on which page each section begins.

    Raises
    ------
    ConfigurationError
        If reportlab is not installed.
    """
    try:
        import reportlab  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "a PDF needs reportlab: install the extra with pip install 'radius-dxa-node[training]'"
        ) from error
    pages: dict[str, int] = {}
    for _ in range(MOST_PASSES):  # references change the layout until the pages no longer move
        _, found = _build(document, pages, draft=True)
        if found == pages:
            break
        pages = found
    return _build(document, pages, draft=False)


def _build(document: Document, pages: Mapping[str, int], *, draft: bool) -> tuple[bytes, dict[str, int]]:
    """The file and where its sections begin; a draft leaves room for its pictures."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    _register_fonts()
    found: dict[str, int] = {}
    buffer = io.BytesIO()
    width, height = A4

    class Template(BaseDocTemplate):  # type: ignore[misc, unused-ignore]
        def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 - reportlab's name
            anchor = getattr(flowable, "anchor", None)
            if anchor is not None:
                found[anchor] = self.page
                self.canv.bookmarkPage(anchor)
                self.canv.addOutlineEntry(flowable.getPlainText(), anchor, 0)

    def decorate(canvas: Any, _: Any) -> None:
        canvas.saveState()
        canvas.setFillColor(WARN)
        canvas.rect(0, height - 11 * mm, width, 11 * mm, stroke=0, fill=1)
        canvas.setFillColor(INK)
        canvas.setFont("Report-Bold", 7.5)
        canvas.drawCentredString(width / 2, height - 7 * mm, document.banner)
        canvas.setFont("Report", 7)
        canvas.setFillColor(SOFT)
        canvas.drawString(MARGIN_MM * mm, 8 * mm, document.title)
        canvas.drawRightString(width - MARGIN_MM * mm, 8 * mm, f"page {canvas.getPageNumber()}")
        canvas.restoreState()

    template = Template(
        buffer, pagesize=A4, title=document.title, author="dicom-node", subject=document.banner, invariant=1
    )
    frame = Frame(
        MARGIN_MM * mm,
        13 * mm,
        width - 2 * MARGIN_MM * mm,
        height - 29 * mm,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )
    template.addPageTemplates([PageTemplate("page", [frame], onPage=decorate)])
    template.build(_Writer(document, pages, width - 2 * MARGIN_MM * mm, draft=draft).story())
    return buffer.getvalue(), found


def _register_fonts() -> None:
    import matplotlib as mpl
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name, file in FONTS.items():
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFontFamily(
        "Report", normal="Report", bold="Report-Bold", italic="Report", boldItalic="Report-Bold"
    )


class _Writer:
    """Makes reportlab's flowables of a document."""

    def __init__(self, document: Document, pages: Mapping[str, int], width: float, *, draft: bool) -> None:
        self._draft = draft
        self._document = document
        self._pages = pages
        self._width = width
        self._tables = self._figures = 0
        self._number = {part.anchor: place for place, part in enumerate(document.sections, start=1)}
        self._styles = _styles()

    def story(self) -> list[Any]:
        from reportlab.platypus import Spacer

        flow = [
            self._text(escape(self._document.title), "title"),
            self._text(escape(self._document.subtitle), "note"),
            Spacer(0, 8),
            self._contents(),
        ]
        for section in self._document.sections:
            flow += self._section(section)
        return flow

    def _contents(self) -> Any:
        from reportlab.platypus import Table as Grid

        parts = self._document.sections
        half = -(-len(parts) // 2)
        rows = [self._entry(parts, place) + self._entry(parts, place + half) for place in range(half)]
        style = [
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (1, 0), (1, -1), 22),
        ]
        return Grid(rows, [share * self._width for share in (0.4, 0.1, 0.4, 0.1)], hAlign="LEFT", style=style)

    def _entry(self, parts: Sequence[Section], place: int) -> list[Any]:
        if place >= len(parts):
            return ["", ""]
        part = parts[place]
        link = f'<a href="#{part.anchor}">{self._number[part.anchor]}  {escape(part.title)}</a>'
        return [self._text(link, "contents"), self._text(str(self._pages.get(part.anchor, "")), "right")]

    def _section(self, section: Section) -> list[Any]:
        from reportlab.platypus import CondPageBreak, KeepTogether

        heading = self._text(f"{self._number[section.anchor]}&nbsp;&nbsp;{escape(section.title)}", "heading")
        heading.anchor = section.anchor
        flow: list[Any] = []
        pending = [heading]
        for block in section.blocks:
            flowables = pending + self._block(block)
            pending = []
            if isinstance(block, Table) and len(block.rows) > LONG_TABLE:
                flow += [CondPageBreak(150), *flowables]
            else:
                flow.append(KeepTogether(flowables))
        return flow

    def _block(self, block: Block) -> list[Any]:
        if isinstance(block, Paragraph):
            return [self._text(escape(block.text), block.kind)]
        return self._picture(block) if isinstance(block, Picture) else self._table(block)

    def _picture(self, picture: Picture) -> list[Any]:
        from reportlab.platypus import Image, Spacer

        self._figures += 1
        inches = picture.inches
        scale = min(1.0, self._width / (72 * inches[0]))
        size = 72 * inches[0] * scale, 72 * inches[1] * scale
        image = Spacer(*size) if self._draft else Image(io.BytesIO(picture.png), *size, hAlign="LEFT")
        caption = f"<b>Figure {self._figures}.</b> {escape(picture.caption)}"
        return [Spacer(0, 6), image, self._text(caption, "note"), Spacer(0, 6)]

    def _table(self, table: Table) -> list[Any]:
        from reportlab.platypus import LongTable, Spacer

        self._tables += 1
        weights = table.weights or (1.0,) * len(table.header)
        unit = self._width / sum(weights)
        cells = [[self._cell(name, table, place, head=True) for place, name in enumerate(table.header)]]
        cells += [[self._cell(cell, table, place) for place, cell in enumerate(row)] for row in table.rows]
        style = [
            ("LINEABOVE", (0, 0), (-1, 0), 0.9, INK),
            ("LINEBELOW", (0, 0), (-1, 0), 0.5, INK),
            ("LINEBELOW", (0, 1), (-1, -2), 0.3, LINE),
            ("LINEBELOW", (0, -1), (-1, -1), 0.9, INK),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("VALIGN", (0, 1), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2.5),
            ("RIGHTPADDING", (0, 0), (-1, -1), 2.5),
            ("TOPPADDING", (0, 0), (-1, -1), 1.6),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2),
            *[("BACKGROUND", (0, row + 1), (-1, row + 1), STRONG) for row in table.strong_rows],
        ]
        caption = self._text(f"<b>Table {self._tables}.</b> {escape(table.caption)}", "caption")
        grid = LongTable(
            cells, [unit * weight for weight in weights], repeatRows=1, style=style, hAlign="LEFT"
        )
        note = [self._text(escape(table.note), "note")] if table.note else []
        flow: list[Any] = [caption, grid, *note, Spacer(0, 8)]
        return flow

    def _cell(self, cell: Cell, table: Table, place: int, *, head: bool = False) -> Any:
        side = "left" if place in table.text_columns else "right"
        if isinstance(cell, Reference):
            return self._text(self._reference(cell), f"cell-{side}")
        text = f"<b>{escape(cell)}</b>" if head else escape(cell)
        return self._text(text, f"cell-{side}")

    def _reference(self, cell: Reference) -> str:
        if cell.anchor not in self._number:
            return ""
        page = f", p. {self._pages[cell.anchor]}" if cell.anchor in self._pages else ""
        return f'<a href="#{cell.anchor}" color="{BLUE}">§ {self._number[cell.anchor]}{page}</a>'

    def _text(self, text: str, style: str) -> Any:
        from reportlab.platypus import Paragraph as Flowing

        return Flowing(text, self._styles[style])


def _styles() -> dict[str, Any]:
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    body = ParagraphStyle("body", fontName="Report", fontSize=8.6, leading=12.2, textColor=INK, spaceAfter=6)

    def like(name: str, **changes: Any) -> Any:
        return ParagraphStyle(name, parent=body, **changes)

    return {
        "body": body,
        "right": like("right", alignment=TA_RIGHT, spaceAfter=0),
        "contents": like("contents", spaceAfter=0),
        "warning": like(
            "warning",
            backColor=WARN,
            borderPadding=(5, 6, 5, 6),
            leftIndent=6,
            rightIndent=6,
            spaceBefore=7,
            spaceAfter=12,
        ),
        "note": like("note", fontSize=7.2, leading=9.6, textColor=SOFT, spaceBefore=2, spaceAfter=2),
        "caption": like("caption", fontSize=8.2, leading=10.6, spaceBefore=6, spaceAfter=3),
        "title": like("title", fontName="Report-Bold", fontSize=18, leading=23, spaceAfter=2, spaceBefore=6),
        "heading": like(
            "heading",
            fontName="Report-Bold",
            fontSize=13,
            leading=17,
            textColor=BLUE,
            spaceBefore=14,
            spaceAfter=5,
        ),
        "cell-left": like("cell-left", fontSize=6.9, leading=8.7, spaceAfter=0, embeddedHyphenation=1),
        "cell-right": like("cell-right", fontSize=6.9, leading=8.7, spaceAfter=0, alignment=TA_RIGHT),
    }
