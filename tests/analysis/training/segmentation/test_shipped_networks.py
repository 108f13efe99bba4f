"""What is shipped is what was evaluated, small, and as good as its card says."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnx
import pytest

from analysis.segmentation.letterbox import NETWORK_SHAPE
from analysis.segmentation.network import MANIFEST, WEIGHTS
from analysis.training.segmentation.evaluation import Example, evaluate, held_out
from analysis.training.segmentation.export import predictor
from analysis.training.segmentation.labels import CLASS_NAMES, LANDMARK_NAMES
from analysis.training.segmentation.model_card import MODEL_CARD_FILE, model_card
from analysis.training.segmentation.release import EVALUATION_FILE

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return dict(json.loads((WEIGHTS / MANIFEST).read_bytes()))


@pytest.fixture(scope="module")
def evaluation() -> dict[str, Any]:
    return dict(json.loads((WEIGHTS / EVALUATION_FILE).read_bytes()))


@pytest.fixture(scope="module")
def fresh_scans() -> list[Example]:
    """Subjects whom neither training nor the card's figures have met."""
    with ThreadPoolExecutor(1) as worker:
        return held_out({"clean": 4, "display": 2, "metal": 3, "crop": 2}, 31, worker)


def entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [manifest, *manifest["comparators"].values()]


def test_every_file_is_the_one_that_was_evaluated(
    manifest: dict[str, Any], evaluation: dict[str, Any]
) -> None:
    assert {entry["architecture"] for entry in entries(manifest)} == {"deeplabv3plus", "unet"}
    for entry in entries(manifest):
        content = (WEIGHTS / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        figures = evaluation[entry["architecture"]]
        assert figures["training_data"] == entry["training_data"]
        network = figures["networks"][entry["number_format"]]
        assert network["bytes"] == len(content)
        for kind, brief in entry["held_out"].items():
            assert brief["radius_dice"] == network["held_out"][kind]["dice"]["radius"]


def test_the_networks_are_small_and_speak_the_manifests_contract(manifest: dict[str, Any]) -> None:
    assert manifest["input"]["shape"] == [1, 1, *NETWORK_SHAPE]
    assert manifest["classes"] == list(CLASS_NAMES) and manifest["landmarks"] == list(LANDMARK_NAMES)
    sizes = [(WEIGHTS / entry["file"]).stat().st_size for entry in entries(manifest)]
    assert max(sizes) < 2_000_000 and sum(sizes) < 4_000_000
    for entry in entries(manifest):
        model = onnx.load(WEIGHTS / entry["file"])
        assert max(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")) >= 17
        assert not model.metadata_props and not any(node.doc_string for node in model.graph.node)
        shapes = {
            value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim[1:]]
            for value in (*model.graph.input, *model.graph.output)
        }
        assert shapes == {
            "image": [1, *NETWORK_SHAPE],
            "classes": [len(CLASS_NAMES), *NETWORK_SHAPE],
            "landmarks": [len(LANDMARK_NAMES), *NETWORK_SHAPE],
        }


def test_integers_are_shipped_only_where_they_cost_nothing(evaluation: dict[str, Any]) -> None:
    for figures in evaluation.values():
        assert (figures["shipped"] == "int8") == (figures["dice_loss_int8"] <= 0.001)


def test_the_network_the_node_uses_sees_fresh_scans_as_well_as_its_card_says(
    manifest: dict[str, Any], fresh_scans: list[Example]
) -> None:
    figures = evaluate(predictor(WEIGHTS / manifest["file"]), fresh_scans)
    for kind, least in {"clean": 0.98, "display": 0.975, "crop": 0.975, "metal": 0.93}.items():
        assert figures[kind]["dice"]["radius"]["min"] > least, kind
        assert figures[kind]["dice"]["ulna"]["mean"] > 0.975, kind
        assert figures[kind]["landmark_error_mm"]["ulnar_styloid"]["p95"] < 1.5, kind
        assert figures[kind]["landmark_error_mm"]["end_plate_middle"]["p95"] < 2.5, kind


def test_the_documented_model_card_describes_the_shipped_networks(
    manifest: dict[str, Any], evaluation: dict[str, Any]
) -> None:
    documented = (ROOT / "docs" / MODEL_CARD_FILE).read_text(encoding="utf-8")
    assert documented == model_card(manifest, evaluation)
