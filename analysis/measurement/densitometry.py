"""BMD, BMC, area and scores of the radius regions, by pixels where calibrated, else by the vendor's
numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage, VendorRegion
from analysis.measurement.edge_recovery import Content
from analysis.measurement.reference import ReferenceCurve
from analysis.quality_control.devices import Devices
from analysis.results import (
    REGIONS,
    BmdSource,
    QualityFinding,
    RegionMeasurement,
    Severity,
)

Mask = NDArray[np.bool_]

AREA_TOLERANCE = 0.15
"""Relative difference between our area and the vendor's above which a region is remarked on (assumption: two
analyses of one scan place a region's ends and edges to within a few millimetres)."""

PRECISION_CV_PERCENT: Mapping[str, float] = {"ultradistal": 0.74, "mid": 0.58, "one_third": 0.55}
"""Short-term precision of forearm DXA with repositioning: Hologic QDR-1000, 100 women ("Measurement of
forearm bone mineral density in normal women by dual-energy X-ray absorptiometry"). None is known for
total."""

MAXIMUM_T_DISCORDANCE = 4.0
"""Ultradistal and one-third T-scores further apart than this suggest a scan in the wrong orientation
(ISCD DXA atlas, forearm errors: a swap of the two regions shifts T by more than 4 SD)."""


def measure_regions(
    image: RadiusImage,
    region_masks: Mapping[str, Mask],
    reference: ReferenceCurve,
    age_years: float | None,
    sex: str | None,
    *,
    contents: Mapping[str, Content] | None = None,
    precision: Mapping[str, float] = PRECISION_CV_PERCENT,
) -> tuple[dict[str, RegionMeasurement], tuple[QualityFinding, ...]]:
    """Densitometry of the radius regions.

    A calibrated image is measured on its pixels. Where the vendor printed numbers for an image of grey values
    these are taken over with the vendor's own scores: its reference belongs to its device, ours does not.
    Without either, BMD is absent.

    Parameters
    ----------
    image : RadiusImage
    region_masks : Mapping[str, ndarray of bool, (rows, columns)]
        Placed regions on the grid of ``image.pixels``; ``total`` may be left out, it is the union of the
        others.
    reference : ReferenceCurve
        For T and Z of BMD measured on pixels.
    age_years, sex
        Of the patient, for Z and for a T-score by sex; ``None`` if unknown.
    contents : Mapping[str, Content], optional
        Mineral and area by outline, from `analysis.measurement.edge_recovery.region_contents`; without them
        the pixels of the masks count.
    precision : Mapping[str, float]
        From `precision_cv_percent`.

    Returns
    -------
    regions : dict[str, RegionMeasurement]
        One per name in `REGIONS`; polygons are left empty.
    findings : tuple of QualityFinding
        A reason for every number that is absent although its region was placed, and plausibility remarks.
    """
    masks = _with_total(region_masks)
    regions = {name: RegionMeasurement() for name in REGIONS}
    findings: list[QualityFinding] = []
    for name, mask in masks.items():
        if image.density:
            content = contents.get(name) if contents else None
            plain = measured_region(image, mask, name, content, precision)
            regions[name] = scored(plain, name, reference, age_years=age_years, sex=sex)
        elif image.vendor is None:
            regions[name] = RegionMeasurement(area_cm2=_area_cm2(image, mask))
    if image.vendor is not None:
        if not image.density:
            regions |= {name: region.measurement() for name, region in image.vendor.regions.items()}
        findings.extend(_area_findings(image, masks, image.vendor.regions))
    findings.extend(_absence_findings(image, masks, regions, age_years, sex))
    findings.extend(order_findings(regions))
    return regions, tuple(findings)


def precision_cv_percent(device: str, devices: Devices) -> Mapping[str, float]:
    """Precision by region: the site's own study of the device, else the published one of the technique."""
    own = {name: found for name in REGIONS if (found := devices.precision(device, name)) is not None}
    return {**PRECISION_CV_PERCENT, **{name: found.rms_cv_percent for name, found in own.items()}}


def measured_region(
    image: RadiusImage,
    mask: Mask,
    name: str,
    content: Content | None = None,
    precision: Mapping[str, float] = PRECISION_CV_PERCENT,
) -> RegionMeasurement:
    """BMD, BMC and area of one region of a calibrated image, without scores."""
    if content is None:
        bmd, area = _mean(image.pixels, mask), _area_cm2(image, mask)
        bmc = bmd * area if area is not None else None
    else:
        bmd, area, bmc = content.bmc_g / content.area_cm2, content.area_cm2, content.bmc_g
    # total is made of the others: not more precise than the least precise of them is a safe assumption
    precision_cv = precision.get(name, max(precision.values()))
    return RegionMeasurement(
        bmd_g_cm2=bmd,
        bmd_source=BmdSource.PIXELS,
        bmd_uncertainty_g_cm2=bmd_uncertainty(image.pixels, mask, precision_cv),
        bmc_g=bmc,
        area_cm2=area,
    )


def scored(
    region: RegionMeasurement,
    name: str,
    reference: ReferenceCurve,
    *,
    age_years: float | None,
    sex: str | None,
    bone: str = "radius",
) -> RegionMeasurement:
    """The region with the T- and Z-scores that the reference can give it."""
    if region.bmd_g_cm2 is None:
        return region
    t_score = reference.t_score(name, region.bmd_g_cm2, sex, bone)
    z_score = reference.z_score(name, region.bmd_g_cm2, age_years, sex, bone)
    known = t_score is not None or z_score is not None
    return replace(region, t_score=t_score, z_score=z_score, score_source=BmdSource.PIXELS if known else None)


