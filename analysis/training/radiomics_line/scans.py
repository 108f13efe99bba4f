"""The imaging subset: people scanned twice by one device, the first scan outlined twice.

The second scan stands for the study's intra-observer reading, the second outline for its other observer. All
scans share one device setting: its blur and dose would otherwise count as differences between people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.config import TextureFamily
from analysis.errors import RejectedInput
from analysis.measurement.regions import place_regions
from analysis.measurement.texture.families import PREFIXES
from analysis.measurement.texture.measure import BIN_WIDTH_G_CM2, family_features
from analysis.measurement.texture.patch import resampled_patch
from analysis.segmentation import ForearmAnatomy, find_forearm
from analysis.simulation import Acquisition, Phantom, Subject, draw_acquisition, render
from analysis.simulation.cohort.people import CHUNK, draw_people
from analysis.simulation.cohort.populations import Population
from analysis.simulation.view import FIELD_OF_VIEW_MM

FAMILIES: tuple[TextureFamily, ...] = tuple(PREFIXES)
"""Every texture family."""

DEVICE_SPACING_MM = 0.4
DEVICE_BLUR_MM, DEVICE_PHOTONS_PER_MM2, DEVICE_FAT_ERROR = 0.36, 1.6e6, 0.001
"""One setting within the ranges of `analysis.simulation.draw_acquisition`: assumption."""

RULER_SD_MM = 2.0
"""How well a forearm's length is measured by ruler before the scan: assumption."""
OUTLINE_SD_MM, OUTLINE_LENGTH_MM = 0.3, 4.0
"""Waviness of another observer's outline: SD and correlation length. Assumption, below one pixel."""
OUTLINE_OFFSET_SD_MM = 0.15
"""How much tighter or wider the other observer draws on the whole, SD. Assumption."""
REGION_SHIFT_SD_MM = 0.5
"""How differently the other observer places the region, SD along each axis. Assumption."""

