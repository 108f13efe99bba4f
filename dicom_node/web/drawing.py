"""Draws one study's pictures as PNG; runs in a process of its own, since it decodes what peers sent.

Nothing heavy is imported before the first picture, and nothing here knows the journal.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

    from analysis.results import Polygon
    from reports.overlay import ColorScale

__all__ = ["Drawn", "Layer", "PictureOrder", "draw", "load_drawers"]

LARGEST_PIXELS = 40_000_000
"""Of one frame; a forearm has some hundred thousand, a report page two million (assumption)."""

Layer = str
"""``image``, ``mask``, ``drivers``, ``density`` or ``strain``; ``page`` for a result that is a picture."""


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """What to draw.

    Attributes
    ----------
    layer : str
    path : Path
        The object that it is drawn from.
    outlines : tuple of Polygon
        Of the regions with a BMD, on the source image's grid.
    shape : (rows, columns)
        Of the source image.
    """

    layer: Layer
    path: Path
    outlines: tuple[Polygon, ...] = ()
    shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture.

    Attributes
    ----------
    png : bytes
        Empty where the object shows no such layer.
    facts : dict of str to float or str
        What a viewer must know of a source image: see `_image`.
    """

    png: bytes
    facts: dict[str, float | str]


def draw(order: PictureOrder) -> Drawn:
    """Draw one layer.

    Raises
    ------
    ValueError
        If the object cannot be shown; the text says why, without a value of it.
    """
    from pydicom import dcmread

    dataset = dcmread(order.path)
    if int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0) > LARGEST_PIXELS:
        raise ValueError(f"its frames have more than {LARGEST_PIXELS} pixels")
    return _DRAWERS[order.layer](dataset, order)


def load_drawers() -> None:
    """Import what pictures need: the slow part of a first picture."""
    for name in ("PIL.Image", "pydicom", "reports.map_reading"):
        import_module(name)


def _image(dataset: Dataset, _: PictureOrder) -> Drawn:
    """Draw the source image with its full depth: 16 bits as red (high byte) and green (low byte).

    The viewer puts them together and windows them; a picture in colours is sent as it is. Facts: ``kind``
    (``grey16`` or ``color``), ``low`` and ``high`` (least and greatest value), ``center`` and ``width``
    (the first VOI window of the header, or the full range), ``inverted`` (MONOCHROME1), and ``slope``,
    ``intercept`` and ``unit`` where values stand for something.
    """
    pixels = _first_frame(dataset)
    if pixels.ndim == 3:
        facts: dict[str, float | str] = {
            "kind": "color",
            "low": 0,
            "high": 255,
            "center": 127.5,
            "width": 255,
        }
        return Drawn(_png(pixels.astype(np.uint8)), facts)
    low, high = int(pixels.min()), int(pixels.max())
    offset = min(low, 0)
    values = np.clip(pixels.astype(np.int64) - offset, 0, 65535).astype(np.uint16)
    packed = np.zeros((*values.shape, 3), dtype=np.uint8)
    packed[..., 0], packed[..., 1] = values >> 8, values & 255
    center, width = _window(dataset, low, high)
    facts = {"kind": "grey16", "offset": offset, "low": low, "high": high, "center": center, "width": width}
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        facts["inverted"] = 1
    return Drawn(_png(packed), facts | _meaning(dataset))


def _first_frame(dataset: Dataset) -> NDArray[Any]:
    pixels = dataset.pixel_array
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        pixels = pixels[0]
    if dataset.get("PhotometricInterpretation", "").startswith("YBR"):
        from pydicom.pixels.processing import convert_color_space

        pixels = convert_color_space(pixels, dataset.PhotometricInterpretation, "RGB")
    return np.asarray(pixels)


def _window(dataset: Dataset, low: int, high: int) -> tuple[float, float]:
    """Return centre and width in stored values; headers give them after the modality LUT (PS3.3 C.11.2)."""
    slope, intercept = _rescale(dataset)
    try:
        center = float(np.atleast_1d(dataset.WindowCenter)[0])
        width = float(np.atleast_1d(dataset.WindowWidth)[0])
    except (AttributeError, IndexError, TypeError, ValueError):
        return (low + high) / 2, max(high - low, 1)
    return (
        ((center - intercept) / slope, abs(width / slope)) if width >= 1 else ((low + high) / 2, high - low)
    )


def _rescale(dataset: Dataset) -> tuple[float, float]:
    slope, intercept = (dataset.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
    return (float(slope), float(intercept or 0)) if slope else (1.0, 0.0)


def _meaning(dataset: Dataset) -> dict[str, float | str]:
    """Return what stored values stand for: first linear Real World Value Mapping (PS3.3 C.7.6.16.2.11)."""
    for item in dataset.get("RealWorldValueMappingSequence") or ():
        if "RealWorldValueSlope" in item:
            units = item.get("MeasurementUnitsCodeSequence")
            unit = str(units[0].CodeValue) if units else ""
            return {
                "slope": float(item.RealWorldValueSlope),
                "intercept": float(item.RealWorldValueIntercept),
                "unit": unit,
            }
    return {}


def _mask(dataset: Dataset, _: PictureOrder) -> Drawn:
    """Draw radius and ulna in their segments' colours, the rest transparent."""
    from highdicom.color import CIELabColor

    frames = dataset.pixel_array
    picture = np.zeros((*frames.shape[-2:], 4), dtype=np.uint8)
    for segment, frame in list(zip(dataset.SegmentSequence, frames, strict=True))[:WHOLE_BONES]:
        lab = CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        picture[np.asarray(frame, dtype=bool)] = (*lab.to_rgb(), 255)
    return Drawn(_png(picture), {})


WHOLE_BONES = 2
"""Radius and ulna are a segmentation's first segments; those after them are regions of the radius."""


def _map(panel: int, scale: str) -> Callable[[Dataset, PictureOrder], Drawn]:
    def drawn(dataset: Dataset, order: PictureOrder) -> Drawn:
        from reports import overlay
        from reports.map_reading import read_map

        chosen: ColorScale = getattr(overlay, scale)
        values = read_map(dataset, panel, order.outlines, order.shape, chosen)
        if values is None or not np.isfinite(values).any():
            return Drawn(b"", {})
        shown = np.isfinite(values)
        known = np.where(shown, values, 0.0).astype(np.float64)
        picture = np.zeros((*values.shape, 4), dtype=np.uint8)
        picture[..., :3] = np.round(chosen.colors(known) * 255)
        opacity = np.clip(chosen.opacity(known) / overlay.MAXIMUM_OPACITY, 0, 1)
        picture[..., 3] = np.round(opacity * shown * 255)
        return Drawn(_png(picture), {})

    return drawn


def _page(dataset: Dataset, _: PictureOrder) -> Drawn:
    return Drawn(_png(_first_frame(dataset).astype(np.uint8)), {})


_DRAWERS: dict[Layer, Callable[[Dataset, PictureOrder], Drawn]] = {
    "image": _image,
    "mask": _mask,
    "drivers": _map(1, "DRIVER_SCALE"),
    "density": _map(1, "DENSITY_SCALE"),
    "strain": _map(2, "STRAIN_SCALE"),
    "page": _page,
}


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()
