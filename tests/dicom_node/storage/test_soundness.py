"""A check of the journal that takes longer than the start waits still counts."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from node_support import wait_until

from dicom_node.errors import ConfigurationError
from dicom_node.storage import soundness
from dicom_node.storage.journal import Journal
from dicom_node.storage.soundness import SoundnessCheck


def test_damage_found_after_the_node_has_begun_to_serve_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = threading.Event()

    def slow(_path: Path) -> tuple[str, ...]:
        finish.wait(10)
        return ("row 7 missing from index",)

    monkeypatch.setattr(soundness, "damages", slow)
    told: list[str] = []
    check = SoundnessCheck(tmp_path / "journal.db", told.append)
    check.require_sound(wait_seconds=0.01)
    assert told == []
    finish.set()
    wait_until(lambda: bool(told))
    assert "row 7 missing from index" in told[0]
    assert "dicom-node journal restore" in told[0]


def test_damage_found_in_time_keeps_the_node_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "damages", lambda _path: ("row 7 missing from index",))
    told: list[str] = []
    with pytest.raises(ConfigurationError, match="row 7 missing from index"):
        SoundnessCheck(tmp_path / "journal.db", told.append).require_sound(wait_seconds=5)
    assert told == []


def test_a_sound_journal_passes_thoroughly(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.db").close()
    assert soundness.damages(tmp_path / "journal.db", thorough=True) == ()
