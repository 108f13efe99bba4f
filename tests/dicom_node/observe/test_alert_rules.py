"""The shipped alert rules and dashboard: sound, about metrics that there are, and firing when they should."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from dicom_node.observe.collector import NodeMetrics
from dicom_node.storage.journal import Journal
from dicom_node.workflow.schedule import JobRun

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "conf" / "monitoring"
EXPECTATIONS = ROOT / "tests" / "data" / "alert_rules_test.yml"


@pytest.fixture
def exposed(tmp_path: Path) -> set[str]:
    """Every name that a query may use."""
    journal = Journal(tmp_path / "journal.db")
    collector = NodeMetrics(journal.path, tmp_path, min_free_bytes=0, last_runs=dict[str, JobRun])
    names = {"up"}
    for family in collector.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    journal.close()
    return names


def test_rules_and_dashboard_ask_only_for_metrics_that_there_are(exposed: set[str]) -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += re.findall(r"expr: (.*)", (MONITORING / "alerts.yml").read_text())
    asked = {name for query in queries for name in re.findall(r"\b(?:radius_dxa|process)_\w+", query)}
    assert asked <= exposed
    assert len(queries) > 30


def test_every_alert_is_documented_and_says_what_to_do() -> None:
    rules = (MONITORING / "alerts.yml").read_text()
    alerts = re.findall(r"alert: (\w+)", rules)
    documented = re.findall(
        r"^\| (Radius\w+) \|", (ROOT / "docs" / "monitoring.md").read_text(), re.MULTILINE
    )
    assert sorted(documented) == sorted(alerts)
    assert rules.count("action:") == rules.count("summary:") == len(alerts)


@pytest.mark.promtool
def test_prometheus_accepts_rules_and_configuration() -> None:
    for command in (["rules", MONITORING / "alerts.yml"], ["config", MONITORING / "prometheus.yml"]):
        checked = subprocess.run(["promtool", "check", *command], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.promtool
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    without_texts = re.sub(r" +annotations:\n(?: {10}.*\n)+", "", (MONITORING / "alerts.yml").read_text())
    (tmp_path / "alerts.yml").write_text(without_texts)  # promtool compares texts as well
    (tmp_path / "test.yml").write_text(EXPECTATIONS.read_text().replace("ALERTS", "alerts.yml"))
    tested = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
