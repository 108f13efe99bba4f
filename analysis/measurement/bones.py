"""Densitometry of radius, ulna and both together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.acquisition.image import RadiusImage
from analysis.measurement.densitometry import (
    PRECISION_CV_PERCENT,
    measure_regions,
    measured_region,
    scored,
)
from analysis.measurement.edge_recovery import recovered_density, region_contents
from analysis.measurement.reference import ReferenceCurve
from analysis.measurement.regions import PlacedRegions, place_regions
from analysis.results import REGIONS, BmdSource, Polygon, QualityFinding, RegionMeasurement, Severity
from analysis.segmentation.anatomy import ForearmAnatomy
from analysis.segmentation.outline import area

Regions = Mapping[str, RegionMeasurement]

BOTH = "both"
"""Radius and ulna together, as densitometers that report the forearm as a whole do."""


@dataclass(frozen=True, slots=True, eq=False)
class Densitometry:
    """Regions of the radius, of the other bones (``ulna``, ``both``), and remarks.

    `spoiled` names the radius's regions whose numbers are withheld.
    """

    radius: Regions
    others: Mapping[str, Regions]
    spoiled: frozenset[str]
    findings: tuple[QualityFinding, ...]

    def withholding(self, names: Iterable[str]) -> Densitometry:
        """The same without the numbers of some of the radius's regions, nor of both bones there."""
        chosen = frozenset(names)

        def emptied(regions: Regions) -> Regions:
            return {
                name: RegionMeasurement(polygon=region.polygon) if name in chosen else region
                for name, region in regions.items()
            }

        others = {bone: emptied(r) if bone == BOTH else r for bone, r in self.others.items()}
        return replace(self, radius=emptied(self.radius), others=others, spoiled=self.spoiled | chosen)


def measure_bones(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    reference: ReferenceCurve,
    *,
    age_years: float | None,
    sex: str | None,
    precision: Mapping[str, float] = PRECISION_CV_PERCENT,
) -> Densitometry:
    """Measure both bones by the convention by which the radius's regions were placed.

    Their uncertainty holds the `precision` of `analysis.measurement.densitometry.precision_cv_percent`.

    Numbers of a region that metal overlaps are withheld, for the bone concerned and for both together. The
    ulna is measured on calibrated pixels only.

    Notes
    -----
    BMC and area of both bones are sums and their BMD the quotient, as in the vendors' forearm tables. The
    uncertainty of both takes the bones' errors as fully correlated, since one placement serves both: an upper
    bound.
    """
    spoiled = _spoiled(placed, anatomy)
    clean = {name: mask for name, mask in placed.masks.items() if name not in spoiled}
    if image.density and image.spacing_mm is not None:
        recovered = recovered_density(image.pixels, anatomy, image.spacing_mm)
        contents = region_contents(recovered, anatomy, placed, image.spacing_mm)
        shown = replace(image, pixels=recovered)
        regions, findings = measure_regions(
            shown, clean, reference, age_years, sex, contents=contents, precision=precision
        )
    else:
        regions, findings = measure_regions(image, clean, reference, age_years, sex)
    for name in spoiled:
        regions[name] = RegionMeasurement()
    for name, polygon in placed.polygons.items():
        regions[name] = replace(_with_outline_area(regions[name], image, polygon), polygon=polygon)
    if not image.density or image.spacing_mm is None:
        return Densitometry(regions, {}, spoiled, findings)
    beside = place_regions(
        anatomy, image.spacing_mm, image.forearm_length_mm, bone="ulna", convention=placed.convention
    )
    ulna, ulna_spoiled = measured_bone(image, image.spacing_mm, anatomy, beside, precision)
    others = {
        bone: {
            name: scored(region, name, reference, age_years=age_years, sex=sex, bone=bone)
            for name, region in measured.items()
        }
        for bone, measured in (("ulna", ulna), (BOTH, _together(regions, ulna)))
    }
    findings = (
        *findings,
        *beside.findings,
        *_metal_findings(ulna_spoiled),
        *reference.device_findings(image.device),
        *_unscored_findings(others, reference),
    )
    return Densitometry(regions, others, spoiled, findings)


