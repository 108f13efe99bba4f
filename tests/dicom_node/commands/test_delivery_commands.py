"""What an administrator sees of destinations, and does about dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery_support import Ground, delivery_ground
from node_support import write_config
from scripted_scp import scripted_scp, write_object

from dicom_node.cli import main
from dicom_node.network.sender import Peer

STUDY = "1.2.3"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = write_config(tmp_path, destinations=[("pacs", Peer("PACS", "127.0.0.1", 104))])
    share = tmp_path / "share"
    share.mkdir()
    with path.open("a", encoding="utf-8") as file:
        file.write('confirm = "commitment"\nhours = "00:00-23:59"\n')
        file.write(f'[[destination]]\nname = "share"\ntype = "folder"\npath = "{share}"\n')
    return str(path)


def bury(ground: Ground, destination: str = "pacs") -> None:
    for delivery in ground.journal.claim_deliveries(destination, owner="me", lease_seconds=60):
        ground.journal.bury_delivery(delivery, reason="SOP class refused")


def test_status_shows_type_breaker_window_and_what_is_not_confirmed(
    ground: Ground, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.results("pacs")
    first, *rest = ground.journal.claim_deliveries("pacs", owner="me", lease_seconds=60)
    ground.journal.mark_stored(first, 0, verify_at=ground.clock())
    for delivery in rest:
        ground.journal.retry_delivery_at(delivery, ground.clock(), reason="connection refused")
    ground.journal.note_destination_failure(
        "pacs", failures=5, opens=True, rest_seconds=60, reason="connection refused"
    )
    assert main(["status", "--config", config]) == 0
    shown = capsys.readouterr().out
    assert "destination pacs (dicom): 0 delivered, 2 waiting, 0 dead, 1 stored and not yet confirmed" in shown
    assert "down: 5 failures in a row; tried again at 2026-01-02T03:05:05 (UTC)" in shown
    assert "sends at 00:00-23:59: " in shown
    assert "oldest unconfirmed since 2026-01-02" in shown
    assert "destination share (folder): 0 delivered, 0 waiting, 0 dead" in shown
    assert main(["status", "--json", "--config", config]) == 0
    pacs = json.loads(capsys.readouterr().out)["destinations"][0]
    assert (pacs["breaker"], pacs["stored"], pacs["confirm"]) == ("open", 1, "commitment")


def test_dead_letters_are_listed_sent_again_or_given_up(
    ground: Ground, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    uids = ground.results("pacs", "share")
    bury(ground)
    bury(ground, "share")
    assert main(["dead-letters", "--destination", "pacs", "--config", config]) == 0
    shown = capsys.readouterr().out
    assert f"pacs: {uids[0]}: SOP class refused" in shown and "3 dead letters" in shown
    assert main(["dead-letters", "--destination", "pacs", "--retry", "--config", config]) == 0
    assert ground.deliveries == {"pending": 3, "dead": 3}
    assert main(["dead-letters", "--study", "1.9", "--discard", "--config", config]) == 0
    assert ground.deliveries == {"pending": 3, "dead": 3}
    assert main(["dead-letters", "--study", STUDY, "--discard", "--config", config]) == 0
    assert ground.deliveries == {"pending": 3, "discarded": 3}


def test_a_study_is_sent_again_without_being_analysed_again(
    ground: Ground, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.results("pacs")
    for delivery in ground.journal.claim_deliveries("pacs", owner="me", lease_seconds=60):
        ground.journal.mark_delivered(delivery, 0)
    resend = ["reprocess", "--study", STUDY, "--resend", "--config", config]
    assert main([*resend, "--dry-run"]) == 0
    assert "3 objects of 1 studies would be queued" in capsys.readouterr().out
    assert ground.deliveries == {"delivered": 3}
    assert main(resend) == 0
    assert ground.deliveries == {"pending": 3}
    assert ground.journal.summary()["analyses"] == {"done": 1}


def test_a_folder_can_be_tried_out_and_sent_to_by_its_name(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_object(tmp_path / "a.dcm")
    assert main(["echo", "share", "--config", config]) == 0
    assert "can be written to" in capsys.readouterr().out
    assert main(["send", str(file), "--to", "share", "--config", config]) == 0
    assert "1 of 1 files stored at share" in capsys.readouterr().out
    assert len(list((tmp_path / "share").rglob("*.dcm"))) == 1
    (tmp_path / "share").rename(tmp_path / "unmounted")
    assert main(["echo", "share", "--config", config]) == 1
    assert "mount it" in capsys.readouterr().out


def test_a_warning_of_the_peer_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_object(tmp_path / "a.dcm")
    with scripted_scp(status=lambda _event, _count: 0xB006) as pacs:
        assert main(["send", str(file), "--to", str(pacs.peer)]) == 0
    assert "stored with status 0xB006 (Elements discarded)" in capsys.readouterr().out
