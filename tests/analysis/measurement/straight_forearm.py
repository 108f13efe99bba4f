"""Two straight bones of known density, whose truth is arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.acquisition.image import RadiusImage
from analysis.results import Calibration, Laterality, SourceImage
from analysis.segmentation.anatomy import ForearmAnatomy, ForearmFrame
from analysis.segmentation.outline import as_polygon, clip_to_image, rasterise

LENGTH_MM = 240.0
FIELD_MM = (130.0, 70.0)
STYLOID_ROW_MM = 20.0
RADIUS_MM, ULNA_MM = (40.3, 53.1), (18.2, 28.6)
"""Left and right edge of the bones."""
RADIUS_DENSITY, ULNA_DENSITY = 0.8, 0.6


def straight_forearm(
    *,
    spacing_mm: tuple[float, float] = (0.4, 0.4),
    ulna_mm: tuple[float, float] = ULNA_MM,
    soft_tissue: float = 0.0,
    blur_mm: float = 0.0,
    metal_at_mm: tuple[float, float] | None = None,
    ramp_per_mm: float = 0.0,
    **changes: Any,
) -> tuple[RadiusImage, ForearmAnatomy]:
    """A left forearm, hand up, parallel to the columns; both bones begin at the styloid's level.

    Parameters
    ----------
    metal_at_mm : (across, along), optional
        Where 2 mm of metal lie, in mm from the picture's top left corner.
    ramp_per_mm : float
        Growth of the radius's density per mm along it.
    """
    shape = (round(FIELD_MM[0] / spacing_mm[0]), round(FIELD_MM[1] / spacing_mm[1]))
    outlines = [_rectangle(edges, spacing_mm, shape) for edges in (RADIUS_MM, ulna_mm)]
    pixels = soft_tissue * np.ones(shape)
    row_mm = (np.arange(shape[0]) + 0.5) * spacing_mm[0]
    for edges, density, ramp in ((RADIUS_MM, RADIUS_DENSITY, ramp_per_mm), (ulna_mm, ULNA_DENSITY, 0.0)):
        column = np.clip(_covered(edges, shape[1], spacing_mm[1]), 0.0, 1.0)
        row = np.clip(_covered((STYLOID_ROW_MM, FIELD_MM[0] + 9), shape[0], spacing_mm[0]), 0.0, 1.0)
        pixels += (row * (density + ramp * (row_mm - STYLOID_ROW_MM)))[:, None] * column
    if blur_mm:
        pixels = ndimage.gaussian_filter(pixels, [blur_mm / side for side in spacing_mm], mode="nearest")
    styloid = (sum(ulna_mm) / 2 / spacing_mm[1], STYLOID_ROW_MM / spacing_mm[0])
    anatomy = ForearmAnatomy(
        radius_mask=rasterise(outlines[0], shape),
        ulna_mask=rasterise(outlines[1], shape),
        metal_mask=_metal(shape, spacing_mm, metal_at_mm),
        radius_outline=as_polygon(outlines[0]),
        ulna_outline=as_polygon(outlines[1]),
        hand_up=True,
        axis_origin=styloid,
        axis_direction=(0.0, 1.0),
        end_plate=(sum(RADIUS_MM) / 2 / spacing_mm[1], (STYLOID_ROW_MM - 2.0) / spacing_mm[0]),
        ulnar_styloid=styloid,
        radius_is_right_of_ulna=True,
        radius_axis_slope=0.0,
        frame=ForearmFrame(styloid, (0.0, 1.0), spacing_mm),
        radial_styloid_mm=(30.0, -4.0),
        end_plate_medial_mm=(17.0, 0.0),
        confidence=1.0,
    )
    image = RadiusImage(
        source=SourceImage("1.2", "1.2.3", "1.2.4", *shape),
        study_instance_uid="1.2.5",
        pixels=pixels.astype(np.float32),
        density=True,
        calibration=Calibration.REAL_WORLD_VALUE_MAP,
        spacing_mm=spacing_mm,
        spacing_source="PixelSpacing",
        origin=(0, 0),
        laterality=Laterality.LEFT,
        device="Test",
        forearm_length_mm=LENGTH_MM,
    )
    return replace(image, **changes), anatomy


def _rectangle(
    edges: tuple[float, float], spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.float64]:
    left, right = (edge / spacing_mm[1] for edge in edges)
    top = STYLOID_ROW_MM / spacing_mm[0]
    rows = np.linspace(top, shape[0], 60)
    sides = [np.column_stack([np.full(60, x), rows]) for x in (left, right)]
    return clip_to_image(np.concatenate([sides[0][::-1], sides[1]]), shape)


def _covered(edges: tuple[float, float], count: int, step: float) -> NDArray[np.float64]:
    """Part of every pixel that lies between two places."""
    low = np.arange(count) * step
    return (np.minimum(low + step, edges[1]) - np.maximum(low, edges[0])) / step


def _metal(
    shape: tuple[int, int], spacing_mm: tuple[float, float], at_mm: tuple[float, float] | None
) -> NDArray[np.bool_]:
    if at_mm is None:
        return np.zeros(shape, np.bool_)
    row, column = np.indices(shape)
    away = np.hypot((row + 0.5) * spacing_mm[0] - at_mm[1], (column + 0.5) * spacing_mm[1] - at_mm[0])
    return np.asarray(away <= 1.0)
