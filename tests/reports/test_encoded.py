"""The checks read a document's bytes as pydicom does, only faster and without touching them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset
from report_support import make_analysis, make_source

from reports.checks.encoded import read_encoded_sequence
from reports.checks.tree import attributes_of
from reports.source import report_context
from reports.structured_report import measurement_report


def decoded(dataset: Dataset) -> dict[str, Any]:
    """What pydicom reads, in the same plain form."""
    return {
        element.keyword: [decoded(item) for item in element.value]
        if element.VR == "SQ"
        else plain(element.value)
        for element in dataset
    }


def plain(value: Any) -> Any:
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        return [plain(part) for part in value]
    return value if isinstance(value, int | float | bytes) else str(value or "")


def comparable(value: Any) -> Any:
    """Numbers written as text compare as numbers; an empty value is an empty text."""
    if isinstance(value, dict):
        return {key: comparable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [comparable(part) for part in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return value or ""


def test_a_document_s_bytes_read_as_pydicom_reads_them() -> None:
    document = measurement_report(report_context(make_analysis(), [make_source(PatientName="王^小东")]))
    read = attributes_of(document)["ContentSequence"]
    assert comparable(read) == comparable(decoded(document)["ContentSequence"])


def test_reading_leaves_the_bytes_as_they_are() -> None:
    document = measurement_report(report_context(make_analysis(), [make_source()]))
    encoded = document.get_item(0x0040A730)
    attributes_of(document)
    assert document.get_item(0x0040A730) is encoded


@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_of_defined_and_undefined_length_are_read(undefined: bool) -> None:
    inner, outer = Dataset(), Dataset()
    inner.ReferencedFrameNumber = [1, 2]
    inner.TextValue = "back\\slash"
    inner.ImageType = ["DERIVED", "SECONDARY"]
    inner.UID = "2.25.1"
    inner.GraphicData = [1.5, 2.5]
    inner.PixelPaddingValue = 7
    outer.ContentSequence = [inner, Dataset()]
    dataset = Dataset()
    dataset.ReferencedStudySequence = [outer]
    for element in (dataset["ReferencedStudySequence"], outer["ContentSequence"]):
        element.is_undefined_length = undefined
        for item in element.value:
            item.is_undefined_length_sequence_item = undefined
    inner["PixelPaddingValue"].VR = "US"
    file = BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    whole = file.getvalue()
    assert read_encoded_sequence(whole[12:]) == [
        {
            "ContentSequence": [
                {
                    "ReferencedFrameNumber": ["1", "2"],
                    "TextValue": "back\\slash",
                    "ImageType": ["DERIVED", "SECONDARY"],
                    "UID": "2.25.1",
                    "GraphicData": [1.5, 2.5],
                    "PixelPaddingValue": 7,
                },
                {},
            ]
        }
    ]
