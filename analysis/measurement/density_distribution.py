"""How mineral is spread within a region: histogram, gradients, entropy, cortical and trabecular parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.acquisition.image import RadiusImage
from analysis.measurement.catalogue import Quantity, catalogue
from analysis.measurement.densitometry import PRECISION_CV_PERCENT
from analysis.measurement.edge_recovery import without_soft_tissue
from analysis.measurement.regions import PARTS, PlacedRegions
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

RIM_MM = 0.5
"""Pixels nearer to the outline are left out: blur mixes them with soft tissue (assumption)."""
PERCENTILES = (5, 25, 50, 75, 95)
HIGH_DENSITY_G_CM2: Mapping[str, float] = {"ultradistal": 0.501, "mid": 0.628, "one_third": 0.754}
"""Density counted as high: the young-adult mean of the region plus one SD (ISCD DXA Atlas: 0.443 + 0.058 and
0.694 + 0.060 g/cm²); for mid, where none is published, the middle of the two (assumption)."""
ENTROPY_BIN_G_CM2 = 0.05
"""Bin width of the histogram whose entropy is taken (assumption), from zero, the same for every patient."""
GRADIENT_SCALE_MM = 0.8
"""Standard deviation of the Gaussian whose derivative gives the transverse gradient (assumption)."""
SHELL_MM, CORE_MM = 2.0, 3.0
"""At the ultradistal radius the projected wall lies less than `SHELL_MM` inside the outline, and beyond
`CORE_MM` only front and back wall cover the spongiosa (assumption: a cortex of 1 mm, blurred by 0.4 mm)."""
PROFILE_BINS = 40
TROUGH_WITHIN = 0.4
"""Part of the half width in whose middle the medullary trough is sought."""
PLACEMENT_SD_MM = 0.3
"""Standard deviation of a region's place along the forearm (assumption, of the order of the styloid's error
on simulated forearms)."""
OUTLINE_SD_MM = 0.1
"""Standard deviation of the outline (assumption, a quarter of a pixel)."""
FEWEST_PX = 50

_REGION_TEXT = {"ultradistal": "ultradistal radius", "mid": "mid radius", "one_third": "one-third radius"}
_IBSI = "Image Biomarker Standardisation Initiative, reference manual, intensity-based statistics"
_COMMON: tuple[tuple[str, str, str, str], ...] = (
    ("mean_g_cm2", "g/cm2", "mean density inside the rim", _IBSI),
    ("sd_g_cm2", "g/cm2", "standard deviation of density", _IBSI),
    ("skewness_1", "1", "skewness of density", _IBSI),
    ("kurtosis_1", "1", "excess kurtosis of density", _IBSI),
    *((f"p{p:02d}_g_cm2", "g/cm2", f"{p}th percentile of density", _IBSI) for p in PERCENTILES),
    (
        "high_density_fraction_1",
        "1",
        "share of the area above the region's high density",
        "iscd.org/dxaatlas",
    ),
    ("entropy_bit", "bit", "Shannon entropy of the density histogram, bins of 0.05 g/cm2", "assumption"),
    (
        "axial_gradient_g_cm2_mm",
        "g/cm2/mm",
        "slope of density along the forearm, towards elbow",
        "assumption",
    ),
    ("transverse_gradient_g_cm2_mm", "g/cm2/mm", "mean absolute slope of density across", "assumption"),
)
_SPLIT: Mapping[str, tuple[tuple[str, str, str, str], ...]] = {
    "ultradistal": (
        ("shell_g_cm2", "g/cm2", "mean density between 0.5 and 2 mm inside the outline (wall)", "assumption"),
        ("core_g_cm2", "g/cm2", "mean density more than 3 mm inside (trabecular core)", "assumption"),
        ("shell_to_core_1", "1", "density of the wall over that of the core", "assumption"),
    ),
    "one_third": (
        ("cortical_peak_g_cm2", "g/cm2", "mean of the profile's two cortical peaks", "assumption"),
        ("medullary_trough_g_cm2", "g/cm2", "lowest density of the profile between them", "assumption"),
        ("trough_to_peak_1", "1", "trough over peak", "assumption"),
    ),
}

CATALOGUE: Mapping[str, Quantity] = catalogue(
    Quantity(f"{region}_{name}", unit, f"{_REGION_TEXT[region]}: {description}", source)
    for region in PARTS
    for name, unit, description, source in (*_COMMON, *_SPLIT.get(region, ()))
)
"""Every quantity that can appear, by name ``REGION_QUANTITY_UNIT``."""


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Values by the names of `CATALOGUE`, and one standard deviation of each in the same unit."""

    values: Mapping[str, float | None]
    uncertainty: Mapping[str, float]


