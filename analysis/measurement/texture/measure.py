"""Texture of the ultradistal radius: which families are measured, and none of their features missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from analysis.config import TextureEngine, TextureFamily
from analysis.errors import AnalysisError
from analysis.measurement.texture import radiomic_classes, reference_engine
from analysis.measurement.texture.core_set import CORE
from analysis.measurement.texture.families import EXPECTED, family_of
from analysis.measurement.texture.filters import laplacian_of_gaussian_images, wavelet_images
from analysis.measurement.texture.fractal import fractal_features
from analysis.measurement.texture.local_patterns import pattern_features
from analysis.measurement.texture.patch import GRID_MM, Patch, resampled_patch
from analysis.measurement.texture.variogram import SMALLEST_REGION_PX, variogram_features
from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import ForearmAnatomy

BIN_WIDTH_G_CM2 = 0.025
"""Grey-level width for calibrated density: 10–25 levels over an ultradistal region (fixed bin size of
IBSI)."""
BIN_WIDTH_RELATIVE = 0.04
"""The same for display greys scaled to 0–1."""

Features = dict[str, float]


@dataclass(frozen=True, slots=True)
class Texture:
    """Features by name and remarks."""

    values: Mapping[str, float | None]
    findings: tuple[QualityFinding, ...]


def measure_texture(
    pixels: NDArray[np.float32],
    density: bool,
    anatomy: ForearmAnatomy,
    mask: NDArray[np.bool_] | None,
    *,
    families: Iterable[TextureFamily] = ("core",),
    engine: TextureEngine = "numba",
) -> Texture:
    """Measure the texture of one region.

    Parameters
    ----------
    pixels : ndarray of float32, (rows, columns)
        Areal density (g/cm²) if `density`, else display grey 0–1.
    mask : ndarray of bool, (rows, columns), or None
        The ultradistal region; None if it was not placed, then nothing is measured.
    families : iterable of str
        What is measured. The variogram family is always there: risk models read it.
    engine : {"numba", "pyradiomics"}
        Who computes the IBSI classes.

    Raises
    ------
    AnalysisError
        If a family has another number of features than `families.EXPECTED`: a filter that was skipped.
    """
    if mask is None:
        return Texture({}, ())
    patch = resampled_patch(pixels, mask, anatomy)
    if patch.mask.sum() < SMALLEST_REGION_PX:
        return Texture({}, (_too_small(int(patch.mask.sum())),))
    wanted: set[TextureFamily] = {"variogram", *families}
    values = family_features(
        patch, wanted, bin_width=BIN_WIDTH_G_CM2 if density else BIN_WIDTH_RELATIVE, engine=engine
    )
    undefined = [name for name, value in values.items() if not math.isfinite(value)]
    remarks = [_SNR_NOTE] if density else [_SNR_NOTE, _NOT_COMPARABLE]
    if undefined:
        remarks.append(_undefined(undefined))
    return Texture(
        {name: value if math.isfinite(value) else None for name, value in values.items()}, tuple(remarks)
    )


def family_features(
    patch: Patch, families: Iterable[TextureFamily], *, bin_width: float, engine: TextureEngine = "numba"
) -> Features:
    """Compute whole families, and of the rest of the ``core`` families the core features alone.

    Raises
    ------
    AnalysisError
        See `measure_texture`.
    """
    asked = set(families)
    whole = asked - {"core"}
    chosen = CORE if "core" in asked else frozenset()
    needed = whole | {family_of(name) for name in chosen}
    values: Features = {}
    for family in sorted(needed):
        computed = _COMPUTE[family](patch, bin_width, engine)
        if len(computed) != EXPECTED[family]:
            raise AnalysisError(
                f"{len(computed)} features of the texture family {family!r} were computed where "
                f"{EXPECTED[family]} are expected; install the pinned versions or report this image"
            )
        values |= computed if family in whole else {n: v for n, v in computed.items() if n in chosen}
    return values


def warm_up() -> None:
    """Load compiled kernels and the filters' libraries, so that the first study does not wait for them."""
    import pywt  # type: ignore[import-untyped]  # noqa: F401
    import SimpleITK  # noqa: F401  # imported only: its threads would not survive a fork
    import skimage.feature  # noqa: F401

    values = np.arange(16.0).reshape(4, 4)
    radiomic_classes.intensity_features(values, values >= 0, bin_width=4.0, pixel_mm=GRID_MM)


def _original(patch: Patch, bin_width: float, engine: TextureEngine) -> Features:
    module = _ENGINES[engine]
    values = module.intensity_features(patch.smooth, patch.mask, bin_width=bin_width, pixel_mm=GRID_MM)
    values |= module.shape2d_features(patch.mask, pixel_mm=GRID_MM)
    return {f"original_{name}": value for name, value in values.items()}


def _filtered(
    images: Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]],
) -> Callable[[Patch, float, TextureEngine], Features]:
    def compute(patch: Patch, bin_width: float, engine: TextureEngine) -> Features:
        measure = _ENGINES[engine].intensity_features
        return {
            f"{image}_{name}": value
            for image, values in images(patch.smooth).items()
            for name, value in measure(values, patch.mask, bin_width=bin_width, pixel_mm=GRID_MM).items()
        }

    return compute


_ENGINES = {"numba": radiomic_classes, "pyradiomics": reference_engine}

_COMPUTE: Mapping[TextureFamily, Callable[[Patch, float, TextureEngine], Features]] = MappingProxyType(
    {
        "original": _original,
        "log": _filtered(laplacian_of_gaussian_images),
        "wavelet": _filtered(wavelet_images),
        "lbp": lambda patch, _width, _engine: pattern_features(patch.smooth, patch.mask),
        "fractal": lambda patch, _width, _engine: fractal_features(patch.smooth, patch.mask),
        "variogram": lambda patch, _width, _engine: variogram_features(
            patch.values, patch.smooth, patch.mask
        ),
    }
)


_SNR_NOTE = QualityFinding(
    "texture_depends_on_noise",
    Severity.INFO,
    "Texture features follow dose, soft tissue and reconstruction: compare them on one scanner only, "
    "together "
    "with variogram_snr.",
)
_NOT_COMPARABLE = QualityFinding(
    "texture_not_comparable",
    Severity.WARNING,
    "Texture was computed on uncalibrated 8-bit display greys: it is not comparable with other images.",
)


def _too_small(size: int) -> QualityFinding:
    return QualityFinding(
        "texture_not_measured",
        Severity.ERROR,
        f"The ultradistal region has {size} pixels of {GRID_MM} mm; texture needs {SMALLEST_REGION_PX}.",
    )


def _undefined(names: list[str]) -> QualityFinding:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return QualityFinding(
        "texture_undefined",
        Severity.WARNING,
        f"{len(names)} texture features are undefined for this region ({shown}) and left out.",
    )
