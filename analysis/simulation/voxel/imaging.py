"""From line integrals to a picture: non-Gaussian blur, photons, scatter, fat, line noise, grey curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from analysis.simulation.voxel.case import GreyCurve, VoxelScan

Map = NDArray[np.float32]
Array = NDArray[np.float64]

PAD_MM = 9.0
# attenuation in cm²/g of bone mineral and soft tissue at a K-edge filtered beam's two energies: assumption;
# only their contrast matters
BONE = (0.75, 0.24)
SOFT = (0.245, 0.183)
LARGEST_G_CM2 = 4.0
"""Where the detector is starved: denser things all look like this."""
FAT_SCALE_MM = 9.0


def blur(density: Map, sample_mm: tuple[float, float], scan: VoxelScan) -> Map:
    """Blur a finely sampled map by the scanner's point spread.

    The line integral is blurred, not the intensity, so mineral is kept; what would be lost at steep edges is
    taken to be calibrated away.
    """
    pad = [round(PAD_MM / side) for side in sample_mm]
    padded = np.pad(density, [(side, side) for side in pad], mode="edge")
    shape = [fft.next_fast_len(side, real=True) for side in padded.shape]
    spectrum = fft.rfft2(padded, s=shape)
    spectrum *= _transfer(
        fft.fftfreq(shape[0], sample_mm[0])[:, None], fft.rfftfreq(shape[1], sample_mm[1])[None, :], scan
    ).astype(np.float32)
    whole = fft.irfft2(spectrum, s=shape)
    return np.asarray(
        whole[pad[0] : pad[0] + density.shape[0], pad[1] : pad[1] + density.shape[1]], dtype=np.float32
    )


def line_spread_fwhm(scan: VoxelScan) -> tuple[float, float]:
    """Full width at half maximum (mm) of the line spread along rows and columns, pixel aperture included."""
    frequency = fft.rfftfreq(8192, 0.01)
    widths = []
    for axis in (0, 1):
        zero = np.zeros_like(frequency)
        along = (frequency, zero) if axis == 0 else (zero, frequency)
        spread = fft.irfft(_transfer(*along, scan) * np.sinc(frequency * scan.spacing_mm[axis]))[:2048]
        below = int(np.argmax(spread < spread[0] / 2))
        part = (spread[below - 1] - spread[0] / 2) / (spread[below - 1] - spread[below])
        widths.append(2 * 0.01 * (below - 1 + float(part)))
    return widths[0], widths[1]


def bin_down(fine: Map, factors: tuple[int, int]) -> Map:
    """Mean over the sub-pixels of every pixel: the detector's aperture."""
    rows, columns = fine.shape[0] // factors[0], fine.shape[1] // factors[1]
    return np.asarray(fine.reshape(rows, factors[0], columns, factors[1]).mean(axis=(1, 3)))


def expose(bone: Map, soft: Map, scan: VoxelScan, rng: np.random.Generator) -> Map:
    """Count photons and decompose: bone in g/cm² with noise, scatter and soft-tissue errors.

    Parameters
    ----------
    bone, soft : ndarray of float32, (rows, columns)
        Blurred areal densities on the pixel grid, g/cm².
    """
    row_mm, column_mm = scan.spacing_mm
    photons = scan.photons_per_mm2 * row_mm * column_mm
    low, high = (BONE[i] * bone.astype(np.float64) + SOFT[i] * soft for i in (0, 1))
    counts = [rng.poisson(photons * np.exp(-line)) for line in (low, high)]
    measured = [-np.log(np.maximum(count, 0.5) / photons) for count in counts]
    k = SOFT[0] / SOFT[1]
    decomposed = (measured[0] - k * measured[1]) / (BONE[0] - k * BONE[1])
    noise = decomposed - bone
    lines = rng.standard_normal((bone.shape[0], 1)) * float(np.std(noise[bone < 0.05])) * scan.line_noise
    picture = bone + noise + lines + _gradient(bone.shape, scan) + _fat(soft, scan, rng)
    return np.minimum(picture, LARGEST_G_CM2).astype(np.float32)


def display(density: Map, soft: Map, curve: GreyCurve) -> Map:
    """8-bit display greys 0–1, a little soft tissue shining through."""
    shown = (density + 0.03 * soft - curve.black_g_cm2) / (curve.white_g_cm2 - curve.black_g_cm2)
    return (np.round(255 * np.clip(shown, 0, 1) ** curve.gamma) / 255).astype(np.float32)


def _transfer(rows: Array, columns: Array, scan: VoxelScan) -> Array:
    """Optical transfer at frequencies (cycles/mm): box focal spot, exponential detector, Lorentzian tails."""
    radial = 2 * np.pi * np.hypot(rows, columns)
    spot = np.sinc(rows * scan.focal_spot_mm[0]) * np.sinc(columns * scan.focal_spot_mm[1])
    detector = (1 + (radial * scan.detector_mm) ** 2) ** -1.5
    tails = np.exp(-radial * scan.tail_mm)
    return np.asarray(spot * ((1 - scan.tail_share) * detector + scan.tail_share * tails))


def _gradient(shape: tuple[int, ...], scan: VoxelScan) -> Array:
    offset, along, across = scan.scatter_g_cm2
    v = np.linspace(-1, 1, shape[0])[:, None]
    u = np.linspace(-1, 1, shape[1])[None, :]
    return np.asarray(offset + along * v + across * u + 0.4 * along * (v**2 - 1 / 3))


def _fat(soft: Map, scan: VoxelScan, rng: np.random.Generator) -> Array:
    """Smooth errors of the two-material model, in proportion to the soft tissue present."""
    coarse = [
        max(4, int(np.ceil(side * mm / FAT_SCALE_MM)) + 3)
        for side, mm in zip(soft.shape, scan.spacing_mm, strict=True)
    ]
    knots = rng.standard_normal(coarse)
    rows = np.arange(soft.shape[0]) * scan.spacing_mm[0] / FAT_SCALE_MM + 1
    columns = np.arange(soft.shape[1]) * scan.spacing_mm[1] / FAT_SCALE_MM + 1
    field = ndimage.map_coordinates(knots, np.meshgrid(rows, columns, indexing="ij"), order=3, mode="nearest")
    return np.asarray(1.4 * scan.fat_g_cm2 * field * soft / max(float(soft.max()), 1e-6))
