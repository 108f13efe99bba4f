"""From geometry to noiseless areal density (g/cm²) on a fine grid in the bone frame.

Chords of ring-model bones are averaged over grid cells in closed form, so the mineral of every row is exact
whatever the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.geometry import ForearmGeometry, forearm_geometry
from analysis.simulation.shapes import BLOCKINESS, Ellipsoid, EndPlate, LongBone
from analysis.simulation.subject import Subject
from analysis.simulation.trabecular import projected_fluctuation

Array = NDArray[np.float64]
Map = NDArray[np.float32]

SAMPLE_MM = 0.25
_ROWS, _COLUMNS = 768, 512
_FIRST_Z_MM, _FIRST_X_MM = -54.0, -64.0

CORTICAL_MINERAL_G_CM3 = 1.162
"""Bone mineral per cortical volume, pQCT: 122.1 mg/mm ÷ 105.1 mm² (PMC3179319, sourced)."""
POROSITY_OF_THAT_COHORT = 0.035
"""Porosity at which `CORTICAL_MINERAL_G_CM3` holds: assumption (men of about 75)."""
TRABECULAR_MINERAL_G_CM3 = 1.2
"""Mineral of fully solid trabecular bone in XtremeCT-I terms: 168 mg HA/cm³ at BV/TV 0.140 (Walker 2009)."""
DENSITOMETER_SCALE = 0.84
"""DXA areal density over pQCT mineral ÷ width: the ring model reads ≈ 20 % above DXA at the shaft (facts,
derived)."""
TRABECULAR_CALIBRATION = 1.72
"""Extra mineral of the metaphysis that HR-pQCT's trabecular compartment does not count (endosteal ridges,
Lister's tubercle, transition zone), so that ultradistal aBMD of young women is 0.44–0.47 g/cm²:
assumption."""
SUBCHONDRAL_PLATE_MM = 2.2
SUBCHONDRAL_SHARE = 0.3
"""About 0.7 mm of compact bone, spread over 2.2 mm of the picture by the palmar tilt: assumption."""
SOFT_TISSUE_G_CM3 = 1.02


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Noiseless maps in the bone frame; all of shape (`z`.size, `x`.size), cells of `SAMPLE_MM`.

    Attributes
    ----------
    x, z : ndarray of float64
        Cell centres, mm.
    density : ndarray of float32
        Areal density of all bone, g/cm².
    radius_density : ndarray of float32
        Areal density of the radius alone, g/cm².
    radius_cover, ulna_cover, hand_cover : ndarray of float32
        Fraction of the cell inside the bone's outline; the hand's are carpals and metacarpals together.
    soft_tissue : ndarray of float32
        Soft tissue, g/cm².
    """

    geometry: ForearmGeometry
    x: Array
    z: Array
    density: Map
    radius_density: Map
    radius_cover: Map
    ulna_cover: Map
    hand_cover: Map
    soft_tissue: Map


def build_anatomy(subject: Subject) -> Anatomy:
    """Project a subject's forearm along the beam."""
    z: Array = _FIRST_Z_MM + SAMPLE_MM * (np.arange(_ROWS, dtype=np.float64) + 0.5)
    x: Array = _FIRST_X_MM + SAMPLE_MM * (np.arange(_COLUMNS, dtype=np.float64) + 0.5)
    geometry = forearm_geometry(subject, z)
    painter = _Painter(subject, x, z)
    radius_density, radius_cover = painter.long_bone(geometry.radius, geometry.end_plate)
    ulna_density, ulna_cover = painter.long_bone(geometry.ulna)
    styloid_density, styloid_cover = painter.ellipsoid(geometry.ulnar_styloid)
    density = radius_density + ulna_density
    density += styloid_density * (1 - 0.85 * ulna_cover)  # it springs from the head and shares its bone
    hand_cover = np.zeros_like(density)
    hand = [painter.long_bone(bone) for bone in geometry.metacarpals]
    for bone_density, bone_cover in hand + [painter.ellipsoid(bone) for bone in geometry.carpals]:
        density += bone_density
        np.maximum(hand_cover, bone_cover, out=hand_cover)
    return Anatomy(
        geometry=geometry,
        x=x,
        z=z,
        density=density,
        radius_density=radius_density,
        radius_cover=radius_cover,
        ulna_cover=np.maximum(ulna_cover, styloid_cover),
        hand_cover=hand_cover,
        soft_tissue=_soft_tissue(geometry, x),
    )


