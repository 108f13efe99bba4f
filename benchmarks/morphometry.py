"""How well shape and strength are measured, on two families of fresh phantoms.

    .venv/bin/python benchmarks/morphometry.py                # 40 pairs of scans per family, 10 minutes
    .venv/bin/python benchmarks/morphometry.py --count 8      # a smaller draw of the same

Prints, per family: error against the truth (mean, SD, 95th percentile of its size) of what has a truth, the
coefficient of variation when the arm is laid down again (±8° tilt, ±10 mm, ±5° pronation, new noise; the
first family cannot pronate), how often the one-third estimates differ, and the time of one image.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage
from analysis.config import MechanicsAssumptions
from analysis.errors import RejectedInput
from analysis.measurement.edge_recovery import recovered_density, region_contents
from analysis.measurement.forearm_shape import BOW_START_MM
from analysis.measurement.mechanics import measure_mechanics
from analysis.measurement.morphometry import measure_morphometry
from analysis.measurement.regions import place_regions
from analysis.results import Calibration, SourceImage
from analysis.segmentation import find_forearm
from analysis.simulation import Acquisition, Subject, draw_acquisition, draw_subject, render
from analysis.simulation.anatomy import build_anatomy
from analysis.simulation.geometry import ULNAR_HEAD_MM
from analysis.simulation.voxel import VoxelCase, draw_voxel_case, render_voxel, rescan

FIRST_SEED = 770_000
WEIGHT_KG = 65.0
Values = Mapping[str, float]


@dataclass(frozen=True)
class Measured:
    """What one scan gives: values, and the truth of those that have one."""

    values: Values
    truth: Values
    seconds: float


def main() -> None:
    """Measure both families and print one table each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="forearms, and pairs, per family")
    count = parser.parse_args().count
    for family, scanned in (("own", own_pair), ("voxel", voxel_pair)):
        pairs = [pair for number in range(count) if (pair := scanned(FIRST_SEED + number)) is not None]
        sys.stdout.write(f"\n{family}: {len(pairs)} of {count} forearms, each scanned twice\n")
        sys.stdout.write(f"{'value':34}{'bias':>9}{'SD':>9}{'p95':>9}{'CV %':>8}\n")
        for name in pairs[0][0].values:
            _print_row(name, pairs)
        seconds = np.median([scan.seconds for pair in pairs for scan in pair])
        differ = np.mean([abs(scan.values["estimates_ratio"] - 1) > 0.03 for pair in pairs for scan in pair])
        sys.stdout.write(f"one-third estimates more than 3 % apart: {100 * differ:.1f} %\n")
        sys.stdout.write(f"shape and mechanics of one image: {1000 * seconds:.0f} ms\n")


def own_pair(seed: int) -> tuple[Measured, Measured] | None:
    """One forearm of `analysis.simulation`, scanned twice by one scanner."""
    rng = np.random.default_rng(seed)
    subject, first = draw_subject(rng), draw_acquisition(rng)
    tilt, right, down = rng.uniform([-8, -3, -10], [8, 3, 10])
    again = replace(
        first,
        tilt_degrees=float(np.clip(first.tilt_degrees + tilt, -12, 12)),
        offset_mm=(float(right), float(np.clip(down, -4, 10))),
    )
    try:
        return own_scan(subject, first, seed), own_scan(subject, again, seed + 500_000)
    except RejectedInput:
        return None


def own_scan(subject: Subject, acquisition: Acquisition, seed: int) -> Measured:
    """Measure one scan of the first family."""
    phantom = render(subject, acquisition, seed)
    geometry, true = build_anatomy(subject).geometry, phantom.truth
    radius = geometry.radius
    z = np.linspace(BOW_START_MM + 1.5, true.forearm_length_mm / 3 + 8.5, 60)
    centre = np.interp(z, radius.z, radius.centre)
    bow = centre - np.interp(z, [z[0], z[-1]], [centre[0], centre[-1]])
    corner, styloid = geometry.end_plate.ulnar_corner, geometry.end_plate.styloid
    shift = float(np.interp(true.forearm_length_mm / 3, radius.z, radius.medullary_shift))
    truth = {
        "cortical_thickness_mm": true.cortical_thickness_mm,
        "cortical_thickness_radial_mm": true.cortical_thickness_mm - shift,
        "cortical_thickness_ulnar_mm": true.cortical_thickness_mm + shift,
        "shaft_diameter_mm": true.shaft_diameter_mm,
        "medullary_width_mm": true.medullary_width_mm,
        "image_blur_mm": acquisition.blur_mm,
        "ring_model_bmd_g_cm2": true.regions["one_third"].bmd_g_cm2,
        "ulnar_variance_mm": corner[1] - ULNAR_HEAD_MM,
        "radial_inclination_deg": float(
            np.degrees(np.arctan2(corner[1] - styloid[1], styloid[0] - corner[0]))
        ),
        "shaft_bow_mm": float(bow[np.abs(bow).argmax()]),
    }
    return measured(phantom.density_g_cm2, phantom.spacing_mm, true.forearm_length_mm, truth)


