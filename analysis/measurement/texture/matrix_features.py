"""Features of texture matrices, compiled; names and order are pyradiomics'.

Formulas: IBSI reference manual (arXiv:1612.07003) §3.6–3.11 in the form pyradiomics 3.0.1 gives them. Where
IBSI takes ``0·log 0 = 0``, pyradiomics adds the machine epsilon to the argument; so do we, for equal digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.texture.compiled import compiled
from analysis.measurement.texture.families import names

Array = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)

GLCM = names(
    "Autocorrelation ClusterProminence ClusterShade ClusterTendency Contrast Correlation DifferenceAverage "
    "DifferenceEntropy DifferenceVariance Id Idm Idmn Idn Imc1 Imc2 InverseVariance JointAverage JointEnergy "
    "JointEntropy MaximumProbability SumAverage SumEntropy SumSquares"
)
"""Without MCC, which needs eigenvalues: `largest_correlation`."""

EMPHASIS = names(
    "small large level_nonuniformity level_nonuniformity_normalised size_nonuniformity "
    "size_nonuniformity_normalised percentage level_variance size_variance entropy low_level high_level "
    "small_low small_high large_low large_high"
)
"""What `emphasis_features` gives; `radiomic_classes` names it per matrix."""

NGTDM = names("Busyness Coarseness Complexity Contrast Strength")

FLAT_COARSENESS = 1e6
"""What pyradiomics calls the coarseness of a region without any difference; IBSI leaves it open."""


@compiled
def cooccurrence_features(counts: Array) -> Array:
    """`GLCM` features of symmetric counts (4, Ng, Ng), averaged over the directions that hold pairs.

    NaN where no direction does.
    """
    total, used = np.zeros(23), 0
    for direction in range(counts.shape[0]):
        pairs = counts[direction].sum()
        if pairs > 0:
            total += _of_one_direction(counts[direction] / pairs)
            used += 1
    return total / used if used else np.full(23, np.nan)


@compiled
def _of_one_direction(p: Array) -> Array:
    n = p.shape[0]
    sums, differences, margin = np.zeros(2 * n - 1), np.zeros(n), np.zeros(n)
    mean = 0.0
    for i in range(n):
        for j in range(n):
            sums[i + j] += p[i, j]
            differences[abs(i - j)] += p[i, j]
            margin[i] += p[i, j]
        mean += (i + 1) * margin[i]
    f = np.zeros(23)
    variance = covariance = conditional = independent = 0.0
    for i in range(n):
        if margin[i] == 0:
            continue
        variance += margin[i] * (i + 1 - mean) ** 2
        for j in range(n):
            if margin[j] == 0:
                continue
            both = margin[i] * margin[j]
            log_both = np.log2(both + EPSILON)
            independent -= both * log_both
            value = p[i, j]
            if value == 0:
                continue
            conditional -= value * log_both
            spread = i + j + 2 - 2 * mean
            f[0] += value * (i + 1) * (j + 1)
            f[1] += value * spread**4
            f[2] += value * spread**3
            f[3] += value * spread**2
            f[4] += value * (i - j) ** 2
            covariance += value * (i + 1 - mean) * (j + 1 - mean)
            f[17] += value**2
            f[18] -= value * np.log2(value + EPSILON)
            f[19] = max(f[19], value)
    f[5] = covariance / (variance + EPSILON) if variance > 0 else 1.0
    entropy = _entropy(margin)
    f[13] = (f[18] - conditional) / entropy if entropy != 0 else 0.0
    f[14] = np.sqrt(max(1 - np.exp(-2 * (independent - f[18])), 0.0))
    for k in range(n):
        d = differences[k]
        f[6] += k * d
        f[9] += d / (1 + k)
        f[10] += d / (1 + k**2)
        f[11] += d / (1 + k**2 / n**2)
        f[12] += d / (1 + k / n)
        if k > 0:
            f[15] += d / k**2
    f[7] = _entropy(differences)
    for k in range(n):
        f[8] += differences[k] * (k - f[6]) ** 2
    f[16] = mean
    for k in range(2 * n - 1):
        f[20] += (k + 2) * sums[k]
    f[21] = _entropy(sums)
    f[22] = variance
    return f


@compiled
def _entropy(p: Array) -> float:
    total = 0.0
    for value in p:
        if value > 0:
            total -= value * np.log2(value + EPSILON)
    return total


def largest_correlation(counts: Array, present: NDArray[np.bool_]) -> float:
    """Maximal correlation coefficient (MCC) of counts (4, Ng, Ng), averaged over directions; not in IBSI.

    The second singular value of ``p / sqrt(px·py)``. It is 0 for a direction that holds one level only, and
    by pyradiomics' convention 1 for a region of one level.

    Parameters
    ----------
    present : ndarray of bool, (Ng,)
        Which levels the region holds, be it in pixels without neighbours.
    """
    if present.sum() < 2:
        return 1.0
    pairs = counts.sum(axis=(1, 2))
    if not pairs.any():
        return float("nan")
    p = counts[pairs > 0][:, present][:, :, present] / pairs[pairs > 0][:, None, None]
    margin = p.sum(axis=1)
    weight = np.divide(1.0, np.sqrt(margin), out=np.zeros_like(margin), where=margin > 0)
    scaled = p * weight[:, :, None] * weight[:, None, :]
    return float(np.sort(np.abs(np.linalg.eigvalsh(scaled)), axis=1)[:, -2].mean())


@compiled
def emphasis_features(counts: Array) -> Array:
    """Sixteen features of counts by grey level and size (Ng, sizes 1, 2, ...): runs, zones or dependences.

    In the order of `EMPHASIS`; NaN without counts.
    """
    levels, sizes = counts.shape
    total = counts.sum()
    if total == 0:
        return np.full(16, np.nan)
    f, by_size = np.zeros(16), np.zeros(sizes)
    pixels = mean_level = mean_size = 0.0
    for i in range(levels):
        of_level, g = 0.0, float((i + 1) ** 2)
        for j in range(sizes):
            n = counts[i, j]
            if n == 0:
                continue
            s = float((j + 1) ** 2)
            of_level += n
            by_size[j] += n
            f[9] -= n / total * np.log2(n / total + EPSILON)
            f[12] += n / (g * s)
            f[13] += n * g / s
            f[14] += n * s / g
            f[15] += n * s * g
        f[2] += of_level**2
        f[10] += of_level / g
        f[11] += of_level * g
        mean_level += of_level * (i + 1) / total
    for j in range(sizes):
        f[0] += by_size[j] / (j + 1) ** 2
        f[1] += by_size[j] * (j + 1) ** 2
        f[4] += by_size[j] ** 2
        mean_size += by_size[j] * (j + 1) / total
    for i in range(levels):
        f[7] += counts[i].sum() / total * (i + 1 - mean_level) ** 2
    for j in range(sizes):
        f[8] += by_size[j] / total * (j + 1 - mean_size) ** 2
    pixels = mean_size * total
    f[3], f[5], f[6] = f[2] / total**2, f[4] / total**2, total / pixels
    for k in (0, 1, 2, 4, 10, 11, 12, 13, 14, 15):
        f[k] /= total
    return f


@compiled
def run_features(counts: Array) -> Array:
    """`emphasis_features` of runs (4, Ng, lengths), averaged over the directions that hold any."""
    total, used = np.zeros(16), 0
    for direction in range(counts.shape[0]):
        if counts[direction].sum() > 0:
            total += emphasis_features(counts[direction])
            used += 1
    return total / used if used else np.full(16, np.nan)


@compiled
def difference_features(differences: Array) -> Array:
    """`NGTDM` features of pixels and summed differences by level (Ng, 2)."""
    pixels, summed = differences[:, 0].sum(), differences[:, 1].sum()
    levels = len(differences)
    weighted = spread = contrast = complexity = strength = 0.0
    present = 0
    for i in range(levels):
        p_i = differences[i, 0] / pixels
        if p_i == 0:
            continue
        present += 1
        weighted += p_i * differences[i, 1]
        for j in range(levels):
            p_j = differences[j, 0] / pixels
            if p_j == 0:
                continue
            gap = abs(i - j)
            spread += abs((i + 1) * p_i - (j + 1) * p_j)
            contrast += p_i * p_j * gap**2
            complexity += gap * (p_i * differences[i, 1] + p_j * differences[j, 1]) / (p_i + p_j)
            strength += (p_i + p_j) * gap**2
    busyness = weighted / spread if spread > 0 else 0.0
    coarseness = 1 / weighted if weighted > 0 else FLAT_COARSENESS
    contrast = contrast * summed / pixels / (present * (present - 1)) if present > 1 else 0.0
    return np.array(
        [
            busyness,
            coarseness,
            complexity / pixels,
            contrast,
            strength / summed if summed > 0 else 0.0,
        ]
    )
