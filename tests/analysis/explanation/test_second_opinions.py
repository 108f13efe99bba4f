"""The closed forms agree with the packages that do the same the long way round."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

from analysis.errors import ConfigurationError
from analysis.explanation.grad_cam import grad_cam, on_patch
from analysis.explanation.lime_opinion import lime_contributions, lime_map

ROWS, COLUMNS = 24, 20


@pytest.mark.filterwarnings("ignore")
def test_grad_cam_from_onnx_equals_captum_through_the_gradients_of_torch() -> None:
    """One small network twice: run by ONNX Runtime without gradients, and by torch with captum."""
    onnxruntime = pytest.importorskip("onnxruntime")
    torch = pytest.importorskip("torch")
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(4)
    last = torch.nn.Conv2d(6, 5, 3, stride=2, padding=1)
    head = torch.nn.Linear(5, 1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1),
        torch.nn.ReLU(),
        last,
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        head,
    ).eval()
    patch = torch.rand(1, 1, ROWS, COLUMNS)
    layer = captum.LayerGradCam(network, last)
    expected = layer.attribute(patch, target=0)
    expected_fine = captum.LayerAttribution.interpolate(expected, (ROWS, COLUMNS), "bilinear")

    session = onnxruntime.InferenceSession(_onnx_of(network[0], last), providers=["CPUExecutionProvider"])
    (maps,) = session.run(None, {"patch": patch.numpy()})
    ours = grad_cam(maps[0], head.weight.detach().numpy()[0])
    np.testing.assert_allclose(ours, expected[0, 0].detach().numpy(), atol=1e-6)
    fine = on_patch(ours, (ROWS, COLUMNS))
    np.testing.assert_allclose(fine, expected_fine[0, 0].detach().numpy(), atol=1e-6)


def test_lime_agrees_with_the_exact_contributions_of_a_linear_score() -> None:
    pytest.importorskip("lime")
    rng = np.random.default_rng(2)
    training = rng.normal([60.0, 0.5, 2.5], [10.0, 0.1, 0.4], (500, 3))
    slopes = np.array([0.04, -3.0, -0.5])
    values = np.array([75.0, 0.35, 2.4])
    exact = slopes * (values - training.mean(axis=0))
    told = lime_contributions(lambda rows: rows @ slopes, values, training, ("age", "bmd", "wall"))
    np.testing.assert_allclose([told[name] for name in ("age", "bmd", "wall")], exact, atol=0.05)


def test_lime_of_a_picture_finds_the_square_on_which_the_score_rests() -> None:
    pytest.importorskip("lime")
    patch = np.random.default_rng(5).normal(0.4, 0.02, (ROWS, COLUMNS))
    patch[8:16, 5:15] += 0.3
    effect = lime_map(
        lambda pictures: pictures[:, 8:16, 5:15].mean(axis=(1, 2)),
        patch,
        np.zeros_like(patch),
        samples=200,
        segments=20,
    )
    outside = np.ones(patch.shape, dtype=bool)
    outside[8:16, 5:15] = False
    assert effect[8:16, 5:15].mean() > 3 * abs(effect[outside].mean())


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"radius-dxa-node\[training\]"):
        lime_contributions(lambda rows: rows[:, 0], np.ones(1), np.ones((3, 1)), ("age",))


def _onnx_of(first: object, last: object) -> bytes:
    """Convolution, ReLU, convolution: the part of the network that ends in its last maps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = {
        f"{name}_{part}": getattr(layer, part).detach().numpy()
        for name, layer in (("first", first), ("last", last))
        for part in ("weight", "bias")
    }
    nodes = [
        helper.make_node(
            "Conv", ["patch", "first_weight", "first_bias"], ["seen"], pads=[1, 1, 1, 1], strides=[1, 1]
        ),
        helper.make_node("Relu", ["seen"], ["lit"]),
        helper.make_node(
            "Conv", ["lit", "last_weight", "last_bias"], ["maps"], pads=[1, 1, 1, 1], strides=[2, 2]
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("patch", onnx.TensorProto.FLOAT, [1, 1, ROWS, COLUMNS])],
        [helper.make_tensor_value_info("maps", onnx.TensorProto.FLOAT, [1, 5, ROWS // 2, COLUMNS // 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())
