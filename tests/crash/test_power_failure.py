"""The machine itself fails under the node: what was acknowledged is in the archive, and gets its row again.

The rows that had not reached the disk are taken away as the power cut would: the journal's files of an
earlier moment take the place of those that the node had written since.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
from node_under_fire import CountingPacs, NodeUnderFire, Scanner, archived_bytes, lost, wait_for

from analysis.simulation.study import simulate_study

RESULTS_PER_STUDY = 9
FOUND_SECONDS = 120
FACTS = "SELECT sop_instance_uid, sha256, calling_ae, called_ae FROM instances ORDER BY 1"


def keep_journal(node: NodeUnderFire, folder: Path) -> None:
    folder.mkdir()
    for file in node.data_dir.glob("journal.db*"):
        shutil.copy2(file, folder)


def fail_machine(node: NodeUnderFire, durable_journal: Path) -> None:
    """End node and machine: of the journal is left what was durable, and the next boot has another name."""
    node.kill()
    node.wait()
    for file in node.data_dir.glob("journal.db*"):
        file.unlink()
    for file in durable_journal.iterdir():
        shutil.copy2(file, node.data_dir)
    mark = node.data_dir / "running"
    assert mark.read_text(), "the node says that it runs"
    mark.write_text(str(uuid.uuid4()))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_rows_that_a_power_failure_took_come_back_before_anything_is_received(tmp_path: Path) -> None:
    studies = [list(simulate_study("calibrated", 9700 + number).objects.values()) for number in range(2)]
    with CountingPacs().running() as pacs:
        node = NodeUnderFire(
            tmp_path, (pacs.ae_title, pacs.port), tables={"completion": {"quiet_seconds": 3}}
        )
        scanner = Scanner(node.port)
        try:
            node.start()
            keep_journal(node, tmp_path / "durable")
            scanner.waiting += [dataset for study in studies for dataset in study]
            scanner.push()
            assert not scanner.waiting
            before = node.rows(
                "SELECT sop_instance_uid, sha256, calling_ae, called_ae FROM instances ORDER BY 1"
            )
            fail_machine(node, tmp_path / "durable")
            assert not archived_bytes(node), "the rows are gone"

            node.start()
            after = node.rows(
                "SELECT sop_instance_uid, sha256, calling_ae, called_ae FROM instances ORDER BY 1"
            )
            assert after == before, "what decides on routes is known again"
            assert {row[2:] for row in after} == {("SCANNER", "RADIUSDXA")}
            assert not lost(scanner, node)
            expected = RESULTS_PER_STUDY * len(studies)
            assert wait_for(lambda: len(pacs.receipts) == expected, FOUND_SECONDS), node.log_tail()
        finally:
            node.stop()
    assert {len(receipts) for receipts in pacs.receipts.values()} == {1}
    assert not (node.data_dir / "running").exists(), "a node that stopped leaves nothing to look for"


@pytest.mark.slow
def test_a_killed_node_on_a_machine_that_runs_on_searches_nothing(tmp_path: Path) -> None:
    with CountingPacs().running() as pacs:
        node = NodeUnderFire(tmp_path, (pacs.ae_title, pacs.port))
        try:
            node.start()
            node.kill()
            node.wait()
            stray = node.data_dir / "instances" / "ab"
            stray.mkdir(exist_ok=True)
            (stray / f"{'ab' * 32}.dcm").write_bytes(b"torn")
            node.start()
            assert "is not what its name says" not in node.log_tail()
            node.kill()
            node.wait()
            (node.data_dir / "running").write_text(str(uuid.uuid4()))
            node.start()
            assert "is not what its name says" in node.log_tail()
        finally:
            node.stop()
