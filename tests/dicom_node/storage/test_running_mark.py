"""Whether the machine failed under a node: only then may rows be missing."""

from __future__ import annotations

from pathlib import Path

from dicom_node.storage.running_mark import RunningMark


def test_a_new_data_directory_and_a_stopped_node_have_lost_nothing(tmp_path: Path) -> None:
    mark = RunningMark(tmp_path)
    assert not mark.machine_failed()
    mark.set()
    mark.remove()
    assert not RunningMark(tmp_path, boot_id="another").machine_failed()


def test_a_node_that_was_killed_has_lost_nothing_as_long_as_the_machine_runs_on(tmp_path: Path) -> None:
    RunningMark(tmp_path).set()
    assert not RunningMark(tmp_path).machine_failed()
    assert RunningMark(tmp_path, boot_id="another").machine_failed()


def test_where_the_system_tells_no_boot_every_unclean_end_counts(tmp_path: Path) -> None:
    RunningMark(tmp_path, boot_id="").set()
    assert RunningMark(tmp_path, boot_id="").machine_failed()
