"""The bones and the regions of the radius as a DICOM Segmentation: what other programs compute on.

Written attribute by attribute, since `highdicom.seg` needs over a second for it, demands things of the source
that legal ones lack, and leaves out the plane macros. Those are there because OHIF and dcmqi open nothing
without them; a projection image has no place in the patient, and the object says so in its description.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage
from pydicom.valuerep import DSfloat

from analysis.results import Polygon, SegmentationQuality
from analysis.wording.names import region_name
from reports import codes as coded
from reports.identity import MANUFACTURER_MODEL_NAME, ResultKind
from reports.instance import coded_item, device_uid, finish, image_reference, plain_instance
from reports.language import translated
from reports.regions_of_interest import tracking_identifier
from reports.source import ReportContext

SEGMENTED_REGIONS = ("ultradistal", "mid", "one_third")
"""The total region is the union of these: as a segment of its own it would hide them in every viewer."""

COLORS: dict[str, tuple[float, float, float]] = {
    "radius": (70.6, 16.5, 74.7),
    "ulna": (69.8, -12.0, -34.8),
    "ultradistal": (57.7, -45.7, 12.8),
    "mid": (89.1, -13.3, 75.5),
    "one_third": (54.2, 43.3, 63.3),
}
"""CIELab of orange, sky blue, bluish green, yellow and vermilion of Okabe and Ito's palette, which
people with any colour vision tell apart (Wong, Nature Methods 2011;8:441)."""

NOMINAL_THICKNESS_MM = 1.0
"""Slice Thickness is required beside Pixel Spacing; a projection has none."""

SEGMENT_NUMBER, SEGMENT_IDENTIFICATION = 0x0062000B, 0x0062000A
"""Referenced Segment Number within Segment Identification Sequence: what tells the frames apart."""


@dataclass(frozen=True, slots=True)
class _Segment:
    name: str
    label: str
    site: Code
    mask: NDArray[np.bool_]
    color: tuple[float, float, float]


def segmentation(context: ReportContext) -> Dataset:
    """Write radius, ulna and regions as one binary segmentation of the analysed image.

    Returns
    -------
    highdicom.base.SOPClass
        One frame per segment, on the source's own pixel grid. Segments of the radius carry the tracking
        identifiers of the measurement report. Without a known pixel size there is no Pixel Measures Sequence,
        and dcmqi cannot read it: a size is never invented.
    """
    segments = _segments(context)
    dataset = plain_instance(context, ResultKind.SEGMENTATION, SegmentationStorage, "SEG")
    _describe(dataset, context)
    dataset.SegmentationType = "BINARY"
    dataset.SegmentsOverlap = "YES"
    dataset.SegmentSequence = [
        _segment_item(number, segment, context) for number, segment in enumerate(segments, start=1)
    ]
    dimension = context.uid("dimensions", ResultKind.SEGMENTATION)
    _add_dimensions(dataset, dimension)
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(context)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame_groups(number, context) for number in range(1, len(segments) + 1)
    ]
    _add_pixels(dataset, np.stack([segment.mask for segment in segments]))
    finish(dataset, context)
    return dataset


def mask_of(polygon: Polygon, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie inside an outline.

    Parameters
    ----------
    polygon : Polygon
        (column, row) points, the centre of the top-left pixel being (0.5, 0.5).
    shape : (rows, columns)
    """
    from skimage.draw import polygon2mask

    points = np.array(polygon, dtype=np.float64)[:, ::-1] - 0.5
    mask = polygon2mask(shape, points)  # type: ignore[no-untyped-call]
    return np.asarray(mask, dtype=np.bool_)


def _segments(context: ReportContext) -> list[_Segment]:
    """The analysed radius as SR-1 outlines it, the ulna, and each region that could be placed."""
    evidence, regions, language = context.pixels, context.analysis.regions, context.language
    shape = evidence.radius_mask.shape
    found = [
        _Segment(
            "Analysed radius",
            translated("Radius", language),
            coded.RADIUS,
            evidence.radius_mask,
            COLORS["radius"],
        ),
        _Segment("Ulna", translated("Ulna", language), codes.SCT.Ulna, evidence.ulna_mask, COLORS["ulna"]),
    ]
    for region in SEGMENTED_REGIONS:
        if region in regions and regions[region].polygon:
            name, label = coded.REGION_NAMES[region], region_name(region, language)
            mask = mask_of(regions[region].polygon, (shape[0], shape[1]))
            found.append(_Segment(name, label, coded.FINDING_SITES[region], mask, COLORS[region]))
    return [segment for segment in found if segment.mask.any()]


