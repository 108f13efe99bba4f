"""Find the steps of a step phantom in its scan and read each of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]

CENTRAL = 0.6
"""Part of a step's length and width that is read; the rest is edge, blurred by the scanner."""
FOREGROUND_SD = 6.0
"""Distance from the background, in its SD, above which a pixel belongs to the phantom."""
LARGEST_SCATTER = 0.25
"""Largest scatter (SD) within a step over the smallest difference of two steps: steps must stand apart."""
SHORTEST_STEP_PX = 4
EDGE = 0.03
"""Change per pixel, over the phantom's highest value, that marks the blurred end of the phantom."""


def read_steps(pixels: NDArray[np.float32], steps: int) -> tuple[float, ...]:
    """Mean of every step of a phantom whose steps lie in a row, along rows or columns of the image.

    The phantom is the largest bright body; its profile along its longer side is cut into `steps` pieces of
    constant value so that the squared deviations are least (exactly, by dynamic programming), and the central
    part of every piece is averaged.

    Parameters
    ----------
    pixels : ndarray of float32, (rows, columns)
        Density or stored values, dense bright; one phantom on an empty background.

    Returns
    -------
    tuple of float, from the thinnest to the thickest step

    Raises
    ------
    ValueError
        If no phantom is seen, or its steps do not stand apart.
    """
    body = _body(pixels.astype(np.float64))
    if body.shape[0] < body.shape[1]:
        body = body.T
    length, width = body.shape
    if length < steps * SHORTEST_STEP_PX or width < SHORTEST_STEP_PX:
        raise ValueError(f"the phantom found is {length} × {width} pixels, too small for {steps} steps")
    margin = round(width * (1 - CENTRAL) / 2)
    strip = body[:, margin : width - margin]
    means, scatter = [], []
    profile = np.median(strip, axis=1)
    first, last = _plateaus(profile)
    for start, stop in _pieces(profile[first:last], steps):
        trim = round((stop - start) * (1 - CENTRAL) / 2)
        inside = strip[first + start + trim : first + stop - trim]
        means.append(float(inside.mean()))
        scatter.append(float(inside.std()))
    apart = float(np.diff(np.sort(means)).min())
    if max(scatter) > LARGEST_SCATTER * apart:
        raise ValueError(
            f"{steps} steps do not stand apart (closest {apart:.3g}, scatter {max(scatter):.3g}): is the "
            "number of certified densities that of the phantom's steps, all in the image?"
        )
    return tuple(sorted(means))


def _body(pixels: FloatArray) -> FloatArray:
    """The phantom's bounding box: the largest connected part that stands out of the image's border."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    level = float(np.median(border))
    noise = 1.4826 * float(np.median(np.abs(border - level)))
    spread = float(np.percentile(pixels, 99)) - level
    seen = pixels > level + max(FOREGROUND_SD * noise, 0.05 * spread)
    labels, count = ndimage.label(ndimage.binary_opening(seen, iterations=1))
    if count == 0 or spread <= 0:
        raise ValueError("no phantom stands out of the background")
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, count + 1))
    box = ndimage.find_objects(labels)[int(np.argmax(sizes))]
    return np.asarray(pixels[box])


def _plateaus(profile: FloatArray) -> tuple[int, int]:
    """Where the profile has left the blurred ends of the phantom: it no longer climbs by `EDGE` a pixel."""
    steep = np.abs(np.diff(profile)) > EDGE * (profile.max() - min(0.0, float(profile.min())))
    half = SHORTEST_STEP_PX * 2
    first = int(np.flatnonzero(steep[:half])[-1]) + 1 if steep[:half].any() else 0
    last = (
        len(profile) - 1 - int(np.flatnonzero(steep[::-1][:half])[-1])
        if steep[-half:].any()
        else len(profile)
    )
    return first, last


def _pieces(profile: FloatArray, pieces: int) -> list[tuple[int, int]]:
    """Cut a profile into pieces of constant value with the least squared deviation in all."""
    n = len(profile)
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (profile, profile**2))
    start, stop = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    size = stop - start
    valid = size >= SHORTEST_STEP_PX
    cost = np.full(size.shape, np.inf)
    total = (sums[stop] - sums[start])[valid]
    cost[valid] = (squares[stop] - squares[start])[valid] - total**2 / size[valid]
    best = cost[0]
    cuts = []
    for _ in range(pieces - 1):
        ways = best[:, None] + cost
        cuts.append(np.argmin(ways, axis=0))
        best = np.min(ways, axis=0)
    ends = [n]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1]]))
    ends.append(0)
    ends.reverse()
    return list(pairwise(ends))
