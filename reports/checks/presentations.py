"""Presentation states: outlines and labels on the analysed image, and nothing else of it changed."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import ColorSoftcopyPresentationStateStorage

from reports.checks.breach import Breach
from reports.checks.outlines import check_polygon
from reports.checks.references import is_the_image
from reports.checks.tree import Attributes, items_of
from reports.source import ReportContext


def check_presentation(state: Attributes, context: ReportContext) -> Iterator[Breach]:
    """Check a Softcopy Presentation State, grayscale or colour as its image is."""
    series = items_of(state, "ReferencedSeriesSequence")
    referenced = [item for entry in series for item in items_of(entry, "ReferencedImageSequence")]
    if len(referenced) != 1 or not is_the_image(referenced[0], context):
        yield Breach("be a state of the analysed image", "PS3.3 C.11.11")
    elif series[0].get("SeriesInstanceUID") != context.image.series_instance_uid:
        yield Breach("name the series of the analysed image", "PS3.3 C.11.11")
    if not state.get("ContentLabel") or not state.get("PresentationCreationDate"):
        yield Breach("have a label and a date", "PS3.3 C.11.10")
    if state.get("SOPClassUID") == ColorSoftcopyPresentationStateStorage:
        if not state.get("ICCProfile"):
            yield Breach("have a colour profile", "PS3.3 C.11.15")
    elif state.get("PresentationLUTShape") not in ("IDENTITY", "INVERSE"):
        yield Breach("have a presentation LUT shape", "PS3.3 C.11.6")
    areas = items_of(state, "DisplayedAreaSelectionSequence")
    if not areas:
        yield Breach("select a displayed area", "PS3.3 C.10.4")
    layers = {layer.get("GraphicLayer") for layer in items_of(state, "GraphicLayerSequence")}
    annotations = items_of(state, "GraphicAnnotationSequence")
    if not any(items_of(annotation, "GraphicObjectSequence") for annotation in annotations):
        yield Breach("draw an outline", "PS3.3 C.10.5")
    for annotation in annotations:
        if annotation.get("GraphicLayer") not in layers:
            yield Breach("draw on a layer it has", "PS3.3 C.10.5, C.10.7")
        for graphic in items_of(annotation, "GraphicObjectSequence"):
            yield from _check_graphic(graphic, context)
        for text in items_of(annotation, "TextObjectSequence"):
            yield from _check_text(text, context)


def _check_graphic(graphic: Attributes, context: ReportContext) -> Iterator[Breach]:
    if (graphic.get("GraphicType"), graphic.get("GraphicAnnotationUnits")) != (
        "POLYLINE",
        "PIXEL",
    ):
        yield Breach("draw polylines in pixels", "PS3.3 C.10.5.1.2")
        return
    numbers = [float(number) for number in graphic.get("GraphicData") or ()]
    if graphic.get("NumberOfGraphicPoints") != len(numbers) // 2:
        yield Breach("count the points of its outlines", "PS3.3 C.10.5")
    yield from check_polygon(numbers, context)


def _check_text(text: Attributes, context: ReportContext) -> Iterator[Breach]:
    if not str(text.get("UnformattedTextValue") or "").strip():
        yield Breach("say something in every label", "PS3.3 C.10.5")
    corners = [
        *(text.get("BoundingBoxTopLeftHandCorner") or text.get("AnchorPoint") or ()),
        *(text.get("BoundingBoxBottomRightHandCorner") or ()),
    ]
    units = {
        text.get("BoundingBoxAnnotationUnits"),
        text.get("AnchorPointAnnotationUnits"),
    } - {None}
    limits = (context.image.columns, context.image.rows)
    inside = all(0 <= number <= limits[index % 2] for index, number in enumerate(corners))
    if not corners or units != {"PIXEL"} or not inside:
        yield Breach("place its labels within the image", "PS3.3 C.10.5.1.1")
