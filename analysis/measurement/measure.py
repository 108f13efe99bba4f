"""All measurements of one forearm image whose regions have been placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.acquisition.image import RadiusImage
from analysis.measurement.densitometry import measure_regions
from analysis.measurement.edge_recovery import recovered_density
from analysis.measurement.morphometry import measure_morphometry
from analysis.measurement.reference import ReferenceCurve
from analysis.measurement.regions import PlacedRegions
from analysis.measurement.texture import measure_texture
from analysis.results import QualityFinding, RegionMeasurement, Severity
from analysis.segmentation.anatomy import ForearmAnatomy

TEXTURE_REGION = "ultradistal"
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
    regions, density_findings = measure_regions(
        _with_edges_recovered(image, anatomy), clean, reference, age_years, sex
    )
    for name in spoiled:
        regions[name] = RegionMeasurement()
    for name, polygon in placed.polygons.items():
        regions[name] = replace(regions[name], polygon=polygon)
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


def _with_edges_recovered(image: RadiusImage, anatomy: ForearmAnatomy) -> RadiusImage:
    if not image.density or image.spacing_mm is None:
        return image
    return replace(image, pixels=recovered_density(image.pixels, anatomy, image.spacing_mm))


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
