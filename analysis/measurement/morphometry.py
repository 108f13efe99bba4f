"""Shaft geometry from the projected density profile, and the shape of the distal radius."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.regions import one_third_slab
from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

NAMES = (
    "cortical_thickness_mm",
    "medullary_width_mm",
    "shaft_diameter_mm",
    "ring_model_bmd_g_cm2",
    "distal_width_mm",
    "radial_inclination_deg",
)
"""Every key of the result; absent values are None."""

BIN_MM = 0.2
MARGIN_MM = 4.0
"""How much soft tissue beside the shaft is fitted with it."""
BLUR_START_MM, BLUR_RANGE_MM = 0.4, (0.15, 0.9)
"""Standard deviation of the scanner's blur, pixel aperture included: fitted, within plausible bounds."""
LARGEST_ECCENTRICITY = 0.7
"""Shift of the marrow cavity off the bone's centre, over the mean wall thickness."""
LARGEST_RESIDUAL = 0.06
"""Root mean square misfit, over the profile's height, above which the ring model does not describe the
bone."""


@dataclass(frozen=True, slots=True)
class Morphometry:
    """Values by name (see `NAMES`) and remarks."""

    values: Mapping[str, float | None]
    findings: tuple[QualityFinding, ...]


def measure_morphometry(
    pixels: NDArray[np.float32],
    density: bool,
    anatomy: ForearmAnatomy,
    spacing_mm: tuple[float, float] | None,
    forearm_length_mm: float | None,
) -> Morphometry:
    """Measure cortical thickness, medullary width and diameter at one third, and the distal radius's shape.

    The shaft is modelled as a ring, an ellipse around an off-centre marrow cavity, projected to a profile
    across the bone and blurred by a Gaussian whose width is fitted too. Fitting the averaged profile of the
    one-third region gives sub-pixel geometry, because it uses the shape of the whole profile and not a
    threshold.

    Parameters
    ----------
    pixels : ndarray of float32, (rows, columns)
        Areal density (g/cm²) if `density`, else display grey; a grey curve bends the profile, so that the
        fit is then flagged ``morphometry_relative``.

    Notes
    -----
    Depth and width of the shaft are taken as equal. The blur is the main source of error: an error of
    0.1 mm in it moves the cortex by about 0.1 mm.
    """
    values: dict[str, float | None] = dict.fromkeys(NAMES)
    if spacing_mm is None:
        return Morphometry(values, ())
    values |= _distal_shape(anatomy)
    if forearm_length_mm is None:
        return Morphometry(values, ())
    profile = shaft_profile(pixels, anatomy, one_third_slab(forearm_length_mm))
    ring = None if profile is None else fit_ring(*profile)
    if ring is None or ring.residual > LARGEST_RESIDUAL:
        return Morphometry(values, (_not_fitted(ring),))
    values["cortical_thickness_mm"] = ring.thickness_mm
    values["medullary_width_mm"] = ring.diameter_mm - 2.0 * ring.thickness_mm
    values["shaft_diameter_mm"] = ring.diameter_mm
    values["ring_model_bmd_g_cm2"] = ring.mean_height if density else None
    return Morphometry(values, () if density else (_relative(),))


def shaft_profile(
    pixels: NDArray[np.float32], anatomy: ForearmAnatomy, slab: tuple[float, float]
) -> tuple[FloatArray, FloatArray] | None:
    """Average the image along the radius over a slab.

    Returns
    -------
    position : ndarray, (bins,)
        Distance (mm) from the shaft's axis.
    height : ndarray, (bins,)
        Mean pixel value.
    None if the slab holds no radius.
    """
    shape = (pixels.shape[0], pixels.shape[1])
    across, along = anatomy.frame.of_pixels(shape)
    inside = (along >= slab[0]) & (along < slab[1])
    bone = inside & anatomy.radius_mask
    if bone.sum() < 30:
        return None
    slope = anatomy.radius_axis_slope
    middle_along = (slab[0] + slab[1]) / 2
    offset = across - slope * (along - middle_along)
    centre = (np.percentile(offset[bone], 1) + np.percentile(offset[bone], 99)) / 2
    # distance perpendicular to the radius's own axis
    offset = (offset - centre) / np.hypot(1.0, slope)
    reach = float(np.percentile(np.abs(offset[bone]), 99)) + MARGIN_MM
    near = inside & (np.abs(offset) <= reach) & ~anatomy.ulna_mask
    index = np.floor((offset[near] + reach) / BIN_MM).astype(np.intp)
    count = np.bincount(index)
    total = np.bincount(index, weights=pixels[near])
    place = np.bincount(index, weights=offset[near])
    filled = count >= 3
    return place[filled] / count[filled], total[filled] / count[filled]


@dataclass(frozen=True, slots=True)
class Ring:
    """A fitted ring: outer diameter, mean thickness of both walls, blur (mm), mean projected height,
    misfit."""

    diameter_mm: float
    thickness_mm: float
    blur_mm: float
    mean_height: float
    residual: float


