"""The commands an administrator works with say what is so, and what to do."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_support import finish_with_results, load_config, receive_complete, wait_until, write_config
from running_node import running_node, write_node_config
from scripted_scp import scripted_scp, write_object

from dicom_node.cli import main
from dicom_node.commands.serve import STOP_SECONDS
from dicom_node.config import NodeConfig, default_conf_directory
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """The journal of a node that has run once under `tmp_path` and has a failed and an analysed study."""
    config = load_config(tmp_path)
    archive = Archive(config.node.data_dir)
    opened = Journal(archive.journal_path)
    files = [write_object(tmp_path / "result.dcm", study="1.2.1")]
    finish_with_results(archive, opened, "1.2.1", files, ["pacs"])
    receive_complete(opened, "1.2.2")
    job = opened.claim_analysis("test", 60)
    assert job is not None
    opened.fail_analysis(job, "no memory", retry_at=None)
    yield opened
    opened.close()


def config_of(folder: Path) -> str:
    return str(folder / "conf/node.toml")


def bury(journal: Journal, reason: str) -> None:
    for delivery in journal.claim_deliveries("pacs", owner="test", lease_seconds=60):
        journal.bury_delivery(delivery, reason=reason)


class TestStatus:
    def test_it_says_how_studies_analyses_and_destinations_stand(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status", "--config", config_of(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert "not running" in shown
        assert "studies: 1 analyzed, 1 failed" in shown
        assert "destination pacs (no longer configured): 0 delivered, 1 waiting, 0 dead" in shown
        assert "study_failed: no memory" in shown

    def test_it_lists_dead_letters_and_how_to_send_them_again(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bury(journal, "AE title not recognised")
        assert main(["status", "--config", config_of(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert "AE title not recognised" in shown and "reprocess --failed" in shown

    def test_a_complaint_that_repeats_does_not_hide_another(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        journal.note_event(Severity.ERROR, "disk_full", "free some space")
        for _ in range(40):
            journal.note_event(Severity.WARNING, "delivery_postponed", "the PACS is down")
        assert main(["status", "--config", config_of(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert "disk_full: free some space" in shown
        assert shown.count("the PACS is down") == 1
        assert "delivery_postponed (40 times)" in shown

    def test_as_json_it_is_one_object(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status", "--json", "--config", config_of(tmp_path)]) == 0
        status = json.loads(capsys.readouterr().out)
        assert status["running"] is False
        assert status["counts"]["studies"] == {"analyzed": 1, "failed": 1}
        assert status["destinations"][0]["pending"] == 1

    def test_without_a_journal_it_says_what_to_start(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_config(tmp_path)
        assert main(["status", "--config", config_of(tmp_path)]) == 2
        assert "start the node with dicom-node serve" in capsys.readouterr().err


class TestStudies:
    def test_a_table_shows_state_and_reason(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["studies", "--config", config_of(tmp_path)]) == 0
        shown = capsys.readouterr().out
        for text in ("1.2.1", "analyzed", "1.2.2", "failed", "no memory"):
            assert text in shown

    def test_filters_narrow_the_list(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["studies", "--json", "--config", config_of(tmp_path)]
        assert main([*arguments, "--state", "failed"]) == 0
        (study,) = json.loads(capsys.readouterr().out)
        assert study["study_instance_uid"] == "1.2.2"
        assert main([*arguments, "--since", "2999-01-01"]) == 0
        assert json.loads(capsys.readouterr().out) == []

    def test_nothing_that_names_a_patient_is_shown(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["studies", "--json", "--config", config_of(tmp_path)]) == 0
        assert "somebody" not in capsys.readouterr().out


class TestReprocess:
    def test_failed_analyses_and_dead_letters_are_queued_again(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bury(journal, "AE title not recognised")
        assert main(["reprocess", "--failed", "--config", config_of(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert "plan 1 is made" in shown and "1 dead letters queued for delivery" in shown
        assert "the node is not running" in shown
        assert journal.summary()["deliveries"] == {"pending": 1}
        assert [item.study_instance_uid for item in journal.plan_items(1)] == ["1.2.2"]

    def test_a_dry_run_only_says_so(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = journal.summary()
        arguments = ["reprocess", "--since", "2020-01-01", "--dry-run", "--config", config_of(tmp_path)]
        assert main(arguments) == 0
        assert "2 studies fit" in capsys.readouterr().out
        assert (journal.summary(), journal.plans()) == (before, [])

    def test_an_unknown_study_is_a_usage_error(
        self, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["reprocess", "--study", "9.9", "--config", config_of(tmp_path)]) == 2
        assert "'9.9' was never received" in capsys.readouterr().err


class TestSend:
    def test_folders_are_walked_and_what_is_not_dicom_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "study/series").mkdir(parents=True)
        write_object(tmp_path / "study/series/a.dcm")
        write_object(tmp_path / "study/b")
        (tmp_path / "study/broken.dcm").write_text("no DICOM")
        with scripted_scp() as pacs:
            assert main(["send", str(tmp_path / "study"), "--to", str(pacs.peer)]) == 1
        answer = capsys.readouterr()
        assert "broken.dcm: is not a DICOM file" in answer.err
        assert "2 of 3 files stored" in answer.out
        assert len(pacs.sop_instance_uids) == 2

    def test_a_destination_can_be_named(self, tmp_path: Path) -> None:
        file = write_object(tmp_path / "a.dcm")
        with scripted_scp() as pacs:
            config = write_config(tmp_path, destinations=[("pacs", pacs.peer)])
            assert main(["send", str(file), "--to", "pacs", "--config", str(config)]) == 0
        assert pacs.calling_ae_titles == ["SCANNER"]

    def test_a_refusal_is_shown_with_its_status(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = write_object(tmp_path / "a.dcm")
        with scripted_scp(status=lambda _event, _count: 0xA700) as pacs:
            assert main(["send", str(file), "--to", str(pacs.peer)]) == 1
        assert "0xA700 (Out of resources)" in capsys.readouterr().out

    @pytest.mark.parametrize("peer", ["AE@host", "nobody", "FAR_TOO_LONG_AE_TITLE@host:104"])
    def test_a_peer_that_cannot_be_is_a_usage_error(self, tmp_path: Path, peer: str) -> None:
        config = str(write_config(tmp_path))
        assert main(["send", str(tmp_path), "--to", peer, "--config", config]) == 2


class TestEcho:
    def test_every_destination_is_asked(
        self, tmp_path: Path, free_port: Callable[[], int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        gone = Peer("GONE", "127.0.0.1", free_port())
        with scripted_scp() as pacs:
            config = str(write_config(tmp_path, destinations=[("gone", gone), ("pacs", pacs.peer)]))
            assert main(["echo", "--config", config]) == 1
            assert main(["echo", "pacs", "--config", config]) == 0
        shown = capsys.readouterr().out
        assert "fail  GONE@" in shown and "ok    SCRIPTED@" in shown


class TestDoctor:
    def test_a_sound_node_without_destination_passes_with_a_warning(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_config(tmp_path, extra="[receiver]\nmin_free_bytes = 1")
        assert main(["doctor", "--config", config_of(tmp_path)]) == 0
        shown = capsys.readouterr().out
        for subject in (
            "configuration",
            "data_dir",
            "disk space",
            "port",
            "reference",
            "guideline",
            "models",
        ):
            assert f"ok    {subject}" in shown
        assert "warn  destination: none is configured: results are held" in shown

    def test_a_destination_that_does_not_answer_fails(
        self, tmp_path: Path, free_port: Callable[[], int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_config(tmp_path, destinations=[("pacs", Peer("GONE", "127.0.0.1", free_port()))])
        assert main(["doctor", "--config", config_of(tmp_path)]) == 1
        assert "fail  destination pacs: GONE@127.0.0.1" in capsys.readouterr().out

    def test_a_full_disk_and_a_taken_port_are_found(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with scripted_scp() as other:
            config = write_config(tmp_path, extra="[receiver]\nmin_free_bytes = 1_000_000_000_000_000")
            config.write_text(config.read_text().replace("port = 0", f"port = {other.peer.port}", 1))
            assert main(["doctor", "--config", str(config)]) == 1
        shown = capsys.readouterr().out
        assert "fail  disk space" in shown and "free some space" in shown
        assert f"fail  port: 127.0.0.1:{other.peer.port} cannot be had" in shown

    def test_a_wrong_configuration_is_a_finding_and_not_a_traceback(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "node.toml"
        path.write_text("[node]\nprot = 104\n")
        assert main(["doctor", "--config", str(path)]) == 1
        assert "did you mean 'port'?" in capsys.readouterr().out

    def test_the_shipped_configuration_is_sound(self) -> None:
        assert NodeConfig.load(default_conf_directory() / "node.toml").node.ae_title == "RADIUSDXA"


class TestServe:
    def test_it_is_seen_running_and_ends_cleanly_on_sigterm(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config, port = write_node_config(tmp_path, destinations={})
        with running_node(config) as process:
            assert main(["echo", f"RADIUSDXA@127.0.0.1:{port}", "--config", str(config)]) == 0
            assert main(["doctor", "--config", str(config)]) == 0
            assert f"ok    node: running and answering at port {port}" in capsys.readouterr().out
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0

    @pytest.mark.slow  # as long as a stop may take
    def test_a_disk_that_no_longer_answers_does_not_keep_the_node_from_ending(self, tmp_path: Path) -> None:
        config, port = write_node_config(tmp_path, destinations={}, quiet_seconds=3)
        with running_node(config) as process:
            peer = Peer("RADIUSDXA", "127.0.0.1", port)
            sent = [read_sendable(write_object(tmp_path / "in.dcm"))]
            assert [
                item.status for item in store(sent, peer, calling_ae_title="CT", timeouts=Timeouts())
            ] == [0]
            (file,) = (tmp_path / "node_data" / "instances").rglob("*.dcm")
            file.unlink()
            os.mkfifo(file)  # to open it takes for ever; who is asked to is the job that reads headers
            wait_until(lambda: _waits_for(process.pid, "wait_for_partner"), seconds=30)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=STOP_SECONDS + 10) == 1
            assert time.monotonic() - began < STOP_SECONDS + 5
        assert "search_facts.py" in config.with_suffix(".log").read_text(), "says where it hung"

    @pytest.mark.alone
    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
    def test_no_worker_outlives_a_node_that_was_killed(self, tmp_path: Path) -> None:
        config, _ = write_node_config(tmp_path, destinations={})
        with running_node(config) as process:
            wait_until(lambda: len(_descendants(process.pid)) >= 2, seconds=60)  # fork server and worker
            workers = _descendants(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            wait_until(lambda: not any(_alive(pid) for pid in workers), seconds=15)


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task")
    found: list[int] = []
    for task in children.glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _waits_for(pid: int, what: str) -> bool:
    """Tell whether a thread of a process waits in the kernel for something."""
    return any(what in task.joinpath("wchan").read_text() for task in Path(f"/proc/{pid}/task").iterdir())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
