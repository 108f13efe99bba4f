"""`doctor` says whether drift can be measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from node_support import load_config

from analysis.risk import SHIPPED_MODELS
from dicom_node.diagnosis import Level
from dicom_node.surveillance_diagnosis import check_surveillance


def test_shipped_models_can_be_watched(tmp_path: Path) -> None:
    [finding] = check_surveillance(load_config(tmp_path))
    assert finding.level is Level.OK


def test_models_without_a_reference_are_named_with_the_cure(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(SHIPPED_MODELS, models)
    content = json.loads((models / "versions.json").read_text())
    del content["versions"][0]["reference"]
    (models / "versions.json").write_text(json.dumps(content))
    config = load_config(tmp_path)
    object.__setattr__(config.analysis, "models", models)
    [finding] = check_surveillance(config)
    assert finding.level is Level.WARN
    assert "full" in finding.message
    assert "dicom-node surveillance reference" in finding.message


def test_a_site_that_watches_nothing_is_told(tmp_path: Path) -> None:
    [finding] = check_surveillance(load_config(tmp_path, extra="[surveillance]\nenabled = false\n"))
    assert finding.level is Level.WARN
