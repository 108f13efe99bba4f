"""All measurements of one forearm image whose regions have been placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.acquisition.image import RadiusImage
from analysis.measurement.densitometry import measure_regions
from analysis.measurement.edge_recovery import recovered_density
from analysis.measurement.morphometry import measure_morphometry
from analysis.measurement.reference import ReferenceCurve
from analysis.measurement.regions import PlacedRegions
from analysis.measurement.texture import measure_texture
from analysis.results import BmdSource, QualityFinding, RegionMeasurement, Severity
from analysis.segmentation.anatomy import ForearmAnatomy
from analysis.segmentation.outline import area

TEXTURE_REGION = "ultradistal"
DISJOINT_REGIONS = ("ultradistal", "mid", "one_third")
RING_TOLERANCE = 0.05
"""Relative difference of one-third BMD by mean and by ring model above which edges or model are doubtful."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What was measured; polygons are on the grid of ``RadiusImage.pixels``."""

    regions: Mapping[str, RegionMeasurement]
    morphometry: Mapping[str, float | None]
    texture: Mapping[str, float | None]
    findings: tuple[QualityFinding, ...]


def measure(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    reference: ReferenceCurve,
    *,
    age_years: float | None,
    sex: str | None,
    radiomics: bool = True,
) -> Measurements:
    """Measure density, shaft geometry and texture.

    Regions that metal overlaps keep their outline and lose their numbers (``artefact_metal``).

    Parameters
    ----------
    radiomics : bool
        False leaves pyradiomics out of the texture, see `analysis.measurement.texture.measure_texture`.
    """
    spoiled = {name for name, mask in placed.masks.items() if (mask & anatomy.metal_mask).any()}
    clean = {name: mask for name, mask in placed.masks.items() if name not in spoiled}
    areas = _outline_areas(image, placed)
    regions, density_findings = measure_regions(
        _with_edges_recovered(image, anatomy, placed, areas), clean, reference, age_years, sex
    )
    for name in spoiled:
        regions[name] = RegionMeasurement()
    for name, polygon in placed.polygons.items():
        regions[name] = replace(_with_outline_area(regions[name], areas[name]), polygon=polygon)
    shaft = None if "one_third" in spoiled else image.forearm_length_mm
    morphometry = measure_morphometry(image.pixels, image.density, anatomy, image.spacing_mm, shaft)
    texture = measure_texture(
        image.pixels, image.density, anatomy, clean.get(TEXTURE_REGION), radiomics=radiomics
    )
    return Measurements(
        regions=regions,
        morphometry=morphometry.values,
        texture=texture.values,
        findings=(
            *_metal_findings(anatomy, spoiled),
            *density_findings,
            *morphometry.findings,
            *_ring_findings(regions["one_third"], morphometry.values),
            *texture.findings,
        ),
    )


def _with_edges_recovered(
    image: RadiusImage, anatomy: ForearmAnatomy, placed: PlacedRegions, areas: Mapping[str, float]
) -> RadiusImage:
    """The image whose mean over a region's pixels is that region's mineral over the area of its outline.

    A region is some 30 pixels wide and 40 long: whether an edge takes a line of pixels in or not changes its
    area and its mineral by up to 3 %. The outline knows area to a fraction of a pixel, and pixels at a
    region's ends count by the part that lies inside.
    """
    if not image.density or image.spacing_mm is None:
        return image
    density = recovered_density(image.pixels, anatomy, image.spacing_mm)
    pixel_cm2 = image.spacing_mm[0] * image.spacing_mm[1] / 100.0
    _, along = anatomy.frame.of_pixels((density.shape[0], density.shape[1]))
    dx, dy = anatomy.axis_direction
    pixel_mm = abs(dx) * image.spacing_mm[1] + abs(dy) * image.spacing_mm[0]
    measured = density.copy()
    for name in DISJOINT_REGIONS:
        if name in placed.masks:
            mask, (distal, proximal) = placed.masks[name], placed.slabs[name]
            part = np.clip(np.minimum(along - distal, proximal - along) / pixel_mm + 0.5, 0.0, 1.0)
            mineral_g = float((density * part)[anatomy.radius_mask].sum()) * pixel_cm2
            measured[mask] += np.float32(mineral_g / areas[name] - density[mask].mean(dtype=np.float64))
    return replace(image, pixels=measured)


def _with_outline_area(region: RegionMeasurement, area_cm2: float) -> RegionMeasurement:
    """Area and BMC by the sub-pixel outline; a vendor's own area stays."""
    if region.area_cm2 is None or region.bmd_source is BmdSource.VENDOR:
        return region
    bmc = None if region.bmd_g_cm2 is None else region.bmd_g_cm2 * area_cm2
    return replace(region, area_cm2=area_cm2, bmc_g=bmc)


def _outline_areas(image: RadiusImage, placed: PlacedRegions) -> dict[str, float]:
    if image.spacing_mm is None:
        return {}
    pixel_cm2 = image.spacing_mm[0] * image.spacing_mm[1] / 100.0
    return {name: area(np.array(polygon)) * pixel_cm2 for name, polygon in placed.polygons.items()}


def _metal_findings(anatomy: ForearmAnatomy, spoiled: set[str]) -> tuple[QualityFinding, ...]:
    if not anatomy.metal_mask.any():
        return ()
    if not spoiled:
        text = "Metal lies in the image but in no region of the radius; the numbers stand."
        return (QualityFinding("artefact_metal", Severity.WARNING, text),)
    names = ", ".join(sorted(spoiled))
    return (
        QualityFinding(
            "artefact_metal",
            Severity.ERROR,
            f"Metal overlaps the radius in {names}: the numbers of these regions are withheld. Scan the "
            f"other arm.",
        ),
    )


def _ring_findings(
    region: RegionMeasurement, morphometry: Mapping[str, float | None]
) -> tuple[QualityFinding, ...]:
    ring = morphometry["ring_model_bmd_g_cm2"]
    if ring is None or region.bmd_g_cm2 is None or abs(ring / region.bmd_g_cm2 - 1) <= RING_TOLERANCE:
        return ()
    return (
        QualityFinding(
            "one_third_estimates_differ",
            Severity.WARNING,
            f"One-third BMD is {region.bmd_g_cm2:.3f} g/cm² as mean over the outline and {ring:.3f} g/cm² "
            f"by the "
            "ring model of the shaft: check the outline.",
        ),
    )
