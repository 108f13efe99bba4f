"""Training end to end: the same cohort gives the same bytes, and what is shipped is what was evaluated."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the training extra")
pytest.importorskip("pandas", reason="needs the training extra")

from made_up_cohort import made_up

from analysis.cohort.columns import FRACTURE
from analysis.cohort.table import CohortTable
from analysis.errors import ConfigurationError
from analysis.risk import SHIPPED_MODELS, RiskModel, load_models
from analysis.surveillance import references_of
from analysis.training.candidates import LINEAR, TREE_BASED
from analysis.training.coverage import interval_coverage
from analysis.training.cross_validation import auc, outcomes
from analysis.training.imputation import impute
from analysis.training.model_card import model_card
from analysis.training.model_sets import MODEL_SETS
from analysis.training.models import EVALUATION_FILE, MODEL_CARD_FILE, add_reference, train_models
from analysis.training.recalibration import recalibrate, recalibrate_models
from analysis.training.training_data import prepare
from analysis.training.tuning import Hyperparameters, Plan, term_groups

ROOT = Path(__file__).parents[3]
QUICK = Plan(trials=2, folds=2)
MODELS = ("deployable", "t-scores")


def train(table: CohortTable, directory: Path, plan: Plan = QUICK) -> Path:
    train_models(table, directory, plan=plan, models=MODELS, compared_with_trees=(), refits=8)
    return directory


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield train(made_up(500, rate=0.025), tmp_path_factory.mktemp("models"))


def model_of(directory: Path, name: str) -> RiskModel:
    return next(m for m in load_models(directory).models if m.identity.name == name)


def test_the_same_cohort_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    train(made_up(500, rate=0.025), tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert len(written) == len(MODELS) + 5
    for name in written:
        assert (trained / name).read_bytes() == (tmp_path / name).read_bytes()


def test_training_leaves_what_surveillance_compares_with(trained: Path, tmp_path: Path) -> None:
    kept = references_of(trained)
    assert {name for name, _ in kept} == {model.identity.name for model in load_models(trained).models}
    shutil.copytree(trained, tmp_path / "without")
    (tmp_path / "without" / "reference.json").unlink()
    add_reference(tmp_path / "without", made_up(500, rate=0.025))
    assert (tmp_path / "without" / "reference.json").read_bytes() == (trained / "reference.json").read_bytes()
    with pytest.raises(ConfigurationError, match="was trained on this cohort"):
        add_reference(tmp_path / "without", made_up(seed=1))


def test_trained_models_rank_unseen_subjects(trained: Path) -> None:
    unseen = made_up(3000, seed=77)
    model = model_of(trained, "deployable")
    risk = model.risk(unseen.features([feature.name for feature in model.features]))
    assert (np.diff(risk, axis=1) >= 0).all()
    assert auc(risk, outcomes(unseen.follow_up))[3] > 0.6


def test_the_evaluation_tells_every_learner_and_the_calibration(trained: Path) -> None:
    evaluation = json.loads((trained / EVALUATION_FILE).read_bytes())
    assert evaluation["remark"] == "simulated training data; research use only"
    figures = evaluation["models"]["deployable"]
    assert set(figures["cross_validated"]) == {"hazards", "cox", "logistic"}
    assert set(figures["calibration"]["log_score"]) == {"identity", "platt", "beta", "isotonic"}
    assert figures["cross_validated"]["hazards"]["10"]["auc"] > 0.6


@pytest.mark.parametrize("name", ["cox", "logistic", "survival forest", "gradient boosting"])
def test_every_candidate_gives_held_out_risks_that_never_fall_and_rank(name: str) -> None:
    model_set = next(model for model in MODEL_SETS if model.name == "t-scores")
    data = prepare(made_up(900, rate=0.03), [model_set], 1).of_model(model_set)
    assert data is not None
    hyper = Hyperparameters(tuple((group, 0.3) for group in set(term_groups(data))), 0.5, 1)
    seen, held_out = data.take(np.arange(600)), data.take(np.arange(600, 900))
    risk = {**LINEAR, **TREE_BASED}[name](seen, held_out, hyper)
    assert risk.shape == (300, 4)
    assert (np.diff(risk, axis=1) >= -1e-12).all()
    assert ((risk >= 0) & (risk <= 1)).all()
    assert auc(risk, outcomes(held_out.follow_up))[3] > 0.58


@pytest.mark.parametrize("search", ["grid", "random"])
def test_hyperparameters_may_be_looked_for_otherwise(tmp_path: Path, search: str) -> None:
    plan = Plan(search=search, trials=2, folds=2)  # type: ignore[arg-type]
    train_models(
        made_up(500, rate=0.03),
        tmp_path,
        plan=plan,
        models=["one-third-t-score"],
        compared_with_trees=(),
        refits=2,
    )
    assert load_models(tmp_path).models[0].identity.name == "one-third-t-score"


def test_a_site_without_some_columns_trains_what_it_can(tmp_path: Path) -> None:
    table = made_up(500, rate=0.025, truth=False)
    frame = table.frame.drop(columns=[c for c in table.frame if c.startswith(("texture", "one_third.bmd"))])
    train(CohortTable(frame, table.manifest, None, table.rows), tmp_path)
    evaluation = json.loads((tmp_path / EVALUATION_FILE).read_bytes())
    assert evaluation["not_trained"] == ["deployable"]
    assert (
        load_models(tmp_path).models[0].identity.training_data.startswith("a site's cohort of 500 subjects")
    )


def test_too_few_fractures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fractures among"):
        train(made_up(60), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_multiple_imputation_keeps_what_is_known_and_draws_what_is_not() -> None:
    table = made_up(400)
    values = table.features(["turnover.ctx_ng_l", "texture.original_glcm_Idm", "age_years"])
    values = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    draws = impute(values, table.follow_up, seed=1)
    known = np.isfinite(values)
    assert len(draws) == 5
    for draw in draws:
        np.testing.assert_array_equal(draw[known], values[known])
        assert np.isfinite(draw).all()
    assert not np.array_equal(draws[0], draws[1])


def test_a_cohort_with_another_level_is_recalibrated(trained: Path, tmp_path: Path) -> None:
    elsewhere = made_up(6000, seed=5, rate=0.05)
    model = model_of(trained, "deployable")
    names = [feature.name for feature in model.features]
    changed = recalibrate(model, elsewhere)

    def ratio(some: RiskModel) -> float:
        observed = outcomes(elsewhere.follow_up)
        incidence = np.average(observed.fractured[:, 3], weights=observed.weight[:, 3])
        return float(incidence / some.risk(elsewhere.features(names))[:, 3].mean())

    assert ratio(model) > 1.3
    assert ratio(changed) == pytest.approx(1.0, abs=0.05)
    assert changed.identity.version != model.identity.version
    recalibrate_models(trained, elsewhere, tmp_path)
    np.testing.assert_allclose(
        model_of(tmp_path, "deployable").risk(elsewhere.features(names)[:50]),
        changed.risk(elsewhere.features(names)[:50]),
        rtol=1e-4,
    )


def test_coverage_is_a_share_and_its_misses_have_a_side(trained: Path) -> None:
    model = model_of(trained, "deployable")
    figures = interval_coverage([model], model, made_up(200, seed=8), np.random.default_rng(0))[10]
    total = figures["coverage"] + figures["below"] + figures["above"]  # type: ignore[operator]
    assert total == pytest.approx(1.0)
    assert figures["coverage_complete"] == 1.0  # a model's own risk lies in its own interval
    assert figures["coverage_imputed"] > 0.7  # type: ignore[operator]


def test_shipped_card_and_evaluation_belong_to_the_shipped_models() -> None:
    entries = json.loads((SHIPPED_MODELS / "versions.json").read_bytes())["versions"]
    contents = [json.loads((SHIPPED_MODELS / entry["file"]).read_bytes()) for entry in entries]
    evaluation = json.loads((SHIPPED_MODELS / EVALUATION_FILE).read_bytes())
    names = [model.identity.name for model in load_models(SHIPPED_MODELS).models]
    assert names == [model.name for model in MODEL_SETS] == list(evaluation["models"])
    assert {content["training_data"] for content in contents} == {evaluation["training_data"]}
    card = model_card(contents, evaluation)
    assert (SHIPPED_MODELS / MODEL_CARD_FILE).read_text(encoding="utf-8") == card
    assert (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8") == card


def test_shipped_models_land_in_the_realistic_range_of_discrimination() -> None:
    """0.63–0.80 is what is published for incident fractures; much more would mean a leak."""
    evaluation = json.loads((SHIPPED_MODELS / EVALUATION_FILE).read_bytes())
    for model in evaluation["models"].values():
        figures = model["cross_validated"]["hazards"]["10"]
        assert 0.60 <= figures["auc"] <= 0.85
        assert 0.9 <= figures["observed_to_expected"] <= 1.1


def test_the_stand_in_has_fractures() -> None:
    assert (made_up(500, rate=0.025).follow_up.ending == FRACTURE).sum() > 60
