"""Reading files and folders: whatever is not usable is named with its reason, and nothing else suffers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from dicom_node.dicom_files import read_studies

SAMPLE = Path("sample_studies/01-calibrated-low-risk/image.dcm")


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> bytes:
    return (request.config.rootpath / SAMPLE).read_bytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"Dear radiologist,\n" * 20, "no DICM prefix"),
        (bytes(128) + b"DICM", "Study Instance UID .* is missing"),
    ],
)
def test_a_file_that_is_not_dicom_is_named_with_the_cure(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "odd").write_bytes(content)
    studies, (unreadable,) = read_studies([tmp_path])
    assert studies == []
    assert unreadable.path == tmp_path / "odd"
    assert "export" in unreadable.reason
    assert re.search(reason, unreadable.reason)


@pytest.mark.parametrize("keyword", ["StudyDate", "PatientID", "SOPInstanceUID"])
def test_an_element_of_an_unknown_value_representation_harms_no_other_study(
    tmp_path: Path, sample: bytes, keyword: str
) -> None:
    tag = {"StudyDate": b"\x08\x00\x20\x00DA", "PatientID": b"\x10\x00\x20\x00LO"}
    tag["SOPInstanceUID"] = b"\x08\x00\x18\x00UI"
    assert sample.count(tag[keyword]) == 1
    (tmp_path / "damaged.dcm").write_bytes(sample.replace(tag[keyword], tag[keyword][:4] + b"U9"))
    healthy = get_testdata_file("CT_small.dcm", read=False)
    assert isinstance(healthy, str)
    studies, unreadable = read_studies([tmp_path, Path(healthy)])
    assert len(studies) + len(unreadable) == 2
    assert Path(healthy) in [path for study in studies for path in study.paths]
    assert all(study.patient_id == study.first("PatientID") for study in studies)
