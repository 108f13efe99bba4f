"""A challenger from a site's own patients, and its comparison with the champion on unseen patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from challengers import write_challenger
from made_up_cohort import made_up
from quick_reports import quick_reports

from analysis.cohort.table import CohortTable
from analysis.evaluation.observed import observe
from analysis.risk import load_models
from analysis.training.challenger import Challenges, Limits, closer_to_calibration, make_challengers
from analysis.training.tuning import Plan

pytestmark = pytest.mark.usefixtures(quick_reports.__name__)

QUICK = Plan("random", 2, 3, 1)


@pytest.fixture(scope="module")
def site() -> tuple[CohortTable, CohortTable]:
    """A site at which more fracture than the shipped model expects."""
    table = made_up(size=1600, rate=0.06, truth=False)
    held_out = np.random.default_rng(1).random(len(table)) < 0.3
    return table.take(~held_out), table.take(held_out)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node with one model, which the champion is."""
    return write_challenger(tmp_path_factory.mktemp("node") / "models", "t-scores", "champion")


@pytest.fixture(scope="module")
def challenged(
    quick_reports: None,
    site: tuple[CohortTable, CohortTable],
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Challenges:
    limits = Limits(fractures_to_refit=10_000)
    return make_challengers(models, *site, tmp_path_factory.mktemp("out"), limits=limits, plan=QUICK)


def test_a_challenger_comes_closer_to_calibration_on_patients_it_has_not_seen(
    challenged: Challenges,
) -> None:
    (challenge,) = challenged.made
    before, after = (
        figures.observed_to_expected for figures in (challenge.champion_figures, challenge.challenger_figures)
    )
    assert before.low > 1.25  # the champion underestimates
    assert after.low < 1.0 < after.high
    assert challenge.miscalibration.high < 0.0
    assert challenge.brier.value < 0.0


def test_the_comparison_is_told_in_full(
    challenged: Challenges, site: tuple[CohortTable, CohortTable]
) -> None:
    (challenge,) = challenged.made
    assert (challenge.name, challenge.champion, challenge.kind) == ("t-scores", "champion", "recalibrated")
    assert challenge.training_subjects == len(site[0])
    assert challenge.held_out_subjects == len(site[1])
    assert set(challenge.cross_validated) == {"champion", "recalibrated"}
    assert {path.name for path in challenge.report.iterdir()} == {
        "evaluation.html",
        "evaluation.pdf",
        "evaluation.json",
    }
    (model,) = load_models(challenge.models).models
    assert model.identity.version == challenge.challenger


@pytest.mark.slow
def test_with_enough_fractures_all_coefficients_are_candidates_too(
    site: tuple[CohortTable, CohortTable], models: Path, tmp_path: Path
) -> None:
    limits = Limits(fractures_to_refit=100)
    (challenge,) = make_challengers(models, *site, tmp_path, limits=limits, plan=QUICK).made
    best = min(challenge.cross_validated, key=challenge.cross_validated.__getitem__)
    assert set(challenge.cross_validated) == {"champion", "recalibrated", "refitted"}
    assert challenge.kind == best


def test_too_few_fractures_make_no_challenger_and_say_why(
    site: tuple[CohortTable, CohortTable], models: Path, tmp_path: Path
) -> None:
    training, held_out = site
    few = make_challengers(models, training, held_out, tmp_path, limits=Limits(fractures=5000), plan=QUICK)
    assert few.made == () and "at least 5000 are needed" in few.declined["t-scores"]
    few = make_challengers(
        models, training, held_out.take(np.arange(20)), tmp_path, limits=Limits(), plan=QUICK
    )
    assert few.made == () and "held-out patients" in few.declined["t-scores"]


def test_nobody_may_be_on_both_sides(
    site: tuple[CohortTable, CohortTable], models: Path, tmp_path: Path
) -> None:
    training, _ = site
    with pytest.raises(ValueError, match="both trained on and held out"):
        make_challengers(models, training, training.take(np.arange(3)), tmp_path)


def test_a_model_compared_with_itself_is_no_closer() -> None:
    table = made_up(size=600, truth=False)
    risk = np.full(len(table), 0.1)
    same = closer_to_calibration(risk, risk, observe(table.follow_up, 5), seed=1)
    assert (same.value, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
