"""Fusions learn, repeat with their seed, do without what is missing; judges never taught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.cohort.columns import CENSORED, FRACTURE, FollowUp
from analysis.cohort.table import CohortTable
from analysis.training.fusion.cross_validation import fitted, nested_cross_validation
from analysis.training.fusion.data import osteoporosis_of, pictures_of, predictor_names, split_folds
from analysis.training.fusion.encoder import CHANNELS, REGIONS, no_pictures
from analysis.training.fusion.figures import figures_of
from analysis.training.fusion.fit import (
    OPTIMISERS,
    SCHEDULES,
    FitPlan,
    Material,
    drop_modalities,
    make_optimiser,
    make_schedule,
)
from analysis.training.fusion.fusion import FUSIONS, FusionKind, LateFusion, Shape, build_fusion
from analysis.training.fusion.heads import targets
from analysis.training.fusion.imputation import Imputer
from analysis.training.fusion.incidence import cumulative_incidence
from analysis.training.fusion.inputs import Standard, without
from analysis.training.fusion.network import Member, tensors
from analysis.training.fusion.prediction import Prediction
from analysis.training.fusion.search import CHOICES, search_plan

PLAN = FitPlan(epochs=8, members=2, batch=48, rate=1e-2, width=16)


def ignore(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def prepared(table: CohortTable) -> tuple[Material, Standard, np.ndarray]:
    """Predictors of the made-up cohort, its pictures as yet unread."""
    names = predictor_names(list(table.frame.columns))
    features = table.features(names)
    standard = Standard.of(names, features)
    pictures = pictures_of(table)
    inputs = standard.apply(features, pictures.patches, pictures.seen)
    observed = targets(table.follow_up, osteoporosis_of(table))
    folds = split_folds(table.follow_up, np.array(table.ids), 2, 1)
    return Material(no_pictures(len(inputs)), inputs, observed), standard, folds


def shape_for(standard: Standard, kind: FusionKind = "early", image: bool = True) -> Shape:
    return Shape(kind, standard.families, image=image, width=16)


def test_predictors_are_neither_truth_nor_repeated(table: CohortTable) -> None:
    names = predictor_names(list(table.frame.columns))
    assert "one_third.bmd_g_cm2" in names
    assert "turnover.ctx_ng_l" in names
    assert not any(name.startswith("truth") or name.endswith("t_score") for name in names)


def test_a_scan_without_a_picture_counts_as_unseen(table: CohortTable) -> None:
    pictures = pictures_of(table)
    assert pictures.seen.sum() == len(table) - 1
    assert not pictures.seen[3]
    assert not pictures.patches[3].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FUSIONS)
def test_every_fusion_learns_and_repeats(
    kind: FusionKind, prepared: tuple[Material, Standard, np.ndarray], table: CohortTable
) -> None:
    material, standard, folds = prepared
    plan = replace(PLAN, kind=kind)
    one, _ = fitted(material, folds, shape_for(standard), plan, ignore)
    with torch.no_grad():
        outputs = one.fused(material.regions, *tensors(material.inputs))
    found = Prediction(
        cumulative_incidence(outputs.log_hazard.numpy()),
        torch.sigmoid(outputs.osteoporosis).numpy().astype(float),
    )
    figures = figures_of(found, table.follow_up, osteoporosis_of(table))
    assert figures["horizons"]["5"]["auc"][0] > 0.7
    assert figures["osteoporosis_auc"][0] > 0.7
    two, _ = fitted(material, folds, shape_for(standard), plan, ignore)
    assert all(torch.equal(one.state_dict()[name], two.state_dict()[name]) for name in one.state_dict())


@pytest.mark.parametrize("kind", FUSIONS)
def test_what_is_not_seen_has_no_say(kind: FusionKind) -> None:
    torch.manual_seed(1)
    shape = Shape(kind, {"demography": (0, 1), "densitometry": (2,)}, width=16)
    member = Member(shape).eval()
    for item in member.parameters():
        torch.nn.init.normal_(item, std=0.3)
    regions = torch.rand(2, REGIONS[0] * REGIONS[1], CHANNELS)
    values, known = torch.zeros(2, 3), torch.ones(2, 3)
    with torch.no_grad():
        unseen = member(regions, values, known, torch.zeros(2, 1)).log_hazard
        seen = member(regions, values, known, torch.ones(2, 1)).log_hazard
    torch.testing.assert_close(unseen[0], unseen[1])
    assert not torch.allclose(seen[0], seen[1])


def test_stacking_trusts_the_modality_that_knows(prepared: tuple[Material, Standard, np.ndarray]) -> None:
    material, standard, folds = prepared
    network, _ = fitted(material, folds, shape_for(standard), replace(PLAN, kind="late-stacked"), ignore)
    fusion = network.parts[0].fusion
    assert isinstance(fusion, LateFusion)
    weight = dict(zip(fusion.shape.modalities, fusion.weights[:, 4].tolist(), strict=True))
    assert weight["densitometry"] > 0.5  # osteoporosis was made from density alone
    assert weight["densitometry"] > weight["demography"]


def test_dropping_leaves_demography_alone() -> None:
    fusion = build_fusion(Shape("early", {"demography": (0,), "densitometry": (1,)}, width=16))
    generator = torch.Generator().manual_seed(1)
    everything = torch.ones(200, 2), torch.ones(200, 2), torch.ones(200, 1)
    values, known, seen = drop_modalities(fusion, *everything, share=0.5, generator=generator)
    assert float(values[:, 0].min()) == 1
    assert 0.3 < float(known[:, 1].mean()) < 0.7
    assert 0.3 < float(seen.mean()) < 0.7


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_optimiser_and_schedule_takes_a_step(optimiser: str, schedule: str) -> None:
    plan = replace(PLAN, optimiser=optimiser, schedule=schedule)  # type: ignore[arg-type]
    member = Member(Shape("early", {"demography": (0,)}, image=False, width=16))
    chosen = make_optimiser(member, plan)
    rates = make_schedule(chosen, plan, 10)
    loss = (
        member(no_pictures(2), torch.ones(2, 1), torch.ones(2, 1), torch.zeros(2, 1)).log_hazard ** 2
    ).sum()
    loss = loss + member.levels.log_hazard.sum()
    loss.backward()
    chosen.step()
    rates.step(1.0) if schedule == "plateau" else rates.step()  # type: ignore[arg-type,call-arg]
    assert float(member.levels.log_hazard.detach().abs().sum()) > 0


def test_folds_keep_a_patients_rows_together_and_outcomes_balanced() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(100), 2)
    ending = np.repeat(np.where(rng.random(100) < 0.3, FRACTURE, CENSORED), 2)
    folds = split_folds(FollowUp(rng.uniform(1, 9, 200), ending), groups, 5, 3)
    assert all(len(set(folds[groups == group])) == 1 for group in range(100))
    shares = [np.mean(ending[folds == fold] == FRACTURE) for fold in range(5)]
    assert max(shares) - min(shares) < 0.15


def test_nested_cross_validation_predicts_everybody_by_others(
    prepared: tuple[Material, Standard, np.ndarray],
) -> None:
    material, standard, folds = prepared
    asked: list[int] = []

    def choose(part: Material, inner: np.ndarray, plan: FitPlan) -> FitPlan:
        asked.append(len(part.inputs))
        return plan

    outputs, chosen = nested_cross_validation(
        material,
        outer=folds,
        inner=lambda index: np.arange(len(index)) % 2,
        shape=shape_for(standard, image=False),
        plan=replace(PLAN, epochs=3),
        choose=choose,
        progress=ignore,
    )
    assert asked == [int((folds != fold).sum()) for fold in range(2)]
    assert len(chosen) == 2
    assert bool((outputs.log_hazard != 0).all())


@pytest.mark.parametrize("how", ["tpe", "grid", "random"])
def test_search_returns_a_plan_it_tried(how: str, prepared: tuple[Material, Standard, np.ndarray]) -> None:
    material, standard, folds = prepared
    plan, tried = search_plan(
        material,
        folds,
        shape_for(standard, image=False),
        replace(PLAN, epochs=2),
        how=how,  # type: ignore[arg-type]
        trials=2,
        progress=ignore,
    )
    best = min(tried, key=lambda trial: trial["loss"])
    assert len(tried) == 2
    assert all(getattr(plan, name) == best[name] for name in CHOICES)


def test_imputation_fills_what_a_neighbour_tells() -> None:
    rng = np.random.default_rng(1)
    first = rng.standard_normal(800)
    second = 0.9 * first + np.sqrt(1 - 0.81) * rng.standard_normal(800)
    gone = rng.random(800) < 0.3
    features = np.column_stack([first, np.where(gone, np.nan, second)])
    standard = Standard.of(("age_years", "one_third.bmd_g_cm2"), features)
    inputs = standard.apply(features, np.zeros((800, 1, 1), np.float32), np.zeros(800, np.bool_))
    imputer = Imputer.from_json(Imputer.of(inputs, draws=2, seed=1).to_json())
    expected, drawn, again = (imputer.fill(inputs, seed).values[gone, 1] for seed in (None, 1, 1))
    assert np.corrcoef(expected, second[gone])[0, 1] > 0.85
    assert 0.8 < np.std(drawn) / np.std(second[gone]) < 1.25
    np.testing.assert_array_equal(drawn, again)
    np.testing.assert_array_equal(imputer.fill(inputs, 1).known, inputs.known)


def test_doing_without_a_family_hides_it(prepared: tuple[Material, Standard, np.ndarray]) -> None:
    material, standard, _ = prepared
    poorer = without(material.inputs, standard.families, ["turnover", "image"])
    column = standard.names.index("turnover.ctx_ng_l")
    assert not poorer.known[:, column].any()
    assert not poorer.seen.any()
    assert material.inputs.known[:, column].any()
