"""How the radius would deform under a fall on the hand: plane-stress finite elements on the density map.

In the manner of the Bone Strain Index of spine and hip (Colombo et al., PLoS ONE 2019;14:e0225905; review
PMC7843921): the local stiffness comes from local density, the load from body mass, and the result is a
strain. Material, depth and loads are assumptions (`analysis.config.MechanicsAssumptions`); every result is
for comparison under the same assumptions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.config import MechanicsAssumptions
from analysis.measurement.catalogue import Quantity, catalogue
from analysis.measurement.edge_recovery import without_soft_tissue
from analysis.measurement.plane_stress import Solution, equivalent_strain, solve_plate
from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

_BSI = "in the manner of Bone Strain Index, Colombo 2019 (PLoS ONE 14:e0225905); model assumption"
_REGIONS = {"ultradistal": "ultradistal", "mid": "mid", "one_third": "one-third"}

CATALOGUE = catalogue(
    [
        Quantity("mean_strain_index", "10*-6", "Mean equivalent strain of the total region", _BSI),
        Quantity("maximum_strain", "10*-6", "95th percentile of strain in the total region", _BSI),
        *(
            Quantity(f"{name}_mean_strain", "10*-6", f"Mean equivalent strain of the {shown} region", _BSI)
            for name, shown in _REGIONS.items()
        ),
        Quantity(
            "axial_stiffness_n_mm",
            "N/mm",
            "Force along the radius over its shortening, from end plate to one-third region",
            _BSI,
        ),
        Quantity(
            "bending_stiffness_n_mm",
            "N/mm",
            "Force across the end plate over its deflection in the image plane, held at the one-third region",
            _BSI,
        ),
    ]
)
"""Every key of the result; absent values are None. Strains are in millionths."""

GRAVITY_M_S2 = 9.80665
SUBSAMPLES = 3
"""Samples of the image per side of an element."""
LEAST_COVERAGE = 0.3
"""Elements that the bone covers less are left out; the others count by the part covered."""
LEAST_DEPTH = 0.3
"""Depth at the very edge of the section over its greatest depth: no element is thinner."""
LEAST_DENSITY = 0.02
"""Mineral density, over that of compact bone, of elements that noise shows as empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Mechanics:
    """Values by name (see `CATALOGUE`), one SD of each, strain (1) on the image's grid, and remarks."""

    values: Mapping[str, float | None]
    uncertainty: Mapping[str, float]
    strain_map: NDArray[np.float32] | None
    findings: tuple[QualityFinding, ...]


