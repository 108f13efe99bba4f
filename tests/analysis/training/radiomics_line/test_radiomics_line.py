"""What a user may rely on when the published radiomics line is run on a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("statsmodels", reason="install the training extra")
import pandas as pd

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FollowUp
from analysis.cohort.table import CohortTable
from analysis.errors import ConfigurationError
from analysis.measurement.texture.core_set import CORE
from analysis.training.radiomics_line import selection, stability
from analysis.training.radiomics_line.fit import fit_line, subjects_of
from analysis.training.radiomics_line.model import load, save
from analysis.training.radiomics_line.nomogram import draw_nomogram, limits_of, point_scale
from analysis.training.radiomics_line.odds_ratios import multivariable
from analysis.training.radiomics_line.outcomes import fracture_within
from analysis.training.radiomics_line.reliability import icc_agreement, icc_interval
from analysis.training.radiomics_line.scans import perturbed_outline
from analysis.training.radiomics_line.screening import screen

NAMES = tuple(f"texture.{name}" for name in sorted(CORE)[:12])


def cohort(size: int = 600, seed: int = 0) -> CohortTable:
    """A stand-in: the first two features carry osteoporosis beside age and sex, the others are noise."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((size, len(NAMES)))
    age, male = rng.uniform(45, 85, size), rng.integers(0, 2, size).astype(float)
    logit = -1.2 + 0.05 * (age - 65) - 0.8 * male + 0.9 * z[:, 0] - 0.7 * z[:, 1]
    columns: dict[str, Any] = dict(zip(NAMES, (5 + 2 * z).T, strict=True))
    columns |= {
        "age_years": age,
        "male": male,
        "osteoporosis": (rng.random(size) < 1 / (1 + np.exp(-logit))).astype(float),
        "years": rng.uniform(4, 14, size),
        "ending": np.zeros(size, int),
        "subject_id": [str(i) for i in range(size)],
    }
    return CohortTable(pd.DataFrame(columns))


def fitted(table: CohortTable) -> Any:
    subjects = subjects_of(table, NAMES, "osteoporosis")
    return subjects, fit_line(subjects, NAMES[:11], "osteoporosis", methods=("LASSO",))


@pytest.fixture(scope="module")
def line() -> Any:
    table = cohort()
    return table, *fitted(table)


def test_the_line_finds_the_features_that_carry_the_outcome(line: Any) -> None:
    _, _, result = line
    assert result.offered == 12 and result.reliable == 11
    assert {NAMES[0], NAMES[1]} <= set(result.chosen["LASSO"])
    assert len(result.model.parts) <= 6
    assert result.chosen["LASSO"][NAMES[0]] > 0 > result.chosen["LASSO"][NAMES[1]]
    radscore = next(row for row in result.multivariable if row.name == "Radscore")
    assert radscore.low > 1 and radscore.p < 0.001


def test_a_saved_model_predicts_the_same_and_combined_beats_its_parts(line: Any, tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    _, _, result = line
    save(result.model, tmp_path / "model.json")
    model, other = load(tmp_path / "model.json"), cohort(3000, seed=1)
    predicted = model.predict(other)
    np.testing.assert_array_equal(predicted, result.model.predict(other))
    assert ((predicted > 0) & (predicted < 1)).all()
    truth = other.frame["osteoporosis"].to_numpy()
    auc = {variant: roc_auc_score(truth, model.predict(other, variant)) for variant in model.models}
    assert auc["combined"] > auc["radiomics"] > 0.65
    assert auc["combined"] > auc["clinical"] > 0.6
    assert predicted.mean() == pytest.approx(truth.mean(), abs=0.04)
    assert "imulated" in model.training


def test_a_subject_without_image_gets_no_prediction(line: Any) -> None:
    table, _, result = line
    frame = table.frame.copy()
    frame.loc[3, result.model.parts[0].name] = np.nan
    predicted = result.model.predict(CohortTable(frame))
    assert np.isnan(predicted[3]) and np.isfinite(np.delete(predicted, 3)).all()
    assert np.isfinite(result.model.predict(CohortTable(frame), "clinical")[3])


@pytest.mark.parametrize(
    ("old", "new"),
    [("radiomics-line/1", "radiomics-line/9"), ('"sd": ', '"sd": -'), ('"intercept": ', '"intercept": "x')],
)
def test_a_file_that_is_no_model_of_the_line_is_refused(
    line: Any, tmp_path: Path, old: str, new: str
) -> None:
    save(line[2].model, tmp_path / "model.json")
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=r"model\.json is not a model of the radiomics line"):
        load(tmp_path / "model.json")


