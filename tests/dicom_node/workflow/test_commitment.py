"""Whoever asks the node to keep objects is told the truth, now or days later, and once told is left alone."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from node_support import wait_until
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from real_peers import pick_free_port, running_orthanc
from running_receiver import RunningReceiver, receiving
from scripted_scp import write_object

from dicom_node.config import CommitmentSettings, PeerSettings
from dicom_node.network.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.sender import read_sendable, store
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.workflow.commitment import CommitmentService

SC = "1.2.840.10008.5.1.4.1.1.7"
WAITS = Timeouts(2, 2)
QUICK = CommitmentSettings(first_retry_seconds=0.1, max_retry_seconds=0.2)


@dataclass
class CommittingNode:
    """A receiver that answers storage commitment; the test is its clock."""

    running: RunningReceiver
    commitment: CommitmentService

    @property
    def port(self) -> int:
        return self.running.port

    def pump(self) -> None:
        """What the schedule does, once requests are due."""
        with self.running.journal._transaction():
            self.running.journal._execute("UPDATE pledges SET next_attempt_at = ''")
        self.commitment.pump()

    def state(self, transaction: str = "1.9") -> str:
        row = self.running.journal._row("SELECT state FROM pledges WHERE transaction_uid = ?", (transaction,))
        return str(row["state"]) if row else "unknown"


@contextmanager
def committing(
    folder: Path, *peers: PeerSettings, settings: CommitmentSettings = QUICK
) -> Iterator[CommittingNode]:
    services: list[CommitmentService] = []

    def handlers(archive: Archive, journal: Journal) -> Mapping[str, Any]:
        services.append(CommitmentService(settings, peers, archive, journal, timeouts=WAITS))
        return {"handlers": services[0].handlers}

    with receiving(folder, peers=peers, more=handlers) as running:
        yield CommittingNode(running, services[0])


@dataclass
class Scanner:
    """An SCU of storage commitment that collects what it is told."""

    told: list[tuple[int, Dataset]] = field(default_factory=list)
    status: int = 0x0000

    def _take(self, event: evt.Event) -> tuple[int, None]:
        self.told.append((event.event_type, event.event_information))
        return self.status, None

    @contextmanager
    def association(self, node: CommittingNode, called: str = "RADIUSDXA") -> Iterator[Association]:
        ae = AE("SCANNER")
        association = ae.associate(
            "127.0.0.1",
            node.port,
            [build_context(PUSH_MODEL)],
            ae_title=called,
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)],
        )
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def ask(self, node: CommittingNode, *uids: str, stay: float = 0.0, sop_class: str = SC) -> int:
        with self.association(node) as association:
            status = request(association, *uids, sop_class=sop_class)
            deadline = time.monotonic() + stay
            while not self.told and time.monotonic() < deadline:
                time.sleep(0.02)
        return status

    @contextmanager
    def listening(self, port: int = 0) -> Iterator[int]:
        """Take reports on associations that the node opens."""
        ae = AE("SCANNER")
        ae.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        server = ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)]
        )
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()


def request(association: Association, *uids: str, sop_class: str = SC, transaction: str = "1.9") -> int:
    action = Dataset()
    action.TransactionUID = transaction
    action.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = uid
        action.ReferencedSOPSequence.append(item)
    answer, _ = association.send_n_action(action, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    return int(answer.Status)


def send(node: CommittingNode, folder: Path, uid: str) -> None:
    file = read_sendable(write_object(folder / f"{uid}.dcm", uid=uid))
    (outcome,) = store(
        [file], Peer("RADIUSDXA", "127.0.0.1", node.port), calling_ae_title="SCANNER", timeouts=WAITS
    )
    assert outcome.error is None


def listed(port: int) -> PeerSettings:
    return PeerSettings(name="dxa", ae_title="SCANNER", host="127.0.0.1", port=port)


def committed(report: tuple[int, Dataset]) -> list[str]:
    return [item.ReferencedSOPInstanceUID for item in report[1].get("ReferencedSOPSequence", [])]


def failed(report: tuple[int, Dataset]) -> dict[str, int]:
    items = report[1].get("FailedSOPSequence", [])
    return {item.ReferencedSOPInstanceUID: item.FailureReason for item in items}


def test_a_scanner_that_waits_is_told_on_its_own_association(tmp_path: Path) -> None:
    scanner = Scanner()
    with committing(tmp_path) as node:
        send(node, tmp_path, "1.2.3")
        assert scanner.ask(node, "1.2.3", stay=5) == 0x0000
        ((event_type, _),) = scanner.told
        assert event_type == 1
        assert committed(scanner.told[0]) == ["1.2.3"]
        wait_until(lambda: node.state() == "reported")


def test_a_scanner_that_leaves_at_once_is_told_on_an_association_of_the_nodes_own(tmp_path: Path) -> None:
    scanner = Scanner()
    with scanner.listening() as port, committing(tmp_path, listed(port)) as node:
        send(node, tmp_path, "1.2.3")
        assert scanner.ask(node, "1.2.3") == 0x0000
        assert scanner.told == []
        node.pump()
        assert [committed(report) for report in scanner.told] == [["1.2.3"]]
        node.pump()
        assert len(scanner.told) == 1
        assert node.state() == "reported"


def test_every_object_that_is_not_kept_is_named_with_the_reason(tmp_path: Path) -> None:
    scanner = Scanner()
    with committing(tmp_path) as node:
        for uid in ("1.2.1", "1.2.2", "1.2.3"):
            send(node, tmp_path, uid)
        (damaged,) = node.running.journal.held_objects("1.2.2")
        file = node.running.archive.resolve(damaged.path)
        file.write_bytes(file.read_bytes()[:-2] + b"xy")
        (gone,) = node.running.journal.held_objects("1.2.3")
        node.running.archive.resolve(gone.path).unlink()
        scanner.ask(node, "1.2.1", "1.2.2", "1.2.3", "1.2.4", stay=5)
        (report,) = scanner.told
        assert report[0] == 2
        assert committed(report) == ["1.2.1"]
        assert failed(report) == {"1.2.2": 0x0110, "1.2.3": 0x0112, "1.2.4": 0x0112}
        assert "object_damaged" in {event.code for event in node.running.journal.events()}


def test_an_object_of_another_class_is_a_conflict(tmp_path: Path) -> None:
    scanner = Scanner()
    with committing(tmp_path) as node:
        send(node, tmp_path, "1.2.3")
        scanner.ask(node, "1.2.3", sop_class="1.2.840.10008.5.1.4.1.1.1.1", stay=5)
    assert failed(scanner.told[0]) == {"1.2.3": 0x0119}


def test_a_request_outlives_a_restart_of_the_node(tmp_path: Path) -> None:
    scanner = Scanner()
    with committing(tmp_path) as node:
        send(node, tmp_path, "1.2.3")
        scanner.ask(node, "1.2.3")
    with scanner.listening() as port, committing(tmp_path, listed(port)) as node:
        node.pump()
        assert [committed(report) for report in scanner.told] == [["1.2.3"]]


def test_a_peer_that_is_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    scanner, port = Scanner(), pick_free_port()
    with committing(tmp_path, listed(port)) as node:
        send(node, tmp_path, "1.2.3")
        scanner.ask(node, "1.2.3")
        node.pump()
        assert node.state() == "checked"
        assert node.running.journal.events()[-1].code == "commitment_report_postponed"
        with scanner.listening(port):
            node.pump()
        assert len(scanner.told) == 1
        assert node.state() == "reported"


def test_a_peer_that_never_comes_back_is_given_up_after_its_days(tmp_path: Path) -> None:
    scanner, port = Scanner(), pick_free_port()
    brief = CommitmentSettings(report_days=0.01, first_retry_seconds=86_400, max_retry_seconds=86_400)
    with committing(tmp_path, listed(port), settings=brief) as node:
        scanner.ask(node, "1.2.3")
        node.pump()
        assert node.state() == "unreported"
        assert node.running.journal.events()[-1].code == "commitment_unreported"


def test_a_peer_without_a_known_address_is_an_event_that_says_what_to_configure(tmp_path: Path) -> None:
    scanner = Scanner()
    with committing(tmp_path) as node:
        scanner.ask(node, "1.2.3")
        node.pump()
        event = node.running.journal.events()[-1]
    assert event.code == "commitment_report_postponed"
    assert "no [[peer]] with ae_title = 'SCANNER' has host and port" in event.message


def test_a_peer_that_refuses_the_report_on_its_association_gets_it_on_another(tmp_path: Path) -> None:
    scanner = Scanner(status=0x0110)
    with scanner.listening() as port, committing(tmp_path, listed(port)) as node:
        send(node, tmp_path, "1.2.3")
        scanner.ask(node, "1.2.3", stay=5)
        assert node.state() == "checked"
        scanner.status = 0x0000
        node.pump()
        assert len(scanner.told) == 2
        assert node.state() == "reported"


def test_a_transaction_is_not_mixed_up_with_another_of_the_same_uid(tmp_path: Path) -> None:
    with committing(tmp_path) as node, Scanner().association(node) as association:
        assert request(association, "1.2.3") == 0x0000
        assert request(association, "1.2.4") == 0x0210
        assert request(association, "1.2.3") == 0x0000  # the answer was lost: asked again


@pytest.mark.parametrize(
    ("action_type", "instance", "status"), [(2, PUSH_MODEL_INSTANCE, 0x0123), (1, "1.2.3.4", 0x0112)]
)
def test_an_action_that_does_not_exist_is_refused(
    tmp_path: Path, action_type: int, instance: str, status: int
) -> None:
    action = Dataset()
    action.TransactionUID = "1.9"
    with committing(tmp_path) as node, Scanner().association(node) as association:
        answer, _ = association.send_n_action(action, action_type, PUSH_MODEL, instance)
        assert answer.Status == status
        answer, _ = association.send_n_action(action, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        assert answer.Status == 0x0115  # it names no object
        assert request(association, "1.2.3") == 0x0000  # the association lives on
        assert node.running.journal.events()[-1].code == "commitment_refused"


def test_a_node_that_may_not_be_asked_says_so(tmp_path: Path) -> None:
    only_store = PeerSettings(name="dxa", ae_title="SCANNER", services=("verify", "store"))
    with committing(tmp_path, only_store) as node:
        association = AE("SCANNER").associate(
            "127.0.0.1", node.port, [build_context(PUSH_MODEL)], ae_title="RADIUSDXA"
        )
        assert not association.is_established


@pytest.mark.parametrize(
    "roles",
    [[], [build_role(PUSH_MODEL, scp_role=True)], [build_role(PUSH_MODEL, scu_role=True, scp_role=True)]],
)
def test_a_pacs_reports_to_the_node_in_whatever_role_it_proposes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roles: list[Any]
) -> None:
    taken: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        Journal,
        "commitment_reported",
        lambda _self, transaction, done, _failed: taken.append((transaction, list(done))),
    )
    report = Dataset()
    report.TransactionUID = "1.9"
    report.ReferencedSOPSequence = [Dataset()]
    report.ReferencedSOPSequence[0].ReferencedSOPClassUID = SC
    report.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    with committing(tmp_path) as node:
        association = AE("PACS").associate(
            "127.0.0.1", node.port, [build_context(PUSH_MODEL)], ae_title="RADIUSDXA", ext_neg=roles
        )
        answer, _ = association.send_n_event_report(report, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        association.release()
    assert answer.Status == 0x0000
    assert taken == [("1.9", ["1.2.3"])]


@pytest.mark.orthanc
def test_orthanc_as_a_client_is_told_that_its_objects_are_kept(tmp_path: Path) -> None:
    uid, port = generate_uid(), pick_free_port()
    with committing(
        tmp_path, PeerSettings(name="o", ae_title="TESTPACS", host="127.0.0.1", port=port)
    ) as node:
        send(node, tmp_path, uid)
        modality = {
            "AET": "RADIUSDXA",
            "Host": "127.0.0.1",
            "Port": node.port,
            "AllowStorageCommitment": True,
        }
        settings = {"DicomModalities": {"node": modality}}
        with running_orthanc(tmp_path / "orthanc", dicom_port=port, settings=settings) as orthanc:
            asked = urllib.request.Request(
                f"http://127.0.0.1:{orthanc.http_port}/modalities/node/storage-commitment",
                data=json.dumps({"DicomInstances": [[SC, uid], [SC, "1.2.3.4"]]}).encode(),
            )
            with urllib.request.urlopen(asked, timeout=10) as answer:
                transaction = json.load(answer)["ID"]
            node.pump()
            report = orthanc.get(f"/storage-commitment/{transaction}")
    assert report["Status"] == "Failure"
    assert [item["SOPInstanceUID"] for item in report["Success"]] == [uid]
    assert [item["SOPInstanceUID"] for item in report["Failures"]] == ["1.2.3.4"]
