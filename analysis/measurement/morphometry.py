"""Shaft geometry from the projected density profile, section moments, and the shape of the distal radius."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.acquisition.image import RadiusImage
from analysis.measurement.catalogue import Quantity, catalogue
from analysis.measurement.edge_recovery import recovered_density
from analysis.measurement.forearm_shape import (
    BOW_START_MM,
    distal_width_and_inclination,
    shaft_bow,
    ulnar_variance,
)
from analysis.measurement.section_fit import SectionFit, fit_section, refit_section
from analysis.measurement.section_moments import section_moments
from analysis.measurement.sections import Section
from analysis.measurement.shaft_profile import ShaftImage
from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

_MODEL = "projected section model with fitted blur (this engine; variable projection, Golub & Pereyra 1973)"
_BECK = (
    "hip structural analysis, Beck 1990 (doi 10.1097/00004424-199001000-00004), on the radius; compact bone "
    "is assumed"
)
_MOMENT_REGIONS = {"one_third": "one-third", "ultradistal": "ultradistal"}

CATALOGUE = catalogue(
    [
        Quantity("cortical_thickness_mm", "mm", "Mean of the two walls at one third, as projected", _MODEL),
        Quantity("cortical_thickness_radial_mm", "mm", "Wall on the radial side at one third", _MODEL),
        Quantity("cortical_thickness_ulnar_mm", "mm", "Wall on the ulnar side at one third", _MODEL),
        Quantity("medullary_width_mm", "mm", "Width of the marrow cavity at one third", _MODEL),
        Quantity("shaft_diameter_mm", "mm", "Outer width of the shaft at one third", _MODEL),
        Quantity("ring_model_bmd_g_cm2", "g/cm2", "Mineral of the fitted section over its width", _MODEL),
        Quantity("cortical_area_mm2", "mm2", "Area of a circular ring of that width and wall", "assumption"),
        Quantity("cortical_index", "1", "Both walls over the width", "definition"),
        Quantity("image_blur_mm", "mm", "SD of the scanner's blur, estimated from this image", _MODEL),
        Quantity("cortical_thickness_shaft_mm", "mm", "Mean wall from a fifth of the ulna upwards", _MODEL),
        Quantity("cortical_thickness_least_mm", "mm", "Thinnest mean wall along that stretch", _MODEL),
        Quantity(
            "distal_width_mm", "mm", "Width of the radius between the ends of its joint surface", "landmarks"
        ),
        Quantity(
            "radial_inclination_deg", "deg", "Slope of the joint surface against the shaft", "landmarks"
        ),
        Quantity("ulnar_variance_mm", "mm", "Ulnar head beyond the radius's ulnar corner", "perpendiculars"),
        Quantity(
            "shaft_bow_mm", "mm", "Bow of the visible shaft off its chord, positive radially", "landmarks"
        ),
        Quantity("shaft_bow_level_mm", "mm", "Where the bow is deepest, from the ulnar styloid", "landmarks"),
        *(
            Quantity(f"{name}_{key}", unit, f"{text} of the {shown} section", _BECK)
            for name, shown in _MOMENT_REGIONS.items()
            for key, unit, text in (
                ("bone_area_mm2", "mm2", "Bone cross-sectional area"),
                ("inertia_mm4", "mm4", "Second moment of area, bending in the image plane,"),
                ("section_modulus_mm3", "mm3", "Section modulus"),
            )
        ),
    ]
)
"""What each value is."""
NAMES = tuple(CATALOGUE)
"""Every key of the result; absent values are None."""

LARGEST_RESIDUAL = 0.06
"""Root mean square misfit, over the profile's height, above which no section describes the bone."""
WRIST_MM = 15.0
"""Landmarks of the wrist lie distal to this distance from the ulnar styloid."""
SHAFT_START = 0.2
"""Distal end of the profile along the shaft, over the ulnar length."""
LEVEL_MM = 4.0
MODEL_SD_MM = 0.05
"""What the section model itself gets wrong in a wall, one SD: measured on sections of six kinds (ellipses,
superellipses, crested voxel sections; Gaussian, box and long-tailed blur)."""
MODEL_SD_WIDTH_MM = 0.06
"""The same for the shaft's width."""
SHAPE_SD = {
    "distal_width_mm": 0.9,
    "radial_inclination_deg": 1.8,
    "ulnar_variance_mm": 0.6,
}
"""One SD of what landmarks and outlines give, from `benchmarks/morphometry.py` (the larger of both families).
Between the ends that the outline shows, the joint surface is 3 to 4° flatter than the tangent through both
tips that a reader draws."""
BOW_SD_MM, BOW_LEVEL_SD_MM = 0.05, 2.5
RING_BMD_CV = 0.005
MOMENT_CV = {"bone_area_mm2": 0.007, "inertia_mm4": 0.01, "section_modulus_mm3": 0.013}
"""Relative SD of density by the section model, against truth, and of section moments when the arm is laid
down again; same benchmark."""


