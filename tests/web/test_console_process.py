"""The console beside a real node: started, started again, ended with it; never in the node's way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from node_support import load_config, wait_until
from real_peers import pick_free_port
from running_node import running_node, write_node_config

from dicom_node.config import ConsoleSettings
from dicom_node.console_process import ConsoleProcess
from dicom_node.storage.journal import Journal

SECONDS = 180.0
"""A console has to import FastAPI, on a machine that runs other tests besides."""


def page(port: int) -> tuple[int, str]:
    """What the console answers at its root; 0 while it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def consoles(process_id: int) -> list[int]:
    """The consoles that a node has started."""
    children = [
        int(child)
        for task in Path(f"/proc/{process_id}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [child for child in children if b"\0console\0" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(process_id: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, int]:
    port = pick_free_port()
    config, _ = write_node_config(tmp_path, destinations={}, console_port=port)
    return config, port


@pytest.mark.slow
def test_a_killed_console_comes_again_and_a_stopped_node_takes_it_along(site: tuple[Path, int]) -> None:
    config, port = site
    with running_node(config) as node:
        wait_until(lambda: page(port)[0] == 503, seconds=SECONDS)
        assert "dicom-node user add NAME --role administrator" in page(port)[1]  # nobody can log in yet
        (first,) = consoles(node.pid)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: consoles(node.pid) not in ([], [first]), seconds=SECONDS)
        wait_until(lambda: page(port)[0] == 503, seconds=SECONDS)
        (second,) = consoles(node.pid)
    assert node.returncode == 0
    assert not is_alive(second)


@pytest.mark.slow
def test_a_killed_node_takes_its_console_along(site: tuple[Path, int]) -> None:
    config, port = site
    with running_node(config) as node:
        wait_until(lambda: page(port)[0] != 0, seconds=SECONDS)
        (console,) = consoles(node.pid)
        node.kill()
        node.wait(timeout=10)
        wait_until(lambda: not is_alive(console), seconds=10)


def test_a_taken_port_is_said_once_with_its_cure_and_does_no_harm(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = load_config(tmp_path)
        config = replace(config, console=ConsoleSettings(port=port))
        with closing(Journal(tmp_path / "journal.db")) as journal:
            console = ConsoleProcess(config, journal)
            console.open()
            console.watch()
            assert console.port == 0
            (event,) = journal.events()
            assert f"port = {port}: cannot listen there" in event.message
            assert "set enabled = false" in event.message
            console.stop()


def test_the_nodes_own_process_loads_nothing_of_the_console() -> None:
    code = (
        "import sys, dicom_node.commands.serve, dicom_node.service\n"
        "print([name for name in ('fastapi', 'uvicorn', 'jinja2', 'argon2') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert answer.stdout.strip() == "[]"