def bmd_uncertainty(density: NDArray[np.float32], mask: Mask, precision_cv_percent: float) -> float | None:
    """One standard deviation of a region's mean BMD.

    Three parts in quadrature:

    - pixel noise: standard error of the mean, from the noise SD by Immerkær's Laplacian estimator (Computer
      Vision and Image Understanding 1996;64:300-302) inside the region;
    - outline: known to one pixel, uniformly (SD 1/√12 pixel), times the change of mean BMD per pixel,
      measured by eroding and dilating the mask by one pixel;
    - what one image cannot show: repositioning and smooth soft-tissue errors, as the precision of the
      technique (`precision_cv_percent`). On a phantom scanned 30 times these smooth errors were ten times
      the pixel noise.

    Returns
    -------
    float or None
        g/cm²; ``None`` if the region is too small to tell (no pixel with all its neighbours inside).
    """
    from scipy import ndimage

    core = ndimage.binary_erosion(mask, np.ones((3, 3)))
    if not core.any():
        return None
    inner, outer = ndimage.binary_erosion(mask), ndimage.binary_dilation(mask)
    laplacian = ndimage.convolve(density.astype(np.float64), _LAPLACIAN_DIFFERENCE, mode="nearest")
    noise_sd = math.sqrt(math.pi / 2) * float(np.abs(laplacian[core]).mean()) / 6
    noise = noise_sd / math.sqrt(np.count_nonzero(mask))
    outline = (_mean(density, outer) - _mean(density, inner)) / 2 / math.sqrt(12)
    return math.hypot(noise, outline, _mean(density, mask) * precision_cv_percent / 100)


def order_findings(regions: Mapping[str, RegionMeasurement]) -> list[QualityFinding]:
    """``region_order_implausible`` where ultradistal and one-third radius contradict each other."""
    distal, shaft = regions["ultradistal"], regions["one_third"]
    inverted = (
        distal.bmd_g_cm2 is not None and shaft.bmd_g_cm2 is not None and distal.bmd_g_cm2 > shaft.bmd_g_cm2
    )
    discordant = (
        distal.t_score is not None
        and shaft.t_score is not None
        and abs(distal.t_score - shaft.t_score) > MAXIMUM_T_DISCORDANCE
    )
    if not inverted and not discordant:
        return []
    return [
        QualityFinding(
            "region_order_implausible",
            Severity.WARNING,
            "Ultradistal and one-third radius contradict each other (BMD or T-score): the arm may have "
            "been scanned in the wrong mode or turned around; check the scan.",
        )
    ]


_LAPLACIAN_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)


def _with_total(region_masks: Mapping[str, Mask]) -> dict[str, Mask]:
    masks = {name: mask for name, mask in region_masks.items() if mask.any()}
    if "total" not in masks and all(name in masks for name in REGIONS[:3]):
        masks["total"] = masks[REGIONS[0]] | masks[REGIONS[1]] | masks[REGIONS[2]]
    return masks


def _mean(density: NDArray[np.float32], mask: Mask) -> float:
    return float(density[mask].mean(dtype=np.float64))


def _area_cm2(image: RadiusImage, mask: Mask) -> float | None:
    if image.spacing_mm is None:
        return None
    return float(np.count_nonzero(mask)) * image.spacing_mm[0] * image.spacing_mm[1] / 100


def _area_findings(
    image: RadiusImage, masks: Mapping[str, Mask], vendor: Mapping[str, VendorRegion]
) -> list[QualityFinding]:
    findings = []
    for name, region in vendor.items():
        ours = _area_cm2(image, masks[name]) if name in masks else None
        if ours is None or region.area_cm2 is None:
            continue
        if abs(ours / region.area_cm2 - 1) > AREA_TOLERANCE:
            findings.append(
                QualityFinding(
                    "area_differs_from_vendor",
                    Severity.WARNING,
                    f"The {_shown(name)} region drawn on the image covers {ours:.2f} cm², the vendor's "
                    f"{region.area_cm2:.2f} cm²: the outline shown is not the vendor's region.",
                )
            )
    return findings


def _absence_findings(
    image: RadiusImage,
    masks: Mapping[str, Mask],
    regions: Mapping[str, RegionMeasurement],
    age_years: float | None,
    sex: str | None,
) -> list[QualityFinding]:
    """One finding per kind of absent number, naming the regions."""
    findings = []
    without_bmd = [name for name in masks if regions[name].bmd_g_cm2 is None]
    if without_bmd:
        code, why = (
            ("region_not_reported", "the vendor's results do not list it")
            if image.vendor is not None
            else ("bmd_uncalibrated", "the image carries neither a density map nor the vendor's results")
        )
        findings.append(_absent(code, "BMD", without_bmd, why, Severity.ERROR))
    measured = [name for name in REGIONS if regions[name].bmd_g_cm2 is not None]
    whose = "the reference" if image.density else "the vendor's results"
    without_t = [name for name in measured if regions[name].t_score is None]
    if without_t:
        why = (
            f"{whose} has no young-adult value for it and this sex" if image.density else f"{whose} give none"
        )
        findings.append(_absent("t_score_unavailable", "T-score", without_t, why, Severity.INFO))
    without_z = [name for name in measured if regions[name].z_score is None]
    if without_z:
        known = age_years is not None and sex is not None
        why = f"{whose} has no curve for this age and sex" if known else "age or sex is unknown"
        why = why if image.density else f"{whose} give none"
        findings.append(_absent("z_score_unavailable", "Z-score", without_z, why, Severity.INFO))
    return findings


def _absent(code: str, quantity: str, names: list[str], why: str, severity: Severity) -> QualityFinding:
    return QualityFinding(
        code, severity, f"{quantity} of {', '.join(_shown(name) for name in names)} is absent: {why}."
    )


def _shown(name: str) -> str:
    return name.replace("_", "-")
