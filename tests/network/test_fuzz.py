"""Spoiled objects and conversations: the receiver lives, answers in time, and takes the next good object.

A taste of it in every run, twenty thousand in continuous integration, any number by ``benchmarks/fuzz.py``.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from fuzz_mutations import spoiled_object
from fuzz_runs import OBJECT_STATUSES, Found, fuzz_receiver, fuzz_worker
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from raw_scu import encoded
from running_node import running_node, write_node_config
from wire import wire_peer

from dicom_node.network.admission import StoreRequest, admit
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState

PEAK_MIB = 1024


def assert_sound(found: Found) -> None:
    assert found.deaths == 0, found.wrong
    assert found.hung == []
    assert found.wrong == []
    assert found.peak_mib < PEAK_MIB


@given(st.randoms(use_true_random=False), st.integers(0, 10**6))
@settings(max_examples=300, deadline=5000)
def test_any_spoiled_object_gets_a_verdict_that_an_object_can_deserve(random: Random, number: int) -> None:
    spoiled = spoiled_object(random, number)
    request = StoreRequest(
        spoiled.sop_class, spoiled.instance.decode(), spoiled.sop_class, spoiled.syntax, spoiled.data
    )
    verdict = admit(request)
    assert verdict.status in OBJECT_STATUSES
    assert bool(verdict.reason) is not verdict.admitted


@pytest.mark.parametrize("level", ["objects", "conversations"])
def test_a_receiver_outlives_a_few_hundred(level: str, tmp_path: Path) -> None:
    found = fuzz_receiver(level, tmp_path, runs=200, seed=1)
    assert_sound(found)
    assert len(found.outcomes) > 2, "they must not all fail at the same gate"


@pytest.mark.slow
def test_a_receiver_outlives_twenty_thousand(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as both:
        running = [
            both.submit(fuzz_receiver, level, tmp_path / level, runs=10_000, seed=20261127)
            for level in ("objects", "conversations")
        ]
        for future in running:
            assert_sound(future.result())


@pytest.mark.slow
@pytest.mark.parametrize(("level", "runs"), [("pixels", 1500), ("studies", 60)])
def test_a_worker_outlives_spoiled_frames_and_headers(level: str, runs: int) -> None:
    found = fuzz_worker(level, runs=runs, seed=20261127)
    assert found.deaths == 0
    assert found.hung == []
    assert found.wrong == []
    assert found.peak_mib < 2 * PEAK_MIB


@pytest.mark.slow
def test_after_a_flood_of_spoiled_objects_the_next_good_study_is_analysed(
    sample_studies: Path, tmp_path: Path
) -> None:
    config, port = write_node_config(tmp_path, destinations={})
    forearm = dcmread(sample_studies / "01-calibrated-low-risk" / "image.dcm")
    spoiled = [spoiled_object(Random(f"flood/{n}"), n) for n in range(500)]  # noqa: S311
    with running_node(config):
        for sent in spoiled:
            with wire_peer(port) as peer:
                peer.associate([(1, sent.sop_class, [sent.syntax])] if sent.syntax != DEFLATED else PLAIN)
                peer.store(sent.data, sent.instance, sop_class=sent.sop_class.encode())
        with wire_peer(port) as peer:
            uid, sop_class = forearm.SOPInstanceUID.encode(), str(forearm.SOPClassUID)
            peer.associate([(1, sop_class, ["1.2.840.10008.1.2.1"])])
            assert peer.store(encoded(forearm), uid, sop_class=sop_class.encode()).status == 0x0000
        journal = Journal(tmp_path / "node_data" / "journal.db")
        deadline = time.monotonic() + 120
        while (row := journal.study(str(forearm.StudyInstanceUID))) is None or (
            row.state is not StudyState.ANALYZED
        ):
            assert time.monotonic() < deadline, row
            time.sleep(0.2)
        journal.close()
    assert "UserWarning" not in config.with_suffix(".log").read_text(errors="replace")


DEFLATED = "1.2.840.10008.1.2.1.99"
PLAIN = ((1, "1.2.840.10008.5.1.4.1.1.7", ["1.2.840.10008.1.2.1"]),)
