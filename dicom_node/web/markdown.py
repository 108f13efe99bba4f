"""Markdown as HTML: what a model card uses, and no raw HTML, images or addresses that run anything."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt

__all__ = ["as_html"]


def as_html(text: str) -> str:
    """Return CommonMark with tables as HTML; tags in the text are shown, not obeyed."""
    return str(_parser().render(text))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
