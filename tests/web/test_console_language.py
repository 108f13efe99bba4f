"""The console in Chinese is complete, and shown to who asks for it."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from fastapi import FastAPI
from web_support import browser

from dicom_node.web.i18n import CATALOGUE, preferred_language

WEB = Path(__file__).parents[2] / "dicom_node" / "web"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {"_": (1,), "_n": (1, 2), "translatable": (1,)}
"""As ``make messages`` extracts them."""


def extracted() -> set[str]:
    found = extract_from_dir(WEB, method_map=METHODS, keywords=KEYWORDS)
    return {part for _, _, message, _, _ in found for part in _parts(message)}


def catalogue() -> Catalog:
    with (WEB / CATALOGUE).open("rb") as text:
        return read_po(text, abort_invalid=True)


def _parts(message: str | tuple[str, ...] | list[str]) -> set[str]:
    return {message} if isinstance(message, str) else set(message)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_message_has_a_chinese_translation() -> None:
    known = {
        part for entry in catalogue() if entry.id and all(_parts(entry.string)) for part in _parts(entry.id)
    }
    assert sorted(extracted() - known) == []


def test_the_catalogue_holds_no_message_that_nothing_says() -> None:
    held = {part for entry in catalogue() if entry.id for part in _parts(entry.id)}
    assert sorted(held - extracted()) == []


def test_a_translation_keeps_every_value() -> None:
    for entry in catalogue():
        if entry.id and entry.string:
            message = sorted(_parts(entry.id), key=len)[-1]
            for said in _parts(entry.string):
                assert _places(said) == _places(message), message


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("de", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.5", "en"),
        ("zh;q=0.2,en;q=0.7", "en"),
        ("zh;q=nonsense", "en"),
    ],
)
def test_the_browsers_wish_counts(asked: str, language: str) -> None:
    assert preferred_language(asked) == language


def test_the_users_own_choice_goes_before_the_browsers(app: FastAPI) -> None:
    client = browser(app, language="en")
    assert "<h1>Overview</h1>" in client.get("/").text
    client.post("/settings", data={"language": "zh", "theme": "dark"})
    page = client.get("/").text
    assert "<h1>概览</h1>" in page
    assert re.search(r'<html lang="zh-CN" data-theme="dark">', page)


def test_a_browser_that_asks_for_chinese_gets_a_chinese_login(app: FastAPI) -> None:
    assert "用户名或密码不正确" not in browser(app, None, language="zh-CN").get("/login").text
    assert ">登录</button>" in browser(app, None, language="zh-CN").get("/login").text