def _describe(dataset: Dataset, context: ReportContext) -> None:
    dataset.ImageType = ["DERIVED", "PRIMARY"]  # PS3.3 C.8.20.1.1 allows no other
    dataset.DeviceSerialNumber = device_uid(context)  # type 1 in the enhanced equipment module
    dataset.PatientOrientation = list(context.header.get("PatientOrientation") or [])
    dataset.ContentLabel = "RADIUS_REGIONS"
    dataset.ContentDescription = translated(
        "Radius, ulna, regions. Plane position has no anatomical meaning.", context.language
    )
    dataset.ContentCreatorName = None
    dataset.LossyImageCompression = "00"
    reference = Dataset()
    reference.SeriesInstanceUID = context.image.series_instance_uid
    reference.ReferencedInstanceSequence = [image_reference(context)]
    dataset.ReferencedSeriesSequence = [reference]


def _segment_item(number: int, segment: _Segment, context: ReportContext) -> Dataset:
    tracked = tracking_identifier(segment.name, context)
    item = SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=segment.site,
        algorithm_type="AUTOMATIC",
        algorithm_identification=_algorithm(context),
        tracking_uid=tracked[1].UID,
        tracking_id=tracked[0].TextValue,
    )
    item.RecommendedDisplayCIELabValue = _cielab(segment.color)
    if side := context.analysis.laterality:
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [coded_item(coded.LATERALITIES[side])]
    return item


def _algorithm(context: ReportContext) -> AlgorithmIdentificationSequence:
    """The network that found the bones; without one, the edge finder of this program."""
    found: SegmentationQuality | None = context.analysis.segmentation
    if found is None or found.model is None:
        return AlgorithmIdentificationSequence(
            name=MANUFACTURER_MODEL_NAME,
            family=codes.DCM.EdgeDetection,
            version=context.analysis.engine_version,
        )
    return AlgorithmIdentificationSequence(
        name=found.model.name,
        family=codes.DCM.ArtificialIntelligence,
        version=found.model.version,
        parameters={"sha256": found.model.sha256, "training data": found.model.training_data},
    )


def _cielab(color: tuple[float, float, float]) -> list[int]:
    """Encode L, a, b as PS3.3 C.10.7.1.1 wants them: 0 to 100 and -128 to 127 on 16 bits."""
    lightness, a, b = color
    return [
        round(lightness / 100 * 0xFFFF),
        round((a + 128) / 255 * 0xFFFF),
        round((b + 128) / 255 * 0xFFFF),
    ]


def _add_dimensions(dataset: Dataset, uid: str) -> None:
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    dataset.DimensionOrganizationSequence = [organization]
    index = Dataset()
    index.DimensionOrganizationUID = uid
    index.DimensionIndexPointer = SEGMENT_NUMBER
    index.FunctionalGroupPointer = SEGMENT_IDENTIFICATION
    index.DimensionDescriptionLabel = "Referenced Segment Number"
    dataset.DimensionIndexSequence = [index]


def _shared_groups(context: ReportContext) -> Dataset:
    shared = Dataset()
    plane = Dataset()
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PlaneOrientationSequence = [plane]
    if spacing := context.analysis.pixel_spacing_mm:
        measures = Dataset()
        measures.PixelSpacing = [DSfloat(value, auto_format=True) for value in spacing]
        measures.SliceThickness = NOMINAL_THICKNESS_MM
        shared.PixelMeasuresSequence = [measures]
    return shared


def _frame_groups(number: int, context: ReportContext) -> Dataset:
    content, segment, position = Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = number
    segment.ReferencedSegmentNumber = number
    position.ImagePositionPatient = [0, 0, 0]
    source = image_reference(context)
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [coded_item(codes.DCM.SourceImageForImageProcessingOperation)]
    derivation = Dataset()
    derivation.SourceImageSequence = [source]
    derivation.DerivationCodeSequence = [coded_item(codes.DCM.Segmentation)]
    frame = Dataset()
    frame.FrameContentSequence = [content]
    frame.SegmentIdentificationSequence = [segment]
    frame.PlanePositionSequence = [position]
    frame.DerivationImageSequence = [derivation]
    return frame


def _add_pixels(dataset: Dataset, frames: NDArray[np.bool_]) -> None:
    """Pack all frames bit by bit, without padding between them (PS3.5 8.1.1)."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.PixelData = pack_bits(frames.astype(np.uint8).ravel())
