"""Whatever a legal source leaves out or writes oddly, its results are valid and say the same of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from odd_sources import CASES, QUIRKS, OddSource, choices, odd_source
from pydicom import Dataset, dcmread

from reports import compose
from reports.checks.tree import Attributes, attributes_of
from reports.options import ReportOptions, ResultName
from reports.source import NO_DATE

CHEAP: tuple[ResultName, ...] = ("measurements", "report", "segmentation", "presentation", "key_objects")
DRAWN, DRAWN_SLOWLY = 50, 10
"""Pictures take longer than the rest together: each fiftieth source gets them, each tenth with ``slow``."""

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("number", range(CASES), ids="source {:03d}".format)
def test_an_odd_source_has_sound_results(number: int) -> None:
    odd = odd_source(number)
    assert_results_are_sound(odd, odd.options if number % DRAWN == 0 else replace(odd.options, results=CHEAP))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(0, CASES, DRAWN_SLOWLY), ids="source {:03d}".format)
def test_an_odd_source_has_sound_pictures(number: int) -> None:
    odd = odd_source(number)
    assert_results_are_sound(odd, odd.options)


def assert_results_are_sound(odd: OddSource, options: ReportOptions) -> None:
    before = as_bytes(odd.source)
    results = [reread(result) for result in compose(odd.analysis, [odd.source], options=options)]
    assert len(results) == len(options.results), odd
    for result in results:
        assert_text_is_intact(result, odd)
        assert_nothing_is_invented(result, odd)
    assert as_bytes(odd.source) == before


def test_every_pair_of_quirks_occurs() -> None:
    assert len(choices()) == CASES
    assert all(set(choice) == set(QUIRKS) for choice in choices())


def assert_text_is_intact(result: Dataset, odd: OddSource) -> None:
    assert result.SpecificCharacterSet == "ISO_IR 192"
    if odd.name.legible:
        assert str(result.PatientName).rstrip("^=") == odd.name.text, odd
    described = str(odd.attributes.get("StudyDescription") or "")
    if described == "same script":
        described = odd.name.described()[1] if odd.name.legible else ""
    if described:
        assert result.StudyDescription.rstrip() == described.rstrip(), odd
    for keyword in ("PatientID", "AccessionNumber", "StudyID", "StudyInstanceUID"):
        said = str(odd.source.get(keyword) or "")
        assert str(result.get(keyword) or "") == said, odd


def assert_nothing_is_invented(result: Dataset, odd: OddSource) -> None:
    source = odd.source
    sex = str(source.get("PatientSex") or "")
    assert str(result.PatientSex or "") == ("" if sex == "U" else sex), odd
    for keyword in ("PatientBirthDate", "StudyDate"):
        assert str(result.get(keyword) or "") == str(source.get(keyword) or "").replace(".", ""), odd
    said = list(walk(attributes_of(result)))
    invented = {keyword for keyword, value in said if value == NO_DATE}
    assert invented <= STAND_INS.get(result.Modality, frozenset()), odd
    if odd.choice["orientation"] in ("empty", "absent"):
        assert not result.get("PatientOrientation"), odd
    elif result.get("PatientOrientation"):
        assert list(result.PatientOrientation) == list(source.PatientOrientation), odd
    if odd.choice["spacing"] == "none":
        assert not any(keyword in SPACINGS for keyword, _ in said), odd
    if odd.analysis.laterality is None:
        assert not result.get("Laterality"), odd


STAND_INS = {
    "SR": frozenset({"ContentDate"}),
    "KO": frozenset({"ContentDate"}),
    "SEG": frozenset({"ContentDate"}),
    "PR": frozenset({"PresentationCreationDate"}),
}
"""Where a date is of type 1: these cannot do without, and 1900-01-01 is no day of an examination."""

SPACINGS = frozenset({"PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"})


def walk(attributes: Attributes) -> Iterator[tuple[str, object]]:
    for keyword, value in attributes.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                yield from walk(item)
        else:
            yield keyword, value


def reread(result: Dataset) -> Dataset:
    return dcmread(BytesIO(as_bytes(result)))


def as_bytes(dataset: Dataset) -> bytes:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
