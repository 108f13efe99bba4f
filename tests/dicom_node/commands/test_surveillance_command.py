"""``dicom-node surveillance`` at a terminal."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from node_support import write_config
from surveillance_site import Site

from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.workflow.surveillance.gather import months_until


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = write_config(tmp_path)
    config = NodeConfig.load(path)
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).date()
    site = Site(config.node.data_dir / "journal.db", today=today)
    site.add_months("HOLOGIC Horizon A", months_until(today, 4), 70, findings={"motion_suspected": 0.7})
    return path


def test_run_show_and_export(config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--config", str(config_file)]
    assert main(["surveillance", "show", *at]) == 0
    assert "has not run yet" in capsys.readouterr().out
    assert main(["surveillance", "run", *at]) == 0
    assert "alarms are open" in capsys.readouterr().out
    assert main(["surveillance", "show", *at]) == 0
    shown = capsys.readouterr().out
    assert "motion suspected" in shown
    assert "crossed" in shown
    assert main(["surveillance", "show", "--json", "--kind", "risk", *at]) == 0
    assert {one["kind"] for one in json.loads(capsys.readouterr().out)["figures"]} == {"risk"}
    for name in ("figures.csv", "figures.json"):
        assert main(["surveillance", "export", "--out", str(tmp_path / name), *at]) == 0
    with (tmp_path / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(json.loads((tmp_path / "figures.json").read_text()))


def test_an_export_of_unknown_form_is_refused(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surveillance", "export", "--out", "x.xlsx", "--config", str(config_file)]) == 2
    assert "must end in .csv or .json" in capsys.readouterr().err
