"""How far an explanation can be believed, in numbers.

Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): what an explanation calls important must move
the score most. Randomisation (Adebayo et al. 2018, arXiv 1810.03292): a map that does not change when the
weights are drawn anew shows the picture, not the model. Agreement and stability: ranks of two methods, or of
two scans of one person, compared by Spearman's correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
Score = Callable[[FloatArray], FloatArray]

STEPS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Scores while what raises the score most is removed first, and while it is put back first.

    Attributes
    ----------
    deletion, insertion : ndarray, (steps + 1,)
        Deletion begins with the whole input and ends with its replacement, insertion the other way round.
    """

    deletion: FloatArray
    insertion: FloatArray

    @property
    def gain(self) -> float:
        """Mean height of insertion over deletion, in the score's unit: 0 for an order without information,
        positive where what is called raising does raise."""
        return float(np.mean(self.insertion) - np.mean(self.deletion))


def curves(
    score: Score, values: FloatArray, replacement: FloatArray, importance: FloatArray, steps: int = STEPS
) -> Curves:
    """Deletion and insertion curves of one input.

    Parameters
    ----------
    score : callable
        Inputs (n, *shape) to scores (n,).
    values, replacement : ndarray, (*shape)
        Features or pixels, and what stands in for a removed one.
    importance : ndarray, (*shape)
        Signed explanation; ties keep the order of the input.
    steps : int
        At most so many equal portions; as many as there are features where they are fewer.
    """
    order = np.argsort(-importance.ravel(), kind="stable")
    steps = min(steps, order.size)
    removed = [order[: round(step * order.size / steps)] for step in range(steps + 1)]
    original, substitute = values.ravel(), replacement.ravel()
    inputs = np.empty((2 * (steps + 1), order.size))
    for step, gone in enumerate(removed):
        inputs[step] = original
        inputs[step, gone] = substitute[gone]
        inputs[steps + 1 + step] = substitute
        inputs[steps + 1 + step, gone] = original[gone]
    scores = np.asarray(score(inputs.reshape(-1, *values.shape)), np.float64)
    return Curves(scores[: steps + 1], scores[steps + 1 :])


def gain_over_chance(
    score: Score,
    values: FloatArray,
    replacement: FloatArray,
    importance: FloatArray,
    *,
    rng: np.random.Generator,
    draws: int = 10,
    block: int = 1,
) -> tuple[float, float]:
    """Gain of an explanation, and mean gain of random ones of the same grain.

    Parameters
    ----------
    block : int
        Edge in pixels of the squares in which random importance is constant, for pictures; 1 for features.
    """
    chance = [
        curves(score, values, replacement, _random_importance(values.shape, block, rng)).gain
        for _ in range(draws)
    ]
    return curves(score, values, replacement, importance).gain, float(np.mean(chance))


def rank_agreement(one: FloatArray, other: FloatArray) -> float:
    """Spearman's correlation of two explanations of the same input; 0 where one of them is constant."""
    ranks = [rankdata(np.asarray(explanation).ravel()) for explanation in (one, other)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def stability(explanations: Sequence[FloatArray]) -> float:
    """Mean rank agreement over all pairs of explanations of repeated scans of one person."""
    pairs = [rank_agreement(one, other) for one, other in combinations(explanations, 2)]
    return float(np.mean(pairs))


def _random_importance(shape: tuple[int, ...], block: int, rng: np.random.Generator) -> FloatArray:
    coarse = rng.random(tuple(-(-length // block) for length in shape))
    for axis in range(len(shape)):
        coarse = np.repeat(coarse, block, axis=axis)
    return np.asarray(coarse[tuple(slice(length) for length in shape)], np.float64)
