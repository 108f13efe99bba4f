"""The segmentation: read back pixel by pixel, tied to the measurements and to the image."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from report_support import COLUMNS, INSTANCE_UID, ROWS, make_analysis, make_source

from analysis.results import ModelIdentity, SegmentationQuality, StudyAnalysis
from reports.checks import content_items
from reports.segmentation import mask_of, segmentation
from reports.source import ReportContext, report_context
from reports.structured_report import measurement_report


def context(analysis: StudyAnalysis | None = None, **source: Any) -> ReportContext:
    return report_context(analysis or make_analysis(), [make_source(**source)])


def reread(written: Dataset) -> hd.seg.Segmentation:
    buffer = io.BytesIO()
    written.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return hd.seg.segread(buffer)


def cropped(columns: int) -> ReportContext:
    """The same study on a picture of other width."""
    whole = make_analysis()
    assert whole.evidence is not None and whole.source is not None
    evidence = replace(
        whole.evidence,
        radius_mask=whole.evidence.radius_mask[:, :columns],
        ulna_mask=whole.evidence.ulna_mask[:, :columns],
        display=whole.evidence.display[:, :columns],
    )
    image = replace(whole.source, columns=columns)
    return context(replace(whole, evidence=evidence, source=image), Columns=columns)


@pytest.mark.parametrize("columns", [COLUMNS, 177, 151])
def test_highdicom_reads_every_pixel_back_whatever_the_width(columns: int) -> None:
    made_in = cropped(columns)
    read = reread(segmentation(made_in))
    assert read.number_of_segments == 5
    frames = read.pixel_array.astype(bool)
    assert frames.shape == (5, ROWS, columns)
    assert (frames[0] == made_in.pixels.radius_mask).all()
    assert (frames[1] == made_in.pixels.ulna_mask).all()


def test_the_regions_are_the_pixels_inside_their_outlines() -> None:
    frames = reread(segmentation(context())).pixel_array.astype(bool)
    ultradistal, mid, one_third = frames[2:]
    assert ultradistal[40:70, 110:145].all() and ultradistal.sum() == 30 * 35
    assert not (ultradistal & mid).any() and not (mid & one_third).any()


def test_every_segment_has_the_tracking_identifiers_of_its_measurements() -> None:
    made_in = context()
    measured = {
        str(item.UID): str(item.ConceptNameCodeSequence[0].CodeValue)
        for item in content_items(measurement_report(made_in))
        if item.ValueType == "UIDREF" and item.ConceptNameCodeSequence[0].CodeValue == "112040"
    }
    segments = {str(item.SegmentLabel): item for item in segmentation(made_in).SegmentSequence}
    for label, segment in segments.items():
        assert (segment.TrackingUID in measured) is (label != "Ulna"), label


def test_every_segment_is_coded_coloured_and_sided() -> None:
    segments = segmentation(context()).SegmentSequence
    colors = {tuple(item.RecommendedDisplayCIELabValue) for item in segments}
    assert len(colors) == len(segments)
    for item in segments:
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        assert kind.CodingSchemeDesignator == "SCT"
        assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == "7771000"  # left
        assert all(0 <= value <= 0xFFFF for value in item.RecommendedDisplayCIELabValue)


def test_without_a_known_side_none_is_coded() -> None:
    for item in segmentation(context(make_analysis(laterality=None))).SegmentSequence:
        assert "SegmentedPropertyTypeModifierCodeSequence" not in item.SegmentedPropertyTypeCodeSequence[0]


def test_the_network_is_named_with_its_hash() -> None:
    network = ModelIdentity("radius-net", "3", "simulated scans", "cd" * 32)
    analysis = make_analysis(segmentation=SegmentationQuality("network", network, 0.97))
    algorithm = (
        segmentation(context(analysis)).SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    )
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("radius-net", "3")
    assert "cd" * 32 in algorithm.AlgorithmParameters
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"


def test_viewers_find_the_image_and_the_plane_that_they_insist_on() -> None:
    written = segmentation(context())
    shared = written.SharedFunctionalGroupsSequence[0]
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    for frame in written.PerFrameFunctionalGroupsSequence:
        assert list(frame.PlanePositionSequence[0].ImagePositionPatient) == [0, 0, 0]
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert (source.ReferencedSOPInstanceUID, source.SpatialLocationsPreserved) == (INSTANCE_UID, "YES")
    assert "no anatomical meaning" in written.ContentDescription
    assert "FrameOfReferenceUID" not in written


def test_a_region_that_could_not_be_placed_has_no_segment() -> None:
    regions = dict(make_analysis().regions)
    regions["mid"] = replace(regions["mid"], polygon=())
    labels = [
        item.SegmentLabel for item in segmentation(context(make_analysis(regions=regions))).SegmentSequence
    ]
    assert len(labels) == 4 and not any("Mid" in label for label in labels)


@settings(max_examples=50, deadline=None)
@given(left=st.integers(0, 10), top=st.integers(0, 10), width=st.integers(1, 9), height=st.integers(1, 9))
def test_a_box_on_pixel_edges_holds_exactly_its_pixels(left: int, top: int, width: int, height: int) -> None:
    right, bottom = left + width, top + height
    mask = mask_of(((left, top), (right, top), (right, bottom), (left, bottom)), (20, 20))
    expected = np.zeros((20, 20), dtype=bool)
    expected[top:bottom, left:right] = True
    assert (mask == expected).all()


def test_the_file_reads_back_as_written() -> None:
    buffer = io.BytesIO()
    segmentation(context()).save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    assert dcmread(buffer).NumberOfFrames == 5
