"""Greys of a picture brought to g/cm² by the vendor's own numbers, for relative measurements only.

A picture whose greys are linear in density becomes density by one factor: the soft tissue around the bone
has no bone mineral by the definition of DXA, so its grey is zero, and the vendor's BMD of a region over the
region's mean contrast is the factor. Two regions must agree on it; a window that clips or a grey curve
(gamma) that bends makes them disagree, and the picture stays what it is.

The vendor's BMD remains the result. Texture, density distribution, mechanics and shaft geometry are measured
on the anchored density.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.acquisition.image import RadiusImage, VendorReport
from analysis.measurement.regions import PlacedRegions
from analysis.results import REGIONS, Calibration, QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

MAXIMUM_RMS_PERCENT = 3.0
"""Root mean square residual of the regions up to which greys count as linear. On 40 simulated forearms with
linear greys it was 0.9 % in the median and 1.9 % at most (vendor precision 0.55–0.74 %, soft tissue under the
bone, 8 bits), with a grey curve of exponent 0.8 it was 3.6 % at least. Exponents between 0.9 and 1.1 cannot
be told from linear greys."""
MAXIMUM_RESIDUAL_PERCENT = 5.0
"""Residual of the worst region up to which greys count as linear."""
MAXIMUM_CLIPPED = 0.01
"""Share of a region's pixels at the radius's brightest grey above which the display's window has clipped
it."""

PLACEMENT = 0.015
"""Relative standard deviation of a region's BMD between the vendor's placement and ours (assumption)."""
SOFT_TISSUE_G_CM2 = 0.01
"""Standard deviation of the soft-tissue level under the bone: what the surface below misses on simulated
forearms."""

BESIDE_BONE_MM = 2.0
SKIN = 0.4
"""Fraction of the soft tissue's own grey below which a pixel is air."""
SHAFT_MM = 15.0
"""Soft tissue is read proximal of this distance from the ulnar styloid: farther out lie carpal bones."""
FEWEST_PX = 200
_ROUNDS = 6
_HUBER = 1.345


@dataclass(frozen=True, slots=True, eq=False)
class VendorAnchor:
    """The scale ``density = slope · grey + intercept`` of one picture.

    Attributes
    ----------
    slope : float
        g/cm² per unit of display grey (0–1), > 0.
    intercept : float
        g/cm² at grey 0; the mean over the radius, for soft tissue differs along and across the forearm.
    covariance : ndarray of float64, (2, 2)
        Of slope and intercept.
    residual_percent : mapping of region name to float
        Density by the scale over the vendor's BMD, less 1.
    """

    slope: float
    intercept: float
    covariance: FloatArray
    residual_percent: Mapping[str, float]

    @property
    def rms_percent(self) -> float:
        """Root mean square of the residuals."""
        return math.sqrt(float(np.mean(np.square(list(self.residual_percent.values())))))


def anchored_image(
    image: RadiusImage, anatomy: ForearmAnatomy, placed: PlacedRegions
) -> tuple[RadiusImage, VendorAnchor | None, tuple[QualityFinding, ...]]:
    """The picture in g/cm² if the vendor's numbers allow it, else the picture as it was.

    Returns
    -------
    image : RadiusImage
        With ``density`` True and calibration ``vendor_anchor``; soft tissue is zero in it.
    anchor : VendorAnchor or None
    findings : tuple of QualityFinding
        ``anchored_to_vendor`` with the fit, or ``anchoring_refused`` with the reason; none for a calibrated
        picture or one without vendor numbers.
    """
    if image.density or image.vendor is None:
        return image, None, ()
    fitted = _fitted(image.pixels, image.vendor, anatomy, placed)
    if isinstance(fitted, str):
        return image, None, (_refused(fitted),)
    anchor, flat = fitted
    worst = max(map(abs, anchor.residual_percent.values()))
    if anchor.rms_percent > MAXIMUM_RMS_PERCENT or worst > MAXIMUM_RESIDUAL_PERCENT:
        return image, None, (_refused(f"the greys are not linear in density: {_shown(anchor)}"),)
    density = (anchor.slope * flat).astype(np.float32)
    anchored = replace(image, pixels=density, density=True, calibration=Calibration.VENDOR_ANCHOR)
    return anchored, anchor, (_anchored(anchor),)


