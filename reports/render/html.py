"""A Structured Report as one self-contained page: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from pydicom import Dataset

from reports.render.content import Group, Measurement, Page, Section, read_page

STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --faint: #5b6775; --paper: #ffffff; --ground: #eef1f4;
  --line: #d5dbe1; --accent: #0b5c8a; --warn: #7a4b00; --warn-ground: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --faint: #9fabb8; --paper: #1b222a;
  --ground: #12171c; --line: #35404b; --accent: #7cc3ee; --warn: #ffd98a; --warn-ground: #3a2d10; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
main { max-width: 60rem; margin: 2rem auto; padding: 2rem 2.5rem 1.5rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: 8px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; color: var(--accent); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .35rem 0; }
section ul { margin: .35rem 0; padding-left: 1.1rem; }
section li { margin: .3rem 0; padding-left: .2rem; }
section li::marker { color: var(--faint); }
section b { font-weight: 500; color: var(--faint); }
.warning { background: var(--warn-ground); color: var(--warn); border-left: 4px solid currentColor;
  padding: .5rem .9rem; margin: 0 0 1.25rem; font-weight: 600; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .6rem 1.5rem;
  margin: 0; padding: 0 0 1.25rem; border-bottom: 1px solid var(--line); }
.facts dt, .identifiers dt { color: var(--faint); font-size: .8rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin: 1.75rem 0 0; font-size: .93rem; }
caption { text-align: left; padding: 0 0 .4rem; font-weight: 600; font-size: 1.02rem; }
caption span { font-weight: 400; color: var(--faint); }
th, td { text-align: left; vertical-align: baseline; padding: .32rem .7rem;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--faint); font-size: .8rem; font-weight: 500; border-bottom-width: 2px; }
tbody th { font-weight: 500; width: 12rem; }
th:first-child, td:first-child { padding-left: 0; }
.value { text-align: right; font-variant-numeric: tabular-nums; font-weight: 600; width: 5rem; }
thead .value { font-weight: 500; }
.unit { width: 4.5rem; padding-left: 0; }
.words { text-align: left; font-weight: 400; width: auto; }
.remarks { color: var(--faint); font-size: .87rem; }
sup { line-height: 0; font-size: .7em; }
sup a { text-decoration: none; color: var(--accent); font-weight: 400; padding-left: .15em; }
details { margin: .4rem 0 0; font-size: .85rem; color: var(--faint); }
details li { overflow-wrap: anywhere; }
summary { cursor: pointer; width: max-content; }
.notes { font-size: .87rem; padding-left: 1.4rem; }
.notes li { margin: .4rem 0; overflow-wrap: anywhere; }
footer { margin-top: 2rem; padding-top: .75rem; border-top: 1px solid var(--line); }
.identifiers { margin: 0; display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem;
  font-size: .8rem; color: var(--faint); align-items: baseline; }
.identifiers dd { margin: 0; overflow-wrap: anywhere; font: .76rem ui-monospace, monospace; }
@media (max-width: 40rem) { main { margin: 0; padding: 1rem; border: 0; border-radius: 0; }
  tbody th { width: auto; } }
@media print { :root { color-scheme: light; --ink: #000000; --faint: #444444; --paper: #ffffff;
  --ground: #ffffff; --line: #bbbbbb; --accent: #000000; --warn: #000000; --warn-ground: #ffffff; }
  @page { margin: 16mm; } body { font-size: 10.5pt; }
  main { margin: 0; padding: 0; border: 0; max-width: none; }
  .warning { border: 1.5pt solid #000000; } tr, .notes li { break-inside: avoid; }
  caption, h2, h3 { break-after: avoid; } details:not([open]) { display: none; } }
"""
"""Colours keep a contrast of at least 4.5 to 1 on their ground (WCAG 2.1, 1.4.3), in light and in dark."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content Security Policy: the page loads and runs nothing, whatever a document holds."""


def as_html(document: Dataset) -> str:
    """Render a Structured Report as a page.

    Parameters
    ----------
    document : Dataset
        Any SR document.

    Returns
    -------
    str
        A whole HTML document, to be written as UTF-8. All text of the document is escaped.
    """
    page = read_page(document)
    body = "\n".join(_body(page))
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(page.language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(page.title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _body(page: Page) -> Iterator[str]:
    yield f"<h1>{escape(page.title)}</h1>"
    if page.warning:
        yield f'<p class="warning">{escape(page.warning)}</p>'
    yield _pairs(page.facts, "facts")
    for section in page.evaluations:
        yield from _section(section)
    if page.groups:
        yield "<h2>Measurements</h2>"
    for group in page.groups:
        yield from _group(group)
    for section in page.sections:
        yield from _section(section)
    if page.notes:
        yield "<h2>Where the numbers come from</h2>"
        yield '<ol class="notes">'
        for number, note in enumerate(page.notes, start=1):
            lines = "<br>".join(escape(sentence) for sentence in note.sentences)
            yield f'<li id="note-{number}"><b>{escape(note.algorithm)}</b><br>{lines}</li>'
        yield "</ol>"
    yield f"<footer>{_pairs(page.identifiers, 'identifiers')}</footer>"


def _pairs(pairs: Iterable[tuple[str, str]], kind: str) -> str:
    separate = kind == "facts"
    lines = []
    for name, value in pairs:
        line = f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        lines.append(f"<div>{line}</div>" if separate else line)
    return f'<dl class="{kind}">{"".join(lines)}</dl>'


def _group(group: Group) -> Iterator[str]:
    site = f" <span>{escape(group.site)}</span>" if group.site else ""
    yield f"<table>\n<caption>{escape(group.title)}{site}{_mark(group.note)}</caption>"
    yield (
        '<thead><tr><th scope="col">Measurement</th><th scope="col" class="value">Value</th>'
        '<th scope="col" class="unit">Unit</th><th scope="col">Method and remarks</th></tr></thead>\n<tbody>'
    )
    for row in group.measurements:
        yield _row(row)
    yield "</tbody>\n</table>"
    if group.details:
        lines = "".join(f"<li>{escape(line)}</li>" for line in group.details)
        yield f"<details><summary>Outline and identifiers</summary><ul>{lines}</ul></details>"


def _row(row: Measurement) -> str:
    name = f'<tr><th scope="row">{escape(row.name)}{_mark(row.note)}</th>'
    if not row.number:
        return f'{name}<td class="value words" colspan="3">{escape(row.value)}</td></tr>'
    remarks = "; ".join(filter(None, (row.method, *row.remarks)))
    return (
        f'{name}<td class="value">{escape(row.value)}</td><td class="unit">{escape(row.unit)}</td>'
        f'<td class="remarks">{escape(remarks)}</td></tr>'
    )


def _section(section: Section, level: int = 2) -> Iterator[str]:
    language = f' lang="{escape(section.language)}"' if section.language else ""
    yield f"<section{language}>"
    if section.title:
        yield f"<h{level}>{escape(section.title)}</h{level}>"
    lines = [_line(name, value) for name, value in section.lines]
    if len(lines) > 1:
        yield f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
    elif lines:
        yield f"<p>{lines[0]}</p>"
    for inner in section.sections:
        yield from _section(inner, min(level + 1, 6))
    yield "</section>"


def _line(name: str, value: str) -> str:
    if not name:
        return escape(value)
    return f"<b>{escape(name)}:</b> {escape(value)}" if value else f"<b>{escape(name)}</b>"


def _mark(note: int) -> str:
    return f'<sup><a href="#note-{note}">{note}</a></sup>' if note else ""
