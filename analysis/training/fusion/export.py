"""Writing a fitted network: safetensors and JSON for training on, ONNX for the node; never pickle."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from analysis.training.fusion.fusion import Shape
from analysis.training.fusion.inputs import Standard
from analysis.training.fusion.network import ExplainedNetwork, FusionNetwork
from analysis.training.fusion.prediction import CONFIG, INPUTS, NETWORK, OUTPUTS, WEIGHTS

OPSET = 18
FORMAT = "1"


def save(network: FusionNetwork, standard: Standard, about: dict[str, Any], directory: Path) -> None:
    """Write weights, ONNX and configuration with the files' SHA-256.

    Parameters
    ----------
    about : dict
        Provenance, plan and figures, as JSON takes them.
    """
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    network.eval()
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, directory / WEIGHTS)
    (directory / WEIGHTS).chmod(0o644)
    export_onnx(network, directory / NETWORK)
    shape = network.shape
    written = {
        "format": FORMAT,
        "training_data": "simulated; research use only",
        "standard": standard.to_json(),
        "shape": {
            "kind": shape.kind,
            "families": {family: list(index) for family, index in shape.families.items()},
            "image": shape.image,
            "encoder": shape.encoder,
            "width": shape.width,
            "dropout": shape.dropout,
            "members": len(network.members),
        },
        "sha256": {
            name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in (WEIGHTS, NETWORK)
        },
        **about,
    }
    text = json.dumps(written, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")


def load(directory: Path) -> tuple[FusionNetwork, Standard, dict[str, Any]]:
    """What `save` wrote, as a network in evaluation mode."""
    from safetensors.torch import load_file

    written = json.loads((directory / CONFIG).read_bytes())
    shape = written["shape"]
    network = FusionNetwork(
        Shape(
            shape["kind"],
            {family: tuple(index) for family, index in shape["families"].items()},
            image=shape["image"],
            encoder=shape["encoder"],
            width=shape["width"],
            dropout=shape["dropout"],
        ),
        shape["members"],
    )
    network.load_state_dict(load_file(directory / WEIGHTS))
    network.eval()
    return network, Standard.from_json(written["standard"]), written


def export_onnx(network: FusionNetwork, path: Path) -> None:
    """Write the network as the node runs it, see `network.ExplainedNetwork`; the batch size stays free."""
    import onnx

    predictors = network.shape.predictors
    examples: tuple[Tensor, ...] = (
        torch.rand(2, 1, 96, 80),
        torch.zeros(2, predictors),
        torch.ones(2, predictors),
        torch.ones(2, 1),
    )
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ExplainedNetwork(network).eval().to(memory_format=torch.contiguous_format),  # type: ignore[call-overload]
            examples,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: batch},) * 4,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch exported nothing")
    model = program.model_proto
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
