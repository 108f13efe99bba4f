"""A fork server that still imports what workers need ends with its node at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.workflow.lifeline import NODE_VARIABLE

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")

SLOW_PRELOAD = """
from dicom_node.workflow.lifeline import end_with_the_node, look_no_more
end_with_the_node()
import time
time.sleep(60)
look_no_more()
"""

NODE = """
import multiprocessing, os, threading
from dicom_node.workflow.lifeline import NODE_VARIABLE
os.environ[NODE_VARIABLE] = str(os.getpid())
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["slow_preload"])
threading.Thread(target=context.Process(target=int).start, daemon=True).start()
input()
"""

SLOW_END = """
import sys, time
from dicom_node.workflow.lifeline import end_with_the_node
class SlowToForget:
    def __del__(self, sleep=time.sleep):
        sleep(1)
sys.kept_to_the_end = SlowToForget()
end_with_the_node()
"""


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_a_fork_server_does_not_outlive_a_node_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "slow_preload.py").write_text(SLOW_PRELOAD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    node = subprocess.Popen(
        [sys.executable, "-c", NODE],
        env=environment,
        stdin=subprocess.PIPE,
    )
    assert node.stdin is not None
    with node, node.stdin:
        assert until(lambda: bool(children(node.pid)), seconds=30)
        time.sleep(1)
        servers = children(node.pid)
        node.send_signal(signal.SIGKILL)
        node.wait(timeout=10)
        assert until(lambda: not any(is_alive(pid) for pid in servers), seconds=20)


def test_a_process_that_takes_its_time_to_end_is_not_killed_by_its_own_look() -> None:
    process = subprocess.run(
        [sys.executable, "-c", SLOW_END],
        env={**os.environ, NODE_VARIABLE: str(os.getpid())},
        timeout=60,
        check=False,
    )
    assert process.returncode == 0
