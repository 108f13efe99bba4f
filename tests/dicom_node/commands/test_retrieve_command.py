"""``dicom-node retrieve``: what the PACS has against what is here; the running node fetches the rest."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from asked_archives import asked_orthanc, upload, write_study
from node_support import wait_until, write_config
from pydicom.uid import generate_uid
from real_peers import OrthancServer, pick_free_port
from worker_functions import analyze_as_rejected

from dicom_node.archive_diagnosis import check_archives
from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.service import Service
from dicom_node.storage.journal import Journal

JANUARY, MARCH, SPINE = (f"1.2.826.0.1.3680043.8.498.20{number}" for number in range(3))


@pytest.fixture(scope="module")
def full_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    folder = tmp_path_factory.mktemp("backfill")
    files = [
        *write_study(folder / "f", study=JANUARY, count=2, StudyDate="20240115", PatientID="SECRET"),
        *write_study(folder / "f", study=MARCH, count=3, StudyDate="20240315"),
        *write_study(folder / "f", study=SPINE, Modality="MR", StudyDate="20240201"),
    ]
    with asked_orthanc(folder / "orthanc") as server:
        upload(server, files)
        yield server


@pytest.fixture
def config(tmp_path: Path, full_orthanc: OrthancServer) -> Path:
    return write_config(tmp_path, extra=archive_table(full_orthanc.dicom_port))


def archive_table(port: int) -> str:
    return (
        '[[archive]]\nname = "pacs"\nae_title = "TESTPACS"\nhost = "127.0.0.1"\n'
        f"port = {port}\n[retrieval]\nfirst_retry_seconds = 0\nmax_attempts = 2\n"
    )


@contextmanager
def running(config: Path) -> Iterator[Service]:
    service = Service(
        NodeConfig.load(config), work=analyze_as_rejected, make_executor=lambda: ThreadPoolExecutor(1)
    )
    service.start()
    try:
        yield service
    finally:
        service.stop()


def retrieve(config: Path, *arguments: str) -> int:
    return main(["retrieve", *arguments, "--config", str(config)])


RANGE = ("--since", "2024-01-01", "--until", "2024-03-31")


@pytest.mark.orthanc
class TestOrthanc:
    def test_a_dry_run_lists_what_is_missing_and_fetches_nothing(
        self, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with running(config) as service:
            assert retrieve(config, *RANGE, "--modality", "DX", "--dry-run") == 0
            assert service.journal.retrievals() == []
        printed = capsys.readouterr().out
        assert f"20240115 DX       {JANUARY}: 2 objects, none here" in printed
        assert f"{MARCH}: 3 objects, none here" in printed
        assert SPINE not in printed
        assert "2 studies would be queued" in printed
        assert "SECRET" not in printed, "no patient data"

    def test_a_range_is_fetched_and_the_second_time_nothing_is(
        self, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with running(config) as service:
            assert retrieve(config, *RANGE, "--wait") == 0
            assert "3 of 3 studies fetched, 0 failed" in capsys.readouterr().out
            wait_until(lambda: service.journal.summary()["studies"] == {"rejected": 3}, seconds=30)
            assert retrieve(config, *RANGE) == 0
        printed = capsys.readouterr().out
        assert printed.count("all here") == 3
        assert "0 studies queued" in printed

    def test_one_study_is_fetched_by_its_uid(self, config: Path) -> None:
        with running(config) as service:
            assert retrieve(config, MARCH, "--wait") == 0
            assert len(service.journal.instances(MARCH)) == 3
            assert service.journal.study(JANUARY) is None

    def test_what_is_asked_for_while_the_node_is_down_is_fetched_when_it_starts(
        self, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with running(config):
            pass
        assert retrieve(config, MARCH) == 0
        assert "the node is not running" in capsys.readouterr().out
        with running(config) as service:
            wait_until(lambda: len(service.journal.instances(MARCH)) == 3, seconds=30)

    def test_a_rate_spreads_the_requests_and_a_limit_ends_them(self, config: Path) -> None:
        with running(config):
            pass
        assert retrieve(config, *RANGE, "--limit", "2", "--rate", "2") == 0
        journal = Journal(config.parent.parent / "data/journal.db")
        owner = {"owner": "test", "lease_seconds": 60.0}
        assert journal.claim_retrieval("pacs", **owner, first=True) is not None  # type: ignore[arg-type]
        assert journal.claim_retrieval("pacs", **owner, first=True) is None, "half a minute later"  # type: ignore[arg-type]
        assert len(journal.retrievals()) == 2
        journal.close()

    def test_history_is_kept_back_until_it_is_asked_for_by_name(self, config: Path) -> None:
        with running(config) as service:
            assert retrieve(config, MARCH, "--hold", "--wait") == 0
            assert service.journal.is_history(MARCH)
            wait_until(lambda: service.journal.summary()["studies"] == {"rejected": 1}, seconds=30)
            assert service.journal.routing(MARCH).destinations == ()
            assert retrieve(config, MARCH, "--wait") == 0
            wait_until(lambda: service.journal.routing(MARCH).destinations is None, seconds=30)

    def test_a_study_that_is_not_there_is_said_to_be_missing(
        self, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with running(config):
            assert retrieve(config, generate_uid()) == 2
        assert "does not have study" in capsys.readouterr().err


@pytest.mark.orthanc
def test_doctor_asks_each_archive_a_question(full_orthanc: OrthancServer, tmp_path: Path) -> None:
    config = write_config(tmp_path, extra=archive_table(full_orthanc.dicom_port))
    (finding,) = check_archives(NodeConfig.load(config))
    assert (finding.level, finding.subject) == ("ok", "archive pacs")
    assert "answers C-FIND; studies are fetched by C-GET" in finding.message


def test_doctor_warns_of_an_archive_that_is_down(tmp_path: Path) -> None:
    config = write_config(tmp_path, extra=archive_table(pick_free_port()))
    (finding,) = check_archives(NodeConfig.load(config))
    assert finding.level == "warn"
    assert "nothing is fetched until it answers" in finding.message


def test_a_pacs_that_is_down_is_a_failure_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, extra=archive_table(pick_free_port()))
    Journal(config.parent.parent / "data/journal.db").close()
    assert retrieve(config, *RANGE) == 1
    assert "is it running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing is asked for"),
        (("--until", "2024-01-01"), "needs --since"),
        (("--since", "2024-02-01", "--until", "2024-01-01"), "lies before"),
        (("1.2.3", "--since", "2024-02-01"), "stands alone"),
        (("1.2.3", "--from", "other"), "no [[archive]] is called 'other'"),
    ],
)
def test_wrong_usage_names_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    config = write_config(tmp_path, extra=archive_table(104))
    Journal(config.parent.parent / "data/journal.db").close()
    assert retrieve(config, *arguments) == 2
    assert message in capsys.readouterr().err


def test_what_became_of_each_request_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dicom_node.storage.retrievals import RetrievalPurpose

    config = write_config(tmp_path, extra=archive_table(104))
    journal = Journal(config.parent.parent / "data/journal.db")
    journal.request_retrieval("1.2.3", "old", RetrievalPurpose.ASKED)
    journal.give_up_unserved(["pacs"])
    journal.close()
    assert retrieve(config, "--list") == 0
    printed = capsys.readouterr().out
    assert "1.2.3 (asked) from old: failed, 0 of ? objects: no [[archive]] is called 'old'" in printed
    assert "1 studies, 0 waiting, 1 failed" in printed
