"""Versions of models: promoted and rolled back in one step, with a history; nothing tampered with gets in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from analysis.errors import ConfigurationError
from analysis.risk import SHIPPED_MODELS, load_models
from analysis.risk.versions import history, list_versions, promote, rollback

NAME = "t-scores"


def version_of(directory: Path, name: str = NAME) -> str:
    return next(v.version for v in list_versions(directory) if v.active and v.name == name)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    directory = tmp_path / "node"
    directory.mkdir()
    for file in SHIPPED_MODELS.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """What a site has trained: the same model under another version."""
    directory = tmp_path / "trained"
    directory.mkdir()
    entry = dict(next(v.entry for v in list_versions(SHIPPED_MODELS) if v.name == NAME))
    content = json.loads((SHIPPED_MODELS / str(entry["file"])).read_bytes()) | {"version": "site-1"}
    raw = json.dumps(content).encode()
    entry |= {"file": f"{NAME}-site-1.json", "sha256": hashlib.sha256(raw).hexdigest(), "version": "site-1"}
    (directory / str(entry["file"])).write_bytes(raw)
    (directory / "model-card.md").write_text("A site's own card.")
    active = {"file": entry["file"], "sha256": entry["sha256"]}
    (directory / "registry.json").write_text(json.dumps({"schema": "2", "models": [active]}))
    (directory / "versions.json").write_text(json.dumps({"schema": "2", "versions": [entry]}))
    return directory


def test_a_promoted_version_is_used_and_the_order_of_preference_stays(node: Path, trained: Path) -> None:
    order = [model.identity.name for model in load_models(node).models]
    promote(node, NAME, "site-1", "validated on our 4,000 patients", source=trained)
    models = load_models(node).models
    assert [model.identity.name for model in models] == order
    assert version_of(node) == "site-1"
    assert (node / "model-card-site-1.md").read_text() == "A site's own card."


def test_there_and_back_again_leaves_the_registry_as_it_was(node: Path, trained: Path) -> None:
    """The registry's bytes stand for the models in the identity of every analysis."""
    before, first = (node / "registry.json").read_bytes(), version_of(node)
    promote(node, NAME, "site-1", "try it", source=trained)
    assert (node / "registry.json").read_bytes() != before
    rollback(node, NAME, "too many high risks")
    assert (node / "registry.json").read_bytes() == before
    promote(node, NAME, "site-1", "try it again")
    promote(node, NAME, first, "and back by hand")
    assert (node / "registry.json").read_bytes() == before


def test_the_history_says_when_what_and_why(node: Path, trained: Path) -> None:
    first = version_of(node)
    promote(node, NAME, "site-1", "try it", source=trained)
    rollback(node, NAME, "no better")
    promoted, rolled_back = history(node)
    assert (promoted["action"], promoted["from"], promoted["to"]) == ("promote", first, "site-1")
    assert (rolled_back["action"], rolled_back["to"], rolled_back["reason"]) == (
        "rollback",
        first,
        "no better",
    )
    assert promoted["time"] <= rolled_back["time"]
    assert promoted["time"].endswith("+00:00")


def test_every_version_is_listed_with_the_active_ones_first(node: Path, trained: Path) -> None:
    promote(node, NAME, "site-1", "try it", source=trained)
    versions = list_versions(node)
    active = [version.active for version in versions]
    assert active == sorted(active, reverse=True)
    assert sum(version.name == NAME for version in versions) == 2


def test_a_version_that_was_changed_is_not_promoted(node: Path, trained: Path) -> None:
    before = (node / "registry.json").read_bytes()
    target = trained / f"{NAME}-site-1.json"
    target.write_bytes(target.read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        promote(node, NAME, "site-1", "try it", source=trained)
    assert (node / "registry.json").read_bytes() == before
    assert history(node) == []


@pytest.mark.parametrize(
    ("version", "reason", "rule"),
    [("no-such", "why not", "does not hold it"), ("site-1", " ", "needs a reason")],
)
def test_what_cannot_be_promoted_is_refused_with_the_cure(
    node: Path, trained: Path, version: str, reason: str, rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        promote(node, NAME, version, reason, source=trained)


def test_without_an_earlier_version_there_is_nothing_to_go_back_to(node: Path) -> None:
    with pytest.raises(ConfigurationError, match="no version before"):
        rollback(node, NAME, "just so")
