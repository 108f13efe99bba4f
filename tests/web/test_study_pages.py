"""Studies in the console: found, shown whole, corrected by those who may, and harmless whatever they hold."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from node_support import receive
from PIL import Image
from report_support import STUDY_UID
from study_ground import HostedStudy, archived, host_study
from web_support import browser, console, console_config

from dicom_node.storage.records import StudyState

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, HostedStudy]]:
    """For tests that change nothing."""
    with console(console_config(tmp_path_factory.mktemp("studies"))) as app:
        yield app, host_study(app)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[FastAPI, HostedStudy]]:
    with console(console_config(tmp_path)) as app:
        yield app, host_study(app)


# --- what is shown ----------------------------------------------------------------------------------------


def test_a_patient_called_script_is_shown_as_text_everywhere(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app, "viewer")
    for path in ("/studies", study.url, f"{study.url}/way", f"{study.url}/now"):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text
        assert "\"onload='x" not in page.text
    assert ESCAPED in client.get("/studies").text
    assert ESCAPED in client.get(study.url).text
    report = client.get(f"{study.url}/results/{study.results['Report']}/text")
    assert ESCAPED in report.text
    assert "<script>alert" not in report.text


def test_no_address_on_the_pages_names_the_patient(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app)
    for path in ("/studies", study.url):
        addresses = re.findall(r'(?:href|src|action|hx-\w+)="([^"]*)"', client.get(path).text)
        assert addresses
        assert not [text for text in addresses if "4711" in text or "alert" in text or STUDY_UID in text]


@pytest.mark.parametrize("term", ["alert", "4711", "SCRIPT", "onload 47"])
def test_a_search_finds_the_patient_by_what_stands_in_the_body(
    shown: tuple[FastAPI, HostedStudy], term: str
) -> None:
    app, study = shown
    client = browser(app, "viewer")
    found = client.post("/studies", data={"patient": term}, headers={"HX-Request": "true"})
    assert f'href="{study.url}"' in found.text
    assert "<html" not in found.text
    missed = client.post("/studies", data={"patient": "nobody at all"}).text
    assert "No study fits" in missed
    assert "<html" in missed  # without script, the form brings the whole page


@pytest.mark.parametrize(
    ("field", "hit", "miss"),
    [
        ("state", "analyzed", "failed"),
        ("risk", "moderate", "low"),
        ("scanner", "Synthetic Densitometers Phantom 1", "Other"),
        ("finding", "forearm_length_estimated", "motion_suspected"),
        ("dated_from", "2026-11-05", "2026-11-06"),
        ("dated_until", "2026-11-05", "2026-11-04"),
        ("received_until", "2999-01-01", "1999-01-01"),
    ],
)
def test_filters_narrow_the_list(shown: tuple[FastAPI, HostedStudy], field: str, hit: str, miss: str) -> None:
    app, study = shown
    client = browser(app, "viewer")
    assert study.url in client.post("/studies", data={field: hit}).text
    assert study.url not in client.post("/studies", data={field: miss}).text


def test_the_list_goes_on_page_by_page(app: FastAPI) -> None:
    for number in range(60):
        receive(app.state.journal, f"1.2.{number}")
    client = browser(app, "viewer")
    first = client.get("/studies").text
    trail = re.search(r'hx-vals=\'{"trail": "(\d+)"}\'', first)
    assert trail is not None
    second = client.post("/studies", data={"trail": trail[1]}).text
    links = [set(re.findall(r'href="/studies/(\d+)"', page)) for page in (first, second)]
    assert [len(found) for found in links] == [50, 10]
    assert not links[0] & links[1]


def test_an_empty_journal_says_what_to_do(app_of_session: FastAPI) -> None:
    assert "No study was received yet" in browser(app_of_session, "viewer").get("/studies").text


def test_the_page_shows_numbers_with_uncertainty_and_source(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    page = browser(app, "viewer").get(study.url).text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for said in (
        "0.556",  # BMD of the one-third radius
        "BMD measured on the pixels",
        "iscd-atlas-female",
        "trained on simulated data",
        "no basis for a decision",
        "Confirm with DXA of hip and lumbar spine",
        "Forearm length estimated",
        "SHAP waterfall",
        "90 % interval",
    ):
        assert said in text, said


def test_the_timeline_tells_the_way_from_association_to_delivery(
    shown: tuple[FastAPI, HostedStudy],
) -> None:
    app, study = shown
    way = browser(app, "viewer").get(f"{study.url}/way").text
    steps = [
        "Objects received from",
        "Complete",
        "Analysis 1 queued",
        "Analysis 1 started",
        "Analysis 1 ended",
    ]
    steps += ["Objects queued for pacs", "Objects delivered to pacs"]
    places = [way.index(step) for step in steps]
    assert places == sorted(places)
    assert "0x0000" in way  # the status of each C-STORE


def test_the_page_speaks_chinese(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app, "viewer", language="zh-CN")
    assert "超过" not in client.get("/studies").text
    page = client.get(study.url).text
    for word in ("风险估计的驱动因素", "桡骨远端1/3", "检查流程", "中等风险"):
        assert word in page


def test_what_is_not_analysed_says_why(app: FastAPI) -> None:
    receive(app.state.journal, "1.2.3")
    key = app.state.journal.study_key("1.2.3")
    page = browser(app, "viewer").get(f"/studies/{key}").text
    assert "No result yet" in page
    assert "Receiving" in page
    assert browser(app, "viewer").get("/studies/999").status_code == 404


# --- pictures and files -----------------------------------------------------------------------------------


def test_the_viewer_gets_every_bit_of_the_image(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    answer = browser(app, "viewer").get(f"{study.url}/pictures/image.png")
    assert answer.headers["content-type"] == "image/png"
    picture = np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)
    assert (picture[..., 0] * 256 + picture[..., 1] == study.pixels).all()
    facts = json.loads(answer.headers["X-Picture-Facts"])
    assert (facts["kind"], facts["center"], facts["width"]) == ("grey16", 2000.0, 3000.0)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("layer", ["mask", "drivers", "density"])
def test_layers_lie_on_the_image_and_are_transparent_off_the_bone(
    shown: tuple[FastAPI, HostedStudy], layer: str
) -> None:
    app, study = shown
    answer = browser(app, "viewer").get(f"{study.url}/pictures/{layer}.png")
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    scale = picture.shape[0] // study.pixels.shape[0]
    assert picture.shape == (scale * study.pixels.shape[0], scale * study.pixels.shape[1], 4)
    opaque = picture[..., 3] > 0
    radius = opaque[scale * 80 : scale * 180, scale * 112 : scale * 143]
    assert radius.mean() > 0.85
    assert not opaque[:, : scale * 60].any()


def test_a_study_without_such_a_layer_says_so(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app, "viewer")
    assert client.get(f"{study.url}/pictures/strain.png").status_code == 404
    assert client.get(f"{study.url}/pictures/anything.png").status_code == 422
    assert client.get("/studies/999/pictures/image.png").status_code == 404


def test_damaged_pixels_are_refused_without_hurting_the_console(
    site: tuple[FastAPI, HostedStudy],
) -> None:
    app, study = site
    path = app.state.archive.resolve("instances/source.dcm")
    path.write_bytes(path.read_bytes()[:-1000])
    client = browser(app, "viewer")
    answer = client.get(f"{study.url}/pictures/image.png")
    assert answer.status_code == 409
    assert "cannot be shown" in answer.text
    assert client.get(study.url).status_code == 200


def test_results_are_downloaded_as_they_were_sent(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app, "viewer")
    for name, uid in study.results.items():
        answer = client.get(f"{study.url}/results/{uid}.dcm")
        assert answer.content == archived(app, uid), name
        assert answer.headers["content-type"] == "application/dicom"
        assert "alert" not in answer.headers["content-disposition"]
    pdf = client.get(f"{study.url}/results/{study.results['PDF report']}.pdf")
    assert pdf.content.startswith(b"%PDF")
    assert client.get(f"{study.url}/results/{study.results['Report']}.pdf").status_code == 404
    assert client.get(f"{study.url}/results/1.2.3.dcm").status_code == 404


def test_a_released_file_says_where_it_still_is(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    uid = study.results["Report"]
    for file in app.state.journal.result_files(STUDY_UID):
        app.state.archive.resolve(file.path).unlink()
    answer = browser(app, "viewer").get(f"{study.url}/results/{uid}.dcm")
    assert answer.status_code == 410
    assert "PACS" in answer.text


# --- what people do ---------------------------------------------------------------------------------------

OPERATIONS = {
    "reprocess": {},
    "resend": {},
    "hold": {},
    "side": {"laterality": "R"},
    "forearm-length": {"forearm_length_mm": "251.5"},
    "opinion": {"verdict": "agree", "analysis_id": "1"},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_viewer_changes_nothing(site: tuple[FastAPI, HostedStudy], operation: str) -> None:
    app, study = site
    client = browser(app, "viewer")
    data = {"reason": "because", **OPERATIONS[operation]}
    assert client.post(f"{study.url}/{operation}", data=data).status_code == 403
    assert f'action="{study.url}/' not in client.get(study.url).text
    assert app.state.journal.changes(subject=STUDY_UID) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_another_site_cannot_make_an_operator_s_browser_change_anything(
    shown: tuple[FastAPI, HostedStudy], operation: str
) -> None:
    app, study = shown
    client = browser(app, "operator")
    del client.headers["X-CSRF-Token"]
    data = {"reason": "because", **OPERATIONS[operation]}
    assert client.post(f"{study.url}/{operation}", data=data).status_code == 403


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("reprocess", "study.reprocess"),
        ("resend", "study.resend"),
        ("hold", "study.hold"),
        ("side", "study.site_entry"),
        ("forearm-length", "study.site_entry"),
    ],
)
def test_an_operator_s_change_is_journalled_with_its_reason(
    site: tuple[FastAPI, HostedStudy], operation: str, action: str
) -> None:
    app, study = site
    client = browser(app, "operator")
    data = {"reason": "seen <b>on</b> the film", **OPERATIONS[operation]}
    answer = client.post(f"{study.url}/{operation}", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, study.url)
    (change,) = app.state.journal.changes(subject=STUDY_UID)
    assert (change.user, change.action, change.reason) == ("operator", action, "seen <b>on</b> the film")
    way = client.get(f"{study.url}/way").text
    assert "seen &lt;b&gt;on&lt;/b&gt; the film" in way


def test_nothing_is_done_without_a_reason(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    client = browser(app, "operator")
    for operation in ("reprocess", "resend", "hold", "side", "forearm-length"):
        assert client.post(f"{study.url}/{operation}", data=OPERATIONS[operation]).status_code == 422
    assert app.state.journal.changes(subject=STUDY_UID) == []


def test_a_corrected_side_has_the_study_analysed_again(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    client = browser(app, "operator")
    client.post(f"{study.url}/side", data={"laterality": "R", "reason": "marker on the image"})
    page = client.get(study.url).text
    assert "Corrected by operator: side: Right" in page
    assert app.state.journal.study(STUDY_UID).state is StudyState.COMPLETE
    assert [item.trigger for item in app.state.journal.analyses_of(STUDY_UID)] == ["received", "site_entry"]
    again = client.post(f"{study.url}/side", data={"laterality": "R", "reason": "again"})
    assert again.status_code == 409
    assert "nothing was changed" in again.text


def test_an_impossible_length_is_refused(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    data = {"forearm_length_mm": "2510", "reason": "slip"}
    answer = browser(app, "operator").post(f"{study.url}/forearm-length", data=data)
    assert answer.status_code == 409
    assert app.state.journal.site_entries(STUDY_UID) == []


def test_a_held_study_says_by_whom_and_is_released(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    client = browser(app, "operator")
    client.post(f"{study.url}/hold", data={"reason": "wrong patient?"})
    assert "Held back by operator: wrong patient?" in client.get(study.url).text
    assert study.url in client.post("/studies", data={"held": "true"}).text
    client.post(f"{study.url}/release", data={"reason": "checked"})
    assert app.state.journal.holds() == {}
    assert client.post(f"{study.url}/release", data={"reason": "twice"}).status_code == 409


def test_a_radiologist_disagrees_with_one_click_and_a_comment(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    client = browser(app, "operator")
    data = {"verdict": "disagree", "comment": "outline <i>too wide</i>", "analysis_id": study.analysis_id}
    assert client.post(f"{study.url}/opinion", data=data).status_code == 303
    (opinion,) = app.state.journal.opinions(STUDY_UID)
    assert (opinion.verdict, opinion.told.recorded_by) == ("disagree", "operator")
    assert "outline &lt;i&gt;too wide&lt;/i&gt;" in client.get(study.url).text
    empty = {"verdict": "amend", "comment": " ", "analysis_id": study.analysis_id}
    assert client.post(f"{study.url}/opinion", data=empty).status_code == 409


def test_the_open_page_offers_a_newer_result(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app, "viewer")
    assert "A newer result is here" in client.get(f"{study.url}/now?analysis=0").text
    assert "newer" not in client.get(f"{study.url}/now?analysis={study.analysis_id}").text


# --- programs ---------------------------------------------------------------------------------------------


def test_a_program_searches_reads_and_corrects(site: tuple[FastAPI, HostedStudy]) -> None:
    app, study = site
    client = browser(app, "operator")
    found = client.post("/api/studies/search", json={"patient": "alert", "limit": 1}).json()
    assert (found["count"], found["next"]) == (1, None)
    assert found["studies"][0]["study_instance_uid"] == STUDY_UID
    whole = client.get(f"/api/studies/{study.key}").json()
    assert whole["numbers"]["risk"]["category"] == "moderate"
    assert [entry["step"] for entry in whole["timeline"]][:2] == ["arrived", "complete"]
    entry = {"field": "forearm_length_mm", "value": 250, "reason": "measured"}
    assert client.post(f"/api/studies/{study.key}/entries", json=entry).json() == {
        "done": True,
        "objects": None,
    }
    refused = client.post(f"/api/studies/{study.key}/entries", json=entry)
    assert (refused.status_code, "nothing was changed" in refused.json()["detail"]) == (409, True)
    opinion = {"analysis_id": study.analysis_id, "verdict": "amend", "amendments": {"laterality": "R"}}
    assert client.post(f"/api/studies/{study.key}/opinions", json=opinion).status_code == 200
    uid = study.results["Summary"]
    assert client.get(f"/api/studies/{study.key}/results/{uid}").content == archived(app, uid)


def test_a_program_without_token_gets_nothing(shown: tuple[FastAPI, HostedStudy]) -> None:
    app, study = shown
    client = browser(app, None)
    assert client.get(f"/api/studies/{study.key}").status_code == 401
    assert client.get(study.url).status_code == 303
    assert client.get(f"{study.url}/pictures/image.png").status_code == 303
