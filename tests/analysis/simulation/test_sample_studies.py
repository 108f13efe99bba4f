"""The seven sample studies in the repository are what the simulator makes, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from analysis.simulation.samples import sample_studies as make_samples
from analysis.simulation.study import SimulatedStudy, write_study


@pytest.fixture(scope="module")
def samples() -> dict[str, SimulatedStudy]:
    return dict(make_samples())


def test_the_repository_holds_what_the_command_writes(
    samples: dict[str, SimulatedStudy], sample_studies: Path, tmp_path: Path
) -> None:
    assert {folder.name for folder in sample_studies.iterdir() if folder.is_dir()} == set(samples)
    for name, study in samples.items():
        write_study(study, tmp_path / name)
        made = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        kept = {path.name: path.read_bytes() for path in (sample_studies / name).iterdir()}
        assert set(made) == set(kept)
        for file, content in made.items():
            assert content == kept[file], (
                f"{name}/{file}: run dicom-node simulate --samples --out sample_studies"
            )


def test_there_are_seven_under_six_megabytes(sample_studies: Path) -> None:
    files = [path for path in sample_studies.rglob("*") if path.is_file()]
    assert len([path for path in sample_studies.iterdir() if path.is_dir()]) == 7
    assert sum(path.stat().st_size for path in files) < 6_000_000


def test_the_follow_up_is_the_first_patient_two_years_later(samples: dict[str, SimulatedStudy]) -> None:
    first, later = (samples[name] for name in ("01-calibrated-low-risk", "03-calibrated-follow-up"))
    one, two = first.objects["image.dcm"], later.objects["image.dcm"]
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "ImageLaterality"):
        assert one[keyword].value == two[keyword].value
    assert one.StudyInstanceUID != two.StudyInstanceUID
    assert int(two.StudyDate[:4]) - int(one.StudyDate[:4]) == 2
    before, after = (study.truth["regions"]["ultradistal"]["bmd_g_cm2"] for study in (first, later))
    assert 0.9 < after / before < 1


def test_the_two_risks_differ(samples: dict[str, SimulatedStudy]) -> None:
    low, high = (
        samples[name].truth["regions"]["one_third"]["bmd_g_cm2"]
        for name in ("01-calibrated-low-risk", "02-calibrated-high-risk")
    )
    assert low > 0.66
    assert high < 0.694 - 2.5 * 0.060  # osteoporotic by the ISCD atlas's reference


def test_the_spine_declares_itself(samples: dict[str, SimulatedStudy]) -> None:
    spine = samples["06-spine-to-decline"]
    assert spine.truth["expected_status"] == "not_applicable"
    assert spine.objects["image.dcm"].BodyPartExamined == "LSPINE"


def test_names_are_plainly_synthetic_and_readme_says_so(sample_studies: Path) -> None:
    names = {
        str(pydicom.dcmread(path, stop_before_pixels=True).PatientName)
        for path in sample_studies.rglob("*.dcm")
    }
    assert all(name.startswith("SIMUL") for name in names)
    assert any("é" in name.lower() for name in names)
    assert any("模拟" in name for name in names)
    assert "synthetic" in (sample_studies / "README.md").read_text(encoding="utf-8")