def voxel_pair(seed: int) -> tuple[Measured, Measured] | None:
    """One forearm of `analysis.simulation.voxel`, scanned twice by one scanner."""
    rng = np.random.default_rng(seed)
    case = draw_voxel_case(rng, largest_tilt_degrees=12.0)
    try:
        return voxel_scan(case), voxel_scan(rescan(case, rng))
    except RejectedInput:
        return None


def voxel_scan(case: VoxelCase) -> Measured:
    """Measure one scan of the second family."""
    phantom = render_voxel(case)
    true = phantom.truth
    truth = {
        "cortical_thickness_mm": true.cortical_thickness_mm,
        "shaft_diameter_mm": true.shaft_diameter_mm,
        "medullary_width_mm": true.medullary_width_mm,
        "ring_model_bmd_g_cm2": true.regions["one_third"].bmd_g_cm2,
        "ulnar_variance_mm": case.subject.ulnar_variance_mm,
        "radial_inclination_deg": case.subject.inclination_degrees,
    }
    return measured(phantom.pixels, phantom.spacing_mm, true.forearm_length_mm, truth)


def measured(
    density: NDArray[np.float32], spacing_mm: tuple[float, float], length_mm: float, truth: Values
) -> Measured:
    """Shape and strength of one calibrated scan."""
    image = calibrated(density, spacing_mm, length_mm)
    anatomy = find_forearm(image.pixels, spacing_mm)
    placed = place_regions(anatomy, spacing_mm, length_mm)
    assumptions = MechanicsAssumptions()
    start = time.perf_counter()
    shape = measure_morphometry(image, anatomy, placed.slabs, assumptions.compact_mineral_g_cm3)
    strength = measure_mechanics(
        image.pixels, anatomy, placed.slabs, density_cv={}, weight_kg=WEIGHT_KG, assumptions=assumptions
    )
    seconds = time.perf_counter() - start
    contents = region_contents(recovered_density(density, anatomy, spacing_mm), anatomy, placed, spacing_mm)
    values = {
        name: np.nan if value is None else value
        for name, value in {**shape.values, **strength.values}.items()
    }
    third = contents.get("one_third")
    mean = np.nan if third is None else third.bmc_g / third.area_cm2
    values["estimates_ratio"] = values["ring_model_bmd_g_cm2"] / mean
    return Measured(values, truth, seconds)


def calibrated(
    density: NDArray[np.float32], spacing_mm: tuple[float, float], length_mm: float
) -> RadiusImage:
    """A phantom as the calibrated image that acquisition would yield."""
    rows, columns = density.shape
    return RadiusImage(
        source=SourceImage("", "", "", rows, columns),
        study_instance_uid="",
        pixels=density,
        density=True,
        calibration=Calibration.REAL_WORLD_VALUE_MAP,
        spacing_mm=spacing_mm,
        spacing_source="simulated",
        origin=(0, 0),
        laterality=None,
        device="simulated",
        forearm_length_mm=length_mm,
    )


def _print_row(name: str, pairs: list[tuple[Measured, Measured]]) -> None:
    values = np.array([[scan.values[name] for scan in pair] for pair in pairs])
    values = values[np.isfinite(values).all(axis=1)]
    spread = np.sqrt(np.mean(np.diff(values, axis=1) ** 2) / 2)
    line = f"{name:34}"
    errors = np.array(
        [scan.values[name] - scan.truth[name] for pair in pairs for scan in pair if name in scan.truth]
    )
    errors = errors[np.isfinite(errors)]
    if errors.size:
        line += f"{errors.mean():9.3f}{errors.std():9.3f}{np.percentile(np.abs(errors), 95):9.3f}"
    else:
        line += " " * 27
    relative = 100 * spread / abs(values.mean())
    # a value around zero has no meaningful coefficient of variation: its SD is given instead
    line += f"{relative:8.2f}" if values.min() > 0 else f"  SD {spread:.2f}"
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
