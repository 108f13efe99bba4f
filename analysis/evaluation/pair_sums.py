"""Sums over comparable pairs in O(n log n): a binary indexed (Fenwick) tree over the ranks of the score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import DEATH, FloatArray, FollowUp
from analysis.measurement.texture.compiled import compiled


def pair_sums(
    score: FloatArray, follow_up: FollowUp, first_weight: FloatArray, followed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """For each subject, the weight of its concordant and of all its pairs, as the first to fracture and as
    other.

    A pair (i, j) counts where ``first_weight[i] > 0`` and j is at risk beyond i's time, with weight
    ``first_weight[i]²``, or died before or at it, with weight ``first_weight[i] / followed[j]``.

    Returns
    -------
    own, as_other : ndarray, (subjects, 2)
        Columns: concordant (ties counting half) and all.
    """
    _, rank = np.unique(score, return_inverse=True)
    order = np.argsort(follow_up.years, kind="stable")
    _, moment = np.unique(follow_up.years, return_inverse=True)
    arguments = (
        rank.astype(np.int64),
        order.astype(np.int64),
        moment.astype(np.int64),
        follow_up.ending == DEATH,
        np.ascontiguousarray(first_weight, dtype=np.float64),
        1.0 / np.maximum(followed, 1e-12),
    )
    own, as_other = np.zeros((len(score), 2)), np.zeros((len(score), 2))
    _sum_pairs(*arguments, own, as_other)
    return own, as_other


@compiled
def _sum_pairs(  # noqa: PLR0912, PLR0917 - compiled: one loop over plain arrays
    rank: NDArray[np.int64],
    order: NDArray[np.int64],
    moment: NDArray[np.int64],
    died: NDArray[np.bool_],
    first_weight: FloatArray,
    inverse: FloatArray,
    own: FloatArray,
    as_other: FloatArray,
) -> None:
    n = len(rank)
    size = rank.max() + 1
    later, dead = np.zeros(size + 1), np.zeros(size + 1)
    for subject in range(n):
        _add(later, rank[subject], 1.0)
    linear, squared = np.zeros(size + 1), np.zeros(size + 1)
    total_linear, total_squared, total_later, total_dead = 0.0, 0.0, float(n), 0.0
    start = 0
    while start < n:
        end = start
        while end < n and moment[order[end]] == moment[order[start]]:
            end += 1
        for place in range(start, end):  # those of this time are no longer "later"
            subject = order[place]
            _add(later, rank[subject], -1.0)
            total_later -= 1.0
            if died[subject]:
                _add(dead, rank[subject], inverse[subject])
                total_dead += inverse[subject]
        for place in range(start, end):
            subject = order[place]
            weight = first_weight[subject]
            if weight > 0.0:
                below_later, below_dead = _half_below(later, rank[subject]), _half_below(dead, rank[subject])
                own[subject, 0] = weight * (weight * below_later + below_dead)
                own[subject, 1] = weight * (weight * total_later + total_dead)
        for place in range(start, end):  # as the other of pairs with earlier fractures, while at risk
            subject = order[place]
            as_other[subject, 0] = total_squared - _half_below(squared, rank[subject])
            as_other[subject, 1] = total_squared
            if died[subject]:  # pairs with later fractures: all of them less those before now
                as_other[subject, 0] -= inverse[subject] * (total_linear - _half_below(linear, rank[subject]))
                as_other[subject, 1] -= inverse[subject] * total_linear
        for place in range(start, end):
            subject = order[place]
            weight = first_weight[subject]
            if weight > 0.0:
                _add(linear, rank[subject], weight)
                _add(squared, rank[subject], weight * weight)
                total_linear += weight
                total_squared += weight * weight
        start = end
    for subject in range(n):
        if died[subject]:
            as_other[subject, 0] += inverse[subject] * (total_linear - _half_below(linear, rank[subject]))
            as_other[subject, 1] += inverse[subject] * total_linear


@compiled
def _add(tree: FloatArray, index: int, value: float) -> None:  # pragma: no cover - compiled
    place = index + 1
    while place < len(tree):
        tree[place] += value
        place += place & -place


@compiled
def _half_below(tree: FloatArray, index: int) -> float:  # pragma: no cover - compiled
    """Sum of what ranks below `index` plus half of what ranks equal."""
    return 0.5 * (_prefix(tree, index) + _prefix(tree, index + 1))


@compiled
def _prefix(tree: FloatArray, count: int) -> float:  # pragma: no cover - compiled
    total = 0.0
    place = count
    while place > 0:
        total += tree[place]
        place -= place & -place
    return total
