"""A study on its way through the console: it arrives, is read layer by layer, and its side is corrected."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from console_site import ANALYSIS_SECONDS, MakePerson, Person, Site, wait_until
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from pydicom import dcmread
from sample_copies import copy_study, files_of, study_uid_of

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.chromium]

SAMPLE = "02-calibrated-high-risk"
NO_SIDE = {
    "PatientID": "SIM-0002B",
    "ImageLaterality": "",
    "StudyDescription": "DXA Forearm",
    "ProtocolName": "DXA Forearm",
    "DerivationDescription": "Simulated dual-energy decomposition",
}
"""As a scanner sends it whose technologist chose no side."""

ANALYSIS_MILLISECONDS = 1000 * ANALYSIS_SECONDS


def row_of(page: Page, sample: str) -> Locator:
    """The line of a sample study in the list of studies."""
    patient_id = str(dcmread(files_of(sample)[0], stop_before_pixels=True).PatientID)
    return page.locator("table.studies tbody tr").filter(has_text=patient_id)


def stage_pixels(person: Person) -> NDArray[np.int16]:
    """What the reader sees of the image: a screenshot of its stage, always from the same scroll position."""
    page = person.page
    page.evaluate(
        "scrollTo(0, 0); new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    area = page.locator("#viewer .stage").bounding_box()
    assert area
    shot = page.screenshot(clip=area, animations="disabled", caret="hide")
    return np.asarray(Image.open(BytesIO(shot)).convert("RGB"), dtype=np.int16)


def share_changed(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Share of the pixels that look otherwise."""
    return float((np.abs(after - before).max(axis=2) > 8).mean())


@pytest.fixture
def reader(site: Site, person: MakePerson) -> Person:
    """An operator before the page of the analysed study, its image loaded."""
    uid = study_uid_of(SAMPLE)
    site.wait_for_state(uid, "analyzed")
    operator = person("operator")
    operator.open(f"/studies/{site.key_of(uid)}")
    expect(operator.page.locator("#viewer .viewer-message")).to_be_hidden(timeout=60_000)
    return operator


def test_a_pushed_study_appears_is_analysed_and_delivered_without_a_reload(
    site: Site, person: MakePerson
) -> None:
    watching_overview, watching_list = person("viewer"), person("operator")
    overview, studies = watching_overview.page, watching_list.page
    watching_list.open("/studies")
    watching_overview.open("/")
    for page in (overview, studies):
        page.evaluate("window.notReloaded = true")
    before = overview.locator("main").inner_text()
    expect(row_of(studies, SAMPLE)).to_have_count(0)

    site.push(*files_of(SAMPLE))

    row = row_of(studies, SAMPLE)
    expect(row).to_be_visible()
    expect(row.get_by_text("Analysed", exact=True)).to_be_visible(timeout=ANALYSIS_MILLISECONDS)
    watching_overview.reads_until(lambda: overview.locator("main").inner_text() != before)
    uid = study_uid_of(SAMPLE)
    wait_until(lambda: len(site.pacs.reports(uid)) == 1, seconds=60)
    expect(row).to_contain_text(re.compile(r"(\d+) / \1\b"), timeout=60_000)  # the PACS has committed itself
    expect(row).to_contain_text("Right")
    expect(row).to_contain_text("High risk")
    for page in (overview, studies):
        assert page.evaluate("window.notReloaded") is True


def test_the_way_of_the_study_is_told_from_the_association_to_the_commitment(reader: Person) -> None:
    way = reader.page.locator("section[aria-labelledby=way-title]")
    way.scroll_into_view_if_needed()
    text = way.inner_text()
    places = [
        text.find(word)
        for word in ("received from DXA1", "Complete", "Analysis 1 ended", "confirmed to keep")
    ]
    assert places == sorted(places), text
    assert -1 not in places, text


def test_layers_window_and_zoom_change_what_is_seen(reader: Person) -> None:
    page = reader.page
    tools = page.locator(".viewer-tools")
    for box in tools.get_by_role("checkbox").all():
        box.uncheck()
    plain = stage_pixels(reader)
    assert plain.std() > 10, "there is a picture, not a grey plane"
    boxes = [box.get_attribute("name") for box in tools.get_by_role("checkbox").all()]
    assert {"outlines", "mask", "drivers"} <= set(boxes)
    seen = {}
    for name in boxes:
        box = tools.locator(f"input[name={name}]")
        box.check()
        layer = page.locator(f"#viewer .plane [data-layer={name}]")
        expect(layer).to_be_visible()
        reader.reads_until(lambda: share_changed(plain, stage_pixels(reader)) > 0.002)
        seen[name] = stage_pixels(reader)
        box.uncheck()
        assert share_changed(plain, stage_pixels(reader)) == 0, f"{name} goes as it came"
    assert share_changed(seen["mask"], seen["drivers"]) > 0.01, "each layer is another picture"


