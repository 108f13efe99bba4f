"""The regions drawn on the original image: a Softcopy Presentation State, PS3.3 A.33.

Viewers show it over the untouched source, where a reader can switch it on and off. A report page in colour
needs the colour class: a grayscale state must not refer to it.
"""

from __future__ import annotations

import copy
from importlib.resources import files
from typing import Any

import numpy as np
from highdicom import PresentationLUTTransformation
from highdicom.pr import (
    ColorSoftcopyPresentationState,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from pydicom import Dataset
from pydicom.valuerep import DSfloat

from analysis.results import ImageEvidence, Polygon
from reports import codes as coded
from reports.identity import ResultKind
from reports.instance import device_uid, finish, instance_arguments
from reports.language import translated
from reports.regions_of_interest import closed_polyline, tracking_identifier
from reports.sentences import research_statement
from reports.source import ReportContext

DRAWN_REGIONS = ("ultradistal", "mid", "one_third")
"""The total region's outline coincides with theirs."""

LABEL_WIDTH, LABEL_HEIGHT, LABEL_GAP = 0.18, 0.03, 0.02
"""Shares of the image's width, height, width: the space of a label and its distance from the bone
(assumption: readable at the sizes at which viewers show a forearm)."""

LAYER = "RADIUS REGIONS"


def presentation(context: ReportContext) -> Dataset:
    """Draw the outlines of radius and regions, and the regions' names beside the bone.

    Returns
    -------
    highdicom.pr.GrayscaleSoftcopyPresentationState or highdicom.pr.ColorSoftcopyPresentationState
        With the source's own window; the whole image is the displayed area.
    """
    arguments = instance_arguments(context, ResultKind.PRESENTATION)
    day, time = arguments.pop("content_date"), arguments.pop("content_time")  # not in these IODs
    del arguments["content_qualification"]
    layer = GraphicLayer(
        LAYER, order=1, description=translated("Outlines and names of the regions", context.language)
    )
    annotation = GraphicAnnotation(
        referenced_images=[context.header],
        graphic_layer=layer,
        graphic_objects=_outlines(context),
        text_objects=_labels(context),
    )
    arguments |= {
        "content_label": "RADIUS_REGIONS",
        "content_description": translated("Regions of the radius on the original image", context.language),
        "graphic_annotations": [annotation],
        "graphic_layers": [layer],
        "device_serial_number": device_uid(context),
    }
    state = _state(context.header, arguments)
    state.PresentationCreationDate, state.PresentationCreationTime = day, time
    side = context.analysis.laterality
    state.Laterality = side.value if side else ""
    _keep_pixel_shape(state, context)
    finish(state, context)
    return state


def _state(header: Dataset, arguments: dict[str, Any]) -> Dataset:
    """Return the state of the class that may refer to the analysed image."""
    image = copy.deepcopy(header)
    photometric = image.get("PhotometricInterpretation", "MONOCHROME2")
    if not photometric.startswith("MONOCHROME"):
        profile = image.get("ICCProfile") or _srgb_profile()
        return ColorSoftcopyPresentationState([image], icc_profile=profile, **arguments)
    image.SamplesPerPixel = 1
    _add_functional_groups(image)
    shape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
    return GrayscaleSoftcopyPresentationState(
        [image], presentation_lut_transformation=PresentationLUTTransformation(shape), **arguments
    )


def _add_functional_groups(image: Dataset) -> None:
    """Give an image of a class with frames what highdicom asks of each such class, and only some have."""
    shared, values, window = Dataset(), Dataset(), Dataset()
    for group, keywords in (
        (values, ("RescaleIntercept", "RescaleSlope", "RescaleType")),
        (window, ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")),
    ):
        for keyword in keywords:
            if keyword in image:
                setattr(group, keyword, image[keyword].value)
    if "RescaleSlope" in values:
        shared.PixelValueTransformationSequence = [values]
    if "WindowWidth" in window:
        shared.FrameVOILUTSequence = [window]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = [Dataset()]


def _srgb_profile() -> bytes:
    """What PS3.3 C.11.15 demands for colours of a source that declares none; the one highdicom ships."""
    return (files("highdicom") / "_icc_profiles" / "sRGB_v4_ICC_preference.icc").read_bytes()


def _keep_pixel_shape(state: Dataset, context: ReportContext) -> None:
    """Say how large or at least how oblong a pixel is; highdicom takes every pixel for a square."""
    area = state.DisplayedAreaSelectionSequence[0]
    if spacing := context.analysis.pixel_spacing_mm:
        del area.PresentationPixelAspectRatio
        area.PresentationPixelSpacing = [DSfloat(value, auto_format=True) for value in spacing]
    elif ratio := context.header.get("PixelAspectRatio"):
        area.PresentationPixelAspectRatio = list(ratio)


def _outlines(context: ReportContext) -> list[GraphicObject]:
    regions = context.analysis.regions
    outlines = [(coded.REGION_NAMES[region], regions[region].polygon) for region in _drawn(context)]
    return [
        _outline(name, polygon, context)
        for name, polygon in [*outlines, ("Analysed radius", context.pixels.radius_outline)]
    ]


def _outline(name: str, polygon: Polygon, context: ReportContext) -> GraphicObject:
    tracked = tracking_identifier(name, context)
    return GraphicObject(
        graphic_type="POLYLINE",
        graphic_data=closed_polyline(polygon),
        units="PIXEL",
        tracking_id=tracked[0].TextValue,
        tracking_uid=tracked[1].UID,
    )


def _labels(context: ReportContext) -> list[TextObject]:
    """The regions' names beside the bone, on the side away from the ulna, each at its region's height."""
    evidence = context.pixels
    rows, columns = evidence.radius_mask.shape
    texts = [
        TextObject(
            text_value=translated(coded.REGION_LABELS[region], context.language),
            units="PIXEL",
            bounding_box=_label_box(context.analysis.regions[region].polygon, evidence),
            text_justification="CENTER",
        )
        for region in _drawn(context)
    ]
    statement = TextObject(
        text_value=research_statement(context.language),
        units="PIXEL",
        bounding_box=(0.0, 0.0, float(columns), max(1.0, LABEL_HEIGHT * rows)),
        text_justification="CENTER",
    )
    return [*texts, statement]


def _drawn(context: ReportContext) -> list[str]:
    regions = context.analysis.regions
    return [region for region in DRAWN_REGIONS if region in regions and regions[region].polygon]


def _label_box(polygon: Polygon, evidence: ImageEvidence) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a label beside `polygon`, within the image."""
    rows, columns = evidence.radius_mask.shape
    width, height, gap = LABEL_WIDTH * columns, LABEL_HEIGHT * rows, LABEL_GAP * columns
    across = [column for column, _ in polygon]
    middle = sum(row for _, row in polygon) / len(polygon)
    top = min(max(0.0, middle - height / 2), rows - height)
    if _ulna_lies_right(evidence):
        right = max(width, min(across) - gap)
        return right - width, top, right, top + height
    left = min(columns - width, max(across) + gap)
    return left, top, left + width, top + height


def _ulna_lies_right(evidence: ImageEvidence) -> bool:
    if not evidence.ulna_mask.any():
        return False
    columns = [float(np.nonzero(mask)[1].mean()) for mask in (evidence.radius_mask, evidence.ulna_mask)]
    return columns[1] > columns[0]
