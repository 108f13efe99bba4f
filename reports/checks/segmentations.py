"""Segmentations: binary, on the source's own pixels, with what OHIF and dcmqi need to open them."""

from __future__ import annotations

from collections.abc import Iterator

from reports.checks.breach import Breach
from reports.checks.references import is_the_image
from reports.checks.tree import Attributes, items_of
from reports.source import ReportContext

VIEWERS = "PS3.3 C.7.6.16.2; OHIF and dcmqi open no other"


def check_segmentation(segmentation: Attributes, context: ReportContext) -> Iterator[Breach]:
    """Check a Segmentation."""
    if list(segmentation.get("ImageType") or ())[:2] != ["DERIVED", "PRIMARY"]:
        yield Breach("be a DERIVED\\PRIMARY image", "PS3.3 C.8.20.2")
    if segmentation.get("SegmentationType") != "BINARY":
        yield Breach("be BINARY", "PS3.3 C.8.20.2.3; older systems refuse others")
    if (segmentation.get("Rows"), segmentation.get("Columns")) != (
        context.image.rows,
        context.image.columns,
    ):
        yield Breach("lie on the pixels of the analysed image", "PS3.3 C.8.20.2")
    series = items_of(segmentation, "ReferencedSeriesSequence")
    referenced = [item for entry in series for item in items_of(entry, "ReferencedInstanceSequence")]
    if len(referenced) != 1 or not is_the_image(referenced[0], context):
        yield Breach("refer to the analysed image in its references", "PS3.3 C.12.1.1.3.2")
    yield from _check_segments(segmentation)
    yield from _check_frames(segmentation, context)


def _check_segments(segmentation: Attributes) -> Iterator[Breach]:
    segments = items_of(segmentation, "SegmentSequence")
    if [segment.get("SegmentNumber") for segment in segments] != list(
        range(1, len(segments) + 1)
    ) or not segments:
        yield Breach("number its segments from 1", "PS3.3 C.8.20.2.2")
    for segment in segments:
        if not segment.get("SegmentLabel"):
            yield Breach("label every segment", "PS3.3 C.8.20.2")
        if segment.get("SegmentAlgorithmType") != "AUTOMATIC" or not (
            segment.get("SegmentAlgorithmName")
            or items_of(segment, "SegmentationAlgorithmIdentificationSequence")
        ):
            yield Breach("name the algorithm of every segment", "PS3.3 C.8.20.2")
        if not items_of(segment, "SegmentedPropertyTypeCodeSequence"):
            yield Breach("say what every segment is", "PS3.3 C.8.20.2")
        if bool(segment.get("TrackingUID")) != bool(segment.get("TrackingID")):
            yield Breach("have tracking ID and UID together", "PS3.3 C.8.20.2")


def _check_frames(segmentation: Attributes, context: ReportContext) -> Iterator[Breach]:
    frames = items_of(segmentation, "PerFrameFunctionalGroupsSequence")
    if len(frames) != int(segmentation.get("NumberOfFrames") or 0) or not frames:
        yield Breach("describe every frame", "PS3.3 C.7.6.16.1.1")
    bits = len(frames) * context.image.rows * context.image.columns
    size = (bits + 7) // 8
    if len(segmentation.get("PixelData") or b"") != size + size % 2:
        yield Breach("hold as many pixels as it says", "PS3.5 8.1.1")
    shared = items_of(segmentation, "SharedFunctionalGroupsSequence")
    if len(shared) != 1 or not items_of(shared[0], "PlaneOrientationSequence"):
        yield Breach("have a plane orientation", VIEWERS)
    segments = len(items_of(segmentation, "SegmentSequence"))
    for frame in frames:
        if not items_of(frame, "PlanePositionSequence"):
            yield Breach("have a plane position in every frame", VIEWERS)
        named = items_of(frame, "SegmentIdentificationSequence")
        if len(named) != 1 or not 1 <= int(named[0].get("ReferencedSegmentNumber") or 0) <= segments:
            yield Breach("say which segment a frame shows", "PS3.3 C.8.20.3.1")
        sources = [
            source
            for derivation in items_of(frame, "DerivationImageSequence")
            for source in items_of(derivation, "SourceImageSequence")
        ]
        if len(sources) != 1 or not is_the_image(sources[0], context):
            yield Breach("derive every frame from the analysed image", "PS3.3 C.7.6.16.2.6")
