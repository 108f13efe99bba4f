"""``dicom-node jobs`` beside a running node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node_support import wait_until, write_config

from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.service import Service


def test_an_administrator_sees_jobs_and_has_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path)
    service = Service(NodeConfig.load(path))
    service.start()
    try:
        config = ["--config", str(path)]
        assert main(["jobs", "--json", *config]) == 0
        jobs = {job["name"]: job for job in json.loads(capsys.readouterr().out)}
        assert {"completion", "execution", "retention", "job board"} <= set(jobs)
        assert jobs["retention"]["period_seconds"] == 60
        assert main(["jobs", "--run", "retention", "--reason", "to see it", *config]) == 0
        assert "within seconds" in capsys.readouterr().out
        wait_until(lambda: bool(service.journal.job_history("retention")))
        assert main(["jobs", "--history", "retention", *config]) == 0
        assert "done" in capsys.readouterr().out
        assert main(["jobs", "--pause", "retention", "--reason", "audit", *config]) == 0
        assert main(["jobs", *config]) == 0
        assert "audit" in capsys.readouterr().out
        assert main(["jobs", "--resume", "retention", *config]) == 0
        assert "goes on" in capsys.readouterr().out
        assert main(["jobs", "--run", "retentoin", *config]) == 2
        assert "there is no job 'retentoin'" in capsys.readouterr().err
    finally:
        service.stop()
