"""compose(): the results a site wants, in order, ready to write, and the same bytes every time."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from report_support import STUDY_UID, make_analysis, make_source

from analysis.results import Status
from reports import ReportOptions, compose
from reports.identity import SERIES
from reports.options import EVERY_RESULT, ResultName


def as_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


SEGMENTATION, PRESENTATION, PDF, KEY_OBJECTS = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.104.1",
    "1.2.840.10008.5.1.4.1.1.88.59",
)


def by_kind(results: list[Dataset]) -> dict[str, Dataset]:
    kinds = {series.number: str(kind) for kind, series in SERIES.items()}
    return {kinds[result.SeriesNumber]: result for result in results}


def test_every_result_is_made_and_the_summary_page_is_sent_first() -> None:
    results = compose(make_analysis(), [make_source()])
    assert list(by_kind(results)) == list(EVERY_RESULT)
    assert [result.SOPClassUID for result in results] == [
        SecondaryCaptureImageStorage,
        ComprehensiveSRStorage,
        SecondaryCaptureImageStorage,
        SecondaryCaptureImageStorage,
        ComprehensiveSRStorage,
        SEGMENTATION,
        PRESENTATION,
        PDF,
        KEY_OBJECTS,
    ]
    assert {result.StudyInstanceUID for result in results} == {STUDY_UID}
    assert len({result.SeriesInstanceUID for result in results}) == len(results)
    assert {result.ManufacturerModelName for result in results} == {"Radius DXA Node"}
    assert {result.SoftwareVersions for result in results} == {"0.1.0"}


@pytest.mark.parametrize("left_out", ["summary", "measurements", "report", "segmentation"])
def test_what_a_site_leaves_out_changes_no_other_object(left_out: ResultName) -> None:
    everything = by_kind(compose(make_analysis(), [make_source()]))
    wanted = tuple(name for name in EVERY_RESULT if name != left_out)
    fewer = by_kind(compose(make_analysis(), [make_source()], options=ReportOptions(results=wanted)))
    assert tuple(fewer) == wanted
    referring = {"key_objects"} | ({"report"} if left_out == "measurements" else set())
    for name, result in fewer.items():
        same = as_bytes(result) == as_bytes(everything[name])
        assert same or name in referring
        assert same == (result.SOPInstanceUID == everything[name].SOPInstanceUID)


def test_the_key_objects_have_a_uid_of_their_own_for_each_selection() -> None:
    options = [ReportOptions(results=names) for names in (("summary", "key_objects"), ("key_objects",))]
    selections = [compose(make_analysis(), [make_source()], options=each)[-1] for each in options]
    assert selections[0].SOPInstanceUID != selections[1].SOPInstanceUID


@pytest.mark.parametrize("status", [Status.REJECTED, Status.NOT_APPLICABLE])
def test_a_study_that_was_not_analysed_yields_nothing(status: Status) -> None:
    assert compose(make_analysis(status=status), [make_source()]) == []


def test_the_same_work_gives_the_same_bytes_at_another_time() -> None:
    first = [as_bytes(result) for result in compose(make_analysis(), [make_source()])]
    time.sleep(1.1)  # DICOM times have seconds
    second = [as_bytes(result) for result in compose(make_analysis(), [make_source()])]
    assert first == second


def test_results_can_be_written_and_read_back() -> None:
    for result in compose(make_analysis(), [make_source()]):
        again = dcmread(io.BytesIO(as_bytes(result)))
        assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert again.SOPInstanceUID == result.SOPInstanceUID


def test_another_analysis_of_the_same_study_gets_other_uids() -> None:
    first = compose(make_analysis(), [make_source()])
    second = compose(make_analysis(identity="77" * 32), [make_source()])
    assert not {r.SOPInstanceUID for r in first} & {r.SOPInstanceUID for r in second}


def test_an_option_that_changes_the_picture_changes_the_uids_too() -> None:
    shown = compose(make_analysis(), [make_source()])
    hidden = compose(make_analysis(), [make_source()], options=ReportOptions(patient_on_summary=False))
    assert (shown[0].BurnedInAnnotation, hidden[0].BurnedInAnnotation) == ("YES", "NO")
    assert not {r.SOPInstanceUID for r in shown} & {r.SOPInstanceUID for r in hidden}


def test_dates_come_from_the_study_and_never_from_the_clock() -> None:
    for result in compose(make_analysis(), [make_source()]):
        if result.Modality != "PR":  # this IOD has no date of content
            assert (str(result.ContentDate), str(result.ContentTime)) == ("20261105", "101731")
        for keyword in ("InstanceCreationDate", "InstanceCreationTime", "TimeOfSecondaryCapture"):
            assert keyword not in result


def test_patient_and_study_are_copied_from_the_source() -> None:
    source = make_source()
    for result in compose(make_analysis(), [source]):
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "StudyDescription"):
            assert result[keyword].value == source[keyword].value


def test_the_pictures_are_plain_derived_rgb_secondary_captures() -> None:
    results = by_kind(compose(make_analysis(), [make_source()]))
    for picture in (results["summary"], results["driver_map"]):
        assert picture.Modality == "OT"
        assert list(picture.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert picture.PhotometricInterpretation == "RGB"
        assert len(picture.PixelData) == picture.Rows * picture.Columns * 3
        assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == make_source().SOPInstanceUID


def test_only_the_heat_map_is_to_scale_and_oriented_like_its_source() -> None:
    results = by_kind(compose(make_analysis(), [make_source()]))
    summary, heat_map = results["summary"], results["driver_map"]
    assert "PixelSpacing" not in summary
    assert heat_map.PixelSpacing[0] == heat_map.PixelSpacing[1] > 0
    assert list(heat_map.PatientOrientation) == ["L", "F"]
    assert not summary.PatientOrientation


def test_an_uncalibrated_study_gives_a_heat_map_without_spacing() -> None:
    analysis = replace(make_analysis(), pixel_spacing_mm=None, spacing_source="")
    results = by_kind(compose(analysis, [make_source(PixelSpacing=None)]))
    assert "PixelSpacing" not in results["driver_map"]
    assert "PixelMeasuresSequence" not in results["segmentation"].SharedFunctionalGroupsSequence[0]
