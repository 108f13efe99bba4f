"""A trabecular network with a planted period: a three-dimensional tile of plates and rods."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

TILE = 128
"""Voxels along each side of the periodic tile."""
VOXELS_PER_PERIOD = 6
BANDWIDTH = 0.12
"""Relative half width of the shell of wave numbers: narrow enough to call its middle the period."""
LEVELS_PER_SD = 40
"""Steps of the stored field per standard deviation."""


@lru_cache(maxsize=4)
def trabecular_tile(seed: int) -> NDArray[np.int8]:
    """A Gaussian random field whose wave numbers lie on a shell; cut at a level it is a network.

    The level cut of such a field is a bicontinuous structure of one dominant period, as in spinodal
    decomposition (Cahn 1965), at low volume fractions a net of rods. Where the cut is made sets the volume
    fraction: ``field > Φ⁻¹(1 − BV/TV)``.

    Returns
    -------
    ndarray of int8, (128, 128, 128)
        Field in units of 1/`LEVELS_PER_SD` standard deviations, periodic, `VOXELS_PER_PERIOD` voxels per
        period.
    """
    rng = np.random.default_rng([seed, 11])
    number = fft.fftfreq(TILE).astype(np.float32)
    length = np.sqrt(
        number[:, None, None] ** 2 + number[None, :, None] ** 2 + fft.rfftfreq(TILE)[None, None, :] ** 2
    )
    shell = np.abs(length * VOXELS_PER_PERIOD - 1) < BANDWIDTH
    spectrum = np.zeros(shell.shape, np.complex64)
    count = int(np.count_nonzero(shell))
    real, imaginary = rng.standard_normal((2, count), dtype=np.float32)
    spectrum[shell] = real + 1j * imaginary
    field = fft.irfftn(spectrum, s=(TILE, TILE, TILE))
    field *= LEVELS_PER_SD / field.std()
    return np.asarray(np.clip(np.round(field), -127, 127), np.int8)