def test_a_cohort_with_too_few_cases_is_refused_in_plain_words() -> None:
    with pytest.raises(ConfigurationError, match=r"0 of .* usable subjects have the outcome 'fracture_10y'"):
        subjects_of(cohort(), NAMES, "fracture_10y")


def test_the_nomograms_points_add_up_to_the_models_probability(line: Any, tmp_path: Path) -> None:
    _, subjects, result = line
    logistic = result.model.models["combined"]
    scale = point_scale(logistic, limits_of(result.model, subjects))
    for age, male, score in ((50.0, 1.0, 0.1), (80.0, 0.0, 0.3)):
        person = {"age_years": np.array([age]), "male": np.array([male]), "radscore": np.array([score])}
        probability = float(1 / (1 + np.exp(-logistic.log_odds(person)[0])))
        total = sum(scale.points(name, float(value[0])) for name, value in person.items())
        assert scale.total_of(probability) == pytest.approx(total)
    ends = [scale.points(name, end) for name, limits in scale.limits.items() for end in limits]
    assert min(ends) == pytest.approx(0) and max(ends) == pytest.approx(100)
    draw_nomogram(scale, "Combined model", tmp_path / "nomogram.png")
    assert (tmp_path / "nomogram.png").stat().st_size > 10_000


def test_the_screen_picks_its_test_by_normality_and_variance() -> None:
    rng = np.random.default_rng(3)
    outcome = np.repeat([0.0, 1.0], 200)
    values = np.column_stack(
        [
            rng.normal(outcome, 1),
            rng.normal(outcome, 1 + 2 * outcome),
            rng.exponential(1 + outcome),
            np.ones(400),
        ]
    )
    normal, unequal, skewed, constant = screen(("a", "b", "c", "d"), values, outcome)
    assert (normal.test, unequal.test, skewed.test) == ("Student t", "Welch t", "Mann-Whitney")
    assert normal.passed and skewed.passed and not constant.passed
    assert normal.correlation == pytest.approx(np.corrcoef(outcome, values[:, 0])[0, 1])


def test_lasso_equals_scikit_learns_coordinate_descent() -> None:
    from sklearn.linear_model import Lasso

    rng = np.random.default_rng(4)
    z = rng.standard_normal((200, 8))
    z[:, 1] += z[:, 0]
    outcome, weight = (z[:, 0] + rng.standard_normal(200) > 0).astype(float), rng.uniform(0.5, 2, 200)
    ours = selection._path(z, outcome, weight, np.array([0.05]), 0.0)[0]
    theirs = Lasso(0.05, tol=1e-10, max_iter=10_000).fit(z, outcome, sample_weight=weight).coef_
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


@pytest.mark.parametrize("name", sorted(selection.METHODS))
def test_every_way_of_selection_prefers_the_feature_that_matters(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "TREES", 20)
    rng = np.random.default_rng(5)
    z = rng.standard_normal((300, 30))
    outcome = (z[:, 7] + 0.5 * rng.standard_normal(300) > 0).astype(float)
    chosen = selection.METHODS[name](z, outcome, np.ones(300), 0)
    assert np.argmax(np.abs(chosen)) == 7
    assert 1 <= (chosen != 0).sum() < 30