def measure_distribution(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    spoiled: frozenset[str] = frozenset(),
    precision: Mapping[str, float] = PRECISION_CV_PERCENT,
) -> Distribution:
    """Describe how density is spread within every region of the radius.

    Parameters
    ----------
    image : RadiusImage
        Only areal density counts: a display's grey curve would bend every quantity. Otherwise nothing is
        measured.
    spoiled : frozenset of str
        Regions that an artefact overlaps; they are left out.
    precision : Mapping[str, float]
        From `analysis.measurement.densitometry.precision_cv_percent`.

    Notes
    -----
    The soft-tissue offset is subtracted; mineral that blur carried out of the bone is not put back, since
    that would distort the rim. The uncertainty is how far a value moves when the region slides along the
    forearm by `PLACEMENT_SD_MM` and the outline moves by `OUTLINE_SD_MM`, and for densities the
    precision of the technique, in quadrature.
    """
    if not image.density or image.spacing_mm is None:
        return Distribution({}, {})
    field = _field(image.pixels, anatomy, image.spacing_mm)
    values: dict[str, float | None] = {}
    uncertainty: dict[str, float] = {}
    for region in PARTS:
        if region not in placed.slabs or region in spoiled:
            continue
        slab = placed.slabs[region]
        found = _described(field, region, slab, RIM_MM)
        values |= {f"{region}_{name}": value for name, value in found.items()}
        spread = _spread(partial(_described, field, region), slab)
        for name, sd in spread.items():
            again = abs(found[name] or 0.0) * precision[region] / 100
            is_density = CATALOGUE[f"{region}_{name}"].unit == "g/cm2"
            uncertainty[f"{region}_{name}"] = math.hypot(sd, again) if is_density else sd
    return Distribution(values, uncertainty)


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """What is known of every pixel of the radius, as flat arrays."""

    density: FloatArray
    along: FloatArray
    depth: FloatArray
    """Distance (mm) from the bone's outline inwards; a region's ends are no outline."""
    position: FloatArray
    """Place across the bone, −1 and 1 at its edges."""
    slope: FloatArray
    """Derivative of density across the forearm, g/cm² per mm."""


def _field(pixels: NDArray[np.float32], anatomy: ForearmAnatomy, spacing_mm: tuple[float, float]) -> _Field:
    density = without_soft_tissue(pixels, anatomy, spacing_mm).astype(np.float64)
    bone = anatomy.radius_mask
    across, along = anatomy.frame.of_pixels((bone.shape[0], bone.shape[1]))
    scale = (GRADIENT_SCALE_MM / spacing_mm[0], GRADIENT_SCALE_MM / spacing_mm[1])
    by_row = ndimage.gaussian_filter(density, scale, order=(1, 0)) / spacing_mm[0]
    by_column = ndimage.gaussian_filter(density, scale, order=(0, 1)) / spacing_mm[1]
    dx, dy = anatomy.frame.direction
    depth = ndimage.distance_transform_edt(bone, sampling=spacing_mm)
    return _Field(
        density=density[bone],
        along=along[bone],
        depth=np.asarray(depth[bone], np.float64) - min(spacing_mm) / 2,
        position=_position(across[bone], along[bone]),
        slope=(by_column * dy - by_row * dx)[bone],
    )


def _position(across: FloatArray, along: FloatArray) -> FloatArray:
    """−1 at the bone's one edge, 1 at the other, by the extent of the bone per millimetre along it."""
    step = np.floor(along - along.min()).astype(np.intp)
    low, high = np.full(step.max() + 1, np.inf), np.full(step.max() + 1, -np.inf)
    np.minimum.at(low, step, across)
    np.maximum.at(high, step, across)
    half = np.maximum((high - low)[step] / 2, 1e-6)
    return np.asarray((across - (low + high)[step] / 2) / half)


