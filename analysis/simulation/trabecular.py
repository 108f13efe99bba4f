"""Trabecular bone as a projected random medium.

A random two-phase solid has the autocorrelation ``φ(1−φ)·exp(−r/a)`` with ``a = 4φ(1−φ)/S`` where ``φ`` is
the bone volume fraction and ``S`` the surface per volume (Debye, Anderson & Brumberger 1957). For parallel
plates ``S = 2φ/Tb.Th`` (Parfitt 1983), hence ``a = 2(1−φ)·Tb.Th``. A chord of length ``L`` through it has
the mean ``φL`` and, by the projection-slice theorem, fluctuations with the power spectrum

    P(kx, kz) = L · φ(1−φ) · 8π·ax·ay·az / (1 + (ax·kx)² + (az·kz)²)²

Trabeculae run along the bone: ``az = anisotropy · ax`` with ``ax·ay·az = a³``. Many trabeculae lie behind
one another (about Tb.N·L ≈ 25), so the projected field is nearly Gaussian. Thus volume fraction, thickness
and number reach the picture, blurred, through one documented law.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from analysis.simulation.subject import BoneParameters

ANISOTROPY = 2.0
"""Correlation length along the bone over that across: assumption."""


def correlation_length_mm(bone: BoneParameters) -> float:
    """Debye correlation length ``a = 2(1−φ)·Tb.Th`` in mm."""
    return 2 * (1 - bone.bone_volume_fraction) * bone.trabecular_thickness_mm


def projected_fluctuation(
    bone: BoneParameters, shape: tuple[int, int], sample_mm: float, seed: int
) -> NDArray[np.float32]:
    """Fluctuation of projected bone thickness for a chord of 1 mm, in mm, averaged over square samples.

    Multiply by the square root of the chord in mm. The same seed gives the same structure at any age: only
    its spectrum follows `bone`.

    Returns
    -------
    ndarray of float32, `shape` (rows along z, columns along x)
        Zero-mean Gaussian field.
    """
    noise = np.random.default_rng([seed, 2]).standard_normal(shape, dtype=np.float32)
    rows, columns = shape
    spectrum = scipy.fft.rfft2(noise)
    spectrum *= _transfer_function(bone, rows, columns, sample_mm)
    field: NDArray[np.float32] = scipy.fft.irfft2(spectrum, s=shape)
    return field


def _transfer_function(
    bone: BoneParameters, rows: int, columns: int, sample_mm: float
) -> NDArray[np.float32]:
    """Square root of the spectrum for L = 1 mm, over the white noise's spectrum, times the sample's
    aperture."""
    fraction, length = bone.bone_volume_fraction, correlation_length_mm(bone)
    across, along = length * ANISOTROPY ** (-1 / 3), length * ANISOTROPY ** (2 / 3)
    fz = scipy.fft.fftfreq(rows, sample_mm)[:, None]
    fx = scipy.fft.rfftfreq(columns, sample_mm)[None, :]
    lorentz = 1 + (2 * np.pi * across * fx) ** 2 + (2 * np.pi * along * fz) ** 2
    amplitude = np.sqrt(fraction * (1 - fraction) * 8 * np.pi * length**3) / lorentz
    aperture = np.sinc(fx * sample_mm) * np.sinc(fz * sample_mm)
    return np.asarray(amplitude * aperture / sample_mm, dtype=np.float32)