PER_FILE = 32
"""People per cached file: what an interrupted run loses at most."""

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Three readings of every person, one column per feature.

    Attributes
    ----------
    names : tuple of str
        As columns of a cohort: ``texture.original_glcm_Contrast`` and so on.
    subject_ids : ndarray of int, (people,)
        Position in the drawn cohort; people whose radius was not found three times are left out.
    index, repeat, other_observer : ndarray, (people, features)
        First scan, second scan, first scan under another outline.
    overlap : ndarray, (people,)
        Dice overlap of the two outlines of the first scan.
    """

    names: tuple[str, ...]
    subject_ids: NDArray[np.int_]
    index: FloatArray
    repeat: FloatArray
    other_observer: FloatArray
    overlap: FloatArray


def read_people(
    population: Population,
    seed: int,
    size: int,
    cache: Path,
    progress: Callable[[int], None] = lambda done: None,
    *,
    families: Sequence[TextureFamily] = FAMILIES,
) -> Readings:
    """Scan and read the first `size` people of a cohort.

    Parameters
    ----------
    population : Population
    seed : int
        Of the cohort: `analysis.simulation.cohort` draws the same people from it.
    cache : Path
        Directory for finished parts; a later call goes on where this one stopped.
    progress : callable
        Called with the number of people done.
    """
    cache.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, size, PER_FILE):
        count = min(PER_FILE, size - start)
        label = "-".join(sorted(families))
        file = cache / f"readings-{population.name}-{seed}-{start}-{count}-{label}.npz"
        if not file.exists():
            _save(_read_part(population, seed, start, count, families), file)
        parts.append(_load(file))
        progress(start + count)
    joined = {
        field: np.concatenate([getattr(part, field) for part in parts])
        for field in ("subject_ids", "index", "repeat", "other_observer", "overlap")
    }
    return Readings(names=parts[0].names, **joined)


def _read_part(
    population: Population, seed: int, start: int, count: int, families: Sequence[TextureFamily]
) -> Readings:
    found: list[tuple[int, float, list[dict[str, float]]]] = []
    for number in range(start, start + count):
        chunk, position = divmod(number, CHUNK)
        subject = draw_people(population, seed, chunk, position + 1).subjects[position]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, 1)))
        try:
            readings, overlap = _read_person(subject, rng, families)
        except RejectedInput:
            continue
        found.append((number, overlap, readings))
    names = sorted(found[0][2][0]) if found else []
    index, repeat, other = (
        np.array([[readings[which][name] for name in names] for *_, readings in found]) for which in range(3)
    )
    return Readings(
        tuple(f"texture.{name}" for name in names),
        np.array([number for number, *_ in found], dtype=np.int_),
        index,
        repeat,
        other,
        np.array([overlap for _, overlap, _ in found]),
    )


def _read_person(
    subject: Subject, rng: np.random.Generator, families: Sequence[TextureFamily]
) -> tuple[list[dict[str, float]], float]:
    """Features of the first scan, the second scan and the first scan outlined anew; overlap of outlines."""
    first = _one_device(draw_acquisition(rng))
    again = draw_acquisition(rng)
    second = replace(first, tilt_degrees=again.tilt_degrees, offset_mm=again.offset_mm)
    length = subject.forearm_length_mm + RULER_SD_MM * float(rng.standard_normal())
    readings, masks = [], []
    for acquisition in (first, second):
        phantom = render(subject, acquisition, seed=int(rng.integers(2**31)))
        anatomy, mask = _outlined(phantom, length)
        readings.append(_features(phantom, mask, anatomy, families))
        masks.append((phantom, anatomy, mask))
    phantom, anatomy, mask = masks[0]
    other = perturbed_outline(mask, phantom.spacing_mm, rng)
    readings.append(_features(phantom, other, anatomy, families))
    return readings, float(2 * (mask & other).sum() / (mask.sum() + other.sum()))


def _one_device(acquisition: Acquisition) -> Acquisition:
    height, width = FIELD_OF_VIEW_MM
    return replace(
        acquisition,
        spacing_mm=(DEVICE_SPACING_MM, DEVICE_SPACING_MM),
        rows=round(height / DEVICE_SPACING_MM),
        columns=round(width / DEVICE_SPACING_MM),
        blur_mm=DEVICE_BLUR_MM,
        photons_per_mm2=DEVICE_PHOTONS_PER_MM2,
        fat_error=DEVICE_FAT_ERROR,
    )


def _outlined(phantom: Phantom, length_mm: float) -> tuple[ForearmAnatomy, Mask]:
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm, density=True, method="classical")
    mask = place_regions(anatomy, phantom.spacing_mm, length_mm).masks.get("ultradistal")
    if mask is None:
        raise RejectedInput("no_ultradistal_region", "The ultradistal region lies outside the picture.")
    return anatomy, mask


def _features(
    phantom: Phantom, mask: Mask, anatomy: ForearmAnatomy, families: Sequence[TextureFamily]
) -> dict[str, float]:
    patch = resampled_patch(phantom.density_g_cm2, mask, anatomy)
    return family_features(patch, families, bin_width=BIN_WIDTH_G_CM2)


def perturbed_outline(mask: Mask, spacing_mm: tuple[float, float], rng: np.random.Generator) -> Mask:
    """A region as another observer would have drawn it: shifted, wider or tighter, its border wavy.

    Parameters
    ----------
    mask : ndarray of bool, (rows, columns)
    spacing_mm : (float, float)
        Row and column spacing.
    """
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    shift = rng.normal(0.0, REGION_SHIFT_SD_MM, 2) / np.array(spacing_mm)
    depth = ndimage.shift(inside - outside, shift, order=1, mode="nearest")
    waves = ndimage.gaussian_filter(
        rng.standard_normal(mask.shape), [OUTLINE_LENGTH_MM / side for side in spacing_mm]
    )
    waves *= OUTLINE_SD_MM / waves.std()
    drawn: Mask = np.asarray(depth + waves + rng.normal(0.0, OUTLINE_OFFSET_SD_MM) > 0, np.bool_)
    return drawn


def _save(part: Readings, file: Path) -> None:
    partial = file.with_suffix(".part.npz")
    np.savez_compressed(
        partial,
        names=np.array(part.names, dtype=np.str_),
        subject_ids=part.subject_ids,
        index=part.index,
        repeat=part.repeat,
        other_observer=part.other_observer,
        overlap=part.overlap,
    )
    partial.replace(file)


def _load(file: Path) -> Readings:
    with np.load(file, allow_pickle=False) as content:
        return Readings(
            tuple(str(name) for name in content["names"]),
            content["subject_ids"],
            content["index"],
            content["repeat"],
            content["other_observer"],
            content["overlap"],
        )