def measured_bone(
    image: RadiusImage,
    spacing_mm: tuple[float, float],
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    precision: Mapping[str, float] = PRECISION_CV_PERCENT,
) -> tuple[dict[str, RegionMeasurement], frozenset[str]]:
    """Regions of one bone on a calibrated image, without scores.

    Returns
    -------
    regions : dict[str, RegionMeasurement]
        One per name in `REGIONS`, without numbers where it was not placed or metal overlaps it.
    spoiled : frozenset of str
        Regions that metal overlaps.
    """
    recovered = replace(image, pixels=recovered_density(image.pixels, anatomy, spacing_mm, placed.bone))
    contents = region_contents(recovered.pixels, anatomy, placed, spacing_mm)
    spoiled = _spoiled(placed, anatomy)
    regions = {name: RegionMeasurement() for name in REGIONS}
    for name, mask in placed.masks.items():
        if name not in spoiled:
            regions[name] = measured_region(recovered, mask, name, contents.get(name), precision)
        regions[name] = replace(regions[name], polygon=placed.polygons[name])
    return regions, spoiled


def _spoiled(placed: PlacedRegions, anatomy: ForearmAnatomy) -> frozenset[str]:
    return frozenset(name for name, mask in placed.masks.items() if anatomy.spoils(mask))


def _with_outline_area(region: RegionMeasurement, image: RadiusImage, polygon: Polygon) -> RegionMeasurement:
    """Area by the sub-pixel outline where area is all there is; a vendor's own area stays."""
    if region.bmd_source is not None or region.area_cm2 is None or image.spacing_mm is None:
        return region
    return replace(region, area_cm2=area(np.array(polygon)) * image.spacing_mm[0] * image.spacing_mm[1] / 100)


def _together(radius: Regions, ulna: Regions) -> dict[str, RegionMeasurement]:
    return {name: _sum(radius[name], ulna[name]) for name in REGIONS}


def _sum(radius: RegionMeasurement, ulna: RegionMeasurement) -> RegionMeasurement:
    """Both bones' content over both bones' area; absent where either bone is."""
    if radius.bmc_g is None or ulna.bmc_g is None or radius.area_cm2 is None or ulna.area_cm2 is None:
        return RegionMeasurement()
    surface, content = radius.area_cm2 + ulna.area_cm2, radius.bmc_g + ulna.bmc_g
    uncertainty = None
    if radius.bmd_uncertainty_g_cm2 is not None and ulna.bmd_uncertainty_g_cm2 is not None:
        uncertainty = (
            radius.bmd_uncertainty_g_cm2 * radius.area_cm2 + ulna.bmd_uncertainty_g_cm2 * ulna.area_cm2
        ) / surface
    return RegionMeasurement(
        bmd_g_cm2=content / surface,
        bmd_source=BmdSource.PIXELS,
        bmd_uncertainty_g_cm2=uncertainty,
        bmc_g=content,
        area_cm2=surface,
    )


def _metal_findings(spoiled: frozenset[str]) -> tuple[QualityFinding, ...]:
    if not spoiled:
        return ()
    return (
        QualityFinding(
            "artefact_metal_ulna",
            Severity.WARNING,
            f"Metal or another artefact overlaps the ulna in {_listed(spoiled)}: its numbers there, and "
            "those of both bones together, are withheld. Scan the other arm.",
        ),
    )


def _unscored_findings(
    others: Mapping[str, Regions], reference: ReferenceCurve
) -> tuple[QualityFinding, ...]:
    unscored = [
        f"{bone} ({_listed(names)})"
        for bone, regions in others.items()
        if (names := [n for n, r in regions.items() if r.bmd_g_cm2 is not None and r.t_score is None])
    ]
    if not unscored:
        return ()
    return (
        QualityFinding(
            "other_bones_unscored",
            Severity.INFO,
            f"T-score of {' and '.join(unscored)} is absent: the reference {reference.identity.name} has no "
            "young-adult value for it and this sex.",
        ),
    )


def _listed(names: Iterable[str]) -> str:
    chosen = set(names)
    return ", ".join(name.replace("_", "-") for name in REGIONS if name in chosen)
