"""Odd sources: whatever a scanner leaves out or gets wrong, results are made and keep the identity."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.valuerep import PersonName
from report_support import make_analysis, make_source

from analysis.errors import AnalysisError
from reports import compose
from reports.source import NO_DATE, NO_TIME, content_date_time, normalised_header, report_context
from reports.text_report import text_report


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientName": None, "PatientBirthDate": None, "PatientSex": None},
        {"PatientID": None, "AccessionNumber": None, "StudyID": None, "ReferringPhysicianName": None},
        {"StudyDate": None, "StudyTime": None},
        {"PatientBirthDate": "", "PatientSex": "O", "SpecificCharacterSet": None},
        {"PatientOrientation": None, "Laterality": None, "BodyPartExamined": None},
        {"PatientOrientation": ["LA", "F"]},
        {"PixelSpacing": None, "Modality": None},
        {"SeriesNumber": None, "InstanceNumber": None},
    ],
    ids=str,
)
def test_results_are_made_whatever_the_source_leaves_out(changes: dict[str, Any]) -> None:
    whole = compose(make_analysis(), [make_source()])
    results = compose(make_analysis(), [make_source(**changes)])
    assert [result.SeriesNumber for result in results] == [result.SeriesNumber for result in whole]


def test_an_illegal_sex_is_left_empty_rather_than_guessed() -> None:
    results = compose(make_analysis(), [make_source(PatientSex="U")])
    assert {result.PatientSex for result in results} == {""}


def test_a_malformed_birth_date_and_age_are_left_out() -> None:
    source = make_source()
    for keyword, vr, value in (("PatientBirthDate", "DA", b"1958-3-14 "), ("PatientAge", "AS", b"68")):
        tag = Tag(keyword)
        source[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    for result in compose(make_analysis(), [source]):
        assert result.PatientBirthDate == ""
        assert "PatientAge" not in result


@pytest.mark.parametrize(
    ("character_set", "encoded", "name"),
    [
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("ISO_IR 100", "Müller^Jürgen".encode("latin-1"), "Müller^Jürgen"),
        ("ISO_IR 192", "Brânză^Ștefan".encode(), "Brânză^Ștefan"),
        (
            ["", "ISO 2022 IR 58"],
            b"Wang^XiaoDong=\x1b$)A" + "王".encode("gb2312") + b"^\x1b$)A" + "小东".encode("gb2312"),
            "Wang^XiaoDong=王^小东",
        ),
        (
            ["", "ISO 2022 IR 149"],
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
            "Hong^Gildong=洪^吉洞",
        ),
    ],
    ids=["GB18030", "Latin-1", "UTF-8", "GB 2312 with escapes", "Korean"],
)
def test_names_of_every_script_survive(character_set: str | list[str], encoded: bytes, name: str) -> None:
    source = make_source(PatientName=None, SpecificCharacterSet=character_set)
    tag = Tag("PatientName")
    source[tag] = RawDataElement(tag, "PN", len(encoded), encoded, 0, False, True)
    document = text_report(report_context(make_analysis(), [source]))
    buffer = io.BytesIO()
    document.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    again = dcmread(buffer)
    assert str(again.PatientName) == name
    assert again.SpecificCharacterSet == "ISO_IR 192"


def test_the_source_is_not_touched() -> None:
    source = make_source(PatientSex=None, SpecificCharacterSet="GB18030", PatientName="王^小东")
    before = copy.deepcopy(source)
    compose(make_analysis(), [source])
    assert source == before


def test_the_image_must_be_among_the_datasets() -> None:
    with pytest.raises(AnalysisError, match="not among the 1 datasets"):
        compose(make_analysis(), [make_source(SOPInstanceUID="2.25.5")])


def test_the_date_of_the_acquisition_wins_over_later_ones() -> None:
    header = normalised_header(make_source(AcquisitionDate="20261104", AcquisitionTime="0900"))
    assert content_date_time(header) == ("20261104", "0900")


def test_without_any_date_the_results_say_so_by_an_impossible_one() -> None:
    header = normalised_header(make_source(AcquisitionDate=None, SeriesDate=None, StudyDate=None))
    assert content_date_time(header) == (NO_DATE, NO_TIME)


def test_private_elements_and_pixels_stay_out_of_the_copy() -> None:
    source = make_source()
    source.private_block(0x0019, "VENDOR", create=True).add_new(0x01, "LO", "secret")
    source.PixelData = b"\0\0"
    header = normalised_header(source)
    assert "PixelData" not in header
    assert not [element for element in header if element.tag.is_private]


def test_a_name_without_caret_is_kept_as_it_is() -> None:
    source = Dataset()
    source.update(make_source(PatientName="Jane Doe"))
    assert normalised_header(source).PatientName == PersonName("Jane Doe")
