"""A Structured Report for people: as text, as a page for the browser, as tables for the terminal."""

from reports.render.html import as_html
from reports.render.terminal import as_tables
from reports.render.text import as_text

__all__ = ["as_html", "as_tables", "as_text"]
