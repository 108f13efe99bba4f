"""The same region on an earlier image: rigid registration of two scans of one radius."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage
from analysis.measurement.bones import measured_bone
from analysis.measurement.edge_recovery import without_soft_tissue
from analysis.measurement.regions import PlacedRegions, place_slabs
from analysis.results import RegionMeasurement
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy, ForearmFrame

RIM_MM = 1.5
"""How much beside the bone is matched with it: its edges, and as little as may be of the neighbours that the
wrist's position moves."""
SMOOTHING_MM = (1.0, 0.4)
"""Scales of the two levels, coarse to fine."""
LARGEST_RESIDUAL_MM = 0.6
LEAST_OVERLAP = 0.95
"""Matches beyond these are not trusted (assumption; simulated forearms that were laid down again left at most
0.1 mm and at least 0.98)."""


@dataclass(frozen=True, slots=True, eq=False)
class RigidMatch:
    """How the current scan's radius lies on the prior image.

    Attributes
    ----------
    frame : ForearmFrame
        The current forearm's coordinates as they lie on the prior image: the rigid transform itself.
    residual_mm : float
        Mean distance of the current radius's outline, carried over, from the prior's.
    overlap : float
        Dice between the two radius masks where both images show the forearm, 0–1.
    """

    frame: ForearmFrame
    residual_mm: float
    overlap: float

    @property
    def trusted(self) -> bool:
        """True if the two outlines agree as those of one bone do."""
        return self.residual_mm <= LARGEST_RESIDUAL_MM and self.overlap >= LEAST_OVERLAP


def register(
    current: RadiusImage, current_anatomy: ForearmAnatomy, prior: RadiusImage, prior_anatomy: ForearmAnatomy
) -> RigidMatch:
    """Lay the current radius on the prior image by a rotation and a shift.

    The anatomical frames of both images give the start, so that it matters neither how the arm lay nor which
    way up; the correlation of densities within the radius and its edges gives the rest. Correlation does not
    mind a difference of scale between the two scans.

    Parameters
    ----------
    current, prior : RadiusImage
        Calibrated and with known spacing, of the same side.
    """
    sitk = _toolkit()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(_itk(_near(current_anatomy).astype(np.uint8), current_anatomy))
    method.SetMetricMovingMask(_itk((~prior_anatomy.metal_mask).astype(np.uint8), prior_anatomy))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=0.3, minStep=1e-3, numberOfIterations=60, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel(list(SMOOTHING_MM))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetNumberOfThreads(1)  # sums in one order: the same bytes give the same numbers
    method.SetInitialTransform(_start(current_anatomy.frame, prior_anatomy.frame), inPlace=True)
    transform = method.Execute(
        *(
            _itk(without_soft_tissue(image.pixels, anatomy, anatomy.frame.spacing_mm), anatomy)
            for image, anatomy in ((current, current_anatomy), (prior, prior_anatomy))
        )
    )
    frame = _carried(current_anatomy.frame, prior_anatomy.frame, transform)
    return RigidMatch(
        frame,
        _residual_mm(frame, current_anatomy, prior_anatomy),
        _overlap(frame, current_anatomy, prior_anatomy),
    )


def compare_same_region(
    match: RigidMatch, placed: PlacedRegions, prior: RadiusImage, prior_anatomy: ForearmAnatomy
) -> dict[str, RegionMeasurement]:
    """Measure the current scan's regions on the prior image.

    The ends of every region are carried over; its sides are the prior's own outline, so that a bone's width
    is always that of the scan it is measured on.

    Returns
    -------
    dict[str, RegionMeasurement]
        One per name in `analysis.results.REGIONS`, without numbers where the prior image cuts the region off.
    """
    moved = replace(
        prior_anatomy,
        frame=match.frame,
        axis_origin=match.frame.origin,
        axis_direction=match.frame.direction,
        ulnar_styloid=match.frame.origin,
    )
    same = place_slabs(moved, placed.slabs, bone=placed.bone, convention=placed.convention)
    return measured_bone(prior, match.frame.spacing_mm, moved, same)[0]


