"""Readers without a screen take our objects with the engine's numbers: highdicom, dcmqi, DCMTK, Orthanc."""

from __future__ import annotations

import html
import io
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from PIL import Image
from real_peers import OrthancServer
from sample_results import AnsweredStudy, answered_study

from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from reports.identity import ResultKind

SAMPLE = "02-calibrated-high-risk"
PICTURES = (ResultKind.SUMMARY, ResultKind.DRIVER_MAP, ResultKind.DENSITY_MAP)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> AnsweredStudy:
    return answered_study(SAMPLE, tmp_path_factory.mktemp("study"))


def run_dcmqi(program: str, *arguments: str) -> None:
    """Run a tool of the dcmqi package, which pip puts beside this Python."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def engine_values(study: AnsweredStudy) -> dict[str, float]:
    """Name as printed in the SR -> what the engine measured on the radius, and its risk."""
    names = {"one_third": "1/3", "ultradistal": "UD", "mid": "mid"}
    assert study.analysis.risk is not None
    values = {f"BMD {name}": study.analysis.regions[region].bmd_g_cm2 for region, name in names.items()}
    for year, estimate in study.analysis.risk.horizons.items():
        values[f"Fracture risk {year} y"] = 100 * estimate.probability
    return {name: value for name, value in values.items() if value is not None}


def test_highdicom_reads_the_engines_numbers_in_planar_groups(study: AnsweredStudy) -> None:
    document = hd.sr.ComprehensiveSR.from_dataset(study.result(ResultKind.MEASUREMENTS))
    groups: Any = document.content.get_planar_roi_measurement_groups()
    read = {m.name.meaning: float(m.value) for group in groups for m in group.get_measurements()}
    expected = engine_values(study)
    assert {name: read[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert document.content.get_image_measurement_groups() == []


def test_highdicom_reads_the_outlines_of_the_bones_in_the_segmentation(study: AnsweredStudy) -> None:
    segmentation = hd.seg.Segmentation.from_dataset(study.result(ResultKind.SEGMENTATION))
    labels = [segmentation.get_segment_description(n).segment_label for n in segmentation.segment_numbers]
    assert {"Radius", "Ulna"} <= set(labels)
    source = study.source[0]
    masks = segmentation.get_pixels_by_source_instance([source.SOPInstanceUID])
    assert masks.shape[1:3] == (source.Rows, source.Columns)
    radius = masks[0, :, :, labels.index("Radius")].astype(bool)
    assert source.pixel_array[radius].mean() > 2 * source.pixel_array[~radius].mean()


def test_dcmqi_reads_the_engines_numbers(study: AnsweredStudy, tmp_path: Path) -> None:
    read_file = tmp_path / "measurements.json"
    path = study.path(ResultKind.MEASUREMENTS)
    run_dcmqi("tid1500reader", "--inputDICOM", str(path), "--outputMetadata", str(read_file))
    groups = json.loads(read_file.read_text(encoding="utf-8"))["Measurements"]
    items = [item for group in groups for item in group["measurementItems"]]
    read = {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in items}
    expected = engine_values(study)
    # dcmqi prints as many decimals as the item's Numeric Value has
    assert {name: read[name] for name in expected} == pytest.approx(expected, rel=1e-3)


def test_dcmqi_turns_the_segmentation_into_one_image_per_segment(
    study: AnsweredStudy, tmp_path: Path
) -> None:
    path = study.path(ResultKind.SEGMENTATION)
    run_dcmqi(
        "segimage2itkimage", "--inputDICOM", str(path), "--outputDirectory", str(tmp_path), "-t", "nrrd"
    )
    segments = study.result(ResultKind.SEGMENTATION).SegmentSequence
    assert len(list(tmp_path.glob("*.nrrd"))) == len(segments)


@pytest.mark.dcmtk
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ResultKind.MEASUREMENTS, ["BMD 1/3", "T-score", "Fracture risk 10 y", "Tracking Identifier"]),
        (ResultKind.REPORT, ["Impression", "Recommendation", "RESEARCH USE ONLY"]),
        (ResultKind.KEY_OBJECTS, ["Key Object"]),
    ],
)
def test_dcmtk_renders_the_document_with_the_names_of_its_values(
    study: AnsweredStudy, tmp_path: Path, kind: ResultKind, expected: list[str]
) -> None:
    page = tmp_path / "document.html"
    subprocess.run(["dsr2html", str(study.path(kind)), str(page)], check=True, capture_output=True)
    text = " ".join(html.unescape(re.sub("<[^>]+>", " ", page.read_text(encoding="utf-8"))).split())
    assert [name for name in expected if name not in text] == []


@pytest.mark.dcmtk
@pytest.mark.parametrize("kind", [ResultKind.MEASUREMENTS, ResultKind.REPORT, ResultKind.KEY_OBJECTS])
def test_dcmtk_parses_every_item_of_the_document(study: AnsweredStudy, kind: ResultKind) -> None:
    subprocess.run(["dsrdump", str(study.path(kind))], check=True, capture_output=True)


@pytest.mark.orthanc
def test_orthanc_renders_every_picture_pixel_by_pixel(study: AnsweredStudy, orthanc: OrthancServer) -> None:
    files = [read_sendable(study.path(kind)) for kind in PICTURES]
    peer = Peer(orthanc.ae_title, "127.0.0.1", orthanc.dicom_port)
    sent = store(files, peer, calling_ae_title="RADIUSDXA", timeouts=Timeouts())
    assert [outcome.error for outcome in sent] == [None] * len(PICTURES)
    for kind in PICTURES:
        result = study.result(kind)
        place = f"/studies/{result.StudyInstanceUID}/series/{result.SeriesInstanceUID}"
        address = f"{orthanc.dicomweb_url}{place}/instances/{result.SOPInstanceUID}/rendered"
        request = urllib.request.Request(address, headers={"Accept": "image/png"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            rendered = np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))
        assert np.array_equal(rendered, result.pixel_array), kind
