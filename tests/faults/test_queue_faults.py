"""The queue under fire: killed with a lease held, and under a clock that jumps. One result set per study."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from ground import Ground, on_ground
from node_under_fire import wait_for
from pydicom.dataset import Dataset

from analysis.simulation.study import simulate_study
from dicom_node.faults import ENVIRONMENT_VARIABLE, TOKEN_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RESULTS = 9
ANALYSED_SECONDS = 120.0
DAY = 86_400
Figure = Callable[[str], None]


def push_forearm(ground: Ground, seed: int) -> str:
    """Have a forearm stored; return its Study Instance UID."""
    objects: list[Dataset] = list(simulate_study("calibrated", seed).objects.values())
    ground.scanner.waiting += objects
    ground.scanner.push()
    assert not ground.scanner.waiting, ground.node.log_tail()
    return str(objects[0].StudyInstanceUID)


def states(ground: Ground) -> dict[str, str]:
    return dict(ground.node.rows("SELECT study_instance_uid, state FROM studies"))


def is_delivered(ground: Ground, studies: Iterable[str]) -> bool:
    time.sleep(0.2)
    found = ground.node.rows("SELECT study_instance_uid FROM deliveries WHERE state = 'delivered'")
    return all(Counter(found)[(study,)] == RESULTS for study in studies)


def assert_one_result_set(ground: Ground, studies: Iterable[str]) -> None:
    """Assert that each study has one set of results, and the PACS each of them exactly once."""
    results = ground.node.rows("SELECT study_instance_uid, sop_instance_uid FROM results")
    assert Counter(study for study, _ in results) == dict.fromkeys(studies, RESULTS)
    assert {uid: len(sent) for uid, sent in ground.pacs.receipts.items()} == {uid: 1 for _, uid in results}


@pytest.mark.cell("28")
def test_killed_with_the_lease_held_makes_exactly_one_result_set(tmp_path: Path, figure: Figure) -> None:
    token = tmp_path / "token"
    points = ("execution.before_finish", "delivery.after_claim")
    with on_ground(tmp_path, environment=None) as ground:
        study = ""
        for point in points:
            token.touch()
            ground.node.start({ENVIRONMENT_VARIABLE: point, TOKEN_VARIABLE: str(token)})
            study = study or push_forearm(ground, 9100)
            assert wait_for(lambda: not token.exists(), ANALYSED_SECONDS), ground.node.log_tail()
            ground.node.wait()
            table = point.partition(".")[0].replace("execution", "analyses").replace("delivery", "deliveries")
            leases = ground.node.rows(f"SELECT count(*) FROM {table} WHERE lease_owner <> ''")  # noqa: S608
            assert int(leases[0][0]) > 0, f"{point}: no lease was held"
        ground.node.start()
        assert wait_for(lambda: is_delivered(ground, [study]), ANALYSED_SECONDS), ground.node.log_tail()
        assert_one_result_set(ground, [study])
        attempts = ground.node.rows("SELECT attempts, interruptions FROM analyses")
        ground.hold_all_laws()
    assert attempts == [(1, 1)]
    figure(f"killed at {' and '.join(points)}: 1 analysis, {RESULTS} results, each received once")


class JumpingClock:
    """The wall clock of a process, set by the test while it runs; its monotonic clock is left alone."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self._offset.write_bytes(bytes(8))
        library = folder / "jumping_clock.so"
        source = Path(__file__).with_name("jumping_clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.environment = {"LD_PRELOAD": str(library), "JUMPING_CLOCK_FILE": str(self._offset)}

    def jump(self, days: int) -> None:
        """Set the clock so many days before or after the real time."""
        with self._offset.open("r+b") as file:
            file.write((days * DAY).to_bytes(8, sys.byteorder, signed=True))


@pytest.mark.gcc
@pytest.mark.cell("29")
def test_a_clock_that_jumps_makes_exactly_one_result_set(tmp_path: Path, figure: Figure) -> None:
    clock = JumpingClock(tmp_path)
    with on_ground(tmp_path, environment=clock.environment) as ground:
        assert wait_for(lambda: "warm: " in ground.node.log_tail(), ANALYSED_SECONDS)
        studies = []
        for number, (state, days) in enumerate([("complete", -400), ("analyzing", 1), ("analyzing", -400)]):
            study = push_forearm(ground, 9200 + number)
            # an idle worker leaves a study complete for milliseconds only
            reached = wait_for(lambda: states(ground)[study] in (state, "analyzing"), ANALYSED_SECONDS)  # noqa: B023
            assert reached, f"{states(ground)}\n{ground.node.log_tail()}"
            clock.jump(days)
            studies.append(study)
            began = time.monotonic()
            done = wait_for(lambda: is_delivered(ground, studies), ANALYSED_SECONDS)
            assert done, f"{days} days: {states(ground)}\n{ground.node.log_tail()}"
            how = {"complete": "waited", "analyzing": "was analysed"}[state]
            figure(f"{days:+d} days while a study {how}: delivered in {time.monotonic() - began:.0f} s")
        assert_one_result_set(ground, studies)
        ground.hold_all_laws()
        clock.jump(0)
        ground.hold_all_laws()
