"""A network is believed only if its file is the one its manifest names; it sees an arm from every side."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.errors import ConfigurationError
from analysis.segmentation.network import LANDMARKS, Network, shipped_network
from analysis.segmentation.quality import dice

onnx = pytest.importorskip("onnx", reason="making a network needs the training extra")

THRESHOLD, STEEPNESS = 0.5, 40.0


def brightness_network() -> bytes:
    """A network that calls every bright pixel radius and marks the brightest place as each landmark."""
    from onnx import TensorProto, helper

    def constant(name: str, values: list[float]) -> object:
        return helper.make_tensor(name, TensorProto.FLOAT, [len(values), 1, 1, 1], values)

    slopes = [0.0, STEEPNESS, 0.0, 0.0, 0.0]
    offsets = [0.0, -STEEPNESS * THRESHOLD, -9.0, -9.0, -9.0]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "slopes", "offsets"], ["classes"]),
            helper.make_node("Conv", ["image", "fives", "darker"], ["landmarks"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 256, 176])],
        [
            helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 5, 256, 176]),
            helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, ["n", 6, 256, 176]),
        ],
        [
            constant("slopes", slopes),
            helper.make_tensor("offsets", TensorProto.FLOAT, [5], offsets),
            constant("fives", [5.0] * 6),
            helper.make_tensor("darker", TensorProto.FLOAT, [6], [-4.0] * 6),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    content = brightness_network()
    (tmp_path / "tiny.onnx").write_bytes(content)
    manifest = {
        "file": "tiny.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "name": "brightness",
        "version": "1",
        "training_data": "none",
    }
    (tmp_path / "segmentation.json").write_text(json.dumps(manifest))
    return tmp_path


def bar(shape: tuple[int, int] = (300, 200)) -> np.ndarray:
    """A bright bar with one brighter spot, so that neither mirror nor turn leaves it unchanged."""
    picture = np.zeros(shape)
    picture[40:260, 70:100] = 0.8
    picture[60:66, 80:86] = 1.6
    return picture


def test_what_is_bright_comes_back_on_the_picture_s_own_grid(directory):
    belief = Network(directory).look_at(bar(), (0.5, 0.5))
    assert belief.radius.shape == (300, 200)
    inside = np.zeros((300, 200), bool)
    inside[42:258, 72:98] = True
    outside = np.ones((300, 200), bool)
    outside[38:262, 68:102] = False
    assert belief.radius[inside].min() > 0.9
    assert belief.radius[outside].max() < 0.1


def test_a_landmark_is_found_where_it_is(directory):
    belief = Network(directory).look_at(bar(), (0.5, 0.5))
    for name in LANDMARKS:
        assert belief.landmarks[name].point == pytest.approx((83.0, 63.0), abs=1.5)


def test_a_network_that_treats_all_views_alike_is_certain(directory):
    belief = Network(directory).look_at(bar(), (0.5, 0.5))
    assert belief.agreement > 0.999
    assert belief.uncertainty.max() < 1e-5


@pytest.mark.parametrize("turned", [(slice(None), slice(None, None, -1)), (slice(None, None, -1),) * 2])
def test_the_shipped_network_sees_a_turned_picture_turned(scan, turned):
    network = shipped_network()
    assert network is not None
    phantom = scan(1)
    straight = network.look_at(phantom.density_g_cm2, phantom.spacing_mm)
    other = network.look_at(phantom.density_g_cm2[turned].copy(), phantom.spacing_mm)
    assert np.abs(other.radius[turned] - straight.radius).mean() < 0.003
    assert dice(other.radius[turned] > 0.5, straight.radius > 0.5) > 0.99


def test_a_file_that_its_manifest_does_not_name_is_not_loaded(directory):
    with (directory / "tiny.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ConfigurationError, match=r"SHA-256 .* restore"):
        Network(directory)


def test_a_manifest_without_its_file_is_refused_with_a_cure(directory):
    (directory / "tiny.onnx").unlink()
    with pytest.raises(ConfigurationError, match="classical"):
        Network(directory)


def test_bytes_that_are_no_network_are_refused(directory):
    (directory / "tiny.onnx").write_bytes(b"not a network")
    manifest = json.loads((directory / "segmentation.json").read_text())
    manifest["sha256"] = hashlib.sha256(b"not a network").hexdigest()
    (directory / "segmentation.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigurationError, match="ONNX Runtime"):
        Network(directory)


def test_the_engine_never_imports_torch():
    code = (
        "import sys, numpy as np; from analysis.segmentation.network import shipped_network; "
        "shipped_network().look_at(np.random.default_rng(1).random((300, 200)), (0.5, 0.5)); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
