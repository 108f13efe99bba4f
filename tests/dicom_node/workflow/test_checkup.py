"""The doctor in the background: findings as they come, one check at a time, a broken file told as such."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_support import write_config

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.workflow.checkup import Checkup


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def end(checkup: Checkup) -> None:
    deadline = time.monotonic() + 10
    while checkup.report.running and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not checkup.report.running


def test_findings_are_told_as_they_come_and_no_second_check_begins_meanwhile(path: Path) -> None:
    told, go_on = threading.Event(), threading.Event()

    def examine(_config: NodeConfig) -> Iterator[Finding]:
        yield Finding(Level.OK, "disk", "there is room")
        told.set()
        go_on.wait(10)
        yield Finding(Level.FAIL, "destination pacs", "no answer; start it")

    checkup = Checkup(path, examine=examine)
    assert checkup.begin()
    assert told.wait(10)
    assert [item.subject for item in checkup.report.findings] == ["disk"]
    assert not checkup.begin()
    go_on.set()
    end(checkup)
    assert (checkup.report.worst, checkup.report.count("ok")) == (Level.FAIL, 1)
    assert (checkup.report.findings[1].complaint, checkup.report.findings[1].cure) == (
        "no answer",
        "start it",
    )
    assert checkup.begin(), "again, once it has ended"


def test_the_file_is_read_anew_and_what_is_wrong_with_it_is_the_finding(path: Path) -> None:
    checkup = Checkup(path)
    path.write_text("[node]\nprot = 1\n", encoding="utf-8")
    checkup.begin()
    end(checkup)
    (finding,) = checkup.report.findings
    assert finding.level is Level.FAIL
    assert "did you mean 'port'" in finding.message


def test_a_check_that_breaks_off_says_so(path: Path) -> None:
    def examine(_config: NodeConfig) -> Iterator[Finding]:
        yield Finding(Level.OK, "disk", "there is room")
        raise RuntimeError("a defect")

    checkup = Checkup(path, examine=examine)
    checkup.begin()
    end(checkup)
    assert [item.level for item in checkup.report.findings] == [Level.OK, Level.FAIL]
