"""Outlines: closed polygons inside the analysed image, tied to it as a whole (PS3.3 C.18.6, TID 1410)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from reports.checks.breach import Breach
from reports.checks.references import is_the_image
from reports.checks.rows import ORIGINAL_SOURCE
from reports.checks.tree import Item, items_of
from reports.regions_of_interest import MINIMUM_POINTS
from reports.source import ReportContext

Points = Sequence[tuple[float, float]]


def check_outlines(root: Item, context: ReportContext) -> Iterator[Breach]:
    """Check every SCOORD of a document."""
    for item in root.walk():
        if item.value_type == "SCOORD":
            yield from _check_outline(item, context)


def check_polygon(numbers: Sequence[float], context: ReportContext) -> Iterator[Breach]:
    """Check the (column, row) pairs of one outline, from SR or presentation state."""
    if len(numbers) % 2:
        yield Breach("have a row to every column of an outline", "PS3.3 C.18.6.1.2")
        return
    points = list(zip(numbers[0::2], numbers[1::2], strict=True))
    if len(points) < MINIMUM_POINTS or points[0] != points[-1]:
        yield Breach(
            f"have closed outlines of at least {MINIMUM_POINTS} points",
            "PS3.3 C.18.6.1.2; OHIF takes fewer for a rectangle",
        )
    image = context.image
    if not all(0 <= column <= image.columns and 0 <= row <= image.rows for column, row in points):
        yield Breach(
            f"have outlines within the image of {image.columns} x {image.rows} pixels",
            "PS3.3 C.18.6.1.1",
        )
    if not _area(points):
        yield Breach("have outlines that enclose something", "PS3.3 C.18.6.1.2")


def _check_outline(item: Item, context: ReportContext) -> Iterator[Breach]:
    outline = item.dataset
    if outline.get("GraphicType") != "POLYLINE":
        yield Breach("have outlines as POLYLINE", "PS3.3 C.18.6.1.2")
        return
    yield from check_polygon([float(number) for number in outline.get("GraphicData") or ()], context)
    if len(item.children) != 1 or item.children[0].concept != ORIGINAL_SOURCE:
        yield Breach(
            "tie every outline to exactly one Original Source image",
            "PS3.16 TID 1410 row 6; Stone draws no other",
        )
        return
    references = items_of(item.children[0].dataset, "ReferencedSOPSequence")
    if len(references) != 1 or not is_the_image(references[0], context):
        yield Breach("refer to the analysed image as a whole", "PS3.3 C.18.4")


def _area(points: Points) -> float:
    """Twice the enclosed area in square pixels, by the shoelace formula."""
    return abs(sum(left * down - right * up for (left, up), (right, down) in pairwise(points)))
