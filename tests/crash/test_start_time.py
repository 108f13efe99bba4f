"""After ``kill -9`` a node serves again within five seconds, on a machine that does nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_under_fire import NodeUnderFire

SECONDS = 5


@pytest.mark.alone
def test_a_killed_node_serves_again_within_five_seconds(tmp_path: Path) -> None:
    node = NodeUnderFire(tmp_path, ("NOBODY", 9))
    seconds = []
    try:
        for _ in range(5):
            seconds.append(node.start())
            node.kill()
    finally:
        node.stop()
    assert max(seconds) <= SECONDS
