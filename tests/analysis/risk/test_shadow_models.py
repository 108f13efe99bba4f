"""Models in shadow: computed beside the active ones, which they change in nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from challengers import copy_shipped_models, write_challenger

from analysis.errors import ConfigurationError
from analysis.risk import load_models
from analysis.risk.registry import SHADOW_FILE
from analysis.risk.shadow import end_shadow, put_in_shadow, shadow_risks
from analysis.risk.versions import history, list_versions, promote, rollback

NAME = "t-scores"
KNOWN = {"age_years": 71.0, "male": 0.0, "one_third.t_score": -2.4, "ultradistal.t_score": -2.0}


@pytest.fixture
def node(tmp_path: Path) -> Path:
    return copy_shipped_models(tmp_path / "node")


def challenger(folder: Path, version: str) -> Path:
    return write_challenger(folder, NAME, version, slope=2.0)


def test_without_a_shadow_nothing_is_computed(node: Path) -> None:
    assert shadow_risks(node, KNOWN) == ()


def test_a_model_in_shadow_says_what_it_would_say_if_it_were_promoted(node: Path, tmp_path: Path) -> None:
    trained = challenger(tmp_path / "trained", "site-1")
    put_in_shadow(node, NAME, "site-1", "to be watched", source=trained, user="mei")
    (said,) = shadow_risks(node, KNOWN)
    promoted = next(model for model in load_models(trained).models)
    values = np.array([[KNOWN[feature.name] for feature in promoted.features]])
    assert list(said.horizons.values()) == pytest.approx(promoted.risk(values)[0])
    assert (said.model.name, said.model.version) == (NAME, "site-1")


def test_the_active_set_keeps_its_bytes_when_a_shadow_comes_and_goes(node: Path, tmp_path: Path) -> None:
    registry = (node / "registry.json").read_bytes()
    put_in_shadow(node, NAME, "site-1", "watch", source=challenger(tmp_path / "trained", "site-1"))
    assert (node / "registry.json").read_bytes() == registry
    assert [v.version for v in list_versions(node) if v.in_shadow] == ["site-1"]
    end_shadow(node, NAME, "seen enough")
    assert (node / "registry.json").read_bytes() == registry
    assert not (node / SHADOW_FILE).exists()
    assert [change["action"] for change in history(node)] == ["shadow", "end shadow"]


def test_a_newer_challenger_takes_the_place_of_the_older_one(node: Path, tmp_path: Path) -> None:
    for version in ("site-1", "site-2"):
        put_in_shadow(node, NAME, version, "watch", source=challenger(tmp_path / version, version))
    assert [v.version for v in list_versions(node) if v.in_shadow] == ["site-2"]


def test_a_promoted_challenger_leaves_the_shadow_and_the_history_says_who_decided(
    node: Path, tmp_path: Path
) -> None:
    put_in_shadow(node, NAME, "site-1", "watch", source=challenger(tmp_path / "trained", "site-1"))
    promote(node, NAME, "site-1", "better calibrated here", user="mei")
    assert shadow_risks(node, KNOWN) == ()
    assert (history(node)[-1]["user"], history(node)[-1]["reason"]) == ("mei", "better calibrated here")
    rollback(node, NAME, "too many alarms", user="li")
    assert history(node)[-1]["user"] == "li"


def test_what_a_model_in_shadow_cannot_do_without_is_not_made_up(node: Path, tmp_path: Path) -> None:
    put_in_shadow(node, NAME, "site-1", "watch", source=challenger(tmp_path / "trained", "site-1"))
    assert shadow_risks(node, {"age_years": 71.0, "male": 0.0}) == ()


def test_an_active_model_is_not_put_in_shadow(node: Path) -> None:
    active = next(v for v in list_versions(node) if v.name == NAME)
    with pytest.raises(ConfigurationError, match="is the active one"):
        put_in_shadow(node, NAME, active.version, "no sense")


def test_a_shadow_whose_file_was_changed_is_not_believed(node: Path, tmp_path: Path) -> None:
    put_in_shadow(node, NAME, "site-1", "watch", source=challenger(tmp_path / "trained", "site-1"))
    (node / f"{NAME}-site-1.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="was changed"):
        shadow_risks(node, KNOWN)