def test_the_opacity_makes_a_layer_stronger(reader: Person) -> None:
    tools = reader.page.locator(".viewer-tools")
    tools.locator("input[name=outlines]").uncheck()
    plain = stage_pixels(reader)
    tools.locator("input[name=mask]").check()
    reader.reads_until(lambda: share_changed(plain, stage_pixels(reader)) > 0.002)
    strengths = []
    for percent in ("0", "40", "100"):
        tools.locator("input[name=opacity]").fill(percent)
        strengths.append(float(np.abs(stage_pixels(reader) - plain).mean()))
    assert strengths[0] < 0.01 < strengths[1] < 0.7 * strengths[2], strengths


def test_window_and_level_by_numbers_by_mouse_and_back(reader: Person) -> None:
    page = reader.page
    tools, stage = page.locator(".viewer-tools"), page.locator("#viewer .stage")
    plain = stage_pixels(reader)
    center = float(tools.locator("input[name=center]").input_value())
    tools.locator("input[name=center]").fill(str(center * 1.3))
    assert stage_pixels(reader).mean() < plain.mean() - 5, "a higher centre is darker"
    tools.get_by_role("button", name="Reset").click()
    assert share_changed(plain, stage_pixels(reader)) < 0.001

    area = stage.bounding_box()
    assert area
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 60, steps=3)
    page.mouse.up()
    page.mouse.move(0, 0)
    assert float(tools.locator("input[name=center]").input_value()) > center
    assert stage_pixels(reader).mean() < plain.mean() - 5, "down is darker"


def test_zoom_by_buttons_and_keys_and_back(reader: Person) -> None:
    page = reader.page
    canvas, stage = page.locator("#viewer canvas"), page.locator("#viewer .stage")
    plain, fitted = stage_pixels(reader), canvas.bounding_box()
    page.get_by_role("button", name="Zoom in").click()
    zoomed = canvas.bounding_box()
    assert fitted
    assert zoomed
    assert zoomed["width"] == pytest.approx(1.25 * fitted["width"], rel=0.01)
    assert share_changed(plain, stage_pixels(reader)) > 0.05
    stage.press("+")
    stage.press("ArrowLeft")
    moved = canvas.bounding_box()
    assert moved
    assert moved["width"] == pytest.approx(1.25**2 * fitted["width"], rel=0.01)
    stage.press("0")
    assert canvas.bounding_box() == fitted


def test_a_corrected_side_supersedes_the_report_at_the_pacs(
    site: Site, person: MakePerson, tmp_path: Path
) -> None:
    uid, files = copy_study(SAMPLE, tmp_path, **NO_SIDE)
    site.push(*files)
    wait_until(lambda: len(site.pacs.reports(uid)) == 1, seconds=ANALYSIS_SECONDS)
    (former,) = site.pacs.reports(uid)
    operator = person("operator")
    page = operator.page
    operator.open(f"/studies/{site.key_of(uid)}")
    expect(page.locator(".side-mark")).to_have_count(0)
    page.get_by_role("button", name="Correct side").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Right").check()
    dialog.get_by_label("Reason").fill("the technologist chose no side")
    dialog.get_by_role("button", name="Correct").click()

    wait_until(lambda: len(site.pacs.reports(uid)) == 2, seconds=ANALYSIS_SECONDS)
    (new,) = (report for report in site.pacs.reports(uid) if report.SOPInstanceUID != former.SOPInstanceUID)
    named = [
        instance.ReferencedSOPInstanceUID
        for study in new.PredecessorDocumentsSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]
    assert former.SOPInstanceUID in named
    assert "PredecessorDocumentsSequence" not in former
    way = page.locator("section[aria-labelledby=way-title]")
    expect(way).to_contain_text("the technologist chose no side")
    expect(way).to_contain_text("operator")
    operator.open(f"/studies/{site.key_of(uid)}")
    expect(page.locator(".side-mark")).to_have_text("R")


def test_a_side_that_the_picture_contradicts_is_not_sent_and_is_taken_back(
    site: Site, reader: Person
) -> None:
    page, uid = reader.page, study_uid_of(SAMPLE)
    for side, state in (("Left", "rejected"), ("as the objects say", "analyzed")):
        page.get_by_role("button", name="Correct side").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label(side).check()
        dialog.get_by_label("Reason").fill("a slip of the hand")
        dialog.get_by_role("button", name="Correct").click()
        site.wait_for_state(uid, state)
        if state == "rejected":
            reader.open(f"/studies/{site.key_of(uid)}")
            expect(page.get_by_text("the picture shows a right one").first).to_be_visible()
    assert len(site.pacs.reports(uid)) == 1
