"""What ``doctor`` says of the console."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from node_support import load_config
from real_peers import pick_free_port

from dicom_node.config import ConsoleSettings, NodeConfig
from dicom_node.console_diagnosis import check_console
from dicom_node.diagnosis import Level
from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role


@pytest.fixture
def site(tmp_path: Path) -> NodeConfig:
    return replace(load_config(tmp_path), console=ConsoleSettings(port=pick_free_port()))


def verdict(config: NodeConfig) -> tuple[Level, str]:
    (finding,) = check_console(config)
    return finding.level, finding.message


def test_a_console_without_users_names_the_command_that_makes_the_first(site: NodeConfig) -> None:
    level, message = verdict(site)
    assert level is Level.OK
    assert "dicom-node user add NAME --role administrator" in message


def test_a_console_with_a_user_is_fine(site: NodeConfig) -> None:
    with closing(Journal(site.node.data_dir / "journal.db")) as journal:
        journal.add_account("someone", Role.ADMINISTRATOR, "hash")
    assert verdict(site) == (Level.OK, f"http://127.0.0.1:{site.console.port}/")


def test_a_port_in_use_is_a_failure(site: NodeConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        level, message = verdict(replace(site, console=ConsoleSettings(port=other.getsockname()[1])))
    assert level is Level.FAIL
    assert "choose another port" in message


def test_a_console_open_to_a_network_is_warned_of(site: NodeConfig) -> None:
    everywhere = ConsoleSettings(host="0.0.0.0", port=pick_free_port())  # noqa: S104
    level, message = verdict(replace(site, console=everywhere))
    assert level is Level.WARN
    assert "HTTPS" in message