def fit_anchor(
    contrast: Mapping[str, float], bmd_g_cm2: Mapping[str, float], soft_tissue_grey: float
) -> VendorAnchor:
    """Weighted least squares of the vendor's BMD on the contrast of its regions, through zero.

    One parameter, so that two regions leave one degree of freedom. Weights are the inverse variances of BMD:
    placement of the regions and level of the soft tissue. The slope's variance is scaled up by the residuals
    where they exceed these.

    Parameters
    ----------
    contrast : mapping of region name to float
        Mean grey above the soft tissue, > 0.
    bmd_g_cm2 : mapping of region name to float
        The vendor's, for the same regions.
    soft_tissue_grey : float
        Mean grey of the soft tissue over the radius.
    """
    names = list(contrast)
    x = np.array([contrast[name] for name in names])
    y = np.array([bmd_g_cm2[name] for name in names])
    weight = 1.0 / (np.square(PLACEMENT * y) + SOFT_TISSUE_G_CM2**2)
    information = float(weight @ np.square(x))
    slope = float(weight @ (x * y)) / information
    chi_square = float(weight @ np.square(y - slope * x)) / (len(names) - 1)
    variance = max(1.0, chi_square) / information
    cross = -soft_tissue_grey * variance
    covariance = np.array([[variance, cross], [cross, soft_tissue_grey**2 * variance + SOFT_TISSUE_G_CM2**2]])
    residuals = dict(zip(names, (100 * (slope * x / y - 1)).tolist(), strict=True))
    return VendorAnchor(slope, -slope * soft_tissue_grey, covariance, residuals)


def soft_tissue_level(pixels: NDArray[np.float32], anatomy: ForearmAnatomy) -> FloatArray | None:
    """Grey that the soft tissue alone would have, under the bones too.

    A surface, quadratic across and linear along the forearm, through all soft tissue beside the shafts, by
    Huber's robust least squares: a forearm is thickest in the middle and grows towards the elbow, and the
    level must bridge both bones and the gap between them.

    Returns
    -------
    ndarray of float64, (rows, columns), or None
        ``None`` if fewer than `FEWEST_PX` pixels of soft tissue are seen.
    """
    row_mm, column_mm = anatomy.frame.spacing_mm
    bones = anatomy.radius_mask | anatomy.ulna_mask
    bone_mm = ndimage.distance_transform_edt(~(bones | anatomy.metal_mask), sampling=(row_mm, column_mm))
    across, along = anatomy.frame.of_pixels((pixels.shape[0], pixels.shape[1]))
    beside = (bone_mm > BESIDE_BONE_MM) & (along > SHAFT_MM)
    near = beside & (bone_mm < 2 * BESIDE_BONE_MM)
    if np.count_nonzero(near) < FEWEST_PX:
        return None
    air = float(np.percentile(pixels, 2))
    tissue = pixels > air + SKIN * (float(np.median(pixels[near])) - air)
    inside = ndimage.binary_erosion(tissue, iterations=max(1, round(BESIDE_BONE_MM / column_mm)))
    seen = beside & inside
    if np.count_nonzero(seen) < FEWEST_PX:
        return None
    # about the middle of the bones and in units of the forearm's size: a well conditioned fit
    side, far = (across - float(np.median(across[bones]))) / 30.0, along / 50.0
    terms = np.stack([np.ones_like(side), side, side**2, far, far * side, far * side**2], axis=-1)
    return np.asarray(terms @ _robust_fit(terms[seen], pixels[seen].astype(np.float64)))