@dataclass(frozen=True, slots=True, eq=False)
class ThicknessProfile:
    """Walls along the shaft: levels (mm from the ulnar styloid) and radial and ulnar thickness (mm)."""

    level_mm: FloatArray
    radial_mm: FloatArray
    ulnar_mm: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Morphometry:
    """Values by name (see `CATALOGUE`), one SD of each in its unit, the shaft's profile, and remarks."""

    values: Mapping[str, float | None]
    findings: tuple[QualityFinding, ...]
    uncertainty: Mapping[str, float] = field(default_factory=dict)
    thickness_profile: ThicknessProfile | None = None


def measure_morphometry(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    slabs: Mapping[str, tuple[float, float]],
    compact_mineral_g_cm3: float,
) -> Morphometry:
    """Measure both cortices along the shaft, section moments, bow, and the distal radius's shape.

    The shaft's section is modelled as a wall around a cavity, with a crest towards the ulna, a free depth and
    a wall that may be thicker on one side; it is projected to a profile across the bone and blurred. Fitting
    the averaged profile of the one-third region gives sub-pixel geometry, because it uses the shape of the
    whole profile and not a threshold, and it gives the scanner's blur as well.

    Parameters
    ----------
    image : RadiusImage
        A grey curve bends the profile of an image without calibration, so that the fit is then flagged
        ``morphometry_relative`` and nothing that needs density is given.
    slabs : mapping of str to (float, float)
        Placed regions whose numbers may be used, mm from the ulnar styloid.
    compact_mineral_g_cm3 : float
        Mineral density that section moments assume for compact bone.
    """
    values: dict[str, float | None] = dict.fromkeys(NAMES)
    if image.spacing_mm is None:
        return Morphometry(values, ())
    hidden = _metal_at_wrist(anatomy)
    values |= {} if hidden else _wrist(anatomy)
    findings = (_wrist_hidden(),) if hidden else ()
    sd = {name: error for name, error in SHAPE_SD.items() if values[name] is not None}
    if image.density:
        moments = _moments(image, anatomy, slabs, compact_mineral_g_cm3)
        values |= moments
        sd |= _moment_sd(moments)
    if "one_third" not in slabs or image.forearm_length_mm is None:
        return Morphometry(values, findings, sd)
    start_mm, slab = SHAFT_START * image.forearm_length_mm, slabs["one_third"]
    shaft = _shaft(image, anatomy, slab, start_mm)
    return Morphometry(
        values={**values, **shaft.values},
        findings=(*findings, *shaft.findings),
        uncertainty={**sd, **shaft.uncertainty},
        thickness_profile=shaft.thickness_profile,
    )


def _wrist(anatomy: ForearmAnatomy) -> dict[str, float | None]:
    width, inclination = distal_width_and_inclination(anatomy)
    return {
        "distal_width_mm": width,
        "radial_inclination_deg": inclination,
        "ulnar_variance_mm": ulnar_variance(anatomy),
    }