def test_stability_is_one_for_the_same_sets_and_zero_by_chance() -> None:
    same = np.zeros((20, 50), bool)
    same[:, :5] = True
    assert stability.nogueira_index(same) == pytest.approx((1.0, 1.0, 1.0))
    assert stability.kuncheva_index(same) == 1.0
    rng = np.random.default_rng(6)
    chance = np.array([rng.permutation(same[0]) for _ in range(300)])
    assert stability.nogueira_index(chance)[0] == pytest.approx(0, abs=0.02)
    # for sets of one size both indices are the same number
    assert stability.kuncheva_index(chance) == pytest.approx(stability.nogueira_index(chance)[0])
    assert np.isnan(stability.kuncheva_index(np.array([[True, False], [True, True]])))


def test_odds_ratios_leave_out_what_cannot_be_estimated() -> None:
    rng = np.random.default_rng(7)
    x, outcome = rng.standard_normal(400), np.repeat([0.0, 1.0], 200)
    values = np.column_stack([x + outcome, outcome, np.ones(400)])
    rows = multivariable(("x", "separates", "constant"), values, outcome)
    assert {row.name for row in rows} <= {"x"}
    row = multivariable(("x",), values[:, :1], outcome)[0]
    assert row.low < row.ratio < row.high and row.ratio > 1 and row.per == "SD" and row.subjects == 400


def test_ten_year_fracture_counts_death_as_none_and_weighs_for_censoring() -> None:
    follow_up = FollowUp(np.array([2.0, 3.0, 5.0, 12.0, 9.0]), np.array([FRACTURE, CENSORED, DEATH, 1, 1]))
    outcome, weight = fracture_within(follow_up, 10.0)
    np.testing.assert_array_equal(outcome, [1, np.nan, 0, 0, 1])
    np.testing.assert_allclose(weight, [1, 0, 4 / 3, 4 / 3, 4 / 3])


def test_another_observers_outline_is_close_but_not_the_same() -> None:
    mask = np.zeros((120, 100), bool)
    mask[40:78, 30:70] = True
    drawn = [perturbed_outline(mask, (0.4, 0.4), np.random.default_rng(seed)) for seed in range(5)]
    for other in drawn:
        dice = 2 * (mask & other).sum() / (mask.sum() + other.sum())
        assert 0.85 < dice < 0.999


def test_icc_of_perfect_shifted_and_unrelated_readings() -> None:
    rng = np.random.default_rng(8)
    first = rng.standard_normal((200, 4))
    second = np.column_stack([first[:, 0], first[:, 1] + 1, rng.standard_normal(200), np.zeros(200)])
    first[:, 3] = 0
    icc = icc_agreement(first, second)
    assert icc[0] == pytest.approx(1)
    assert 0.5 < icc[1] < 0.8  # a constant shift counts: absolute agreement
    assert abs(icc[2]) < 0.2
    assert np.isnan(icc[3])


@pytest.mark.slow
def test_icc_equals_pingouins() -> None:
    rng = np.random.default_rng(9)
    first = rng.standard_normal((60, 5))
    second = first * 0.9 + 0.3 + 0.5 * rng.standard_normal((60, 5))
    ours = icc_agreement(first, second)
    for i in range(5):
        value, low, high = icc_interval(first[:, i], second[:, i])
        assert value == pytest.approx(ours[i], abs=1e-9)
        assert low < value < high


@pytest.mark.slow
def test_people_are_read_three_times_and_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    from analysis.simulation.cohort.populations import population_of
    from analysis.training.radiomics_line.scans import read_people

    population = population_of("china-clinic")
    read = read_people(population, 5, 4, tmp_path, families=("original", "variogram"))
    assert read.index.shape == read.repeat.shape == read.other_observer.shape == (4, 109)
    assert all(name.startswith("texture.") for name in read.names)
    assert ((read.overlap > 0.85) & (read.overlap < 1)).all()
    again = read_people(population, 5, 4, tmp_path, families=("original", "variogram"))
    np.testing.assert_array_equal(read.index, again.index)
