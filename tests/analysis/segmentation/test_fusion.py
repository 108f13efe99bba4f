"""Network and edges check each other: the right arm, the right way up, and an honest score."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from analysis.config import PREPROCESSING
from analysis.errors import RejectedInput
from analysis.results import Laterality, ModelIdentity
from analysis.segmentation import find_forearm, forearm
from analysis.segmentation.fusion import find_with_network, segment
from analysis.segmentation.guide import guide_from
from analysis.segmentation.network import Belief, shipped_network
from analysis.segmentation.preprocessing import prepare
from analysis.segmentation.quality import Evidence, dice, shipped_quality_model
from analysis.segmentation.support import edge_support
from analysis.simulation.voxel import VOXEL_ARTEFACTS, draw_voxel_case, render_voxel


class FixedNetwork:
    """A network that believes what a test tells it to."""

    model = ModelIdentity("fixed", "1", "none", "0")

    def __init__(self, belief: Belief) -> None:
        self.belief = belief

    def look_at(self, image, spacing_mm):
        return self.belief


@pytest.fixture(scope="module")
def seen(scan):
    """A scan, its prepared picture, and what the shipped network believes of it."""
    phantom = scan(1)
    picture = prepare(phantom.density_g_cm2, phantom.spacing_mm, PREPROCESSING, density=True)
    return phantom, picture, shipped_network().look_at(phantom.density_g_cm2, phantom.spacing_mm)


def voxel(seed, **drawn):
    return render_voxel(draw_voxel_case(np.random.default_rng([seed, 11]), spacing_mm=(0.5, 0.5), **drawn))


@pytest.mark.parametrize("seed", range(4))
def test_a_forearm_of_another_kind_is_outlined_sub_pixel(seed):
    phantom = voxel(seed, grey=seed % 2 == 1)
    anatomy = find_forearm(phantom.pixels, phantom.spacing_mm, density=phantom.density)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.98
    assert dice(anatomy.ulna_mask, phantom.truth.ulna_mask) > 0.96
    assert anatomy.hand_up == phantom.truth.hand_up
    assert anatomy.radius_is_right_of_ulna == (phantom.truth.laterality is Laterality.LEFT)
    assert anatomy.quality.method == "network"
    assert anatomy.quality.score > shipped_quality_model().flag_below


@pytest.mark.parametrize("artefact", VOXEL_ARTEFACTS)
def test_no_artefact_turns_the_arm_round_or_passes_a_wrong_outline_unflagged(artefact):
    phantom = voxel(5, artefact=artefact)
    try:
        anatomy = find_forearm(phantom.pixels, phantom.spacing_mm, density=phantom.density)
    except RejectedInput:
        return
    flagged = "segmentation_uncertain" in {finding.code for finding in anatomy.findings}
    assert anatomy.hand_up == phantom.truth.hand_up
    assert anatomy.radius_is_right_of_ulna == (phantom.truth.laterality is Laterality.LEFT)
    assert flagged or dice(anatomy.radius_mask, phantom.truth.radius_mask) >= 0.93


def test_a_network_that_sees_the_other_arm_is_a_refusal_that_shows_both(seen):
    phantom, picture, belief = seen
    swapped = replace(belief, radius=belief.ulna, ulna=belief.radius)
    with pytest.raises(
        RejectedInput, match=r"network sees the radius on the .* edges show it on the"
    ) as refusal:
        segment(phantom.density_g_cm2, picture, FixedNetwork(swapped))
    assert refusal.value.code == "arm_conflict"


def test_a_network_that_sees_the_hand_at_the_other_end_is_a_refusal(seen):
    phantom, picture, belief = seen
    turned = replace(
        belief,
        carpals=np.where(
            np.arange(belief.carpals.shape[0])[:, None] * 2 > belief.carpals.shape[0], 0, 1
        ).astype(np.float32)
        * np.ones_like(belief.carpals)
        if not phantom.truth.hand_up
        else belief.carpals[::-1],
        landmarks=MappingProxyType({k: replace(v, height=0.0) for k, v in belief.landmarks.items()}),
    )
    with pytest.raises(RejectedInput) as refusal:
        segment(phantom.density_g_cm2, picture, FixedNetwork(turned))
    assert refusal.value.code == "orientation_conflict"


def test_contradictory_evidence_for_the_hand_s_end_is_a_refusal(seen):
    phantom, _, belief = seen
    end_plate = belief.landmarks["end_plate_middle"]
    rows = phantom.density_g_cm2.shape[0]
    moved = replace(end_plate, point=(end_plate.point[0], rows - end_plate.point[1]), height=0.9)
    torn = replace(belief, landmarks=MappingProxyType({**belief.landmarks, "end_plate_middle": moved}))
    with pytest.raises(RejectedInput, match="both sides") as refusal:
        guide_from(torn, phantom.spacing_mm, np.zeros(phantom.density_g_cm2.shape, bool))
    assert refusal.value.code == "orientation_conflict"


def test_where_the_network_sees_nothing_edges_serve_and_say_so(seen):
    phantom, picture, belief = seen
    blind = replace(belief, radius=np.zeros_like(belief.radius))
    found = segment(phantom.density_g_cm2, picture, FixedNetwork(blind))
    assert not found.guided
    assert dice(found.anatomy.radius_mask, phantom.truth.radius_mask) > 0.98


def test_uncertainty_and_artefacts_travel_on_the_picture_s_grid(seen):
    phantom, picture, belief = seen
    anatomy = find_with_network(phantom.density_g_cm2, picture, FixedNetwork(belief))
    assert anatomy.uncertainty.shape == phantom.density_g_cm2.shape
    assert 0 <= anatomy.uncertainty.min() <= anatomy.uncertainty.max() <= 1
    assert anatomy.artefact_mask.mean() < 0.01
    assert anatomy.quality.model == FixedNetwork.model
    assert anatomy.quality.agreement > 0.98


def test_a_missing_network_is_remarked_on_and_edges_serve(scan, monkeypatch):
    monkeypatch.setattr(forearm, "shipped_network", lambda: None)
    phantom = scan(0)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm, density=True)
    assert anatomy.quality.method == "classical"
    assert "segmentation_network_missing" in {finding.code for finding in anatomy.findings}


def test_a_plate_over_the_bone_does_not_narrow_it(scan):
    phantom = scan(0, artefact="metal")
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm, density=True)
    assert abs(anatomy.radius_mask.sum() / phantom.truth.radius_mask.sum() - 1) < 0.03


def test_an_ulna_outside_of_the_field_leaves_the_radius_to_be_seen():
    phantom = voxel(9, artefact="crop_ulna")
    anatomy = find_forearm(phantom.pixels, phantom.spacing_mm, density=True)
    assert not anatomy.styloid_seen
    assert "ulnar_styloid_unseen" in {finding.code for finding in anatomy.findings}
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.95


@pytest.mark.parametrize("seed", [1503700, 1503710])
def test_an_ulna_whose_end_is_cut_away_never_stops_the_engine(seed):
    phantom = render_voxel(draw_voxel_case(np.random.default_rng([seed, 42]), artefact="crop_ulna"))
    with pytest.raises(RejectedInput, match="shows both bones and the wrist"):
        find_forearm(phantom.pixels, phantom.spacing_mm, density=True)


GOOD = Evidence(0.99, 0.98, 0.99, 1.0, 1.0, 0.02, 0.0, 0.5)


def test_a_good_outline_scores_high_and_a_bad_one_low():
    model = shipped_quality_model()
    bad = Evidence(0.6, 0.7, 0.0, 0.1, 0.8, 0.2, 0.3, 12.0)
    assert model.score(GOOD) > 0.95
    assert model.score(bad) < model.flag_below
    assert model.judged(model.score(GOOD)) == ()


def test_an_outline_that_is_probably_wrong_is_declined():
    with pytest.raises(RejectedInput, match="probability") as refusal:
        shipped_quality_model().judged(0.01)
    assert refusal.value.code == "segmentation_uncertain"


def test_the_true_outline_runs_along_edges_and_a_shifted_one_does_not(seen):
    phantom, picture, _ = seen
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm, method="classical")
    nothing = np.zeros(phantom.density_g_cm2.shape, bool)
    outline = np.array(anatomy.radius_outline)
    shifted = outline + np.array([5 / phantom.spacing_mm[1], 0.0])
    true, wrong = (
        edge_support(picture.values, phantom.spacing_mm, tuple(map(tuple, o)), nothing)
        for o in (outline, shifted)
    )
    assert true > 0.97
    assert wrong < 0.75
