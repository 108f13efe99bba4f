"""``dicom-node analyze`` on the sample studies: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from running_node import DICOM_NODE

from reports.render import as_text

REGIONS = ["ultradistal", "mid", "one_third", "total"]


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(DICOM_NODE), "analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def answer(
    sample_studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    out = tmp_path_factory.mktemp("analysed")
    return analyze(sample_studies, "--json", "--out", out), out


@pytest.fixture(scope="module")
def studies(
    answer: tuple[subprocess.CompletedProcess[str], Path], sample_studies: Path
) -> dict[str, dict[str, Any]]:
    """Folder name of each sample study -> its entry in the JSON answer."""
    by_uid = {entry["study_instance_uid"]: entry for entry in json.loads(answer[0].stdout)["studies"]}
    names = {}
    for folder in sorted(sample_studies.glob("0*")):
        truth = json.loads((folder / "truth.json").read_text())
        names[folder.name] = by_uid[truth["study_instance_uid"]]
    return names


def test_standard_output_is_one_json_object_and_nothing_else(
    answer: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    process, _ = answer
    document = json.loads(process.stdout)
    assert process.returncode == 0
    assert document["schema"] == "1"
    assert len(document["studies"]) == 7
    assert document["unreadable"] == []


def test_every_sample_ends_as_its_truth_says(
    studies: dict[str, dict[str, Any]], sample_studies: Path
) -> None:
    for name, entry in studies.items():
        truth = json.loads((sample_studies / name / "truth.json").read_text())
        assert entry["status"] == truth["expected_status"], name
        assert entry["laterality"] == truth["laterality"], name


def test_a_declined_study_has_a_reason_and_no_numbers(studies: dict[str, dict[str, Any]]) -> None:
    spine = studies["06-spine-to-decline"]
    assert "spine" in spine["reason"]
    assert all(spine["regions"][region]["bmd_g_cm2"] is None for region in REGIONS)
    assert spine["risk"]["category"] is None
    assert spine["results"] == []


def test_bmd_of_a_calibrated_image_is_near_the_truth(
    studies: dict[str, dict[str, Any]], sample_studies: Path
) -> None:
    for name in ("01-calibrated-low-risk", "02-calibrated-high-risk", "03-calibrated-follow-up"):
        truth = json.loads((sample_studies / name / "truth.json").read_text())
        region = studies[name]["regions"]["one_third"]
        assert region["bmd_source"] == "pixels"
        assert region["bmd_g_cm2"] == pytest.approx(truth["regions"]["one_third"]["bmd_g_cm2"], rel=0.02)


def test_vendor_numbers_are_copied_digit_by_digit(
    studies: dict[str, dict[str, Any]], sample_studies: Path
) -> None:
    for name in ("04-hologic", "05-lunar"):
        truth = json.loads((sample_studies / name / "truth.json").read_text())
        for region, printed in truth["vendor"].items():
            entry = studies[name]["regions"][region]
            assert entry["bmd_source"] == "vendor"
            assert entry["bmd_g_cm2"] == printed["bmd_g_cm2"], (name, region)
            assert entry["t_score"] == printed["t_score"], (name, region)


def test_risk_rises_with_the_horizon_and_says_what_it_was_trained_on(
    studies: dict[str, dict[str, Any]],
) -> None:
    for name in ("01-calibrated-low-risk", "04-hologic", "05-lunar"):
        risk = studies[name]["risk"]
        probabilities = [risk["horizons"][years]["probability"] for years in ("1", "3", "5", "10")]
        assert probabilities == sorted(probabilities)
        assert "simulated" in risk["model"]["training_data"]
        for horizon in risk["horizons"].values():
            assert horizon["interval"][0] <= horizon["probability"] <= horizon["interval"][1]


def test_metal_is_noticed_and_touched_regions_are_withheld(studies: dict[str, dict[str, Any]]) -> None:
    metal = studies["07-calibrated-metal"]
    assert "artefact_metal" in {finding["code"] for finding in metal["quality"]}
    assert metal["regions"]["ultradistal"]["bmd_g_cm2"] is None


def test_an_earlier_study_given_along_is_the_history_of_the_later_one(
    studies: dict[str, dict[str, Any]],
) -> None:
    first, follow_up = studies["01-calibrated-low-risk"], studies["03-calibrated-follow-up"]
    change = next(item for item in follow_up["changes"] if item["region"] == "one_third")
    before, after = (study["regions"]["one_third"]["bmd_g_cm2"] for study in (first, follow_up))
    assert change["prior_study_instance_uid"] == first["study_instance_uid"]
    # the prior is measured again where the follow-up's region lies: nearly, not exactly, the same number
    assert change["change_g_cm2"] == pytest.approx(after - before, abs=0.002 * before)
    assert change["change_percent"] == pytest.approx(
        100 * change["change_g_cm2"] / (after - change["change_g_cm2"])
    )
    assert "change_same_region" in {finding["code"] for finding in follow_up["quality"]}


def test_mask_and_result_objects_are_written(
    answer: tuple[subprocess.CompletedProcess[str], Path],
    studies: dict[str, dict[str, Any]],
    sample_studies: Path,
) -> None:
    _, out = answer
    for name in ("02-calibrated-high-risk", "04-hologic"):
        entry = studies[name]
        mask = np.asarray(Image.open(out / entry["study_instance_uid"] / "radius_mask.png"))
        truth = np.asarray(Image.open(sample_studies / name / "radius_mask.png"))
        assert mask.shape == truth.shape == (entry["source_image"]["rows"], entry["source_image"]["columns"])
        overlap = 2 * ((mask == 255) & (truth == 255)).sum() / ((mask == 255).sum() + (truth == 255).sum())
        assert overlap > 0.95
        assert len(entry["results"]) >= 8
        for result in entry["results"]:
            written = dcmread(result["path"])
            assert written.SOPInstanceUID == result["sop_instance_uid"]
            assert written.SOPClassUID == result["sop_class_uid"]
            assert written.StudyInstanceUID == entry["study_instance_uid"]


@pytest.mark.slow
def test_the_same_files_give_the_same_objects_again(
    answer: tuple[subprocess.CompletedProcess[str], Path], sample_studies: Path, tmp_path: Path
) -> None:
    process, _ = answer
    again = analyze(sample_studies / "05-lunar", "--json", "--out", tmp_path)
    (entry,) = json.loads(again.stdout)["studies"]
    earlier = next(
        study
        for study in json.loads(process.stdout)["studies"]
        if study["study_instance_uid"] == entry["study_instance_uid"]
    )
    for now, before in zip(entry["results"], earlier["results"], strict=True):
        assert Path(now["path"]).read_bytes() == Path(before["path"]).read_bytes()


@pytest.mark.slow
def test_a_measured_forearm_length_wins_over_the_estimate(sample_studies: Path) -> None:
    folder = sample_studies / "01-calibrated-low-risk"
    entry = json.loads(analyze(folder, "--json", "--forearm-length", 230).stdout)["studies"][0]
    codes = {finding["code"] for finding in entry["quality"]}
    assert "forearm_length_estimated" not in codes
    assert "230" in entry["context"]["forearm_length"]


def test_people_get_a_table(sample_studies: Path) -> None:
    process = analyze(sample_studies / "05-lunar")
    assert process.returncode == 0
    assert "research use only" in process.stdout
    assert "1/3 BMD" in process.stdout


def test_a_file_that_is_not_dicom_is_named_and_fails_the_run(tmp_path: Path, sample_studies: Path) -> None:
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "letter.dcm").write_text("Dear colleague,")
    process = analyze(tmp_path, sample_studies / "06-spine-to-decline", "--json")
    document = json.loads(process.stdout)
    assert process.returncode == 1
    assert {Path(file["path"]).name for file in document["unreadable"]} == {"empty.dcm", "letter.dcm"}
    assert [entry["status"] for entry in document["studies"]] == ["not_applicable"]
    assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_results_are_those_that_the_configuration_asks_for(sample_studies: Path, tmp_path: Path) -> None:
    conf = Path(__file__).parents[3] / "conf"
    config = tmp_path / "node.toml"
    config.write_text(
        f'[analysis]\nreference = "{conf}/reference/iscd-atlas-female.csv"\n'
        f'guideline = "{conf}/guidelines/acp-2023.toml"\n'
        '[reports]\nlanguage = "zh"\nresults = ["report"]\nrefusals = "all"\n'
    )
    studies = [sample_studies / name for name in ("02-calibrated-high-risk", "06-spine-to-decline")]
    process = analyze(*studies, "--config", config, "--out", tmp_path / "out")
    assert process.returncode == 0, process.stderr
    written = [dcmread(path) for path in (tmp_path / "out").glob("*/*.dcm")]
    assert sorted(int(result.SeriesNumber) for result in written) == [900, 909, 910]
    assert all("仅供研究" in as_text(result) for result in written if result.Modality == "SR")
