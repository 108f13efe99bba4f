"""How far a sample lies from its reference: laws that hold for every sample, and worked values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from analysis.surveillance.distributions import (
    Distribution,
    distribution_of,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
    stability_index,
    stability_index_by_chance,
)

SAMPLES = arrays.arrays(
    np.float64,
    st.integers(1, 120),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 3)),
)
COUNTS = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        arrays.arrays(np.int64, n, elements=st.integers(0, 5000)),
        arrays.arrays(np.int64, n, elements=st.integers(0, 5000)),
    )
)


@given(COUNTS)
def test_the_stability_index_is_never_negative_and_the_same_whichever_sample_comes_first(counts) -> None:
    one, other = counts
    assert stability_index(one, other) >= 0.0
    assert stability_index(one, other) == pytest.approx(stability_index(other, one), abs=1e-12)


@given(COUNTS)
def test_the_stability_index_of_a_sample_with_itself_is_zero(counts) -> None:
    assert stability_index(counts[0], counts[0]) == 0.0


@given(COUNTS, st.randoms())
def test_the_stability_index_does_not_know_the_order_of_classes(counts, random) -> None:
    order = list(range(len(counts[0])))
    random.shuffle(order)
    assert stability_index(*(part[order] for part in counts)) == pytest.approx(
        stability_index(*counts), abs=1e-12
    )


@given(SAMPLES)
def test_a_sample_does_not_differ_from_its_own_distribution(sample) -> None:
    reference = distribution_of(sample)
    assert kolmogorov_smirnov(reference, sample) == pytest.approx(0.0, abs=1e-12)
    assert stability_index(reference.shares * len(sample), reference.counts(sample)) == pytest.approx(
        0, abs=1e-9
    )


@given(SAMPLES, SAMPLES)
def test_the_distance_of_distribution_functions_lies_between_nothing_and_one(one, other) -> None:
    assert 0.0 <= kolmogorov_smirnov(distribution_of(one), other) <= 1.0


@settings(max_examples=40)
@given(SAMPLES, SAMPLES)
def test_the_distance_is_never_more_than_the_two_sample_statistic_and_hardly_less(one, other) -> None:
    reference = distribution_of(one)
    ours, whole = kolmogorov_smirnov(reference, other), _two_sample(one, other)
    gap = np.diff(np.concatenate([[0.0], reference.cumulative])).max()
    assert whole - gap - 1e-9 <= ours <= whole + 1e-9


def _two_sample(one, other) -> float:
    """The largest distance over all values of both."""
    everywhere = np.concatenate([one, other])
    reached = [np.searchsorted(np.sort(part), everywhere, side="right") / len(part) for part in (one, other)]
    return float(np.abs(reached[0] - reached[1]).max())


@settings(max_examples=40)
@given(SAMPLES, SAMPLES)
def test_another_unit_changes_nothing(one, other) -> None:
    plain, scaled = distribution_of(one), distribution_of(one * 8.0 + 16.0)
    assert kolmogorov_smirnov(plain, other) == kolmogorov_smirnov(scaled, other * 8.0 + 16.0)
    assert np.array_equal(plain.counts(other), scaled.counts(other * 8.0 + 16.0))


@given(SAMPLES, st.randoms())
def test_the_order_of_subjects_changes_nothing(sample, random) -> None:
    shuffled = list(sample)
    random.shuffle(shuffled)
    one, other = distribution_of(sample), distribution_of(np.array(shuffled))
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.cumulative, other.cumulative)


@given(SAMPLES)
def test_every_value_falls_into_exactly_one_class_and_the_shares_are_those_of_the_sample(sample) -> None:
    reference = distribution_of(sample)
    counts = reference.counts(sample)
    assert counts.sum() == len(sample)
    assert np.allclose(counts / len(sample), reference.shares)


def test_a_continuous_quantity_is_cut_into_tenths_of_the_reference() -> None:
    reference = distribution_of(np.arange(10_000.0))
    assert len(reference.values) == 51
    assert reference.shares == pytest.approx(np.full(10, 0.1), abs=1e-3)


def test_a_yes_or_no_has_two_classes_and_an_unknown_answer_is_none_of_them() -> None:
    reference = distribution_of(np.array([0.0, 0.0, 0.0, 1.0, np.nan]))
    assert reference.shares == pytest.approx([0.75, 0.25])
    assert (reference.subjects, reference.known) == (4, 0.8)


def test_the_stability_index_of_the_textbook_example() -> None:
    """Shares of 20, 60 and 20 % against 25, 50 and 25 %, of a million each."""
    expected = 2 * (0.2 - 0.25) * math.log(0.2 / 0.25) + (0.6 - 0.5) * math.log(0.6 / 0.5)
    assert stability_index(np.array([2e5, 6e5, 2e5]), np.array([2.5e5, 5e5, 2.5e5])) == pytest.approx(
        expected, rel=1e-4
    )


def test_the_stability_index_stays_below_its_quantile_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    reference = distribution_of(rng.normal(size=10_000))
    limit = stability_index_by_chance(10, 10_000, 200)
    found = [
        stability_index(reference.shares * 10_000, reference.counts(rng.normal(size=200)))
        for _ in range(1000)
    ]
    assert np.mean(np.array(found) <= limit) == pytest.approx(0.95, abs=0.02)


def test_the_p_value_is_that_of_scipy_in_large_samples() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=5000), rng.normal(0.05, size=3000)
    whole = stats.ks_2samp(one, other, method="asymp")
    assert kolmogorov_smirnov_p(whole.statistic, 5000, 3000) == pytest.approx(whole.pvalue, rel=0.05)


@pytest.mark.parametrize(
    ("values", "cumulative"),
    [([1.0, 1.0], [0.5, 1.0]), ([1.0, 2.0], [0.5, 0.9]), ([], []), ([np.nan], [1.0])],
)
def test_a_distribution_that_does_not_rise_to_one_is_refused(values, cumulative) -> None:
    with pytest.raises(ValueError, match="distribution"):
        Distribution(np.array(values), np.array(cumulative), 10)
