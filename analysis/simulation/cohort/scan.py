"""One simulated scan, measured by the functions that measure a real one, as far as risk models need.

Only what risk models read is measured: of the radius BMD and T-scores, the section at one third, the wrist's
shape, section moments, texture's core set and variogram, and the patch that networks see. Every value equals
that of `analysis.measurement.measure.measure` on the same image and outline. Outlines come from the edges
alone (``classical``): the network steers the same search for edges and costs twice the whole scan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage
from analysis.config import MechanicsAssumptions, SegmentationMethod
from analysis.errors import RejectedInput
from analysis.measurement.edge_recovery import recovered_density, region_contents
from analysis.measurement.forearm_shape import BOW_START_MM, distal_width_and_inclination, ulnar_variance
from analysis.measurement.measure import LARGEST_RING_DIFFERENCE, TEXTURE_REGION
from analysis.measurement.morphometry import LARGEST_RESIDUAL, section_values
from analysis.measurement.reference import ReferenceCurve
from analysis.measurement.regions import PlacedRegions, place_regions
from analysis.measurement.section_fit import fit_section
from analysis.measurement.section_moments import section_moments
from analysis.measurement.shaft_profile import ShaftImage
from analysis.measurement.texture import measure_texture
from analysis.measurement.texture.core_set import CORE
from analysis.results import REGIONS, Calibration, SourceImage
from analysis.risk.patch import radius_patch
from analysis.segmentation import ForearmAnatomy, find_forearm
from analysis.simulation import Phantom, Subject, render
from analysis.simulation.cohort.scanners import Scanner

RULER_SD_MM = 2.0
"""How well a forearm's length is measured by ruler before the scan: assumption."""

T_SCORED = ("ultradistal", "one_third")
"""Regions that the references in ``conf/reference`` score."""

_SECTION = (
    "cortical_thickness_mm",
    "cortical_thickness_radial_mm",
    "cortical_thickness_ulnar_mm",
    "medullary_width_mm",
    "shaft_diameter_mm",
    "cortical_area_mm2",
    "cortical_index",
    "image_blur_mm",
    "ring_model_bmd_g_cm2",
)
_WRIST = ("distal_width_mm", "radial_inclination_deg", "ulnar_variance_mm")
_MOMENTS = ("bone_area_mm2", "inertia_mm4", "section_modulus_mm3")
_MOMENT_REGIONS = ("one_third", "ultradistal")
_VARIOGRAM = ("slope", "sill", "log_sill", "snr", "range_mm", "robust_slope", "robust_snr")

MEASURED = (
    *(f"{region}.bmd_g_cm2" for region in REGIONS),
    *(f"{region}.t_score" for region in T_SCORED),
    *(f"morphometry.{name}" for name in (*_SECTION, *_WRIST)),
    *(f"morphometry.{region}_{name}" for region in _MOMENT_REGIONS for name in _MOMENTS),
    *(f"texture.variogram_{name}" for name in _VARIOGRAM),
    *(f"texture.{name}" for name in sorted(CORE)),
)
"""Names of everything a scan of a cohort measures, in the order of the table's columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """One measured scan.

    Attributes
    ----------
    values : mapping of str to float
        Keys are `MEASURED`; NaN where the engine withheld a number or found no radius.
    patch : ndarray of float32, (96, 80), or None
        See `analysis.risk.patch.radius_patch`.
    problem : str
        Code of the refusal if the engine found no radius, else empty.
    """

    values: Mapping[str, float]
    patch: NDArray[np.float32] | None
    problem: str = ""


def scan_subject(
    subject: Subject,
    scanner: Scanner,
    reference: ReferenceCurve,
    rng: np.random.Generator,
    *,
    method: SegmentationMethod = "classical",
) -> Scan:
    """Scan a subject once and measure the scan.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of everything that is random in this scan: how the arm lies, photons, the ruler.
    method : {"classical", "network"}
        How the outline is found.
    """
    image = simulated_image(subject, scanner, rng)
    return measured_scan(image, subject.sex, reference, method=method)


def measured_scan(
    image: RadiusImage, sex: str, reference: ReferenceCurve, *, method: SegmentationMethod = "classical"
) -> Scan:
    """Find the radius in a calibrated image and measure it."""
    values = dict.fromkeys(MEASURED, math.nan)
    try:
        anatomy = find_forearm(image.pixels, image.spacing_mm, density=True, method=method)
    except RejectedInput as refusal:
        return Scan(values, None, refusal.code)
    placed = place_regions(anatomy, image.spacing_mm, image.forearm_length_mm)
    values |= measured_values(image, anatomy, placed, reference, sex)
    return Scan(values, radius_patch(image, anatomy, placed))


def simulated_image(subject: Subject, scanner: Scanner, rng: np.random.Generator) -> RadiusImage:
    """Draw an acquisition and take the picture, on the scanner's own scale."""
    phantom = simulated_phantom(subject, scanner, rng)
    length = subject.forearm_length_mm + RULER_SD_MM * float(rng.standard_normal())
    return as_image(phantom, length, scanner)


