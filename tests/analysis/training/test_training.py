"""Training end to end: the same seed gives the same bytes, and what is shipped is what was evaluated."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from analysis.results import BmdSource, RegionMeasurement
from analysis.risk import SHIPPED_MODELS, RiskInputs, load_models
from analysis.training.cohort import FEATURE_UNITS, Cohort, simulate_cohort
from analysis.training.fit import FollowUp
from analysis.training.model_card import model_card
from analysis.training.models import EVALUATION_FILE, MODEL_FEATURES, train_models
from analysis.training.population import CENSORED, FRACTURE

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "conf" / "reference" / "iscd-atlas-female.csv"


def simulate(size: int, seed: int, workers: int = 1) -> Cohort:
    with ThreadPoolExecutor(workers) as executor:
        return simulate_cohort(size, seed, REFERENCE, executor, lambda done: None)


def made_up(size: int = 600) -> Cohort:
    """A cohort without pictures: age and one-third density carry the risk, all other features are noise."""
    rng = np.random.default_rng(9)
    features = {name: rng.normal(1.0, 0.1, size) for name in FEATURE_UNITS}
    features["age_years"] = rng.uniform(40, 90, size)
    features["male"] = (rng.random(size) < 0.25).astype(float)
    features["one_third.t_score"] = rng.normal(-1, 1.2, size)
    features["one_third.bmd_g_cm2"] = 0.694 + 0.06 * features["one_third.t_score"]
    log_hazard = np.log(0.01) + 0.04 * (features["age_years"] - 65) - 0.5 * features["one_third.t_score"]
    fracture = rng.exponential(1 / np.exp(log_hazard))
    end = rng.uniform(4, 14, size)
    ending = np.where(fracture < end, FRACTURE, CENSORED)
    return Cohort(5, size, features, FollowUp(np.minimum(fracture, end), ending), log_hazard)


def test_a_cohort_depends_on_its_seed_and_not_on_the_number_of_workers() -> None:
    one, two, other = simulate(3, 7), simulate(3, 7, workers=2), simulate(3, 8)
    for name in FEATURE_UNITS:
        np.testing.assert_array_equal(one.features[name], two.features[name])
    np.testing.assert_array_equal(one.follow_up.years, two.follow_up.years)
    assert not np.array_equal(one.follow_up.years, other.follow_up.years)


def test_a_larger_cohort_begins_with_the_smaller_one() -> None:
    small, large = simulate(2, 7), simulate(4, 7)
    np.testing.assert_array_equal(small.log_hazard, large.log_hazard[: len(small.log_hazard)])


def test_the_cohort_holds_what_the_engine_measures() -> None:
    cohort = simulate(3, 7)
    assert set(cohort.features) == set(FEATURE_UNITS)
    assert (cohort.features["one_third.bmd_g_cm2"] > cohort.features["ultradistal.bmd_g_cm2"]).all()
    expected = (cohort.features["one_third.bmd_g_cm2"] - 0.694) / 0.060
    np.testing.assert_allclose(cohort.features["one_third.t_score"], expected, atol=1e-9)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    train_models(made_up(), directory)
    return directory


def test_the_same_cohort_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    train_models(made_up(), tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(
        [*(f"{name}.json" for name in MODEL_FEATURES), "registry.json", "evaluation.json", "model-card.md"]
    )
    for name in written:
        assert (trained / name).read_bytes() == (tmp_path / name).read_bytes()


def test_trained_models_can_be_used_at_once(trained: Path) -> None:
    models = load_models(trained)
    thin, dense = (
        models.predict(
            RiskInputs(70.0, "F", {"one_third": RegionMeasurement(t_score=t, bmd_source=BmdSource.VENDOR)})
        )[0]
        for t in (-3.0, 0.0)
    )
    assert thin is not None
    assert dense is not None
    assert thin.estimate.horizons[10].probability > 2 * dense.estimate.horizons[10].probability
    assert thin.estimate.model.name == "radius-one-third-t-score"


def test_a_quarter_of_the_subjects_is_held_out(trained: Path) -> None:
    evaluation = json.loads((trained / EVALUATION_FILE).read_bytes())
    assert evaluation["subjects_train"] + evaluation["subjects_test"] == evaluation["subjects_drawn"] == 600
    assert evaluation["subjects_test"] == pytest.approx(150, abs=5)


def test_shipped_card_and_evaluation_belong_to_the_shipped_models() -> None:
    contents = {name: json.loads((SHIPPED_MODELS / f"{name}.json").read_bytes()) for name in MODEL_FEATURES}
    evaluation = json.loads((SHIPPED_MODELS / EVALUATION_FILE).read_bytes())
    assert [model.identity.name for model in load_models(SHIPPED_MODELS).models] == list(MODEL_FEATURES)
    assert {content["training_data"] for content in contents.values()} == {evaluation["training_data"]}
    card = model_card(contents, evaluation)
    assert (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8") == card


def test_shipped_models_land_in_the_realistic_range_of_discrimination() -> None:
    """0.63–0.80 is what is published for incident fractures; much more would mean a leak."""
    evaluation = json.loads((SHIPPED_MODELS / EVALUATION_FILE).read_bytes())
    for model in evaluation["models"].values():
        figures = model["horizons"]["10"]
        assert 0.63 <= figures["auc"] <= 0.83
        assert figures["auc"] <= figures["auc_oracle"] + 0.03
        assert 0.6 <= figures["observed_to_expected"] <= 1.5