def _shaft(
    image: RadiusImage, anatomy: ForearmAnatomy, slab: tuple[float, float], start_mm: float
) -> Morphometry:
    """Bow, section at one third, and walls from `start_mm` to the end of the one-third `slab`."""
    values: dict[str, float | None] = {}
    sd: dict[str, float] = {}
    shaft = ShaftImage.of(image.pixels, anatomy, BOW_START_MM)
    bow = shaft_bow(shaft, slab[1])
    if bow is not None:
        values |= {"shaft_bow_mm": bow.depth_mm, "shaft_bow_level_mm": bow.level_mm}
        sd |= {"shaft_bow_mm": BOW_SD_MM, "shaft_bow_level_mm": BOW_LEVEL_SD_MM}
    profile = shaft.profile(slab)
    fit = None if profile is None else fit_section(profile.position, profile.height, profile.half_width_mm)
    if fit is None or fit.residual > LARGEST_RESIDUAL:
        return Morphometry(values, (_not_fitted(fit),), sd)
    values |= section_values(fit, density=image.density)
    sd |= _section_sd(fit, values)
    along = _along_the_shaft(shaft, fit, start_mm, slab[1])
    if along is not None:
        mean = (along.radial_mm + along.ulnar_mm) / 2
        values["cortical_thickness_shaft_mm"] = float(mean.mean())
        values["cortical_thickness_least_mm"] = float(mean.min())
        sd |= dict.fromkeys(("cortical_thickness_shaft_mm", "cortical_thickness_least_mm"), MODEL_SD_MM)
    return Morphometry(values, () if image.density else (_relative(),), sd, along)


def _metal_at_wrist(anatomy: ForearmAnatomy) -> bool:
    """Whether metal overlaps either bone where the landmarks of the wrist lie."""
    metal = anatomy.metal_mask & (anatomy.radius_mask | anatomy.ulna_mask)
    if not metal.any():
        return False
    _, along = anatomy.frame.of_pixels((metal.shape[0], metal.shape[1]))
    return bool((along[metal] < WRIST_MM).any())


def section_values(fit: SectionFit, *, density: bool) -> dict[str, float | None]:
    ulnar, radial = fit.section.walls()
    width, mean = fit.section.width(), (radial + ulnar) / 2
    return {
        "cortical_thickness_mm": mean,
        "cortical_thickness_radial_mm": radial,
        "cortical_thickness_ulnar_mm": ulnar,
        "medullary_width_mm": width - 2 * mean,
        "shaft_diameter_mm": width,
        "cortical_area_mm2": float(np.pi * mean * (width - mean)),
        "cortical_index": 2 * mean / width,
        "image_blur_mm": fit.section.blur_mm,
        "ring_model_bmd_g_cm2": fit.mean_height if density else None,
    }


def _section_sd(fit: SectionFit, values: Mapping[str, float | None]) -> dict[str, float]:
    """Fit's own SD by error propagation, and what the model gets wrong, in quadrature."""

    def sd(quantity: Callable[[Section], float], model: float) -> float:
        return float(np.hypot(fit.sd(_gradient(quantity, fit.section)), model))

    mean = sd(lambda section: sum(section.walls()) / 2, MODEL_SD_MM)
    width = sd(Section.width, MODEL_SD_WIDTH_MM)
    index, diameter = values["cortical_index"], values["shaft_diameter_mm"]
    thickness = values["cortical_thickness_mm"]
    found = {
        "cortical_thickness_mm": mean,
        "cortical_thickness_radial_mm": sd(lambda section: section.walls()[1], MODEL_SD_MM),
        "cortical_thickness_ulnar_mm": sd(lambda section: section.walls()[0], MODEL_SD_MM),
        "shaft_diameter_mm": width,
        "medullary_width_mm": float(np.hypot(2 * mean, width)),
        "image_blur_mm": sd(lambda section: section.blur_mm, 0.02),
    }
    ring = values["ring_model_bmd_g_cm2"]
    if ring is not None:
        found["ring_model_bmd_g_cm2"] = RING_BMD_CV * ring
    if index is not None and diameter is not None and thickness is not None:
        found["cortical_index"] = float(np.hypot(2 * mean, index * width) / diameter)
        area = np.hypot((diameter - 2 * thickness) * mean, thickness * width)
        found["cortical_area_mm2"] = float(np.pi * area)
    return found


