"""A Structured Report in a terminal: sections in words, measurement groups as tables."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset
from rich.console import Group as Stack
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.render.content import Group, Page, Section, read_page
from reports.render.items import printable


def as_tables(document: Dataset) -> RenderableType:
    """Arrange a Structured Report for `rich.console.Console.print`.

    Parameters
    ----------
    document : Dataset
        Any SR document.
    """
    page = read_page(document)
    return Stack(*_parts(page))


def _parts(page: Page) -> Iterator[RenderableType]:
    yield _plain(page.title, style="bold underline")
    yield _pairs(page.facts)
    for section in page.evaluations:
        yield from _section(section)
    for group in page.groups:
        yield Text()
        yield _group(group)
    for section in page.sections:
        yield from _section(section)
    for number, note in enumerate(page.notes, start=1):
        yield _plain(f"\n[{number}] {note.algorithm}", style="bold dim")
        for sentence in note.sentences:
            yield Padding(_plain(sentence, style="dim"), (0, 0, 0, 4))
    yield Text()
    yield _pairs(page.identifiers, style="dim")


def _pairs(pairs: list[tuple[str, str]], style: str = "") -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(style=style, overflow="fold")
    for name, value in pairs:
        table.add_row(_plain(name), _plain(value))
    return table


def _group(group: Group) -> Table:
    title = f"{group.title} · {group.site}" if group.site else group.title
    table = Table(title=_plain(title + _mark(group.note), style="bold"), title_justify="left", expand=False)
    table.add_column("measurement", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("method and remarks", overflow="fold")
    for row in group.measurements:
        said = "; ".join(filter(None, (row.method, *row.remarks)))
        cells = (row.name + _mark(row.note), row.value, row.unit, said)
        table.add_row(*(_plain(cell) for cell in cells))
    return table


def _section(section: Section, depth: int = 0) -> Iterator[RenderableType]:
    if section.title:
        yield Padding(_plain(section.title, style="bold"), (1, 0, 0, 2 * depth))
    for name, value in section.lines:
        line = _plain(value)
        if name:
            line = _plain(f"{name}: " if value else name, style="dim").append(printable(value))
        yield Padding(line, (0, 0, 0, 2 * depth + 2))
    for inner in section.sections:
        yield from _section(inner, depth + 1)


def _mark(note: int) -> str:
    return f" [{note}]" if note else ""


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