def simulated_phantom(subject: Subject, scanner: Scanner, rng: np.random.Generator) -> Phantom:
    """Draw an acquisition and take the picture, on the phantom's scale."""
    return render(subject, scanner.acquisition(rng), seed=int(rng.integers(2**31)))


def shown_density(phantom: Phantom, scanner: Scanner) -> NDArray[np.float32]:
    """Areal density on the scanner's own scale."""
    if (scanner.gain, scanner.offset_g_cm2) == (1.0, 0.0):
        return phantom.density_g_cm2
    density = phantom.density_g_cm2 * np.float32(scanner.gain) + np.float32(scanner.offset_g_cm2)
    return np.asarray(density, np.float32)


def as_image(phantom: Phantom, forearm_length_mm: float, scanner: Scanner) -> RadiusImage:
    """A phantom as the calibrated image that the scanner would have sent."""
    density = shown_density(phantom, scanner)
    rows, columns = density.shape
    return RadiusImage(
        source=SourceImage("", "", "", rows, columns),
        study_instance_uid="",
        pixels=density,
        density=True,
        calibration=Calibration.REAL_WORLD_VALUE_MAP,
        spacing_mm=phantom.spacing_mm,
        spacing_source="simulated",
        origin=(0, 0),
        laterality=phantom.acquisition.laterality,
        device="simulated",
        forearm_length_mm=forearm_length_mm,
    )


def measured_values(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    reference: ReferenceCurve,
    sex: str,
) -> dict[str, float]:
    """What is known of `MEASURED`, with the engine's own rules of withholding.

    Parameters
    ----------
    image : RadiusImage
        Calibrated, with spacing and forearm length.
    """
    spacing = image.spacing_mm or anatomy.frame.spacing_mm
    clean = {name: mask for name, mask in placed.masks.items() if not anatomy.spoils(mask)}
    slabs = {name: slab for name, slab in placed.slabs.items() if name in clean}
    recovered = recovered_density(image.pixels, anatomy, spacing)
    contents = region_contents(recovered, anatomy, placed, spacing)
    bmd = {name: content.bmc_g / content.area_cm2 for name, content in contents.items() if name in clean}
    morphometry = _morphometry(image, anatomy, slabs, recovered)
    ring = morphometry.get("ring_model_bmd_g_cm2")
    if ring and "one_third" in bmd and abs(ring / bmd["one_third"] - 1) > LARGEST_RING_DIFFERENCE:
        for name in ("one_third", "total"):
            bmd.pop(name, None)
    texture = measure_texture(image.pixels, True, anatomy, clean.get(TEXTURE_REGION)).values
    scores = {name: reference.t_score(name, bmd[name], sex) for name in T_SCORED if name in bmd}
    known = {
        **{f"{name}.bmd_g_cm2": value for name, value in bmd.items()},
        **{f"{name}.t_score": score for name, score in scores.items()},
        **{f"morphometry.{name}": value for name, value in morphometry.items()},
        **{f"texture.{name}": value for name, value in texture.items()},
    }
    return {name: float(value) for name, value in known.items() if value is not None}


def _morphometry(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    slabs: Mapping[str, tuple[float, float]],
    recovered: NDArray[np.float32],
) -> dict[str, float | None]:
    """Wrist, section moments and the section at one third; no walls along the shaft."""
    width, inclination = distal_width_and_inclination(anatomy)
    values: dict[str, float | None] = dict(
        zip(_WRIST, (width, inclination, ulnar_variance(anatomy)), strict=True)
    )
    compact = MechanicsAssumptions().compact_mineral_g_cm3
    for region in _MOMENT_REGIONS:
        moments = section_moments(recovered, anatomy, slabs[region], compact) if region in slabs else None
        if moments is not None:
            found = (moments.area_mm2, moments.inertia_mm4, moments.modulus_mm3)
            values |= {f"{region}_{name}": value for name, value in zip(_MOMENTS, found, strict=True)}
    if "one_third" in slabs:
        values |= _section(image, anatomy, slabs["one_third"])
    return values


def _section(
    image: RadiusImage, anatomy: ForearmAnatomy, slab: tuple[float, float]
) -> Mapping[str, float | None]:
    profile = ShaftImage.of(image.pixels, anatomy, BOW_START_MM).profile(slab)
    fit = None if profile is None else fit_section(profile.position, profile.height, profile.half_width_mm)
    if fit is None or fit.residual > LARGEST_RESIDUAL:
        return {}
    return section_values(fit, density=True)