def _gradient(quantity: Callable[[Section], float], at: Section, step: float = 1e-3) -> FloatArray:
    def moved(index: int, by: float) -> Section:
        return at._replace(**{Section._fields[index]: at[index] + by})

    return np.array(
        [(quantity(moved(k, step)) - quantity(moved(k, -step))) / (2 * step) for k in range(len(at))]
    )


def _along_the_shaft(
    shaft: ShaftImage, fit: SectionFit, start_mm: float, end_mm: float
) -> ThicknessProfile | None:
    """Walls at levels from proximal to distal, each fit starting from its neighbour; misfits are left out."""
    found: list[tuple[float, float, float]] = []
    section = fit.section
    count = int((end_mm - start_mm) / LEVEL_MM)
    for number in range(count):
        high = end_mm - number * LEVEL_MM
        profile = shaft.profile((high - LEVEL_MM, high))
        if profile is None:
            continue
        local = refit_section(profile.position, profile.height, section)
        if local is not None and local.residual <= LARGEST_RESIDUAL:
            section = local.section
            ulnar, radial = section.walls()
            found.append((high - LEVEL_MM / 2, radial, ulnar))
    if len(found) < 3:
        return None
    level, radial_mm, ulnar_mm = np.array(found[::-1]).T
    return ThicknessProfile(level, radial_mm, ulnar_mm)


def _moments(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    slabs: Mapping[str, tuple[float, float]],
    compact_mineral_g_cm3: float,
) -> dict[str, float]:
    values: dict[str, float] = {}
    placed = [name for name in _MOMENT_REGIONS if name in slabs]
    if not placed or image.spacing_mm is None:
        return values
    recovered = recovered_density(image.pixels, anatomy, image.spacing_mm)
    for name in placed:
        moments = section_moments(recovered, anatomy, slabs[name], compact_mineral_g_cm3)
        if moments is not None:
            values[f"{name}_bone_area_mm2"] = moments.area_mm2
            values[f"{name}_inertia_mm4"] = moments.inertia_mm4
            values[f"{name}_section_modulus_mm3"] = moments.modulus_mm3
    return values


def _moment_sd(moments: Mapping[str, float]) -> dict[str, float]:
    return {
        name: value * cv
        for name, value in moments.items()
        for quantity, cv in MOMENT_CV.items()
        if name.endswith(quantity)
    }


def _not_fitted(fit: SectionFit | None) -> QualityFinding:
    why = (
        "the one-third region holds too little bone"
        if fit is None
        else f"the misfit is {100 * fit.residual:.0f} % of the profile's height, "
        f"at most {100 * LARGEST_RESIDUAL:.0f} % is accepted"
    )
    return QualityFinding(
        "morphometry_not_measured",
        Severity.ERROR,
        f"Cortical thickness and shaft diameter are absent: no section fits the shaft's profile ({why}).",
    )


def _wrist_hidden() -> QualityFinding:
    return QualityFinding(
        "wrist_shape_not_measured",
        Severity.ERROR,
        "Distal width, radial inclination and ulnar variance are absent: metal overlaps the wrist, whose "
        "landmarks they need. Scan the other arm.",
    )


def _relative() -> QualityFinding:
    return QualityFinding(
        "morphometry_relative",
        Severity.WARNING,
        "Cortical thickness and shaft diameter come from uncalibrated display greys, whose curve is unknown: "
        "compare them with the same scanner and export settings only.",
    )
