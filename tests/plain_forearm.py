"""A second, plainer forearm than `analysis.simulation`: other shapes, other physics, none of its code.

The engine was developed on the simulator; what it does here shows that it has not learnt the simulator.
Sections are superellipses, end plates straight lines, carpals round; blur is uniform, not Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian
from scipy import ndimage

Array = NDArray[np.float64]
BLUR_MM = 1.2


@dataclass(frozen=True)
class Forearm:
    """Lengths in mm, angles in degrees; a left arm with its hand up has the radius on the right."""

    left: bool = True
    hand_up: bool = True
    tilt: float = 3.0
    spacing: tuple[float, float] = (0.5, 0.5)
    ulna_ends: float = 1.0  # proximal to the radius
    styloid: float = 4.0
    gap: float = 1.5  # between the bones at the wrist
    inclination: float = 15.0
    section: float = 2.6
    noise: float = 0.01
    seed: int = 1


class Picture(NamedTuple):
    density: Array  # g/cm², blurred, with noise
    radius: NDArray[np.bool_]
    one_third: float  # noiseless mean BMD within 10 mm of a third of 240 mm


def draw(arm: Forearm) -> Picture:
    """Render at a third of the pixel size and average."""
    rows, columns = round(145 / arm.spacing[0]), round(80 / arm.spacing[1])
    y, x = ((np.indices((3 * rows, 3 * columns)).T + 0.5) / 3 * arm.spacing).T
    y, x = y - 145 / 2, x - 80 / 2
    turn = np.deg2rad(arm.tilt + (0 if arm.hand_up else 180))
    across, along = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn) + 42
    across = across if arm.left else -across
    radius, ulna = _radius(arm, across, along), _ulna(arm, across, along)
    exact = np.where(radius > 0, radius, ulna)
    tip = arm.ulna_ends - arm.styloid
    third = (radius > 0) & (np.abs(along - tip - 0.33 * 240) <= 10)
    whole = exact + np.where(exact > 0, 0, _carpals(arm, across, along))
    blurred = ndimage.uniform_filter(whole, [round(3 * BLUR_MM / s) for s in arm.spacing])
    mean = blurred.reshape(rows, 3, columns, 3).mean(axis=(1, 3))
    rng = np.random.default_rng(arm.seed)
    mask = (radius > 0).reshape(rows, 3, columns, 3).mean(axis=(1, 3)) > 0.5
    return Picture(mean + arm.noise * rng.standard_normal(mean.shape), mask, float(exact[third].mean()))


def calibrated(arm: Forearm, picture: Picture) -> Dataset:
    """The picture as a signed 16-bit DX For Presentation with a map to g/cm2, as no scanner of ours sends."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "DX"
    image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID = "1.2.9.3", "1.2.9.2", "1.2.9.1"
    image.BodyPartExamined, image.ImageLaterality = "FOREARM", "L" if arm.left else "R"
    image.PixelSpacing = list(arm.spacing)
    image.Rows, image.Columns = picture.density.shape
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 1
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelData = np.round((picture.density - 0.5) / 1e-4).astype("<i2").tobytes()
    unit, item = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "g/cm2", "UCUM", "g/cm2"
    item.MeasurementUnitsCodeSequence = Sequence([unit])
    item.add_new("RealWorldValueFirstValueMapped", "SS", -32768)
    item.add_new("RealWorldValueLastValueMapped", "SS", 32767)
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 1e-4, 0.5
    image.RealWorldValueMappingSequence = Sequence([item])
    return image


def _bone(arm: Forearm, u: Array, width: Array, shell: Array, marrow: Array) -> Array:
    """Areal density of a shell around marrow, `u` from -1 to 1 across the bone."""
    depth = 0.9 * width * np.sqrt(np.clip(1 - np.abs(u) ** arm.section, 0, None))
    inner = np.clip(1 - (np.abs(u) * width / np.clip(width - 2 * shell, 0.5, None)) ** arm.section, 0, None)
    hollow = np.minimum(depth, 0.9 * np.clip(width - 2 * shell, 0.5, None) * np.sqrt(inner))
    return np.asarray((1.1 * (depth - hollow) + marrow * hollow) / 10)


def _radius(arm: Forearm, across: Array, along: Array) -> Array:
    z = np.clip(along, 0, None)
    width = 12.5 + 15 * np.exp(-((z / 17) ** 1.4))
    ready = 1 / (1 + np.exp((36 - z) / 7))  # 0 at the metaphysis, 1 at the shaft
    bone = _bone(arm, (across - 11) / (width / 2), width, 0.8 + 1.9 * ready, 0.22 * (1 - 0.8 * ready))
    return np.where(along > -np.tan(np.deg2rad(arm.inclination)) * (across - 11), bone, 0)


def _ulna(arm: Forearm, across: Array, along: Array) -> Array:
    z = np.clip(along - arm.ulna_ends, 0, None)
    width = 10.5 + 4.5 * np.exp(-((z / 9) ** 2))
    centre = -2.7 - arm.gap - 7.5 - 1.5 * (1 - np.exp(-z / 25))
    ready = 1 / (1 + np.exp((32 - z) / 7))
    bone = _bone(arm, (across - centre) / (width / 2), width, 0.8 + 1.6 * ready, 0.22 * (1 - 0.8 * ready))
    spike = (np.abs(across - centre + 4.5) < 1.5) & (along > arm.ulna_ends - arm.styloid)
    return np.where(along > arm.ulna_ends, bone, 0.25 * spike)


def _carpals(arm: Forearm, across: Array, along: Array) -> Array:
    bones = np.zeros_like(across)
    for k, (column, row) in enumerate([(-8, -14), (2, -11), (13, -14), (-6, -26), (4, -25), (15, -27)]):
        distance = np.hypot(across - column, along - row) / (5.2 + 0.2 * (k % 3))
        bones += 0.35 * np.sqrt(np.clip(1 - distance**3, 0, None))
    return np.where(along < -3, bones, 0)
