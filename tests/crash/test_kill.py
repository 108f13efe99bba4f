"""``kill -9`` at any moment: nothing acknowledged is lost, every study is delivered exactly once.

The moments are random but seeded, and drawn from the three places where a node can be caught: while objects
come in, while a study is analysed, and while results go out, there between the PACS keeping the bytes and
its answer. A repeat of the same SOP Instance UID after that last kind of death cannot be avoided in DICOM;
it is harmless because the bytes are the same, and a PACS holds one object per UID.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from node_under_fire import CountingPacs, NodeUnderFire, Scanner, archived_bytes, lost, wait_for
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from raw_scu import secondary_capture

from analysis.simulation.study import simulate_study

STUDIES, KILLS = 30, 20
RESULTS_PER_STUDY = 4


@pytest.fixture(scope="session")
def forearm_studies() -> list[list[Dataset]]:
    """Thirty simulated studies: every third with an image and the scanner's own SR, the others one image."""
    flavours = ["lunar" if number % 3 == 2 else "calibrated" for number in range(STUDIES)]
    return [
        list(simulate_study(flavour, 7000 + number).objects.values())
        for number, flavour in enumerate(flavours)
    ]


def strike(node: NodeUnderFire, pacs: CountingPacs, rng: random.Random) -> None:
    """Kill the running node at a random moment."""
    moment = rng.choice(["receiving", "analysing", "delivering"])
    if moment == "delivering":
        struck = threading.Event()

        def kill_before_the_answer() -> None:
            node.kill()
            struck.set()

        pacs.on_receipt = kill_before_the_answer
        if struck.wait(timeout=20):
            node.wait()
            return
        pacs.on_receipt = None  # everything there is has been delivered already
    elif moment == "analysing":
        wait_for(lambda: bool(node.rows("SELECT 1 FROM analyses WHERE state = 'running'")), seconds=10)
        time.sleep(rng.uniform(0, 1.5))
    else:
        time.sleep(rng.uniform(0, 0.6))
    node.kill()
    node.wait()


def run_under_fire(
    node: NodeUnderFire,
    scanner: Scanner,
    pacs: CountingPacs,
    studies: list[list[Dataset]],
    rng: random.Random,
) -> None:
    """Push the studies while the node is killed `KILLS` times; then let it finish in peace."""
    for number in range(KILLS):
        share = studies[number * STUDIES // KILLS : (number + 1) * STUDIES // KILLS]
        scanner.waiting += [dataset for study in share for dataset in study]
        node.start()
        pushing = threading.Thread(target=scanner.push)
        pushing.start()
        strike(node, pacs, rng)
        pushing.join(timeout=60)
        assert not pushing.is_alive()
        assert not lost(scanner, node), f"after kill {number + 1}"
    node.start()
    scanner.push()
    assert not scanner.waiting
    finished = "SELECT 1 FROM studies WHERE state NOT IN ('analyzed', 'not_applicable', 'rejected', 'failed')"
    undelivered = "SELECT 1 FROM deliveries WHERE state <> 'delivered'"
    assert wait_for(lambda: not node.rows(f"{finished} UNION ALL {undelivered}"), seconds=300), (
        node.log_tail()
    )


def assert_everything_arrived_once(
    node: NodeUnderFire, scanner: Scanner, studies: list[list[Dataset]]
) -> set[str]:
    """Check journal and archive; return the SOP Instance UIDs that a PACS must now hold."""
    assert len(scanner.acknowledged) == sum(len(study) for study in studies)
    assert not lost(scanner, node)
    assert set(archived_bytes(node)) == set(scanner.acknowledged)
    assert Counter(node.rows("SELECT state FROM studies")) == {("analyzed",): STUDIES}
    results = node.rows("SELECT study_instance_uid, sop_instance_uid FROM results")
    per_study = Counter(study for study, _ in results)
    assert per_study == {study[0].StudyInstanceUID: RESULTS_PER_STUDY for study in studies}
    assert node.rows("SELECT DISTINCT state FROM deliveries") == [("delivered",)]
    assert not list((node.data_dir / "tmp").iterdir())
    return {uid for _, uid in results}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_kills_while_thirty_studies_are_pushed(
    tmp_path: Path, forearm_studies: list[list[Dataset]]
) -> None:
    rng = random.Random(20261120)  # noqa: S311
    with CountingPacs().running() as pacs:
        node = NodeUnderFire(tmp_path, (pacs.ae_title, pacs.port))
        scanner = Scanner(node.port)
        try:
            run_under_fire(node, scanner, pacs, forearm_studies, rng)
            expected = assert_everything_arrived_once(node, scanner, forearm_studies)
        finally:
            node.stop()
    assert set(pacs.receipts) == expected
    for receipts in pacs.receipts.values():
        assert len(set(receipts)) == 1, "a repeat must carry the same bytes"


def test_three_kills_while_objects_pour_in_lose_nothing_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311
    node = NodeUnderFire(tmp_path, ("NOBODY", 9))
    scanner = Scanner(node.port)
    try:
        for number in range(3):
            scanner.waiting += [
                with_file_meta(secondary_capture(f"1.2.{number}.{index + 1}", study=f"1.2.{number}"))
                for index in range(60)
            ]
            node.start()
            pushing = threading.Thread(target=scanner.push)
            pushing.start()
            enough = len(scanner.acknowledged) + rng.randint(1, 40)
            assert wait_for(lambda: len(scanner.acknowledged) >= enough, seconds=60)  # noqa: B023
            node.kill()
            node.wait()
            pushing.join(timeout=60)
            assert scanner.waiting, "the node must be killed in the middle of a push"
            assert not lost(scanner, node), f"after kill {number + 1}"
        node.start()
        scanner.push()
        assert not scanner.waiting
        assert len(archived_bytes(node)) == 180
        assert not lost(scanner, node)
    finally:
        node.stop()


def with_file_meta(dataset: Dataset) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