def _toolkit() -> Any:
    """SimpleITK, imported when a follow-up needs it; it bears no types."""
    import SimpleITK

    return SimpleITK


def _near(anatomy: ForearmAnatomy) -> NDArray[np.bool_]:
    from scipy import ndimage

    away = ndimage.distance_transform_edt(~anatomy.radius_mask, sampling=anatomy.frame.spacing_mm)
    return np.asarray((away <= RIM_MM) & ~anatomy.metal_mask & ~anatomy.ulna_mask)


def _itk(array: NDArray[np.generic], anatomy: ForearmAnatomy) -> Any:
    """Image whose physical points are ``(column, row)`` times spacing, pixel centres at a half."""
    sitk = _toolkit()
    row_mm, column_mm = anatomy.frame.spacing_mm
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((column_mm, row_mm))
    image.SetOrigin((column_mm / 2, row_mm / 2))
    return image


def _start(current: ForearmFrame, prior: ForearmFrame) -> Any:
    """The transform that lays one forearm frame on the other."""
    sitk = _toolkit()
    turn = np.arctan2(prior.direction[1], prior.direction[0]) - np.arctan2(
        current.direction[1], current.direction[0]
    )
    here, there = _millimetres(current), _millimetres(prior)
    return sitk.Euler2DTransform(here, float(turn), (there[0] - here[0], there[1] - here[1]))


def _millimetres(frame: ForearmFrame) -> tuple[float, float]:
    return frame.origin[0] * frame.spacing_mm[1], frame.origin[1] * frame.spacing_mm[0]


def _carried(current: ForearmFrame, prior: ForearmFrame, transform: Any) -> ForearmFrame:
    x, y = _millimetres(current)
    origin = np.array(transform.TransformPoint((x, y)))
    ahead = np.array(transform.TransformPoint((x + current.direction[0], y + current.direction[1])))
    row_mm, column_mm = prior.spacing_mm
    dx, dy = (float(value) for value in ahead - origin)
    return ForearmFrame((float(origin[0] / column_mm), float(origin[1] / row_mm)), (dx, dy), prior.spacing_mm)


def _residual_mm(frame: ForearmFrame, current: ForearmAnatomy, prior: ForearmAnatomy) -> float:
    from scipy.spatial import cKDTree

    across, along = current.frame.to_forearm(*_dense(current.radius_outline))
    column, row = frame.to_image(across, along)
    # both outlines end where their picture does, not where the bone does
    seen = _within(column, row, prior) & _within(*_dense(current.radius_outline), current)
    tree = cKDTree(np.stack(frame.to_forearm(*_dense(prior.radius_outline)), axis=1))
    distance, _ = tree.query(np.stack([across, along], axis=1)[seen])
    return float(distance.mean()) if distance.size else float("inf")


def _within(column: FloatArray, row: FloatArray, anatomy: ForearmAnatomy) -> NDArray[np.bool_]:
    """True for points further than two pixels from the picture's border."""
    rows, columns = anatomy.radius_mask.shape
    return np.asarray((column > 2) & (row > 2) & (column < columns - 2) & (row < rows - 2))


def _dense(outline: tuple[tuple[float, float], ...]) -> tuple[FloatArray, FloatArray]:
    """Points of an outline a few tenths of a pixel apart: distances are to the line, not to its corners."""
    points = np.array(outline)
    closed = np.concatenate([points, points[:1]])
    step = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.arange(0.0, step[-1], 0.25)
    return np.interp(at, step, closed[:, 0]), np.interp(at, step, closed[:, 1])


def _overlap(frame: ForearmFrame, current: ForearmAnatomy, prior: ForearmAnatomy) -> float:
    shape = (prior.radius_mask.shape[0], prior.radius_mask.shape[1])
    column, row = current.frame.to_image(*frame.of_pixels(shape))
    rows, columns = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
    limit = current.radius_mask.shape
    both = (rows >= 0) & (columns >= 0) & (rows < limit[0]) & (columns < limit[1])
    mine = current.radius_mask[rows[both], columns[both]]
    theirs = prior.radius_mask[both]
    total = int(mine.sum()) + int(theirs.sum())
    return 2.0 * int((mine & theirs).sum()) / total if total else 0.0
