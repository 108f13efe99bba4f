"""The 93 intensity and texture features of one image over one region, and its nine shape features.

The default engine: numba kernels that give the values of pyradiomics 3.0.1 at a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.texture.families import names
from analysis.measurement.texture.first_order import first_order_features, shape_features
from analysis.measurement.texture.grey_levels import grey_levels
from analysis.measurement.texture.matrices import cooccurrence, neighbourhood, run_lengths, size_zones
from analysis.measurement.texture.matrix_features import (
    GLCM,
    NGTDM,
    cooccurrence_features,
    difference_features,
    emphasis_features,
    largest_correlation,
    run_features,
)

Array = NDArray[np.float64]

_RUN = names(
    "ShortRunEmphasis LongRunEmphasis GrayLevelNonUniformity GrayLevelNonUniformityNormalized "
    "RunLengthNonUniformity RunLengthNonUniformityNormalized RunPercentage GrayLevelVariance RunVariance "
    "RunEntropy LowGrayLevelRunEmphasis HighGrayLevelRunEmphasis ShortRunLowGrayLevelEmphasis "
    "ShortRunHighGrayLevelEmphasis LongRunLowGrayLevelEmphasis LongRunHighGrayLevelEmphasis"
)
_ZONE = names(
    "SmallAreaEmphasis LargeAreaEmphasis GrayLevelNonUniformity GrayLevelNonUniformityNormalized "
    "SizeZoneNonUniformity SizeZoneNonUniformityNormalized ZonePercentage GrayLevelVariance ZoneVariance "
    "ZoneEntropy LowGrayLevelZoneEmphasis HighGrayLevelZoneEmphasis SmallAreaLowGrayLevelEmphasis "
    "SmallAreaHighGrayLevelEmphasis LargeAreaLowGrayLevelEmphasis LargeAreaHighGrayLevelEmphasis"
)
_DEPENDENCE = names(
    "SmallDependenceEmphasis LargeDependenceEmphasis GrayLevelNonUniformity DependenceNonUniformity "
    "DependenceNonUniformityNormalized GrayLevelVariance DependenceVariance DependenceEntropy "
    "LowGrayLevelEmphasis HighGrayLevelEmphasis SmallDependenceLowGrayLevelEmphasis "
    "SmallDependenceHighGrayLevelEmphasis LargeDependenceLowGrayLevelEmphasis "
    "LargeDependenceHighGrayLevelEmphasis"
)
_OF_DEPENDENCE = [0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]
"""`emphasis_features` without the two that are constant or doubled for dependences."""


def intensity_features(
    values: Array, mask: NDArray[np.bool_], *, bin_width: float, pixel_mm: float
) -> dict[str, float]:
    """The 93 features ``CLASS_FEATURE``: 18 firstorder, 24 glcm, 16 glrlm, 16 glszm, 14 gldm, 5 ngtdm.

    Parameters
    ----------
    values : ndarray, (rows, columns)
        On a square grid.
    mask : ndarray of bool, (rows, columns)
        The region; it spans at least two rows and two columns.
    bin_width : float
        Width of a grey level, in units of `values`.
    pixel_mm : float
        Side of a pixel.

    Returns
    -------
    dict of str to float
        NaN for what is undefined, e.g. co-occurrence in a region without neighbouring pixels.
    """
    levels = grey_levels(values, mask, bin_width)
    highest = int(levels.max())
    pairs = cooccurrence(levels, highest)
    dependences, differences = neighbourhood(levels, highest)
    return {
        **_prefixed("firstorder", first_order_features(values[mask], levels, pixel_mm)),
        **_numbered("glcm", GLCM, cooccurrence_features(pairs)),
        "glcm_MCC": largest_correlation(pairs, differences[:, 0] > 0),
        **_numbered("glrlm", _RUN, run_features(run_lengths(levels, highest))),
        **_numbered("glszm", _ZONE, emphasis_features(size_zones(levels, highest))),
        **_numbered("gldm", _DEPENDENCE, emphasis_features(dependences)[_OF_DEPENDENCE]),
        **_numbered("ngtdm", NGTDM, difference_features(differences)),
    }


def shape2d_features(mask: NDArray[np.bool_], *, pixel_mm: float) -> dict[str, float]:
    """The nine features ``shape2D_FEATURE``."""
    return _prefixed("shape2D", shape_features(mask, pixel_mm))


def _prefixed(group: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{group}_{name}": value for name, value in values.items()}


def _numbered(group: str, features: Sequence[str], values: Array) -> dict[str, float]:
    return _prefixed(group, dict(zip(features, values.tolist(), strict=True)))
