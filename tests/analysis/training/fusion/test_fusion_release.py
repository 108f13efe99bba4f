"""What is trained is what is written: small files, the same numbers, maps that are Grad-CAM, no tampering."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.cohort.table import CohortTable
from analysis.errors import ConfigurationError
from analysis.training.fusion.data import pictures_of
from analysis.training.fusion.encoder import pooled
from analysis.training.fusion.export import load
from analysis.training.fusion.network import EXPLAINED_INTERVAL, tensors
from analysis.training.fusion.prediction import CONFIG, NETWORK, FusionModel, predict
from dicom_node.commands import train_fusion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(cohort_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained by the command, as a user would."""
    out = tmp_path_factory.mktemp("network")
    parser = argparse.ArgumentParser()
    train_fusion.add_arguments(parser)
    options = [
        "--cohort",
        str(cohort_directory),
        "--out",
        str(out),
        "--fusion",
        "hybrid",
        "--missing",
        "mice",
    ]
    options += [
        "--pretraining",
        "microstructure",
        "--pretraining-epochs",
        "2",
        "--epochs",
        "10",
        "--members",
        "2",
    ]
    options += ["--tuning-epochs", "1", "--search", "random", "--trials", "2"]
    assert train_fusion.run(parser.parse_args(options)) == 0
    return out


def test_files_are_small_and_say_what_they_are(written: Path) -> None:
    assert sum(path.stat().st_size for path in written.iterdir()) < 1_500_000
    config = json.loads((written / CONFIG).read_bytes())
    assert "simulated" in config["training_data"]
    assert "research use only" in config["training_data"]
    assert config["subjects"] == {"training": 192, "test": 48}
    assert config["figures"]["horizons"]["5"]["auc"][0] > 0.6


def test_onnx_says_what_torch_says_and_its_maps_are_grad_cam(written: Path, table: CohortTable) -> None:
    network, standard, _ = load(written)
    model = FusionModel(written)
    pictures = pictures_of(table)
    few = np.arange(4)
    inputs = model.inputs(table.features(standard.names)[few], pictures.patches[few], pictures.seen[few])
    assert model._imputer is not None
    filled = model._imputer.fill(inputs, None)
    maps = network.encoder(torch.from_numpy(filled.patches)[:, None]).detach().requires_grad_()
    log_hazard = network.fused(pooled(maps), *tensors(filled)).log_hazard
    log_hazard[:, 0, EXPLAINED_INTERVAL].sum().backward()
    assert maps.grad is not None
    weights = maps.grad.sum(dim=(2, 3))
    expected = torch.relu((weights[:, :, None, None] * maps).sum(dim=1)).detach().numpy()
    np.testing.assert_allclose(model.explain(inputs), expected, atol=0.02 * expected.max() + 1e-6)
    risks = model.predict(inputs).risks
    assert np.all(np.diff(risks, axis=1) >= 0)
    from analysis.training.fusion.incidence import cumulative_incidence

    np.testing.assert_allclose(risks, cumulative_incidence(log_hazard.detach().numpy()), rtol=1e-3)


def test_a_cohort_is_predicted_with_and_without_families(written: Path, table: CohortTable) -> None:
    full = predict(written, table)
    poorer = predict(written, table, missing=["turnover", "image"])
    assert full.risks.shape == (len(table), 4)
    assert not np.allclose(full.risks, poorer.risks)


def test_a_changed_file_is_refused(written: Path, tmp_path: Path) -> None:
    for path in written.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / NETWORK).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ConfigurationError, match="not the file"):
        FusionModel(tmp_path)
    (tmp_path / NETWORK).unlink()
    with pytest.raises(ConfigurationError, match="holds no fusion network"):
        FusionModel(tmp_path)