def _fitted(
    pixels: NDArray[np.float32], vendor: VendorReport, anatomy: ForearmAnatomy, placed: PlacedRegions
) -> tuple[VendorAnchor, NDArray[np.float32]] | str:
    """The fit and the picture without its soft tissue, or the reason why there is none."""
    printed = _printed(vendor, anatomy, placed)
    if len(printed) < 2:
        return "BMD of fewer than two regions is both printed and placed clear of metal"
    clipped = [name for name in printed if _is_clipped(pixels, anatomy, placed.masks[name])]
    if clipped:
        names = ", ".join(name.replace("_", "-") for name in clipped)
        return f"the display's window clips the bone in {names}"
    soft_tissue = soft_tissue_level(pixels, anatomy)
    if soft_tissue is None:
        return "too little soft tissue is seen beside the bones"
    flat = (pixels - soft_tissue).astype(np.float32)
    contrast = {name: float(flat[placed.masks[name]].mean(dtype=np.float64)) for name in printed}
    if min(contrast.values()) <= 0:
        return "a region is no brighter than the soft tissue around it"
    return fit_anchor(contrast, printed, float(soft_tissue[anatomy.radius_mask].mean())), flat


def _robust_fit(terms: FloatArray, values: FloatArray) -> FloatArray:
    """Huber's M-estimate by iteratively reweighted least squares."""
    weight: FloatArray = np.ones(len(values))
    solution: FloatArray = np.zeros(terms.shape[1])
    for _ in range(_ROUNDS):
        solution = np.asarray(np.linalg.lstsq(terms * weight[:, None], values * weight, rcond=None)[0], float)
        off = np.abs(values - terms @ solution)
        scale = max(1.4826 * float(np.median(off)), 1e-9)
        weight = np.asarray(np.sqrt(1.0 / np.maximum(1.0, off / (_HUBER * scale))), dtype=np.float64)
    return solution


def _printed(vendor: VendorReport, anatomy: ForearmAnatomy, placed: PlacedRegions) -> dict[str, float]:
    """The vendor's BMD of regions that we have placed and no metal touches; the total only where it tells of
    a part that was not printed."""
    found = {
        name: bmd
        for name in REGIONS
        if name in placed.masks
        and not (placed.masks[name] & anatomy.metal_mask).any()
        and (region := vendor.regions.get(name)) is not None
        and (bmd := region.bmd_g_cm2) is not None
    }
    if all(name in found for name in REGIONS[:3]):
        found.pop("total", None)
    return found


def _is_clipped(pixels: NDArray[np.float32], anatomy: ForearmAnatomy, region: NDArray[np.bool_]) -> bool:
    brightest = float(pixels[anatomy.radius_mask & ~anatomy.metal_mask].max())
    at_top = np.count_nonzero(pixels[region] >= brightest - 0.5 / 255)
    return bool(at_top > MAXIMUM_CLIPPED * np.count_nonzero(region))


def _shown(anchor: VendorAnchor) -> str:
    parts = ", ".join(
        f"{name.replace('_', '-')} {value:+.1f} %" for name, value in anchor.residual_percent.items()
    )
    return f"residuals {parts} (RMS {anchor.rms_percent:.1f} %)"


def _anchored(anchor: VendorAnchor) -> QualityFinding:
    slope_sd, intercept_sd = np.sqrt(np.diag(anchor.covariance))
    correlation = anchor.covariance[0, 1] / (slope_sd * intercept_sd)
    return QualityFinding(
        "anchored_to_vendor",
        Severity.INFO,
        "Texture, density distribution, mechanics and shaft geometry use greys scaled by the vendor's BMD of "
        f"{len(anchor.residual_percent)} regions: {anchor.slope:.3f} ± {slope_sd:.3f} g/cm² per full scale "
        f"of grey, {anchor.intercept:.3f} ± {intercept_sd:.3f} g/cm² at grey 0 (correlation "
        f"{correlation:.2f}), {_shown(anchor)}. BMD stays the vendor's.",
    )


def _refused(why: str) -> QualityFinding:
    return QualityFinding(
        "anchoring_refused",
        Severity.INFO,
        f"The picture's greys were not scaled to g/cm² by the vendor's numbers: {why}. Measurements on greys "
        "are relative; compare them on one device only.",
    )
