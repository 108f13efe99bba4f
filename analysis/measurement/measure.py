"""All measurements of one forearm image whose regions have been placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.anchoring import anchored_image
from analysis.acquisition.image import RadiusImage
from analysis.config import MechanicsAssumptions, TextureEngine, TextureFamily
from analysis.measurement.bones import measure_bones
from analysis.measurement.densitometry import precision_cv_percent
from analysis.measurement.density_distribution import measure_distribution
from analysis.measurement.mechanics import Mechanics, measure_mechanics
from analysis.measurement.morphometry import measure_morphometry
from analysis.measurement.reference import ReferenceCurve
from analysis.measurement.regions import PlacedRegions
from analysis.measurement.texture import measure_texture
from analysis.quality_control.devices import NO_DEVICES, Devices
from analysis.results import BmdSource, QualityFinding, RegionMeasurement, Severity
from analysis.segmentation.anatomy import ForearmAnatomy

TEXTURE_REGION = "ultradistal"
RING_TOLERANCE = 0.03
"""Relative difference of one-third BMD by mean and by section model above which the outline is doubtful: a
pixel of edge moves the mean by 3 %, the model by nothing; on sound outlines of both simulated families they
agree to 1 %."""
LARGEST_RING_DIFFERENCE = 0.05
"""The same above which neither is a measurement and the number is withheld: simulated scans under a cast,
jewellery or motion differ by up to 2.3 % while BMD is right to 3 %, and by 6 to 12 % where another limb over
the shaft has spoilt it by 7 to 23 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What was measured; polygons are on the grid of ``RadiusImage.pixels``."""

    regions: Mapping[str, RegionMeasurement]
    other_bones: Mapping[str, Mapping[str, RegionMeasurement]]
    morphometry: Mapping[str, float | None]
    texture: Mapping[str, float | None]
    findings: tuple[QualityFinding, ...]
    density_distribution: Mapping[str, float | None] = field(default_factory=dict)
    mechanics: Mapping[str, float | None] = field(default_factory=dict)
    uncertainty: Mapping[str, float] = field(default_factory=dict)
    """One SD of a value, by its name and in its unit."""
    strain_map: NDArray[np.float32] | None = None


def measure(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    reference: ReferenceCurve,
    *,
    age_years: float | None,
    sex: str | None,
    texture_families: Sequence[TextureFamily] = ("core",),
    texture_engine: TextureEngine = "numba",
    weight_kg: float | None = None,
    mechanics: MechanicsAssumptions | None = None,
    devices: Devices = NO_DEVICES,
) -> Measurements:
    """Measure density, shaft geometry, texture and mechanics.

    Regions that metal or another artefact overlaps keep their outline and lose their numbers
    (``artefact_metal``, ``artefact_overlay``).

    Parameters
    ----------
    texture_families, texture_engine
        See `analysis.measurement.texture.measure_texture`.
    weight_kg : float or None
        Body mass, which the mechanical model's load follows.
    mechanics : MechanicsAssumptions or None
        None leaves the mechanical model out.
    devices : Devices
        The site's own precision of this scanner, which uncertainties then hold.
    """
    precision = precision_cv_percent(image.device, devices)
    density = measure_bones(
        image, anatomy, placed, reference, age_years=age_years, sex=sex, precision=precision
    )
    spoiled = density.spoiled
    clean = {name: mask for name, mask in placed.masks.items() if name not in spoiled}
    # BMD is the vendor's where it printed one; all else may use greys that its numbers have brought to g/cm²
    relative, _, anchoring = anchored_image(image, anatomy, placed)
    material = mechanics or MechanicsAssumptions()
    morphometry = measure_morphometry(
        relative,
        anatomy,
        {name: slab for name, slab in placed.slabs.items() if name not in spoiled},
        material.compact_mineral_g_cm3,
    )
    texture = measure_texture(
        relative.pixels,
        relative.density,
        anatomy,
        clean.get(TEXTURE_REGION),
        families=texture_families,
        engine=texture_engine,
    )
    compared = _ring_findings(density.radius["one_third"], morphometry.values)
    if any(finding.severity is Severity.ERROR for finding in compared):
        density = density.withholding(("one_third", "total"))
    distribution = measure_distribution(relative, anatomy, placed, density.spoiled, precision)
    deformed = _deformed(
        relative, anatomy, placed.slabs, density.radius, weight_kg=weight_kg, assumptions=mechanics
    )
    return Measurements(
        regions=density.radius,
        other_bones=density.others,
        morphometry=morphometry.values,
        texture=texture.values,
        findings=(
            *_metal_findings(anatomy, placed, spoiled),
            *density.findings,
            *anchoring,
            *morphometry.findings,
            *compared,
            *texture.findings,
            *deformed.findings,
        ),
        density_distribution=distribution.values,
        mechanics=deformed.values,
        uncertainty={**morphometry.uncertainty, **distribution.uncertainty, **deformed.uncertainty},
        strain_map=deformed.strain_map,
    )


def _deformed(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    slabs: Mapping[str, tuple[float, float]],
    regions: Mapping[str, RegionMeasurement],
    *,
    weight_kg: float | None,
    assumptions: MechanicsAssumptions | None,
) -> Mechanics:
    """The mechanical model, where density is known and no metal stiffens it."""
    if assumptions is None or not image.density or image.spacing_mm is None:
        return Mechanics({}, {}, None, ())
    density_cv = {
        name: region.bmd_uncertainty_g_cm2 / region.bmd_g_cm2
        for name, region in regions.items()
        if region.bmd_g_cm2 and region.bmd_uncertainty_g_cm2 is not None
    }
    touched = (anatomy.radius_mask & anatomy.metal_mask).any()
    return measure_mechanics(
        image.pixels,
        anatomy,
        {} if touched else slabs,
        density_cv=density_cv,
        weight_kg=weight_kg,
        assumptions=assumptions,
    )


def _metal_findings(
    anatomy: ForearmAnatomy, placed: PlacedRegions, spoiled: frozenset[str]
) -> tuple[QualityFinding, ...]:
    """What lies over the radius, by what it is, and which regions it costs."""
    metal = {name for name in spoiled if (placed.masks[name] & anatomy.metal_mask).any()}
    overlay = anatomy.artefact_mask is not None and bool(anatomy.artefact_mask[anatomy.radius_mask].any())
    findings = []
    for code, what, seen, names in (
        ("artefact_metal", "Metal", bool(anatomy.metal_mask.any()), metal),
        ("artefact_overlay", "A cast, jewellery or another limb", overlay, spoiled - metal),
    ):
        if names:
            text = (
                f"{what} overlaps the radius in {', '.join(sorted(names))}: the numbers of these regions are "
            )
            text += "withheld. Remove it and repeat the scan, or scan the other arm."
            findings.append(QualityFinding(code, Severity.ERROR, text))
        elif seen and not spoiled:
            text = f"{what} lies in the image but over no region of the radius; the numbers stand."
            findings.append(QualityFinding(code, Severity.WARNING, text))
    return tuple(findings)


def _ring_findings(
    region: RegionMeasurement, morphometry: Mapping[str, float | None]
) -> tuple[QualityFinding, ...]:
    """What the two estimates of one-third BMD say of each other; an error withholds the number.

    A vendor's own number is never withheld: it does not rest on this outline.
    """
    ring = morphometry["ring_model_bmd_g_cm2"]
    if ring is None or region.bmd_g_cm2 is None or abs(ring / region.bmd_g_cm2 - 1) <= RING_TOLERANCE:
        return ()
    text = (
        f"One-third BMD is {region.bmd_g_cm2:.3f} g/cm² as mean over the outline and {ring:.3f} g/cm² by the "
        "ring model of the shaft"
    )
    ours = region.bmd_source is BmdSource.PIXELS
    if ours and abs(ring / region.bmd_g_cm2 - 1) > LARGEST_RING_DIFFERENCE:
        severity = Severity.ERROR
        text += (
            f", more than {100 * LARGEST_RING_DIFFERENCE:.0f} % apart: the one-third and total regions are "
            "withheld. Look for what lies over the shaft or moved it, remove it, and repeat the scan."
        )
    else:
        severity = Severity.WARNING
        text += ": check the outline."
    return (QualityFinding("one_third_estimates_differ", severity, text),)
