"""What ``doctor`` says of log, monitoring and audit trail."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from real_peers import pick_free_port
from running_node import write_node_config

from dicom_node.config import AuditSettings, LoggingSettings, MonitoringSettings, NodeConfig
from dicom_node.diagnosis import Level
from dicom_node.observing_diagnosis import check_observing


@pytest.fixture
def site(tmp_path: Path) -> NodeConfig:
    config = NodeConfig.load(write_node_config(tmp_path, destinations={})[0])
    return replace(config, monitoring=MonitoringSettings(port=pick_free_port()))


def findings(site: NodeConfig, **tables: object) -> dict[str, tuple[Level, str]]:
    return {
        finding.subject: (finding.level, finding.message)
        for finding in check_observing(replace(site, **tables))  # type: ignore[arg-type]
    }


def test_a_sound_configuration_is_fine(site: NodeConfig, tmp_path: Path) -> None:
    found = findings(site, audit=AuditSettings(transport="file", directory=tmp_path / "audit"))
    assert {level for level, _ in found.values()} == {Level.OK}
    assert found["audit"][1] == f"to {tmp_path / 'audit'}"


def test_a_monitoring_port_in_use_is_a_failure(site: NodeConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = MonitoringSettings(port=other.getsockname()[1])
        level, message = findings(site, monitoring=taken)["monitoring"]
    assert level is Level.FAIL
    assert "set [monitoring] port" in message


def test_a_monitoring_port_for_everybody_is_warned_of(site: NodeConfig) -> None:
    open_to_all = MonitoringSettings(host="0.0.0.0", port=pick_free_port())  # noqa: S104
    level, message = findings(site, monitoring=open_to_all)["monitoring"]
    assert level is Level.WARN
    assert "firewall" in message


def test_a_log_that_may_hold_patient_data_is_warned_of(site: NodeConfig) -> None:
    level, message = findings(site, logging=LoggingSettings(library_texts=True))["logging"]
    assert level is Level.WARN
    assert "patient data" in message


def test_an_audit_repository_that_is_not_there_is_a_failure(site: NodeConfig) -> None:
    level, message = findings(site, audit=AuditSettings(transport="tls", port=pick_free_port()))["audit"]
    assert level is Level.FAIL
    assert "messages wait until it is mended" in message
