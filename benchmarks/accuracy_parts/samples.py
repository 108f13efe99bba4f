"""Fresh phantoms of both families in one form, with their truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.results import Laterality
from analysis.simulation import draw_acquisition, draw_subject, render
from analysis.simulation.voxel import VOXEL_ARTEFACTS, VoxelPhantom, draw_voxel_case, render_voxel, rescan

FAMILIES = ("own", "voxel")
"""``own`` is the family that engine and network were developed on; no model was trained on ``voxel``."""
ARTEFACTS: Mapping[str, tuple[str, ...]] = {"own": ("metal", "motion", "crop"), "voxel": VOXEL_ARTEFACTS}
OWN_SHIFT_MM = 5.0
"""Along the forearm, either way: two scans lie up to 10 mm apart."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One phantom scan and what is true of it; points are (column, row) on its grid.

    Attributes
    ----------
    radius_cover : ndarray of float, (rows, columns)
        Its 0.5 contour is the radius's outline: sub-pixel in the voxel family, along pixels in the own one.
    regions : mapping of region name to (BMD g/cm², whole region in the field)
    """

    family: str
    seed: int
    pixels: NDArray[np.float32]
    density: bool
    spacing_mm: tuple[float, float]
    laterality: Laterality
    hand_up: bool
    radius_cover: NDArray[np.floating[Any]]
    radius_mask: NDArray[np.bool_]
    ulna_mask: NDArray[np.bool_]
    end_plate: Point
    ulnar_styloid: Point
    one_third: Point
    regions: Mapping[str, tuple[float, bool]]
    forearm_length_mm: float
    cortical_thickness_mm: float
    tilt_degrees: float
    artefact: str | None


def draw_sample(family: str, seed: int, *, artefact: str | None = None, grey: bool = False) -> Sample:
    """One fresh scan; `grey` draws 8-bit display greys, in the voxel family alone."""
    return _own(seed, artefact) if family == "own" else _voxel(seed, artefact, grey)


def draw_pair(family: str, seed: int) -> tuple[Sample, Sample]:
    """One arm scanned twice: ±8° tilt, ±10 mm, new noise, and in the voxel family ±5° pronation."""
    rng = np.random.default_rng([seed, 43])
    if family == "voxel":
        case = draw_voxel_case(rng, largest_tilt_degrees=10.0)
        # room for the shift in the field of view
        scan = replace(case.scan, field_mm=(case.scan.field_mm[0] + 14, case.scan.field_mm[1]))
        case = replace(case, scan=scan)
        first, second = render_voxel(case), render_voxel(rescan(case, rng))
        return _from_voxel(first, seed), _from_voxel(second, seed)
    subject, scan = draw_subject(rng), draw_acquisition(rng)
    rows = scan.rows + round(2 * OWN_SHIFT_MM / scan.spacing_mm[0])
    scans = [
        replace(
            scan,
            rows=rows,
            tilt_degrees=float(np.clip(scan.tilt_degrees + turn, -15, 15)),
            offset_mm=(float(rng.uniform(-4, 4)), float(rng.uniform(-OWN_SHIFT_MM, OWN_SHIFT_MM))),
        )
        for turn in (0.0, float(rng.uniform(-8, 8)))
    ]
    one, two = (_from_own(render(subject, s, seed * 2 + i), seed) for i, s in enumerate(scans))
    return one, two


def turned(sample: Sample, *, mirrored: bool, upside_down: bool) -> Sample:
    """The same picture of the other arm, or turned by 180°: masks and pixels move along, points do not."""

    def moved(array: NDArray[Any]) -> NDArray[Any]:
        array = array[:, ::-1] if mirrored else array
        return np.ascontiguousarray(array[::-1, ::-1] if upside_down else array)

    other = Laterality.RIGHT if sample.laterality is Laterality.LEFT else Laterality.LEFT
    return replace(
        sample,
        pixels=moved(sample.pixels),
        radius_cover=moved(sample.radius_cover),
        radius_mask=moved(sample.radius_mask),
        ulna_mask=moved(sample.ulna_mask),
        laterality=other if mirrored else sample.laterality,
        hand_up=sample.hand_up != upside_down,
    )


def _own(seed: int, artefact: str | None) -> Sample:
    rng = np.random.default_rng([seed, 41])
    subject = draw_subject(rng)
    return _from_own(render(subject, draw_acquisition(rng, artefact=artefact), seed), seed)  # type: ignore[arg-type]


def _voxel(seed: int, artefact: str | None, grey: bool) -> Sample:
    rng = np.random.default_rng([seed, 42])
    case = draw_voxel_case(rng, artefact=artefact, grey=grey)  # type: ignore[arg-type]
    return _from_voxel(render_voxel(case), seed)


def _from_own(phantom: Any, seed: int) -> Sample:
    truth = phantom.truth
    rows, columns = truth.radius_mask.shape
    outline = np.array(truth.polygons["one_third"])
    half = len(outline) // 2

    def inside(polygon: Any) -> bool:
        points = np.array(polygon)
        return bool((points > 0).all() and (points[:, 0] < columns).all() and (points[:, 1] < rows).all())

    middle = (outline[:half] + outline[half:][::-1]) / 2
    return Sample(
        family="own",
        seed=seed,
        pixels=phantom.density_g_cm2,
        density=True,
        spacing_mm=phantom.spacing_mm,
        laterality=truth.laterality,
        hand_up=truth.hand_up,
        radius_cover=truth.radius_mask.astype(np.float32),
        radius_mask=truth.radius_mask,
        ulna_mask=truth.ulna_mask,
        end_plate=truth.end_plate,
        ulnar_styloid=truth.ulnar_styloid,
        one_third=(float(middle[half // 2, 0]), float(middle[half // 2, 1])),
        regions={name: (r.bmd_g_cm2, inside(truth.polygons[name])) for name, r in truth.regions.items()},
        forearm_length_mm=truth.forearm_length_mm,
        cortical_thickness_mm=truth.cortical_thickness_mm,
        tilt_degrees=phantom.acquisition.tilt_degrees,
        artefact=phantom.acquisition.artefact,
    )


def _from_voxel(phantom: VoxelPhantom, seed: int) -> Sample:
    truth = phantom.truth
    return Sample(
        family="voxel",
        seed=seed,
        pixels=phantom.pixels,
        density=phantom.density,
        spacing_mm=phantom.spacing_mm,
        laterality=truth.laterality,
        hand_up=truth.hand_up,
        radius_cover=truth.radius_cover,
        radius_mask=truth.radius_mask,
        ulna_mask=truth.ulna_mask,
        end_plate=truth.end_plate,
        ulnar_styloid=truth.ulnar_styloid,
        one_third=truth.one_third,
        regions={name: (r.bmd_g_cm2, r.in_field) for name, r in truth.regions.items()},
        forearm_length_mm=truth.forearm_length_mm,
        cortical_thickness_mm=truth.cortical_thickness_mm,
        tilt_degrees=phantom.case.scan.tilt_degrees,
        artefact=truth.artefact,
    )
