"""Gaps are filled by what is to be expected, and the hazard is averaged over what they leave open."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.risk.hazard import Hazard, cumulative_incidence
from analysis.risk.missing import complete, expected_log_relative

CORRELATION = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 1.0]])
NAN = float("nan")


def hazard(*terms: tuple[int, ...], coefficients: list[float]) -> Hazard:
    return Hazard(terms, np.array(coefficients), np.log([0.01, 10.0]), np.array([-4.0, 1.0]))


def test_a_gap_is_filled_by_regression_on_what_is_known() -> None:
    filled = complete(np.array([[2.0, NAN, 0.0], [2.0, NAN, NAN], [1.0, 2.0, 3.0]]), CORRELATION)
    weights = np.linalg.solve(CORRELATION[np.ix_([0, 2], [0, 2])], CORRELATION[[0, 2], 1])
    assert filled.values[0, 1] == pytest.approx(2.0 * weights[0], abs=1e-5)
    assert filled.values[1, 1] == pytest.approx(1.2, abs=1e-5)
    np.testing.assert_array_equal(filled.values[2], [1.0, 2.0, 3.0])
    slope = np.tile([0.0, 1.0, 0.0], (3, 1))
    np.testing.assert_allclose(
        filled.variance(slope), [1 - weights @ CORRELATION[[0, 2], 1], 1 - 0.36, 0.0], atol=1e-5
    )


def test_the_hazard_is_the_mean_over_what_is_unknown() -> None:
    """Checked by drawing the unknown features many times."""
    risk = hazard((0,), (1,), (2,), coefficients=[0.3, 0.5, -0.4])
    filled = complete(np.array([[1.5, NAN, NAN]]), CORRELATION)
    rng = np.random.default_rng(0)
    gap = filled.gaps[0]
    drawn = np.tile(filled.values, (200_000, 1))
    drawn[:, gap.features] += rng.multivariate_normal(np.zeros(2), gap.covariance, len(drawn))
    expected = np.log(np.exp(risk.log_relative(drawn)).mean())
    assert expected_log_relative(risk, filled)[0] == pytest.approx(expected, abs=0.01)


def test_the_square_of_an_unknown_feature_counts_its_variance() -> None:
    risk = hazard((1, 1), coefficients=[0.02])
    filled = complete(np.array([[NAN, NAN, NAN]]), CORRELATION)
    assert expected_log_relative(risk, filled)[0] == pytest.approx(0.0, abs=1e-3)


def test_incidence_and_death_share_out_the_population() -> None:
    years = np.linspace(0, 10, 21)
    fracture, death = 0.03 * years, 0.05 * years
    incidence = cumulative_incidence(fracture, death)
    np.testing.assert_allclose(incidence, 0.03 / 0.08 * -np.expm1(-0.08 * years), atol=1e-12)
    assert cumulative_incidence(fracture, np.zeros(21))[-1] == pytest.approx(-np.expm1(-0.3))
    np.testing.assert_array_equal(cumulative_incidence(np.zeros(21), death), 0.0)
