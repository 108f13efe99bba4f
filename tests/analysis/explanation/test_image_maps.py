"""What a map calls important is what the score rests on."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.explanation.grad_cam import grad_cam, mean_slopes, on_patch
from analysis.explanation.occlusion import occlusion

SHAPE = (48, 40)
PLANTED = (slice(16, 32), slice(8, 24))


def planted_score(pictures: np.ndarray) -> np.ndarray:
    """Rests on the contrast within one square, and on nothing else."""
    return np.asarray(pictures[(slice(None), *PLANTED)].std(axis=(1, 2)))


def rough_patch(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.4, 0.1, SHAPE)


def test_the_map_of_a_linear_head_adds_up_to_the_score_without_its_intercept() -> None:
    rng = np.random.default_rng(1)
    maps, slopes = rng.random((5, 6, 4)), rng.normal(size=5)
    assert grad_cam(maps, slopes).sum() == pytest.approx(slopes @ maps.mean(axis=(1, 2)))


def test_slopes_by_central_difference_are_the_derivative() -> None:
    weights = np.array([0.5, -2.0, 0.0])

    def head(means: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(means @ weights))

    means = np.array([0.3, 0.1, 0.7])
    exact = weights * (1 - np.tanh(means @ weights) ** 2)
    np.testing.assert_allclose(mean_slopes(head, means), exact, atol=1e-5)


def test_a_coarse_map_covers_the_patch_edge_to_edge() -> None:
    coarse = np.array([[0.0, 1.0], [2.0, 3.0]])
    fine = on_patch(coarse, (8, 8))
    assert fine[0, 0] == 0.0
    assert fine[-1, -1] == 3.0
    assert fine.mean() == pytest.approx(1.5)


def test_occlusion_finds_the_square_on_which_the_score_rests() -> None:
    effect = occlusion(planted_score, rough_patch(), window=8, stride=4)
    outside = np.ones(SHAPE, dtype=bool)
    outside[9:39, 1:31] = False
    assert effect[PLANTED].mean() > 0
    assert not effect[outside].any()


def test_occluding_what_lowers_the_score_is_negative() -> None:
    effect = occlusion(lambda pictures: -planted_score(pictures), rough_patch(), window=8, stride=4)
    assert effect[PLANTED].mean() < 0


def test_a_score_that_ignores_the_picture_has_an_empty_map() -> None:
    assert not occlusion(lambda pictures: np.ones(len(pictures)), rough_patch()).any()
