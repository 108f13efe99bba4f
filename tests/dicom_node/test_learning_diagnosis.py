"""Doctor says before the first night whether a learning run could do its work, and what is in shadow."""

from __future__ import annotations

from pathlib import Path

from challengers import copy_shipped_models, write_challenger
from node_support import write_config

from analysis.risk.shadow import put_in_shadow
from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.learning_diagnosis import check_learning


def findings(folder: Path, models: Path | None = None, *, learning: str = "enabled = true") -> list[Finding]:
    path = write_config(folder, extra=f"[learning]\n{learning}\n")
    if models is not None:
        path.write_text(path.read_text().replace("[analysis]", f'[analysis]\nmodels = "{models}"'))
    return list(check_learning(NodeConfig.load(path)))


def test_the_shipped_models_are_not_learnt_over(tmp_path: Path) -> None:
    (found,) = findings(tmp_path)
    assert found.level is Level.FAIL and "dicom-node models copy" in str(found)


def test_a_site_that_says_nothing_of_follow_up_is_warned(tmp_path: Path) -> None:
    models = copy_shipped_models(tmp_path / "models")
    (found,) = findings(tmp_path, models)
    assert found.level is Level.WARN and "followed_up_days" in str(found)
    (found,) = findings(tmp_path, models, learning="enabled = true\nfollowed_up_days = 30")
    assert found.level is Level.OK


def test_a_damaged_shadow_is_told(tmp_path: Path) -> None:
    models = copy_shipped_models(tmp_path / "models")
    trained = write_challenger(tmp_path / "trained", "t-scores", "site-1")
    put_in_shadow(models, "t-scores", "site-1", "watch", source=trained)
    (found,) = findings(tmp_path, models, learning="enabled = false")
    assert found.level is Level.OK and "t-scores site-1" in str(found)
    (models / "t-scores-site-1.json").write_text("{}")
    (found,) = findings(tmp_path, models, learning="enabled = false")
    assert found.level is Level.WARN and "was changed" in str(found)
