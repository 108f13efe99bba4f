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
from collections.abc import Callable
from pathlib import Path

import pytest
from node_under_fire import CountingPacs, NodeUnderFire, Scanner, archived_bytes, lost, wait_for
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from raw_scu import secondary_capture

from analysis.simulation.study import simulate_study

RESULTS_PER_STUDY = 9
PATIENCE_SECONDS = 40
"""How long a strike waits for its moment; the worker of a restarted node takes some seconds to warm up."""


@pytest.fixture(scope="module")
def forearm_studies() -> list[list[Dataset]]:
    """Fifteen simulated studies: every third with an image and the scanner's own SR, the others one image."""
    flavours = ["lunar" if number % 3 == 2 else "calibrated" for number in range(15)]
    return [
        list(simulate_study(flavour, 7000 + number).objects.values())
        for number, flavour in enumerate(flavours)
    ]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_kills_while_fifteen_studies_are_pushed(
    tmp_path: Path, forearm_studies: list[list[Dataset]]
) -> None:
    with CountingPacs().running() as pacs:
        node = NodeUnderFire(tmp_path, (pacs.ae_title, pacs.port))
        rng = random.Random(20261120)  # noqa: S311

        def strike() -> None:
            strike_at_random(node, rng, while_delivering=lambda: strike_before_the_answer(node, pacs))

        expected = run_under_fire(node, forearm_studies, strike, kills=10)
    assert set(pacs.receipts) == expected
    for receipts in pacs.receipts.values():
        assert len(set(receipts)) == 1, "a repeat must carry the same bytes"
    assert any(len(receipts) > 1 for receipts in pacs.receipts.values()), "no kill hit before an answer"


def run_under_fire(
    node: NodeUnderFire, studies: list[list[Dataset]], strike: Callable[[], None], *, kills: int
) -> set[str]:
    """Push the studies while the node is struck `kills` times, then let it finish in peace.

    Returns
    -------
    set of str
        The SOP Instance UIDs that a PACS must hold now.
    """
    scanner = Scanner(node.port)
    try:
        for number in range(kills):
            share = studies[number * len(studies) // kills : (number + 1) * len(studies) // kills]
            scanner.waiting += [dataset for study in share for dataset in study]
            node.start()
            pushing = threading.Thread(target=scanner.push)
            pushing.start()
            strike()
            pushing.join(timeout=60)
            assert not pushing.is_alive()
            assert not lost(scanner, node), f"after kill {number + 1}"
        node.start()
        scanner.push()
        assert not scanner.waiting
        assert wait_for(lambda: not unfinished(node), seconds=300), node.log_tail()
        return assert_everything_is_there_once(node, scanner, studies)
    finally:
        node.stop()


def strike_at_random(
    node: NodeUnderFire, rng: random.Random, *, while_delivering: Callable[[], None]
) -> None:
    """Kill the running node while it receives, analyses or delivers."""
    moment = rng.choice(["receiving", "analysing", "delivering"])
    if moment == "delivering":
        while_delivering()
    elif moment == "analysing":
        running = "SELECT 1 FROM analyses WHERE state = 'running'"
        wait_for(lambda: bool(node.rows(running)), seconds=PATIENCE_SECONDS)
        time.sleep(rng.uniform(0, 1.5))
    else:
        time.sleep(rng.uniform(0, 0.6))
    node.kill()
    node.wait()


def strike_before_the_answer(node: NodeUnderFire, pacs: CountingPacs) -> None:
    """Kill the node when the PACS has kept a result but not answered yet."""
    struck = threading.Event()

    def kill() -> None:
        node.kill()
        struck.set()

    pacs.on_receipt = kill
    struck.wait(timeout=PATIENCE_SECONDS)
    pacs.on_receipt = None


def unfinished(node: NodeUnderFire) -> bool:
    return bool(
        node.rows("SELECT 1 FROM studies WHERE state IN ('receiving', 'complete', 'analyzing')")
        or node.rows("SELECT 1 FROM deliveries WHERE state IN ('pending', 'sending')")
    )


def assert_everything_is_there_once(
    node: NodeUnderFire, scanner: Scanner, studies: list[list[Dataset]]
) -> set[str]:
    """Check journal and archive; return the SOP Instance UIDs of all results."""
    assert len(scanner.acknowledged) == sum(len(study) for study in studies)
    assert not lost(scanner, node)
    assert set(archived_bytes(node)) == set(scanner.acknowledged)
    assert Counter(node.rows("SELECT state FROM studies")) == {("analyzed",): len(studies)}
    results = node.rows("SELECT study_instance_uid, sop_instance_uid FROM results")
    per_study = Counter(study for study, _ in results)
    assert per_study == {study[0].StudyInstanceUID: RESULTS_PER_STUDY for study in studies}
    assert node.rows("SELECT DISTINCT state FROM deliveries") == [("delivered",)]
    assert not list((node.data_dir / "tmp").iterdir()), "something was left in the making"
    return {uid for _, uid in results}


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
