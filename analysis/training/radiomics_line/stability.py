"""How far a selection of features is the same when the subjects are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.training.radiomics_line.selection import Select

FloatArray = NDArray[np.float64]
Selections = NDArray[np.bool_]
"""(draws, features)."""


def bootstrap_selections(
    select: Select, z: FloatArray, outcome: FloatArray, weight: FloatArray, *, draws: int, seed: int
) -> Selections:
    """Select features on `draws` bootstrap samples of the subjects."""
    rng = np.random.default_rng(seed)
    selections = []
    for _ in range(draws):
        drawn = rng.integers(0, len(z), len(z))
        selections.append(select(z[drawn], outcome[drawn], weight[drawn], seed) != 0)
    return np.array(selections, np.bool_)


def nogueira_index(selections: Selections) -> tuple[float, float, float]:
    """Stability with its 95 % interval; 1 is always the same set, 0 is chance. Sets may differ in size.

    Nogueira, Sechidis & Brown, J Mach Learn Res 2018;18(174):1-54. NaN if nothing or everything is selected.
    """
    chosen = selections.astype(np.float64)
    draws, features = chosen.shape
    frequency, size = chosen.mean(axis=0), chosen.sum(axis=1)
    mean_size = size.mean()
    chance = mean_size / features * (1 - mean_size / features)
    if chance == 0:
        return (float("nan"),) * 3
    index = 1 - (draws / (draws - 1) * frequency * (1 - frequency)).mean() / chance
    terms = (
        (chosen * frequency).mean(axis=1)
        - mean_size * size / features**2
        + index / 2 * (2 * mean_size * size / features**2 - size / features - mean_size / features + 1)
    ) / chance
    half = stats.norm.ppf(0.975) * np.sqrt(4 / draws**2 * ((terms - terms.mean()) ** 2).sum())
    return float(index), float(index - half), float(index + half)


def kuncheva_index(selections: Selections) -> float:
    """Mean consistency over pairs of sets of one size; NaN if sizes differ or a set is empty or full.

    Kuncheva, "A stability index for feature selection", IASTED AIA 2007.
    """
    sizes: Sequence[int] = np.unique(selections.sum(axis=1)).tolist()
    features = selections.shape[1]
    if len(sizes) != 1 or sizes[0] in (0, features):
        return float("nan")
    size = sizes[0]
    shared = [(a & b).sum() for a, b in combinations(selections, 2)]
    return float(np.mean([(s * features - size**2) / (size * (features - size)) for s in shared]))
