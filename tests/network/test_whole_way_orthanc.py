"""The whole way on real peers: storescu is the scanner, Orthanc the PACS, DICOMweb reads the answer back."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from real_peers import OrthancServer, find_program
from running_node import DICOM_NODE, running_node, write_node_config

from reports.identity import MANUFACTURER_MODEL_NAME, SERIES

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EVERY_KIND = {str(series.description) for kind, series in SERIES.items() if not kind.startswith("refusal")}
ANSWER_SECONDS = 120

pytestmark = [pytest.mark.orthanc, pytest.mark.dcmtk]


def storescu(folder: Path, port: int) -> None:
    program = find_program("storescu")
    assert program
    files = sorted(str(path) for path in folder.glob("*.dcm"))
    command = [program, "-aet", "SCANNER", "-aec", "RADIUSDXA", "127.0.0.1", str(port), *files]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def results_at(client: DICOMwebClient, study_uid: str) -> list[Dataset]:
    """Our result objects that Orthanc holds for a study, decoded from DICOMweb's answer."""
    found = [Dataset.from_json(entry) for entry in client.search_for_instances(study_uid)]
    fetched = [
        client.retrieve_instance(study_uid, str(item.SeriesInstanceUID), str(item.SOPInstanceUID))
        for item in found
    ]
    return [item for item in fetched if item.get("ManufacturerModelName") == MANUFACTURER_MODEL_NAME]


def wait_for_results(client: DICOMwebClient, study_uid: str) -> list[Dataset]:
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        results = results_at(client, study_uid)
        missing = EVERY_KIND - {str(item.SeriesDescription) for item in results}
        if not missing:
            return results
        assert time.monotonic() < deadline, f"still missing after a long wait: {sorted(missing)}"
        time.sleep(0.5)


def measured_bmd(report: Dataset) -> dict[str, float]:
    """Finding site region -> BMD in g/cm² as a reader of TID 1500 finds it."""
    document = hd.sr.ComprehensiveSR.from_dataset(report)
    values = {}
    for group in document.content.get_planar_roi_measurement_groups():
        for measurement in group.get_measurements():
            if measurement.unit.value == "g/cm2" and measurement.name.meaning.startswith("BMD "):
                values[measurement.name.meaning] = float(measurement.value)
    return values


def test_a_study_pushed_by_a_scanner_is_answered_in_the_pacs(
    tmp_path: Path, orthanc: OrthancServer, sample_studies: Path
) -> None:
    folder = sample_studies / "02-calibrated-high-risk"
    truth = json.loads((folder / "truth.json").read_text())
    study_uid = truth["study_instance_uid"]
    config, port = write_node_config(
        tmp_path / "node", destinations={"orthanc": (orthanc.ae_title, orthanc.dicom_port)}
    )
    client = DICOMwebClient(orthanc.dicomweb_url)
    with running_node(config):
        storescu(folder, port)
        results = wait_for_results(client, study_uid)

    assert len(results) == len(EVERY_KIND), "every object once"
    classes = sorted(str(item.SOPClassUID) for item in results)
    assert classes.count(SECONDARY_CAPTURE) == 3
    reports = {
        str(item.ConceptNameCodeSequence[0].CodeValue): item for item in results if item.Modality == "SR"
    }
    assert len(reports) == 2
    measurements = reports["126000"]
    assert measurements.SOPClassUID == COMPREHENSIVE_SR

    bmd = measured_bmd(measurements)
    for name, region in {"BMD 1/3": "one_third", "BMD UD": "ultradistal"}.items():
        assert bmd[name] == pytest.approx(truth["regions"][region]["bmd_g_cm2"], rel=0.05)

    source = dcmread(next(folder.glob("*.dcm")))
    for item in results:
        assert str(item.PatientName) == str(source.PatientName), "accented names survive the whole way"
        assert item.StudyInstanceUID == source.StudyInstanceUID
        assert item.SeriesInstanceUID != source.SeriesInstanceUID
    for item in results:
        if item.SOPClassUID == SECONDARY_CAPTURE:
            picture = item.pixel_array
            assert picture.ndim == 3
            assert np.ptp(picture) > 0


@pytest.mark.slow
def test_orthanc_renders_the_pictures_a_reader_sees(
    tmp_path: Path, orthanc: OrthancServer, sample_studies: Path
) -> None:
    folder = sample_studies / "05-lunar"
    study_uid = json.loads((folder / "truth.json").read_text())["study_instance_uid"]
    config, port = write_node_config(
        tmp_path / "node", destinations={"orthanc": (orthanc.ae_title, orthanc.dicom_port)}
    )
    client = DICOMwebClient(orthanc.dicomweb_url)
    with running_node(config):
        storescu(folder, port)
        results = wait_for_results(client, study_uid)
    for item in results:
        if item.SOPClassUID != SECONDARY_CAPTURE:
            continue
        picture = client.retrieve_instance_rendered(
            study_uid, str(item.SeriesInstanceUID), str(item.SOPInstanceUID), media_types=("image/png",)
        )
        assert picture.startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_site_that_wants_refusals_gets_one_for_a_spine_study(
    tmp_path: Path, orthanc: OrthancServer, sample_studies: Path
) -> None:
    folder = sample_studies / "06-spine-to-decline"
    study_uid = str(dcmread(next(folder.glob("*.dcm"))).StudyInstanceUID)
    config, port = write_node_config(
        tmp_path / "node",
        destinations={"orthanc": (orthanc.ae_title, orthanc.dicom_port)},
        extra='[destination.reports]\nrefusals = "all"\nlanguage = "zh"\n',
    )
    client = DICOMwebClient(orthanc.dicomweb_url)
    with running_node(config):
        storescu(folder, port)
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(orthanc.sop_instance_uids()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        page, report = sorted(results_at(client, study_uid), key=lambda item: str(item.Modality))
    assert (page.SOPClassUID, report.SOPClassUID) == (SECONDARY_CAPTURE, COMPREHENSIVE_SR)
    assert {item.SeriesDescription[:12] for item in (page, report)} == {"Not analysed"}


@pytest.mark.slow
def test_a_spine_study_is_declined_and_nothing_is_sent(
    tmp_path: Path, orthanc: OrthancServer, sample_studies: Path
) -> None:
    config, port = write_node_config(
        tmp_path / "node", destinations={"orthanc": (orthanc.ae_title, orthanc.dicom_port)}
    )
    with running_node(config):
        storescu(sample_studies / "06-spine-to-decline", port)
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            listing = subprocess.run(
                [DICOM_NODE, "studies", "--json", "--config", config],
                capture_output=True,
                check=True,
                timeout=60,
            )
            (study,) = json.loads(listing.stdout)
            if study["state"] not in {"receiving", "complete", "analyzing"}:
                break
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert study["state"] == "not_applicable"
    assert "spine" in study["reason"].lower()
    assert orthanc.sop_instance_uids() == []