def _described(
    field: _Field, region: str, slab: tuple[float, float], rim_mm: float
) -> dict[str, float | None]:
    within = (field.along >= slab[0]) & (field.along < slab[1])
    inside = within & (field.depth >= rim_mm)
    if np.count_nonzero(inside) < FEWEST_PX:
        return {name: None for name, *_ in (*_COMMON, *_SPLIT.get(region, ()))}
    found: dict[str, float | None] = dict(_histogram(field.density[inside], region))
    found["axial_gradient_g_cm2_mm"] = _slope(field.along[inside], field.density[inside])
    found["transverse_gradient_g_cm2_mm"] = float(np.abs(field.slope[inside]).mean())
    if region == "ultradistal":
        found |= _shell_and_core(field, inside, rim_mm - RIM_MM)
    elif region == "one_third":
        found |= _peaks_and_trough(field, within)
    return found


def _histogram(density: FloatArray, region: str) -> dict[str, float]:
    mean, sd = float(density.mean()), float(density.std())
    # a flat region has no shape: IBSI sets its skewness and kurtosis to zero
    scaled = (density - mean) / sd if sd > 1e-9 else np.zeros_like(density)
    bins = np.floor(density / ENTROPY_BIN_G_CM2).astype(np.intp)
    share = np.unique(bins, return_counts=True)[1] / density.size
    percentiles = np.percentile(density, PERCENTILES)
    return {
        "mean_g_cm2": mean,
        "sd_g_cm2": sd,
        "skewness_1": float((scaled**3).mean()),
        "kurtosis_1": float((scaled**4).mean() - 3.0) if sd > 1e-9 else 0.0,
        **{f"p{p:02d}_g_cm2": float(value) for p, value in zip(PERCENTILES, percentiles, strict=True)},
        "high_density_fraction_1": float((density > HIGH_DENSITY_G_CM2[region]).mean()),
        "entropy_bit": float(-(share * np.log2(share)).sum()),
    }


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Slope of the least-squares line."""
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))


def _shell_and_core(field: _Field, inside: NDArray[np.bool_], outward_mm: float) -> dict[str, float | None]:
    shell = field.density[inside & (field.depth < SHELL_MM + outward_mm)]
    core = field.density[inside & (field.depth >= CORE_MM + outward_mm)]
    if min(shell.size, core.size) < FEWEST_PX:
        return {name: None for name, *_ in _SPLIT["ultradistal"]}
    wall, inner = float(shell.mean()), float(core.mean())
    ratio = wall / inner if inner > 0 else None
    return {"shell_g_cm2": wall, "core_g_cm2": inner, "shell_to_core_1": ratio}


def _peaks_and_trough(field: _Field, within: NDArray[np.bool_]) -> dict[str, float | None]:
    """Peaks and trough of the mean profile across the shaft."""
    position, density = field.position[within], field.density[within]
    index = np.clip(((position + 1) / 2 * PROFILE_BINS).astype(np.intp), 0, PROFILE_BINS - 1)
    count = np.bincount(index, minlength=PROFILE_BINS)
    # a shaft parallel to the pixel columns leaves bins empty
    filled = np.flatnonzero(count)
    mean = np.bincount(index, density, PROFILE_BINS)[filled] / count[filled]
    profile = ndimage.gaussian_filter1d(np.interp(np.arange(PROFILE_BINS), filled, mean), 1.0)
    centre = np.abs(np.arange(PROFILE_BINS) + 0.5 - PROFILE_BINS / 2) < TROUGH_WITHIN * PROFILE_BINS / 2
    half = PROFILE_BINS // 2
    peak = float(profile[:half].max() + profile[half:].max()) / 2
    trough = float(profile[centre].min())
    return {
        "cortical_peak_g_cm2": peak,
        "medullary_trough_g_cm2": trough,
        "trough_to_peak_1": trough / peak if peak > 0 else None,
    }


def _spread(
    describe: Callable[[tuple[float, float], float], Mapping[str, float | None]], slab: tuple[float, float]
) -> dict[str, float]:
    """Standard deviation of every value under errors of placement and outline."""
    shift = PLACEMENT_SD_MM
    pairs = (
        [describe((slab[0] + move, slab[1] + move), RIM_MM) for move in (-shift, shift)],
        [describe(slab, RIM_MM + move) for move in (-OUTLINE_SD_MM, OUTLINE_SD_MM)],
    )
    squares: dict[str, float] = {}
    for low, high in pairs:
        for name, first in low.items():
            second = high[name]
            if first is not None and second is not None:
                squares[name] = squares.get(name, 0.0) + ((second - first) / 2) ** 2
    return {name: square**0.5 for name, square in squares.items()}