class _Painter:
    """Turns bones of one subject into areal density; all share one trabecular realisation."""

    def __init__(self, subject: Subject, x: Array, z: Array) -> None:
        bone = subject.bone
        self.x, self.z = x, z
        scale = DENSITOMETER_SCALE / 10  # mm·g/cm³ -> g/cm²
        self.cortical = scale * CORTICAL_MINERAL_G_CM3 * (1 - bone.cortical_porosity)
        self.cortical /= 1 - POROSITY_OF_THAT_COHORT
        self.solid_trabecular = scale * TRABECULAR_MINERAL_G_CM3 * TRABECULAR_CALIBRATION
        self.fraction = bone.bone_volume_fraction
        self.distal_cortex = bone.distal_cortical_thickness_mm
        self.fluctuation = projected_fluctuation(bone, (z.size, x.size), SAMPLE_MM, subject.anatomy_seed)

    def long_bone(self, bone: LongBone, end_plate: EndPlate | None = None) -> tuple[Map, Map]:
        """Density (g/cm²) and outline cover of a long bone, cut off by its end plate if it has one."""
        density = np.zeros((self.z.size, self.x.size), np.float32)
        cover = np.zeros_like(density)
        window, rows, columns = self._window(bone, end_plate)
        edges = np.append(self.x[columns], self.x[columns][-1] + SAMPLE_MM) - SAMPLE_MM / 2
        offset = edges[None, :] - bone.centre[rows, None]
        half_width, half_depth = bone.half_width[rows], bone.half_depth[rows]
        cortex = bone.cortical_thickness[rows]
        outer = _mean_chord(offset, half_width, half_depth)
        shifted = offset - bone.medullary_shift[rows, None]
        inner = _mean_chord(shifted, half_width - cortex, half_depth - cortex)
        trabecular = self._trabecular(inner, window, bone.trabecular_factor[rows, None])
        local = self.cortical * (outer - inner) + trabecular
        inside = np.diff(np.clip(offset, -half_width[:, None], half_width[:, None]), axis=1) / SAMPLE_MM
        if end_plate is not None:
            depth = self.z[rows, None] - end_plate.level(self.x[columns])[None, :]
            below = np.clip(depth / SAMPLE_MM + 0.5, 0, 1)
            plate = below - np.clip((depth - SUBCHONDRAL_PLATE_MM) / SAMPLE_MM + 0.5, 0, 1)
            local = below * local + SUBCHONDRAL_SHARE * plate * (self.cortical * inner - trabecular)
            inside = inside * below
        density[window], cover[window] = local, inside
        return density, cover

    def ellipsoid(self, bone: Ellipsoid) -> tuple[Map, Map]:
        """Density (g/cm²) and outline cover of a carpal bone or the ulnar styloid."""
        density = np.zeros((self.z.size, self.x.size), np.float32)
        cover = np.zeros_like(density)
        reach = 1.2 * max(bone.half_axes) + 1
        rows = _slice(self.z, bone.centre[1] - reach, bone.centre[1] + reach)
        columns = _slice(self.x, bone.centre[0] - reach, bone.centre[0] + reach)
        window = (rows, columns)
        dx = (self.x[columns] - bone.centre[0])[None, :]
        dz = (self.z[rows] - bone.centre[1])[:, None]
        outer, outer_radius = _blob_chord(bone, dx, dz, 0.0)
        shell = min(0.5 * self.distal_cortex, 0.3 * min(bone.half_axes))
        inner, _ = _blob_chord(bone, dx, dz, shell)
        local = self.cortical * (outer - inner) + self._trabecular(inner, window, np.float64(1.0))
        density[window] = local
        cover[window] = np.clip((1 - outer_radius) * min(bone.half_axes) / SAMPLE_MM + 0.5, 0, 1)
        return density, cover

    def _trabecular(self, chord: Array, window: tuple[slice, slice], factor: Array | np.float64) -> Array:
        fluctuation = self.fluctuation[window] * np.sqrt(chord)
        return np.asarray(self.solid_trabecular * factor * (self.fraction * chord + fluctuation))

    def _window(self, bone: LongBone, end_plate: EndPlate | None) -> tuple[tuple[slice, slice], slice, slice]:
        present = bone.half_width > 0
        if end_plate is not None:
            present &= bone.z > end_plate.styloid[1] - 2
        rows = slice(int(np.argmax(present)), int(bone.z.size - np.argmax(present[::-1])))
        left = float(np.min((bone.centre - bone.half_width)[rows])) - 1
        right = float(np.max((bone.centre + bone.half_width)[rows])) + 1
        columns = _slice(self.x, left, right)
        return (rows, columns), rows, columns


def _mean_chord(offset: Array, half_width: Array, half_depth: Array) -> Array:
    """Chord length (mm) through an ellipse, averaged over each cell between neighbouring `offset` (mm)."""
    half_width = np.maximum(half_width, 1e-3)[:, None]
    half_depth = np.maximum(half_depth, 1e-3)[:, None]
    u = np.clip(offset / half_width, -1, 1)
    integral = half_width * half_depth * (u * np.sqrt(1 - u * u) + np.arcsin(u))
    return np.asarray(np.diff(integral, axis=1) / SAMPLE_MM)


def _blob_chord(bone: Ellipsoid, dx: Array, dz: Array, shell: float) -> tuple[Array, Array]:
    """Chord (mm) through a rounded block and the relative radius of each cell (1 on the outline)."""
    angle = np.radians(bone.angle_degrees)
    first = dx * np.cos(angle) + dz * np.sin(angle)
    second = dz * np.cos(angle) - dx * np.sin(angle)
    theta = np.arctan2(second, first)
    p, q, depth = bone.half_axes[0] - shell, bone.half_axes[1] - shell, bone.half_depth - shell
    power = (np.abs(first) / p) ** BLOCKINESS + (np.abs(second) / q) ** BLOCKINESS
    radius = power ** (1 / BLOCKINESS) / bone.relative_outline(theta)
    return 2 * depth * np.clip(1 - radius**BLOCKINESS, 0, None) ** (1 / BLOCKINESS), radius


def _soft_tissue(geometry: ForearmGeometry, x: Array) -> Map:
    offset = (x[None, :] - geometry.soft_centre[:, None]) / geometry.soft_half_width[:, None]
    chord = 2 * geometry.soft_half_depth[:, None] * np.clip(1 - np.abs(offset) ** 2.5, 0, None) ** 0.5
    return (SOFT_TISSUE_G_CM3 * chord / 10).astype(np.float32)


def _slice(axis: Array, low: float, high: float) -> slice:
    return slice(int(np.searchsorted(axis, low)), int(np.searchsorted(axis, high)))
