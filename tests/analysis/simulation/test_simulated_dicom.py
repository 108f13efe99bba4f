"""Simulated studies speak DICOM as real densitometers do, and validate."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from analysis.results import Laterality
from analysis.simulation import Acquisition, draw_subject
from analysis.simulation.samples import sample_studies as make_samples
from analysis.simulation.study import (
    FLAVOURS,
    Flavour,
    SimulatedStudy,
    simulate_study,
    study_header,
    write_study,
)

SUBJECT = draw_subject(np.random.default_rng(8), age=71, sex="F")


def encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def studies() -> dict[str, SimulatedStudy]:
    return {flavour: simulate_study(flavour, 8, subject=SUBJECT) for flavour in FLAVOURS}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_seed_gives_the_same_bytes(flavour: Flavour) -> None:
    first, again = (simulate_study(flavour, 3) for _ in range(2))
    assert first.truth == again.truth
    for name, dataset in first.objects.items():
        assert encoded(dataset) == encoded(again.objects[name])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_another_seed_is_another_study(flavour: Flavour) -> None:
    one, other = (simulate_study(flavour, seed) for seed in (3, 4))
    assert one.truth["study_instance_uid"] != other.truth["study_instance_uid"]


@pytest.mark.dciodvfy
@pytest.mark.parametrize("name", [*FLAVOURS, "spine"])
def test_every_object_passes_dciodvfy(name: str, studies: dict[str, SimulatedStudy], tmp_path: Path) -> None:
    study = make_samples()["06-spine-to-decline"] if name == "spine" else studies[name]
    for path in write_study(study, tmp_path):
        checked = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        output = checked.stdout + checked.stderr
        assert [line for line in output.splitlines() if "Error" in line] == []
        assert output  # it did look at the file: it names the IOD


def test_every_object_carries_patient_and_study(studies: dict[str, SimulatedStudy]) -> None:
    for study in studies.values():
        uids = set()
        for dataset in study.objects.values():
            assert dataset.PatientSex == "F"
            assert dataset.PatientAge == "071Y"
            assert float(dataset.PatientSize) == pytest.approx(SUBJECT.height_mm / 1000, abs=0.001)
            assert float(dataset.PatientWeight) == pytest.approx(SUBJECT.weight_kg, abs=0.05)
            assert str(dataset.PatientName).startswith("SIMULATED^")
            assert dataset.StudyInstanceUID == study.truth["study_instance_uid"]
            assert dataset.StudyInstanceUID.startswith("2.25.")
            assert dataset.Manufacturer.startswith("simulated")
            for keyword in ("PatientBirthDate", "StudyDate", "AccessionNumber", "StudyDescription"):
                assert dataset[keyword].value
            uids |= {dataset.SOPInstanceUID, dataset.SeriesInstanceUID}
        assert len(uids) == 2 * len(study.objects)


def test_calibrated_pixels_are_areal_density_through_the_real_world_value_map(tmp_path: Path) -> None:
    acquisition = Acquisition(laterality=Laterality.RIGHT, hand_up=False, spacing_mm=(0.4, 0.5), columns=210)
    study = simulate_study("calibrated", 8, subject=SUBJECT, acquisition=acquisition)
    image = pydicom.dcmread(write_study(study, tmp_path)[0])
    mapping = image.RealWorldValueMappingSequence[0]
    density = mapping.RealWorldValueSlope * image.pixel_array + mapping.RealWorldValueIntercept
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "g/cm2"
    assert [float(side) for side in image.PixelSpacing] == [0.4, 0.5]
    assert image.ImageLaterality == "R"
    assert density[study.masks["radius"]].mean() == pytest.approx(
        study.truth["regions"]["total"]["bmd_g_cm2"], rel=0.15
    )
    background = density[:, :8] if density[:, :8].mean() < density[:, -8:].mean() else density[:, -8:]
    assert abs(background.mean()) < 0.02  # noise around zero is not cut off
    assert background.min() < 0


def test_hologic_numbers_stand_in_the_private_analysis_text(studies: dict[str, SimulatedStudy]) -> None:
    study = studies["hologic"]
    page = study.objects["report_page.dcm"]
    text = page[0x0019, 0x1000].value
    fields = dict(re.findall(r'^(\w+) = "(.*)";\r?$', text, re.MULTILINE))
    assert fields["ScanMode"] == f"a {page.Laterality}.Forearm"
    assert (page.Modality, page.BodyPartExamined, page.PhotometricInterpretation) == ("OT", "ARM", "RGB")
    cells = {
        (int(row), int(column)): cell
        for row, column, cell in re.findall(
            r'^ResultsTable1\[ (\d+)\]\[ (\d+)\] = "(.*)";', text, re.MULTILINE
        )
    }
    assert cells[0, 1] == "Area[cm<sup><small>2</small></sup>]"
    printed = {re.sub("<.*?>", "", cells[row, 0]): re.sub("<.*?>", "", cells[row, 3]) for row in range(1, 5)}
    vendor = study.truth["vendor"]
    names = {"1/3": "one_third", "MID": "mid", "UD": "ultradistal", "Total": "total"}
    assert {names[label]: float(value) for label, value in printed.items()} == {
        name: row["bmd_g_cm2"] for name, row in vendor.items()
    }


def test_the_order_of_hologic_rows_varies_between_sites() -> None:
    first_labels = {
        re.search(
            r'ResultsTable1\[ 1\]\[ 0\] = "(.*?)"', study.objects["report_page.dcm"][0x0019, 0x1000].value
        )[1]  # type: ignore[index]
        for study in (simulate_study("hologic", seed) for seed in (1, 2))
    }
    assert first_labels == {"1/3", "UD"}


def test_the_scan_lies_in_the_page_where_the_text_says(studies: dict[str, SimulatedStudy]) -> None:
    study = studies["hologic"]
    page, mask = study.objects["report_page.dcm"], study.masks["radius"]
    rectangle = study.truth["scan_rectangle"]
    assert mask is not None
    assert mask.shape == (page.Rows, page.Columns)
    grey = page.pixel_array[..., 0].astype(float)
    x, y, width, height = (rectangle[key] for key in ("x", "y", "width", "height"))
    scan = grey[y : y + height, x : x + width]
    assert mask.sum() == mask[y : y + height, x : x + width].sum()
    assert grey[mask].mean() > 2 * np.median(scan)
    assert grey[:, x + width + 4 :].mean() > 200  # paper around it


def test_the_vendor_measures_the_truth_with_its_precision() -> None:
    errors = []
    for seed in range(12):
        truth = simulate_study("lunar", seed).truth
        errors.append(
            truth["vendor"]["one_third"]["bmd_g_cm2"] / truth["regions"]["one_third"]["bmd_g_cm2"] - 1
        )
    assert 0.0015 < np.std(errors) < 0.012  # CV 0.55 %
    assert abs(np.mean(errors)) < 0.006


def test_lunar_names_neither_body_part_nor_side_nor_spacing(studies: dict[str, SimulatedStudy]) -> None:
    study = studies["lunar"]
    image = study.objects["IMG00000.dcm"]
    assert image.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert (image.BodyPartExamined, image.Laterality) == ("", "")
    assert not {"PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"} & {
        e.keyword for e in image
    }
    side = {"L": "Left", "R": "Right"}[study.truth["laterality"]]
    assert image.ProtocolName == f"{side} Forearm"
    width, height = image.ExposedArea
    row_mm, column_mm = study.truth["pixel_spacing_mm"]
    assert width / image.Columns == pytest.approx(column_mm, rel=0.006)
    assert height / image.Rows == pytest.approx(row_mm, rel=0.006)
    assert image.pixel_array.max() <= 252


def test_lunar_reports_scores_as_text_with_decimal_comma(studies: dict[str, SimulatedStudy]) -> None:
    report = studies["lunar"].objects["STR00000.dcm"]
    scan = report.ContentSequence[0]
    regions = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in scan.ContentSequence[1:]}
    assert set(regions) == {"Radius UD", "Radius 33%", "Radius Total"}
    values = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item for item in regions["Radius 33%"].ContentSequence
    }
    vendor = studies["lunar"].truth["vendor"]["one_third"]
    assert float(values["BMD"].MeasuredValueSequence[0].NumericValue) == vendor["bmd_g_cm2"]
    assert values["BMD_TSCORE"].TextValue == f"{vendor['t_score']:.1f}".replace(".", ",")


def test_non_latin_names_survive() -> None:
    header = study_header(
        "names", SUBJECT, 1, patient_name="SIMULATED^Wang=模拟^王", study_date=date(2024, 1, 2)
    )
    study = simulate_study("lunar", 1, subject=SUBJECT, header=header)
    for dataset in study.objects.values():
        read = pydicom.dcmread(BytesIO(encoded(dataset)))
        assert read.SpecificCharacterSet == "ISO_IR 192"
        assert read.PatientName.ideographic == "模拟^王"


def test_truth_and_mask_are_written_beside_the_objects(
    studies: dict[str, SimulatedStudy], tmp_path: Path
) -> None:
    study = studies["calibrated"]
    write_study(study, tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert truth["regions"]["one_third"]["polygon"]
    for bone in ("radius", "ulna"):
        mask = np.asarray(Image.open(tmp_path / truth[f"{bone}_mask"]))
        assert mask.shape == (truth["rows"], truth["columns"])
        assert np.array_equal(mask == 255, study.masks[bone])
