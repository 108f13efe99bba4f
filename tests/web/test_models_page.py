"""Models in the console: provenance, figures, card and report; promoted and rolled back by administrators."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_site import NEWER, admin_config
from fastapi import FastAPI
from web_support import browser, console, console_config

from analysis.risk.versions import list_versions

pytestmark = pytest.mark.usefixtures("cheap_logins")

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FastAPI]:
    with console(admin_config(tmp_path)) as app:
        yield app


def models_of(app: FastAPI) -> Path:
    directory: Path = app.state.config.analysis.models
    return directory


def in_force(app: FastAPI) -> str:
    return next(item.version for item in list_versions(models_of(app)) if item.active and item.name == "full")


def test_models_are_told_with_their_provenance(site: FastAPI) -> None:
    page = browser(site, "viewer").get("/models").text
    assert "simulated cohort of 10285 subjects" in page
    assert "0.793" in page
    assert "clinical-bmd-texture" in page


def test_a_version_shows_figures_plots_and_its_card(site: FastAPI) -> None:
    client = browser(site, "viewer")
    page = client.get(f"/models/full/{in_force(site)}").text
    assert "In force (champion)" in page
    assert page.count("<polyline") == 10, "the model and four rivals, on two panels"
    card = client.get(f"/models/full/{in_force(site)}/card").text
    assert "<h1>Model card: fracture risk from the radius</h1>" in card
    assert "<table>" in card


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("administrator", 303)])
def test_promoting_takes_an_administrator(site: FastAPI, role: str, status: int) -> None:
    before = in_force(site)
    data = {"name": "full", "version": NEWER, "reason": "better on our patients"}
    assert browser(site, role).post("/models/promote", data=data).status_code == status
    assert in_force(site) == (NEWER if status == 303 else before)


def test_a_promotion_says_that_nothing_is_reprocessed_and_offers_the_dry_run(site: FastAPI) -> None:
    client = browser(site)
    data = {"name": "full", "version": NEWER, "reason": "better on our patients"}
    page = client.get(client.post("/models/promote", data=data).headers["location"]).text
    assert "No earlier study is analysed again by itself" in page
    assert "/jobs/reprocessing/new?model_older_than=current" in page
    assert "better on our patients" in page
    (change,) = site.state.journal.changes()
    assert (change.user, change.action, change.subject) == ("administrator", "model.promote", "full")


def test_a_roll_back_brings_the_version_before(site: FastAPI) -> None:
    client, before = browser(site), in_force(site)
    assert "Roll back to" not in client.get(f"/models/full/{before}").text.partition("<dialog")[0]
    client.post("/models/promote", data={"name": "full", "version": NEWER, "reason": "try"})
    assert f"Roll back to {before}" in client.get(f"/models/full/{NEWER}").text
    client.post("/models/rollback", data={"name": "full", "reason": "worse after all"})
    assert in_force(site) == before
    refused = browser(site, "operator").post("/models/rollback", data={"name": "full", "reason": "x"})
    assert refused.status_code == 403


def test_a_damaged_file_is_told_and_cannot_be_promoted(site: FastAPI) -> None:
    (models_of(site) / "full-site.json").write_text("{}")
    client = browser(site)
    page = client.get(f"/models/full/{NEWER}").text
    assert 'role="alert"' in page
    assert 'data-opens="promote"' not in page
    answer = client.post("/models/promote", data={"name": "full", "version": NEWER, "reason": "try"})
    assert answer.status_code == 409


def test_figures_of_the_evaluation_report_are_served_and_run_nothing(site: FastAPI) -> None:
    folder = models_of(site) / "reports" / f"full-{NEWER}"
    folder.mkdir(parents=True)
    (folder / "evaluation.html").write_text(
        f'<figure><img alt="ROC" src="data:image/svg+xml;base64,{base64.b64encode(SVG).decode()}">'
        "<figcaption><b>Figure 1.</b> ROC curves.</figcaption></figure>"
    )
    client = browser(site, "viewer")
    assert "ROC curves." in client.get(f"/models/full/{NEWER}").text
    figure = client.get(f"/models/full/{NEWER}/figures/1")
    assert (figure.content, figure.headers["content-type"]) == (SVG, "image/svg+xml")
    for path in ("figures/1", "evaluation.html"):
        policy = client.get(f"/models/full/{NEWER}/{path}").headers["content-security-policy"]
        assert "sandbox" in policy
        assert "default-src 'none'" in policy
    assert client.get(f"/models/full/{NEWER}/evaluation.pdf").status_code == 409


def test_a_card_cannot_bring_tags(site: FastAPI) -> None:
    (models_of(site) / "model-card.md").write_text(
        "# Card\n<script>alert(1)</script>\n[x](javascript:alert(1))"
    )
    page = browser(site, "viewer").get(f"/models/full/{in_force(site)}/card").text
    assert "&lt;script&gt;alert(1)" in page
    assert 'href="javascript' not in page


@pytest.mark.parametrize(("role", "status"), [("operator", 403), ("administrator", 303)])
def test_putting_in_shadow_and_ending_it_take_an_administrator(site: FastAPI, role: str, status: int) -> None:
    client = browser(site, role)
    data = {"name": "full", "version": NEWER, "reason": "watch it"}
    assert client.post("/models/shadow", data=data).status_code == status
    in_shadow = [item.version for item in list_versions(models_of(site)) if item.in_shadow]
    assert in_shadow == ([NEWER] if status == 303 else [])
    assert client.post("/models/end-shadow", data={"name": "full", "reason": "seen"}).status_code == status
    assert not [item for item in list_versions(models_of(site)) if item.in_shadow]


def test_the_shipped_models_are_not_changed_and_the_page_says_how_to_have_ones_own(tmp_path: Path) -> None:
    with console(console_config(tmp_path)) as app:
        client = browser(app)
        assert "dicom-node models copy" in client.get("/models").text
        name = "full"
        shipped = next(item for item in list_versions(models_of(app)) if item.name == name)
        assert "data-opens" not in client.get(f"/models/{name}/{shipped.version}").text
        data = {"name": name, "version": shipped.version, "reason": "x"}
        assert client.post("/models/promote", data=data).status_code == 409


def test_an_unknown_version_is_refused(site: FastAPI) -> None:
    assert browser(site, "viewer").get("/models/full/0.0").status_code == 409


def test_programs_do_the_same(site: FastAPI) -> None:
    client = browser(site)
    listed = client.get("/api/models").json()
    assert (listed[0]["name"], listed[0]["active"], listed[1]["version"]) == ("full", True, NEWER)
    detail = client.get(f"/api/models/full/{in_force(site)}").json()
    assert [item["years"] for item in detail["figures"]] == [1, 3, 5, 10]
    wanted = {"version": NEWER, "reason": "better"}
    assert browser(site, "operator").post("/api/models/full/promote", json=wanted).status_code == 403
    assert client.post("/api/models/full/promote", json=wanted).json()["active"]
    assert client.post("/api/models/full/rollback", json={"reason": "worse"}).json()["version"] != NEWER
    assert [item["action"] for item in client.get("/api/models/changes").json()] == ["rollback", "promote"]