def fit_ring(position: FloatArray, height: FloatArray) -> Ring | None:
    """Fit the projected, blurred ring to a profile by least squares.

    Free: centre, outer radius, shell thickness, how far the cavity lies off the centre (the interosseous wall
    is thicker), blur, density of shell and of marrow cavity, and a straight
    soft-tissue baseline. Densities enter linearly and are solved for exactly (variable projection, Golub and
    Pereyra 1973), the rest by a bounded search.

    Parameters
    ----------
    position : ndarray, (bins,)
        Millimetres from about the bone's middle.
    height : ndarray, (bins,)

    Returns
    -------
    Ring or None
        None if the profile is too short to hold a bone.
    """
    from scipy.optimize import least_squares

    span = float(np.ptp(position)) - 2 * MARGIN_MM
    if span < 4.0 or position.size < 20:
        return None
    radius = span / 2
    scale = float(np.ptp(height))

    def misfit(shape: FloatArray) -> FloatArray:
        columns = _basis(position, shape)
        weights = _densities(columns, height)
        return np.asarray((columns @ weights - height) / scale)

    # a thick sparse shell and a thin dense one are alike: start from both, keep the better fit
    fits = [
        least_squares(
            misfit,
            x0=(0.0, radius, start * radius, 0.0, BLUR_START_MM),
            bounds=(
                (-2.0, 0.7 * radius, 0.4, -LARGEST_ECCENTRICITY, BLUR_RANGE_MM[0]),
                (2.0, 1.4 * radius, 0.9 * radius, LARGEST_ECCENTRICITY, BLUR_RANGE_MM[1]),
            ),
            x_scale=(0.1, 0.1, 0.1, 0.1, 0.05),
        )
        for start in (0.25, 0.5)
    ]
    fit = min(fits, key=lambda candidate: float(candidate.cost))
    _, outer, thickness, _, blur = (float(value) for value in fit.x)
    weights = _densities(_basis(position, fit.x), height)
    inner = outer - thickness
    mass = np.pi * (weights[0] * (outer**2 - inner**2) + weights[1] * inner**2)
    return Ring(
        diameter_mm=2 * outer,
        thickness_mm=thickness,
        blur_mm=blur,
        mean_height=float(mass / (2 * outer)),
        residual=float(np.sqrt(np.mean(fit.fun**2))),
    )


def _basis(position: FloatArray, shape: FloatArray) -> FloatArray:
    """Columns: shell, marrow cavity, baseline, baseline's slope; shape (bins, 4)."""
    centre, outer, thickness, eccentricity, blur = shape
    inner = outer - thickness
    x = position - centre
    whole = _blurred_chord(x, outer, blur)
    cavity = _blurred_chord(x - eccentricity * thickness, inner, blur)
    return np.stack([whole - cavity, cavity, np.ones_like(x), x / outer], axis=1)


_EDGES = np.arange(-4.1, 4.2, 0.2)
_WEIGHTS = np.exp(-0.5 * ((_EDGES[1:] + _EDGES[:-1]) / 2) ** 2)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def _blurred_chord(x: FloatArray, radius: float, blur: float) -> FloatArray:
    """Chord length (mm) through a circle, blurred by a Gaussian.

    The chord ends in a square root, which no smooth quadrature follows: it is integrated in closed form over
    cells of a fifth of the blur, and the cells are weighted by the Gaussian.
    """
    edges = np.clip((x[:, None] + blur * _EDGES[None]) / radius, -1.0, 1.0)
    integral = radius**2 * (edges * np.sqrt(1.0 - edges**2) + np.arcsin(edges))
    return np.asarray(np.diff(integral, axis=1) @ _WEIGHTS / (0.2 * blur))


def _densities(columns: FloatArray, height: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(columns, height, rcond=None)[0])


def _distal_shape(anatomy: ForearmAnatomy) -> dict[str, float | None]:
    """Width between the ends of the articular surface, and its inclination against the radius's shaft."""
    (radial_x, radial_y), (ulnar_x, ulnar_y) = anatomy.radial_styloid_mm, anatomy.end_plate_medial_mm
    across, along = abs(radial_x - ulnar_x), ulnar_y - radial_y
    lean = np.arctan(anatomy.radius_axis_slope) * np.sign(radial_x - ulnar_x)
    return {
        "distal_width_mm": float(np.hypot(across, along) * np.cos(np.arctan2(along, across) - lean)),
        "radial_inclination_deg": float(np.degrees(np.arctan2(along, across) - lean)),
    }


def _not_fitted(ring: Ring | None) -> QualityFinding:
    why = (
        "the one-third region holds too little bone"
        if ring is None
        else f"the misfit is {100 * ring.residual:.0f} % of the profile's height, "
        f"at most {100 * LARGEST_RESIDUAL:.0f} % is accepted"
    )
    return QualityFinding(
        "morphometry_not_measured",
        Severity.ERROR,
        f"Cortical thickness and shaft diameter are absent: no ring fits the shaft's profile ({why}).",
    )


def _relative() -> QualityFinding:
    return QualityFinding(
        "morphometry_relative",
        Severity.WARNING,
        "Cortical thickness and shaft diameter come from uncalibrated display greys, whose curve is unknown: "
        "compare them with the same scanner and export settings only.",
    )
