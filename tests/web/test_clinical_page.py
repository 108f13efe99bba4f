"""The clinical page: what is known of a study's patient, who said so, and entries by those who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from node_support import outcome, receive, receive_complete
from web_support import browser, console, console_config

from dicom_node.storage.clinical_records import ClinicalFact, Source, Told
from dicom_node.storage.journal import Journal

STUDY, PATIENT = "1.2.3", "a patient"
SCRIPT = "<script>alert(1)</script>"

pytestmark = pytest.mark.usefixtures("cheap_logins")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    with console(console_config(tmp_path)) as running:
        journal: Journal = running.state.journal
        receive_complete(journal, STUDY, patient_key=PATIENT, study_date="20250701")
        job = journal.claim_analysis("me", 60)
        assert job is not None
        assert journal.finish_analysis(job, outcome())
        yield running


@pytest.fixture
def journal(app: FastAPI) -> Journal:
    found: Journal = app.state.journal
    return found


def address(journal: Journal, study: str = STUDY) -> str:
    return f"/studies/{journal.study_key(study)}/clinical"


def enter(client: TestClient, url: str, **changes: str) -> int:
    values = {"name": "weight_kg", "value": "61.5", "since": "2025-06-01", "reason": "weighed", **changes}
    return client.post(f"{url}/facts", data=values).status_code


def test_an_operator_enters_context_and_the_study_is_analysed_again(app: FastAPI, journal: Journal) -> None:
    client, url = browser(app, "operator"), address(journal)
    assert enter(client, url, again="true") == 303
    page = client.get(url).text
    assert "61.5 kg" in page
    assert "counts" in page
    assert "weighed" in page
    (fact,) = journal.facts(PATIENT)
    assert (fact.told.source, fact.told.recorded_by) == ("console", "operator")
    job = journal.claim_analysis("me", 60)
    assert job is not None
    assert [item.value for item in job.clinical.facts] == [61.5]
    (change,) = journal.changes(subject=STUDY)
    assert (change.action, change.user, change.reason) == ("context.enter", "operator", "weighed")


def test_an_outcome_and_an_entry_for_the_study_are_taken(app: FastAPI, journal: Journal) -> None:
    client, url = browser(app, "operator"), address(journal)
    told = {"kind": "fracture", "on": "2026-01-02", "site": "hip", "mechanism": "fragility", "reason": "seen"}
    assert client.post(f"{url}/outcomes", data=told).status_code == 303
    death = {"kind": "death", "on": "2026-02-02", "site": "hip", "mechanism": "trauma", "reason": "registry"}
    assert (
        client.post(f"{url}/outcomes", data=death).status_code == 303
    )  # the fracture's fields do not matter
    said = [(item.kind, item.site) for item in journal.outcomes(PATIENT)]
    assert said == [("fracture", "hip"), ("death", "")]
    entry = {"name": "laterality", "value": "R", "reason": "wrong"}
    assert client.post(f"{url}/entries", data=entry).status_code == 303
    assert [item.value for item in journal.site_entries(STUDY)] == ["R"]
    assert journal.claim_analysis("me", 60) is not None


def test_what_cannot_be_is_shown_again_with_the_reason_and_what_was_typed(
    app: FastAPI, journal: Journal
) -> None:
    client, url = browser(app, "operator"), address(journal)
    answer = client.post(
        f"{url}/facts",
        data={"name": "weight_kg", "value": "6150", "since": "2025-06-01", "reason": SCRIPT},
    )
    assert answer.status_code == 422
    assert "outside 25 to 300" in answer.text
    assert 'value="6150"' in answer.text
    assert SCRIPT not in answer.text
    assert journal.facts(PATIENT, history=True) == []
    enter(client, url)
    assert enter(client, url) == 422  # that is what stands already


def test_entries_are_withdrawn_and_their_history_is_shown(app: FastAPI, journal: Journal) -> None:
    client, url = browser(app, "operator"), address(journal)
    enter(client, url)
    enter(client, url, value="66", reason="misread")
    (fact,) = journal.facts(PATIENT)
    data = {"entry": str(fact.id), "reason": "another patient"}
    assert client.post(f"{url}/facts/withdraw", data=data).status_code == 303
    assert journal.facts(PATIENT) == []
    page = client.get(url).text
    for said in ("withdrawn", "superseded", "misread", "another patient"):
        assert said in page
    assert client.post(f"{url}/facts/withdraw", data=data).status_code == 409


def test_a_contradiction_is_shown_until_a_person_decides(app: FastAPI, journal: Journal) -> None:
    for origin, value in (("registry", 60.0), ("clinic", 66.0)):
        told = Told(source=Source.CSV, origin=origin)
        journal.add_fact(
            ClinicalFact(
                patient_key=PATIENT, name="weight_kg", value=value, valid_from="2025-06-01", told=told
            )
        )
    client, url = browser(app, "operator"), address(journal)
    assert "contradicts itself" in client.get(url).text
    enter(client, url, value="66")
    assert "contradicts itself" not in client.get(url).text


def test_a_viewer_sees_and_changes_nothing_and_nobody_sees_nothing(app: FastAPI, journal: Journal) -> None:
    url = address(journal)
    viewer = browser(app, "viewer")
    page = viewer.get(url)
    assert page.status_code == 200
    assert "<form class" not in page.text
    assert enter(viewer, url) == 403
    assert viewer.post(f"{url}/entries", data={"name": "laterality", "reason": "x"}).status_code == 403
    assert browser(app, None).get(url).status_code == 303
    forged = browser(app, "operator")
    del forged.headers["X-CSRF-Token"]
    assert enter(forged, url) == 403
    assert journal.facts(PATIENT, history=True) == []


def test_whatever_was_told_is_shown_as_text(app: FastAPI, journal: Journal) -> None:
    told = Told(source=Source.CSV, origin=SCRIPT, recorded_by=SCRIPT, reason=SCRIPT)
    journal.add_fact(
        ClinicalFact(patient_key=PATIENT, name="weight_kg", value=60.0, valid_from="2025-06-01", told=told)
    )
    page = browser(app, "operator").get(address(journal)).text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


def test_a_study_of_nobody_takes_entries_for_itself_only(app: FastAPI, journal: Journal) -> None:
    receive(journal, "1.9", patient_key="")
    client, url = browser(app, "operator"), address(journal, "1.9")
    assert "no Patient ID" in client.get(url).text
    assert enter(client, url) == 422
    entry = {"name": "weight_kg", "value": "61", "reason": "weighed"}
    assert client.post(f"{url}/entries", data=entry).status_code == 303


def test_the_page_speaks_chinese(app: FastAPI, journal: Journal) -> None:
    client, url = browser(app, "operator", language="zh-CN"), address(journal)
    enter(client, url)
    page = client.get(url).text
    assert "体重" in page
    assert "临床背景与结局" in page


def test_programs_do_the_same_with_a_token(app: FastAPI, journal: Journal) -> None:
    client = browser(app, "operator")
    url = f"/api{address(journal)}"
    new = {"name": "clinical.prior_fracture", "value": "yes", "since": "2025-06-01", "reason": "told"}
    assert client.post(f"{url}/facts", json=new).status_code == 204
    assert client.post(f"{url}/facts", json={**new, "value": "perhaps"}).status_code == 409
    outcome_ = {"kind": "death", "on": "2026-01-01", "reason": "registry"}
    assert client.post(f"{url}/outcomes", json=outcome_).status_code == 204
    entry = {"name": "forearm_length_mm", "value": "251", "reason": "measured"}
    assert client.post(f"{url}/entries", json=entry).status_code == 204
    told = client.get(url).json()
    (fact,) = told["facts"]
    assert (fact["value"], fact["counts"], fact["told"]["recorded_by"]) == (True, True, "operator")
    assert [item["kind"] for item in told["outcomes"]] == ["death"]
    assert [item["value"] for item in told["entries"]] == [251.0]
    assert client.post(f"{url}/facts/{fact['id']}/withdraw", json={"reason": "wrong"}).status_code == 204
    assert client.get(url).json()["facts"][0]["stands"] is False
