"""The page of surveillance: pictures for every scanner, alarms in words, figures to take away."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from surveillance_site import TODAY, Site
from web_support import browser, console, console_config

import analysis
from dicom_node.storage.journal import Journal
from dicom_node.web.refusal_words import REFUSALS
from dicom_node.workflow.surveillance.gather import months_until
from dicom_node.workflow.surveillance.run import run_surveillance

SCANNER = "<b>HOLOGIC</b> Horizon A"
MONTHS = months_until(TODAY, 16)


def _denser(month: str, features: dict) -> None:
    if month >= MONTHS[-3]:
        features["one_third.bmd_g_cm2"] += 0.12


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    config = console_config(tmp_path_factory.mktemp("surveillance"))
    site = Site(config.node.data_dir / "journal.db")
    site.add_months(
        SCANNER,
        MONTHS,
        90,
        change=_denser,
        findings={"motion_suspected": 0.5},
        opinions=60,
        worse=lambda month: 2.5,
        outcomes_until=TODAY,
    )
    journal = Journal(site.path)
    run_surveillance(
        journal, config, clock=lambda: datetime(TODAY.year, TODAY.month, TODAY.day, 3, tzinfo=UTC)
    )
    journal.close()
    with console(config) as app:
        yield app


def test_before_the_first_night_the_page_says_so(app: FastAPI) -> None:
    page = browser(app, "viewer").get("/surveillance")
    assert page.status_code == 200
    assert "Surveillance has not run yet" in page.text


def test_a_viewer_sees_alarms_in_words_and_pictures_of_each_kind(watched: FastAPI) -> None:
    page = browser(watched, "viewer").get("/surveillance").text
    assert "Drift of One-third radius BMD" in page
    assert "Too many studies have the finding “Motion suspected”" in page
    for label in (
        "Share of studies with a quality finding, by month",
        "Share of studies declined, by month",
        "Drift of each feature, by month",
        "Predicted 10-year risk, by month",
        "Share of opinions that agree, by month",
        "Observed over predicted fractures, by month",
        "Observed against predicted risk, in tenths of patients",
    ):
        assert f'role="img" aria-label="{label}"' in page


def test_what_a_scanner_calls_itself_is_shown_harmlessly(watched: FastAPI) -> None:
    page = browser(watched, "viewer").get("/surveillance").text
    assert "&lt;b&gt;HOLOGIC&lt;/b&gt; Horizon A" in page
    assert "<b>HOLOGIC" not in page


def test_the_page_needs_neither_styles_nor_scripts_in_its_text(watched: FastAPI) -> None:
    page = browser(watched, "viewer").get("/surveillance").text
    assert " style=" not in page
    assert "<script>" not in page


def test_the_page_speaks_chinese(watched: FastAPI) -> None:
    page = browser(watched, "viewer", language="zh-CN").get("/surveillance").text
    assert "模型输入的漂移" in page
    assert "桡骨远端1/3骨密度 的漂移" in page


def test_figures_can_be_taken_away_as_a_table_and_as_json(watched: FastAPI) -> None:
    client = browser(watched, "viewer")
    table = list(csv.DictReader(io.StringIO(client.get("/surveillance/figures.csv").text)))
    document = client.get("/surveillance/figures.json").json()
    assert len(table) == len(document) > 100
    assert client.get("/surveillance/figures.csv").headers["content-disposition"].startswith("attachment")


def test_programs_get_alarms_figures_and_runs(watched: FastAPI) -> None:
    client = browser(watched, "viewer")
    alarms = client.get("/api/surveillance/alarms").json()
    assert {alarm["kind"] for alarm in alarms} >= {"feature", "quality", "outcome"}
    figures = client.get("/api/surveillance/figures", params={"kind": "risk"}).json()
    assert {figure["kind"] for figure in figures} == {"risk"}
    assert client.get("/api/surveillance/runs").json()[0]["state"] == "done"


def test_nobody_sees_it_without_a_login(watched: FastAPI) -> None:
    assert browser(watched, None).get("/surveillance").status_code in (303, 401)
    assert browser(watched, None).get("/api/surveillance/alarms").status_code == 401


def test_every_reason_for_which_the_engine_declines_has_a_name() -> None:
    codes = set()
    for file in Path(analysis.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "RejectedInput",
                "NotApplicable",
            ):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant):
                    codes.add(first.value)
    assert codes - REFUSALS.keys() == set()
