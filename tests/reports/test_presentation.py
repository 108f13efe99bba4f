"""The outlines on the original: closed, named beside the bone, in the window of the source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from report_support import COLUMNS, INSTANCE_UID, ROWS, make_analysis, make_source

from analysis.results import StudyAnalysis
from reports.presentation import presentation
from reports.segmentation import segmentation
from reports.source import ReportContext, report_context


def context(analysis: StudyAnalysis | None = None, **source: Any) -> ReportContext:
    return report_context(analysis or make_analysis(), [make_source(**source)])


def drawn(state: Dataset) -> Dataset:
    (annotation,) = state.GraphicAnnotationSequence
    return annotation


def test_every_outline_is_closed_and_inside_the_image() -> None:
    for outline in drawn(presentation(context())).GraphicObjectSequence:
        points = np.array(outline.GraphicData).reshape(-1, 2)
        assert (outline.GraphicType, outline.GraphicAnnotationUnits) == ("POLYLINE", "PIXEL")
        assert (points[0] == points[-1]).all()
        assert (points >= 0).all() and (points <= [COLUMNS, ROWS]).all()


def test_outlines_and_segments_of_one_region_share_their_identifier() -> None:
    outlines = drawn(presentation(context())).GraphicObjectSequence
    segments = segmentation(context()).SegmentSequence
    assert {item.TrackingUID for item in outlines} < {item.TrackingUID for item in segments}


@pytest.mark.parametrize("ulna_on_the_right", [False, True])
def test_labels_lie_beside_the_bone_and_never_on_it_or_on_the_ulna(ulna_on_the_right: bool) -> None:
    analysis = make_analysis()
    assert analysis.evidence is not None
    if ulna_on_the_right:
        other = np.roll(analysis.evidence.ulna_mask, 90, axis=1)
        analysis = replace(analysis, evidence=replace(analysis.evidence, ulna_mask=other))
    evidence = analysis.evidence
    assert evidence is not None
    *labels, statement = drawn(presentation(context(analysis))).TextObjectSequence
    assert [item.UnformattedTextValue for item in labels] == ["UD", "mid", "1/3"]
    assert "RESEARCH USE ONLY" in statement.UnformattedTextValue
    for label in labels:
        left, top = (int(value) for value in label.BoundingBoxTopLeftHandCorner)
        right, bottom = (int(np.ceil(value)) for value in label.BoundingBoxBottomRightHandCorner)
        assert 0 <= left < right <= COLUMNS and 0 <= top < bottom <= ROWS
        assert not (evidence.radius_mask | evidence.ulna_mask)[top:bottom, left:right].any()


def test_the_source_keeps_its_own_window() -> None:
    state = presentation(context(WindowCenter="512", WindowWidth="900"))
    (window,) = state.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (512, 900)
    assert "SoftcopyVOILUTSequence" not in presentation(context())


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_an_inverted_source_stays_as_it_is_shown(photometric: str, shape: str) -> None:
    assert presentation(context(PhotometricInterpretation=photometric)).PresentationLUTShape == shape


def test_a_colour_page_gets_the_class_that_may_refer_to_it() -> None:
    state = presentation(context(PhotometricInterpretation="RGB", SamplesPerPixel=3))
    assert state.SOPClassUID == "1.2.840.10008.5.1.4.1.1.11.2"
    assert len(state.ICCProfile) > 0


def test_the_whole_image_is_shown_with_its_true_pixels() -> None:
    state = presentation(context(make_analysis(pixel_spacing_mm=(0.6, 0.4))))
    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaBottomRightHandCorner) == [COLUMNS, ROWS]
    assert list(area.PresentationPixelSpacing) == [0.6, 0.4]
    oblong = context(make_analysis(pixel_spacing_mm=None), PixelAspectRatio=[3, 2])
    assert list(presentation(oblong).DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio) == [3, 2]


def test_it_refers_to_the_analysed_image_alone() -> None:
    (series,) = presentation(context()).ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedImageSequence] == [INSTANCE_UID]
