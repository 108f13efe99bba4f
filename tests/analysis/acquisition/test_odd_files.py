"""The odd and malformed files that pydicom ships: declined or refused with a reason, never an exception."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from handmade_studies import calibrated_image, hologic_page, lunar_study
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from analysis.acquisition import NumbersOnly, clinical_context, read_study
from analysis.errors import RejectedInput

FOLDER = Path(pydicom.__file__).parent / "data"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix in {".dcm", ""})

pytestmark = pytest.mark.filterwarnings("ignore")


def encoded(dataset: Dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


ENCODED = [
    encoded(dataset, syntax)
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    for dataset in (calibrated_image(), hologic_page(), *lunar_study())
]
HEADER_BYTES = 3000


def loaded(path: Path) -> Dataset:
    try:
        return dcmread(path, force=True)
    except (InvalidDicomError, EOFError, ValueError, OSError, NotImplementedError):
        pytest.skip("pydicom itself cannot read it")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_odd_file_is_turned_away_with_a_reason(path: Path) -> None:
    dataset = loaded(path)
    context, _ = clinical_context([dataset], None)
    with pytest.raises(RejectedInput) as refused:
        read_study([dataset], context)
    assert str(refused.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_odd_file_that_claims_to_be_a_forearm_is_read_or_refused(path: Path) -> None:
    dataset = loaded(path)
    dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.7", "BMD"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.3", "1.4"
    dataset.BodyPartExamined = "FOREARM"
    for keyword in ("ProtocolName", "SeriesDescription", "StudyDescription", "AnatomicRegionSequence"):
        if keyword in dataset:
            del dataset[keyword]
    context, _ = clinical_context([dataset], None)
    try:
        image = read_study([dataset], context)
    except RejectedInput as refused:
        assert str(refused)
    else:
        assert image.pixels.ndim == 2
        assert 0 <= image.pixels.min() <= image.pixels.max() <= 1


@settings(max_examples=300)
@given(
    content=st.sampled_from(ENCODED),
    flips=st.lists(st.tuples(st.integers(132, HEADER_BYTES), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.one_of(st.none(), st.integers(200, HEADER_BYTES)),
)
def test_no_damage_to_a_study_raises_anything_but_a_refusal(
    content: bytes, flips: list[tuple[int, int]], kept: int | None
) -> None:
    damaged = bytearray(content[:kept])
    for position, value in flips:
        if position < len(damaged):
            damaged[position] = value
    try:
        dataset = dcmread(BytesIO(bytes(damaged)), force=True)
    except Exception:  # pydicom's own refusal, which the receiver's journal records
        return
    context, _ = clinical_context([dataset], None)
    try:
        image = read_study([dataset], context)
    except RejectedInput as refused:
        assert str(refused)
    else:
        assert image.vendor.regions if isinstance(image, NumbersOnly) else image.pixels.size
