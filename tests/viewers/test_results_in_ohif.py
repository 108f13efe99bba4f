"""What a radiologist sees of our results in OHIF before a PACS, with the mouse, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ohif import ohif_folder, serving_ohif
from playwright.sync_api import FloatRect, Playwright
from reader import Reader, likeness
from real_peers import OrthancServer, find_program, running_orthanc
from sample_results import AnsweredStudy, answered_study

from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from reports.identity import SERIES, ResultKind
from reports.options import EVERY_RESULT

pytestmark = [
    pytest.mark.slow,  # a browser, a viewer and a PACS: about a minute
    pytest.mark.orthanc,
    pytest.mark.chromium,
    pytest.mark.ohif,
]

SAMPLE = "02-calibrated-high-risk"
PICTURES_VARIABLE = "RADIUS_VIEWER_PICTURES"
"""Folder in which to keep the screenshots; docs/images/viewers when the documentation is renewed."""

SOFTWARE_RENDERING = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""WebGL without a graphics card; root, as CI runs, may not use Chromium's sandbox."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> AnsweredStudy:
    return answered_study(SAMPLE, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def pacs(study: AnsweredStudy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """A PACS that has the study and, from the node's own sender, every result."""
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        peer = Peer(server.ae_title, "127.0.0.1", server.dicom_port)
        files = [read_sendable(path) for path in study.files]
        sent = store(files, peer, calling_ae_title="RADIUSDXA", timeouts=Timeouts())
        assert [outcome.error for outcome in sent] == [None] * len(study.files)
        yield server


@pytest.fixture(scope="module")
def reader(
    pacs: OrthancServer, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    pictures = os.environ.get(PICTURES_VARIABLE)
    folder = Path(pictures) if pictures else tmp_path_factory.mktemp("pictures")
    with serving_ohif(ohif_folder(), pacs.dicomweb_url) as address:
        browser = playwright.chromium.launch(
            executable_path=find_program("chromium"), args=SOFTWARE_RENDERING
        )
        yield Reader(browser.new_page(), address, folder)
        browser.close()


@pytest.fixture(scope="module")
def reader_of_the_study(reader: Reader, study: AnsweredStudy) -> Reader:
    reader.open_study(study.study_uid)
    return reader


@pytest.fixture
def opened(reader_of_the_study: Reader) -> Iterator[Reader]:
    """The study's page with whatever the test before left open; the page must report no error."""
    yield reader_of_the_study
    problems, reader_of_the_study.problems = reader_of_the_study.problems, []
    assert problems == []


def test_the_study_list_shows_the_study_with_its_results(reader: Reader, study: AnsweredStudy) -> None:
    rows = reader.open_study_list()
    reader.keep_picture("study-list")
    row = rows.filter(has_text=str(study.source[0].PatientID)).first.inner_text()
    assert str(len(study.files)) in row.split()
    assert "SR" in row


def test_the_source_opens_first_and_every_result_is_listed(opened: Reader, study: AnsweredStudy) -> None:
    pixels = study.source[0].pixel_array.astype(float)
    assert likeness(opened.look(), (255 * pixels / pixels.max()).astype(np.uint8)) > 0.9
    for kind in map(ResultKind, EVERY_RESULT):
        assert opened.series(SERIES[kind].description).count() == 1, kind
    opened.keep_picture("source")


def open_measurements(opened: Reader) -> None:
    opened.open_series(SERIES[ResultKind.MEASUREMENTS].description)
    opened.touch_picture()  # OHIF now and then draws the regions only then: docs/viewers.md


def test_the_regions_are_drawn_on_the_bone_with_our_numbers(opened: Reader, study: AnsweredStudy) -> None:
    open_measurements(opened)
    opened.keep_picture("measurements")
    boxes = [text for text, _ in opened.placed_texts()]
    third = study.analysis.regions["one_third"]
    (box,) = [text for text in boxes if text.startswith("BMD 1/3:")]
    assert f"BMD 1/3: {third.bmd_g_cm2:.2f} g/cm2" in box
    assert f"T-score: {third.t_score:.2f}" in box
    assert study.analysis.risk is not None
    for year, estimate in study.analysis.risk.horizons.items():
        assert any(f"Fracture risk {year} y: {100 * estimate.probability:.2f} %" in text for text in boxes)
    assert opened.page.get_by_text("continue tracking").count() == 0
    assert opened.page.get_by_role("button", name="Yes", exact=True).count() == 0


def test_nothing_is_printed_over_the_number_used_for_diagnosis(opened: Reader) -> None:
    open_measurements(opened)
    boxes = {text: place for text, place in opened.placed_texts() if place["width"]}
    (third,) = [place for text, place in boxes.items() if text.startswith("BMD 1/3:")]
    covering = [text for text, place in boxes.items() if place is not third and overlap(place, third)]
    assert covering == []


def overlap(one: FloatRect, other: FloatRect) -> bool:
    return (
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


@pytest.mark.parametrize("kind", [ResultKind.SUMMARY, ResultKind.DRIVER_MAP, ResultKind.DENSITY_MAP])
def test_a_picture_is_shown_as_it_was_sent(opened: Reader, study: AnsweredStudy, kind: ResultKind) -> None:
    opened.open_series(SERIES[kind].description)
    opened.keep_picture(kind.value)
    assert likeness(opened.look(), study.result(kind).pixel_array) > 0.9


def test_the_report_is_readable_text(opened: Reader) -> None:
    opened.open_series(SERIES[ResultKind.REPORT].description)
    opened.keep_picture("report")
    text = opened.viewport.inner_text()
    for heading in ("Impression", "Recommendation", "RESEARCH USE ONLY"):
        assert heading in text


def test_the_segmentation_colours_the_source(opened: Reader, study: AnsweredStudy) -> None:
    opened.open_series(str(study.source[0].SeriesDescription))
    plain = coloured_share(opened.look())
    opened.open_series(SERIES[ResultKind.SEGMENTATION].description)
    opened.page.get_by_role("button", name="Yes", exact=True).click()
    opened.settle()
    opened.keep_picture("segmentation")
    assert coloured_share(opened.look()) > plain + 0.02


def coloured_share(pixels: np.ndarray) -> float:
    """Share of the viewport's pixels that are clearly not grey."""
    spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
    return float((spread > 40).mean())


def test_the_pdf_reaches_the_browser_whole(opened: Reader, study: AnsweredStudy) -> None:
    opened.open_series(SERIES[ResultKind.DOCUMENT].description)
    opened.keep_picture("document")
    delivered = opened.page.locator('object[type="application/pdf"]').evaluate(
        "async e => Array.from(new Uint8Array(await (await fetch(e.data)).arrayBuffer()))"
    )
    document = study.result(ResultKind.DOCUMENT)
    assert bytes(delivered).rstrip(b"\0") == document.EncapsulatedDocument.rstrip(b"\0")