def measure_mechanics(
    density_g_cm2: NDArray[np.float32],
    anatomy: ForearmAnatomy,
    slabs: Mapping[str, tuple[float, float]],
    *,
    density_cv: Mapping[str, float],
    weight_kg: float | None,
    assumptions: MechanicsAssumptions,
) -> Mechanics:
    """Load the radius from its end plate to the one-third region and measure strain and stiffness.

    Parameters
    ----------
    density_g_cm2 : ndarray of float32, (rows, columns)
        Calibrated areal density.
    slabs : mapping of str to (float, float)
        Placed regions, mm from the ulnar styloid; the model needs ``one_third``, for its stiffness depends on
        its length.
    density_cv : mapping of str to float
        Relative standard deviation of each region's BMD, from which the uncertainty follows.
    weight_kg : float or None
        Body mass; without it a unit load is applied.
    assumptions : MechanicsAssumptions

    Notes
    -----
    The transverse force acts once towards either side, and each element counts its larger strain: the image
    does not tell the direction of a fall.
    """
    if "one_third" not in slabs:
        return Mechanics(dict.fromkeys(CATALOGUE), {}, None, (_not_modelled(),))
    grid = _grid(anatomy, slabs["one_third"][1], assumptions.element_mm)
    # an offset of the soft tissue differs from scan to scan, and the exponent would magnify it
    density = without_soft_tissue(density_g_cm2, anatomy, anatomy.frame.spacing_mm)
    rigidity = _rigidity(grid, density, anatomy.radius_mask, assumptions)
    solution = solve_plate(
        rigidity, assumptions.element_mm, assumptions.poisson_ratio, _articular_columns(grid, anatomy)
    )
    axial_n = _axial_load(weight_kg, assumptions)
    strain = _strain(solution, axial_n, assumptions)
    values = _strain_values(strain, grid.along, slabs)
    values["axial_stiffness_n_mm"] = solution.axial_stiffness_n_mm
    values["bending_stiffness_n_mm"] = solution.transverse_stiffness_n_mm
    return Mechanics(
        values=values,
        uncertainty=_uncertainty(values, density_cv, assumptions.density_exponent),
        strain_map=_on_image(strain, grid, anatomy.radius_mask),
        findings=(_assumed(axial_n, weight_kg, assumptions),),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Square elements in the radius's own frame: its rows follow the shaft.

    Attributes
    ----------
    angle : float
        Between the forearm's and the radius's axis, radians.
    first : (float, float)
        ``(s, z)`` of the first element's outer corner in the radius's frame, mm.
    side : float
        Of an element, mm.
    across, along : ndarray, (rows, columns)
        Centres in forearm coordinates, mm.
    """

    anatomy: ForearmAnatomy
    angle: float
    first: tuple[float, float]
    side: float
    across: FloatArray
    along: FloatArray


def _grid(anatomy: ForearmAnatomy, proximal_mm: float, side: float) -> _Grid:
    """Elements over the radius from its distal end to `proximal_mm` along the forearm."""
    across, along = anatomy.frame.of_pixels((anatomy.radius_mask.shape[0], anatomy.radius_mask.shape[1]))
    modelled = anatomy.radius_mask & (along <= proximal_mm)
    angle = float(np.arctan(anatomy.radius_axis_slope))
    s, z = _turned(across[modelled], along[modelled], angle)
    at_end = along[modelled] > proximal_mm - side
    # the held end is square to the shaft, at the level where the shaft's middle leaves the region
    _, last = _turned(across[modelled][at_end].mean(keepdims=True), np.array([proximal_mm]), angle)
    rows = int(np.ceil((last[0] - z.min()) / side))
    first = (float(s.min()) - side / 2, float(last[0]) - rows * side)
    columns = int(np.ceil((s.max() - first[0]) / side)) + 1
    centre_z, centre_s = np.meshgrid(
        first[1] + (np.arange(rows) + 0.5) * side, first[0] + (np.arange(columns) + 0.5) * side, indexing="ij"
    )
    back_across, back_along = _turned(centre_s, centre_z, -angle)
    return _Grid(anatomy, angle, first, side, back_across, back_along)


def _turned(across: FloatArray, along: FloatArray, angle: float) -> tuple[FloatArray, FloatArray]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return across * cosine - along * sine, across * sine + along * cosine


def _sampled(image: NDArray[np.float32], grid: _Grid, across: FloatArray, along: FloatArray) -> FloatArray:
    from scipy import ndimage

    column, row = grid.anatomy.frame.to_image(across, along)
    return np.asarray(ndimage.map_coordinates(image, [row - 0.5, column - 0.5], order=1, mode="nearest"))


def _rigidity(
    grid: _Grid,
    density_g_cm2: NDArray[np.float32],
    radius_mask: NDArray[np.bool_],
    assumptions: MechanicsAssumptions,
) -> FloatArray:
    """Young's modulus times depth (N/mm) of each element, by the part of it that the bone covers."""
    from scipy import ndimage

    part = ((np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES - 0.5) * grid.side
    ds, dz = (offset[None, None] for offset in np.meshgrid(part, part))
    across, along = _turned(ds, dz, -grid.angle)
    across, along = across + grid.across[..., None, None], along + grid.along[..., None, None]
    inside = _sampled(radius_mask.astype(np.float32), grid, across, along) >= 0.5
    density = _sampled(density_g_cm2, grid, across, along)
    coverage = inside.mean(axis=(2, 3))
    mean = (density * inside).sum(axis=(2, 3)) / np.maximum(inside.sum(axis=(2, 3)), 1)
    label, _ = ndimage.label(coverage >= LEAST_COVERAGE)
    present = label == np.bincount(label[label > 0]).argmax()
    depth_mm = _depth(np.where(present, coverage, 0.0), grid.side, assumptions.depth_over_width)
    relative = 10.0 * mean / depth_mm / assumptions.compact_mineral_g_cm3
    modulus = (
        assumptions.compact_modulus_mpa
        * np.clip(relative, LEAST_DENSITY, 1.0) ** assumptions.density_exponent
    )
    return np.asarray(np.where(present, modulus * depth_mm * coverage, 0.0))


def _depth(coverage: FloatArray, side: float, depth_over_width: float) -> FloatArray:
    """Depth (mm) along the beam of an elliptic section, per element.

    The greatest depth of a section is the geometric mean of its width and the shaft's: a radius 28 mm wide
    at the wrist and 12 mm at the shaft is then 18 mm deep there (dry bones: 15.4 to 17.8 mm).
    """
    width = coverage.sum(axis=1) * side
    shaft = float(np.median(width[-max(1, round(20.0 / side)) :]))
    columns = np.arange(coverage.shape[1])
    centre = (coverage @ columns) / np.maximum(coverage.sum(axis=1), 1e-9)
    place = (columns[None] - centre[:, None]) * side / np.maximum(width[:, None] / 2, side)
    ellipse = np.sqrt(np.clip(1.0 - place**2, LEAST_DEPTH**2, 1.0))
    return np.asarray(depth_over_width * np.sqrt(np.maximum(width, side) * shaft)[:, None] * ellipse)


def _articular_columns(grid: _Grid, anatomy: ForearmAnatomy) -> NDArray[np.bool_]:
    """Columns between the two ends of the articular surface."""
    corners = np.array([anatomy.radial_styloid_mm, anatomy.end_plate_medial_mm])
    s, _ = _turned(corners[:, 0], corners[:, 1], grid.angle)
    centre = grid.first[0] + (np.arange(grid.across.shape[1]) + 0.5) * grid.side
    return np.asarray((centre > s.min()) & (centre < s.max()))


def _axial_load(weight_kg: float | None, assumptions: MechanicsAssumptions) -> float:
    if weight_kg is None:
        return assumptions.unit_load_n
    return weight_kg * GRAVITY_M_S2 * assumptions.fall_load_body_weights * assumptions.radius_share


def _strain(solution: Solution, axial_n: float, assumptions: MechanicsAssumptions) -> FloatArray:
    transverse_n = axial_n * assumptions.transverse_share
    return np.maximum(
        *(
            equivalent_strain(
                axial_n * solution.axial_strain + side * transverse_n * solution.transverse_strain,
                assumptions.poisson_ratio,
            )
            for side in (-1.0, 1.0)
        )
    )


def _strain_values(
    strain: FloatArray, along: FloatArray, slabs: Mapping[str, tuple[float, float]]
) -> dict[str, float | None]:
    values: dict[str, float | None] = dict.fromkeys(CATALOGUE)
    micro, present = 1e6 * strain, np.isfinite(strain)
    for name in _REGIONS:
        if name in slabs:
            values[f"{name}_mean_strain"] = float(micro[present & _between(along, slabs[name])].mean())
    if "total" in slabs:
        total = micro[present & _between(along, slabs["total"])]
        values["mean_strain_index"] = float(total.mean())
        values["maximum_strain"] = float(np.percentile(total, 95))
    return values


def _between(along: FloatArray, slab: tuple[float, float]) -> NDArray[np.bool_]:
    return (along >= slab[0]) & (along < slab[1])


def _uncertainty(
    values: Mapping[str, float | None], density_cv: Mapping[str, float], exponent: float
) -> dict[str, float]:
    """One SD by error propagation: stiffness grows with density to the exponent, strain falls with it.

    It holds what measuring density adds, not the doubt about the assumptions.
    """
    region = {f"{name}_mean_strain": name for name in _REGIONS}
    return {
        name: value * exponent * density_cv[region.get(name, "total")]
        for name, value in values.items()
        if value is not None and region.get(name, "total") in density_cv
    }


def _on_image(strain: FloatArray, grid: _Grid, radius_mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Strain of the element that each pixel of the modelled radius lies in or next to."""
    from scipy import ndimage

    absent = ~np.isfinite(strain)
    nearest = ndimage.distance_transform_edt(absent, return_distances=False, return_indices=True)
    filled = strain[nearest[0], nearest[1]]
    across, along = grid.anatomy.frame.of_pixels((radius_mask.shape[0], radius_mask.shape[1]))
    s, z = _turned(across[radius_mask], along[radius_mask], grid.angle)
    row, column = (z - grid.first[1]) / grid.side - 0.5, (s - grid.first[0]) / grid.side - 0.5
    inside = row < strain.shape[0] - 0.5
    values = ndimage.map_coordinates(filled, [row, column], order=1, mode="nearest")
    shown = np.zeros(radius_mask.shape, np.float32)
    shown[radius_mask] = np.where(inside, values, 0.0)
    return shown


def _assumed(axial_n: float, weight_kg: float | None, assumptions: MechanicsAssumptions) -> QualityFinding:
    load = (
        f"a unit load of {axial_n:.0f} N, because body mass is unknown: enter it to compare patients"
        if weight_kg is None
        else f"{axial_n:.0f} N along the radius (body mass {weight_kg:.0f} kg)"
    )
    return QualityFinding(
        "mechanics_assumptions",
        Severity.INFO,
        f"Strain and stiffness are a model assumption, for relative use only: {load}, "
        f"{100 * assumptions.transverse_share:.0f} % of it across, modulus by density to the power of "
        f"{assumptions.density_exponent:g}, elliptic section.",
    )


def _not_modelled() -> QualityFinding:
    return QualityFinding(
        "mechanics_not_measured",
        Severity.INFO,
        "Strain and stiffness are absent: the model reaches from the end plate to the one-third region, "
        "which could not be placed or is overlapped by metal.",
    )
