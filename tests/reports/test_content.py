"""Content items written directly are what pydicom and highdicom read, byte for byte and number for number."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code
from report_support import make_analysis, make_source

from analysis.errors import AnalysisError
from analysis.results import ModelIdentity, SegmentationQuality
from reports import codes as coded
from reports import content
from reports.checks import content_items
from reports.content import Item, set_content
from reports.options import ReportOptions
from reports.source import report_context
from reports.structured_report import measurement_report
from reports.text_report import text_report

NAME = coded.LIMITS


def read_back(*items: Item) -> list[Dataset]:
    document = Dataset()
    document.SpecificCharacterSet = "ISO_IR 192"
    set_content(document, coded.DIAGNOSTIC_IMAGING_REPORT, "2000", items)
    return list(dcmread(io.BytesIO(written(document)), force=True).ContentSequence)


def written(document: Dataset) -> bytes:
    buffer = io.BytesIO()
    if hasattr(document, "file_meta"):
        document.save_as(buffer, enforce_file_format=True)
    else:
        document.save_as(buffer, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([coded.G_PER_CM2, coded.UNITLESS]))
def test_any_number_reads_back_exactly_and_as_a_legal_decimal_string(value: float, unit: Code) -> None:
    (item,) = read_back(content.number(NAME, value, unit))
    measured = item.MeasuredValueSequence[0]
    assert measured.FloatingPointValue == value
    assert len(str(measured.NumericValue)) <= 16
    assert float(measured.NumericValue) == pytest.approx(value, rel=1e-3, abs=1e-3)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(str.strip))
def test_any_text_reads_back(text: str) -> None:
    (item,) = read_back(content.text(NAME, text))
    assert str(item.TextValue) == text.rstrip(" ")  # trailing spaces are padding in DICOM


def test_what_no_text_may_hold_is_left_out_of_it() -> None:
    damaged = "Lun\x1b\x00ar\udcff prodigy\nadvance"
    assert read_back(content.text(NAME, damaged))[0].TextValue == "Lunar prodigy\nadvance"


def test_a_long_chinese_text_reads_back() -> None:
    text = "桡骨远端三分之一骨密度 " * 5000
    assert read_back(content.text(NAME, text))[0].TextValue == text.rstrip()


def test_a_code_keeps_its_own_meaning_though_another_has_the_same_value() -> None:
    first, second = read_back(
        content.code(NAME, Code("TU9B", "IBSI", "GLCM joint entropy")),
        content.code(NAME, Code("TU9B", "IBSI", "Joint Entropy of GLCM")),
    )
    assert first.ConceptCodeSequence[0].CodeMeaning == "GLCM joint entropy"
    assert second.ConceptCodeSequence[0].CodeMeaning == "Joint Entropy of GLCM"


def test_dates_references_and_outlines_read_back() -> None:
    source = content.image(None, "1.2.840.10008.5.1.4.1.1.1", "2.25.7", content.SELECTED_FROM)
    day, uid, outline = read_back(
        content.day(NAME, date(2024, 11, 1)),
        content.uid_reference(NAME, "2.25.12"),
        content.polyline(NAME, [1.0, 2.0, 3.5, 4.0], source),
    )
    assert (day.Date, uid.UID) == ("20241101", "2.25.12")
    assert outline.GraphicData == [1.0, 2.0, 3.5, 4.0]
    assert outline.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.7"


@pytest.mark.parametrize(
    "code", [Code("x" * 17, "99X", "long"), Code("X", "99X", "y" * 65), Code("", "99X", "y")]
)
def test_a_code_that_fits_no_attribute_is_refused_and_named(code: Code) -> None:
    with pytest.raises(AnalysisError, match="99X"):
        content.code(NAME, code)


@pytest.mark.parametrize("write", [measurement_report, text_report])
def test_the_same_analysis_gives_the_same_bytes(write) -> None:  # type: ignore[no-untyped-def]
    files = [written(write(report_context(make_analysis(), [make_source()]))) for _ in range(2)]
    assert files[0] == files[1]


@pytest.mark.parametrize("write", [measurement_report, text_report])
def test_a_report_is_written_alike_whether_it_was_looked_at_or_copied(write) -> None:  # type: ignore[no-untyped-def]
    document = write(report_context(make_analysis(), [make_source()]))
    untouched = written(document)
    assert written(copy.deepcopy(document)) == untouched
    assert len(list(content_items(document))) > 20
    assert written(document) == untouched


def test_three_classes_carry_one_content() -> None:
    texts = {}
    for name in ("enhanced", "comprehensive", "comprehensive_3d"):
        options = ReportOptions(sr_class=name)
        context = report_context(make_analysis(), [make_source()], options=options)
        document = dcmread(io.BytesIO(written(measurement_report(context))))
        texts[document.SOPClassUID.name] = [
            (item.ValueType, item.get("TextValue"), item.get("MeasuredValueSequence"))
            for item in content_items(document)
        ]
    assert set(texts) == {"Enhanced SR Storage", "Comprehensive SR Storage", "Comprehensive 3D SR Storage"}
    assert len({str(items) for items in texts.values()}) == 1


def test_who_observed_and_the_private_scheme_with_its_uid_are_named() -> None:
    document = measurement_report(report_context(make_analysis(), [make_source()]))
    (scheme,) = document.CodingSchemeIdentificationSequence
    assert (scheme.CodingSchemeDesignator, scheme.CodingSchemeUID) == (coded.SCHEME, coded.SCHEME_UID)
    said = {i.ConceptNameCodeSequence[0].CodeMeaning: i for i in document.ContentSequence}
    assert said["Device Observer Name"].TextValue == "Radius DXA Node 0.1.0"
    assert said["Observer Type"].ConceptCodeSequence[0].CodeMeaning == "Device"


def test_the_network_that_drew_the_outlines_is_named_with_its_version_training_and_hash() -> None:
    network = ModelIdentity("forearm-net", "2", "simulated forearms", "cd" * 32)
    found = SegmentationQuality("network", network, score=0.987, agreement=0.99)
    context = report_context(replace(make_analysis(), segmentation=found), [make_source()])
    confidence = next(
        item
        for item in content_items(measurement_report(context))
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Outline confidence"
    )
    said = [str(item.get("TextValue")) for item in confidence.ContentSequence]
    assert {"forearm-net", "2", "training data: simulated forearms", f"sha256: {'cd' * 32}"} <= set(said)
