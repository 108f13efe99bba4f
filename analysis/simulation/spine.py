"""A lumbar spine scan, which a forearm node must decline: simple vertebrae, enough to look like a spine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SPACING_MM = (0.7, 0.7)
_ROWS, _COLUMNS = 260, 170


def spine_density(seed: int) -> NDArray[np.float32]:
    """Areal density (g/cm²) of an AP lumbar spine, T12 to iliac crests; (rows, columns) of `SPACING_MM`."""
    rng = np.random.default_rng([seed, 4])
    row_mm = SPACING_MM[0] * (np.arange(_ROWS, dtype=np.float64) + 0.5)[:, None]
    column_mm = SPACING_MM[1] * (np.arange(_COLUMNS, dtype=np.float64) + 0.5 - _COLUMNS / 2)[None, :]
    density = np.zeros((_ROWS, _COLUMNS))
    top = 6.0
    for level in range(6):
        height, half_width = 25.0 + 1.2 * level, 19.5 + 1.5 * level
        density += _vertebra(row_mm - top, column_mm, height, half_width)
        top += height + 6.5
    crest = 150 - 0.02 * (np.abs(column_mm) - 66) ** 2
    density += 0.75 / (1 + np.exp(-(row_mm - crest) / 1.5)) * (np.abs(column_mm) > 36)
    speckle = ndimage.gaussian_filter(rng.standard_normal(density.shape), 0.8)
    noise = 0.03 * rng.standard_normal(density.shape)
    return np.asarray(ndimage.gaussian_filter(density * (1 + 0.2 * speckle), 0.8) + noise, dtype=np.float32)


def _vertebra(
    depth: NDArray[np.float64], across: NDArray[np.float64], height: float, half_width: float
) -> NDArray[np.float64]:
    """Waisted body, end plates, pedicles and processes; `depth` is measured from the upper plate."""
    inside = (depth > 0) & (depth < height)
    waist = half_width - 3.0 * np.sin(np.pi * np.clip(depth / height, 0, 1))
    body = inside * np.clip((waist - np.abs(across)) / 1.5 + 0.5, 0, 1)
    plates = np.exp(-((depth / 1.2) ** 2)) + np.exp(-(((height - depth) / 1.2) ** 2))
    density = body * (0.72 + 0.35 * plates)
    for side in (-1, 1):
        pedicle = np.hypot((across - side * 0.62 * half_width) / 4, (depth - 0.35 * height) / 6.5)
        density += 0.35 * np.exp(-((pedicle - 0.8) ** 2) / 0.08)
        process = np.hypot((across - side * 1.35 * half_width) / 13, (depth - 0.42 * height) / 4.0)
        density += 0.3 * (process < 1) * (body < 0.5)
    spinous = np.hypot(across / 3.2, (depth - 0.85 * height) / 8.5)
    return density + 0.4 * (spinous < 1)
