"""The picture that a network sees: the distal radius, always laid out the same way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.acquisition.image import RadiusImage
from analysis.measurement.regions import PlacedRegions
from analysis.segmentation.anatomy import ForearmAnatomy

ROWS, COLUMNS = 96, 80
PIXEL_MM = 0.4
"""Pixel size of a patch, within the 0.3 to 0.6 mm that densitometers deliver."""
DISTAL_MM = 16.0
"""How far the patch reaches beyond the ultradistal region's distal end: it then shows the whole end of the
radius, the region and 7 mm of metaphysis below it."""
ANCHOR = "ultradistal"

_STEPS_PER_G_CM2 = 4000.0
_LOWEST_G_CM2 = -0.5


def radius_patch(
    image: RadiusImage, anatomy: ForearmAnatomy, placed: PlacedRegions
) -> NDArray[np.float32] | None:
    """The distal radius straightened along its axis: hand up, shown as a left arm, whatever the scan was.

    Rows run along the radius's shaft axis, columns across it and away from the ulna; the ultradistal region
    begins at row 40 and its middle lies in the middle column. A right arm is mirrored.

    Parameters
    ----------
    image : RadiusImage
        In g/cm² where a network is to compare patches of several scanners.

    Returns
    -------
    ndarray of float32, (96, 80), or None
        Values of the image by linear interpolation, 0 outside of it. None without an ultradistal region,
        which anchors the patch.
    """
    if ANCHOR not in placed.slabs:
        return None
    column, row = anatomy.frame.to_image(*_grid(anatomy, placed))
    where = [row - 0.5, column - 0.5]
    patch = ndimage.map_coordinates(
        image.pixels.astype(np.float32), where, order=1, mode="constant", cval=0.0, output=np.float32
    )
    return np.asarray(patch, np.float32)


def encoded(patch: NDArray[np.float32]) -> NDArray[np.uint16]:
    """A patch in 0.00025 g/cm² steps from -0.5 g/cm²: a hundredth of the pixel noise, half the bytes."""
    steps = np.rint((patch - _LOWEST_G_CM2) * _STEPS_PER_G_CM2)
    return np.asarray(np.clip(steps, 0, np.iinfo(np.uint16).max), np.uint16)


def decoded(steps: NDArray[np.uint16]) -> NDArray[np.float32]:
    """What `encoded` packed, g/cm²."""
    return steps.astype(np.float32) / np.float32(_STEPS_PER_G_CM2) + np.float32(_LOWEST_G_CM2)


def _grid(anatomy: ForearmAnatomy, placed: PlacedRegions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Forearm coordinates (across, along) in mm of every pixel of the patch."""
    mask = placed.masks[ANCHOR]
    rows, columns = np.nonzero(mask)
    across, along = anatomy.frame.to_forearm(columns.astype(np.float64) + 0.5, rows.astype(np.float64) + 0.5)
    slope, start = anatomy.radius_axis_slope, placed.slabs[ANCHOR][0]
    middle = float(across.mean()) + slope * (start - float(along.mean()))
    away = 1.0 if anatomy.radius_is_right_of_ulna else -1.0
    down = ((np.arange(ROWS) + 0.5) * PIXEL_MM - DISTAL_MM)[:, None]
    side = (((np.arange(COLUMNS) + 0.5) - COLUMNS / 2) * PIXEL_MM * away)[None, :]
    length = np.hypot(1.0, slope)
    return middle + (down * slope + side) / length, start + (down - side * slope) / length
