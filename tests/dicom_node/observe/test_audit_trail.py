"""What auditors are told, and that they are told it whatever becomes of node, network and repository."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from asked_archives import scripted_archive
from node_support import finish_with_results, wait_until
from pydicom.data import get_testdata_file
from running_node import write_node_config
from test_audit_messages import parse

from dicom_node.config import AuditSettings, NodeConfig
from dicom_node.network.query import StudyFilter, find_studies
from dicom_node.network.questions import questions_told_to
from dicom_node.observe import audit_transport
from dicom_node.observe.audit import AuditTrail
from dicom_node.observe.audit_messages import Patient
from dicom_node.observe.audited_patients import read_patient
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, Severity

SAMPLE = Path(get_testdata_file("CT_small.dcm"))
PATIENT = Patient("1CT1", "CompressedSamples^CT1")


@pytest.fixture
def site(tmp_path: Path) -> NodeConfig:
    path, _ = write_node_config(tmp_path, destinations={"pacs": ("ORTHANC", 104)})
    settings = AuditSettings(transport="file", directory=tmp_path / "audit")
    return replace(NodeConfig.load(path), audit=settings)


@pytest.fixture
def archive(site: NodeConfig) -> Archive:
    return Archive(site.node.data_dir)


@pytest.fixture
def journal(archive: Archive) -> Iterator[Journal]:
    with closing(Journal(archive.journal_path)) as opened:
        yield opened


def trail(site: NodeConfig, archive: Archive, journal: Journal) -> AuditTrail:
    """A trail that has begun, and tells at once."""
    begun = AuditTrail(site, archive, journal, quiet_seconds=0)
    begun.begin()
    return begun


def receive_sample(
    journal: Journal,
    archive: Archive,
    *,
    study: str,
    association: str,
    kind: InstanceKind = InstanceKind.INPUT,
) -> None:
    """Journal one object as the receiver does."""
    path, digest = archive.store_result(f"{study}-{association}", SAMPLE.read_bytes())
    journal.record_instance(
        ReceivedInstance(
            sop_instance_uid=f"{study}.{association}.{kind is InstanceKind.INPUT:d}",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            study_instance_uid=study,
            series_instance_uid="1.9",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            sha256=digest,
            path=str(path),
            size=1,
            kind=kind,
            calling_ae="SCANNER",
            called_ae="RADIUSDXA",
            peer_address="192.0.2.4",
            association_id=association,
        )
    )


def spooled(journal: Journal) -> list[str]:
    return [message.message for message in journal.spooled_audits()]


def kinds(messages: list[str]) -> list[str]:
    """Event ID and outcome of each; fails for one that does not follow the schema."""
    found = []
    for message in messages:
        event = parse(message).find("EventIdentification")
        found.append(f"{event.find('EventID').get('originalText')} {event.get('EventOutcomeIndicator')}")
    return found


def written(site: NodeConfig) -> list[str]:
    """The messages in the audit files."""
    lines = [
        line for file in sorted(site.audit.directory.iterdir()) for line in file.read_text().splitlines()
    ]
    return [line.partition("\ufeff")[2] for line in lines]


def test_what_came_in_is_told_per_association_and_study_with_its_patient(
    site: NodeConfig, archive: Archive, journal: Journal
) -> None:
    audit = trail(site, archive, journal)
    receive_sample(journal, archive, study="1.1", association="a")
    receive_sample(journal, archive, study="1.2", association="a")
    receive_sample(journal, archive, study="1.1", association="b")
    receive_sample(journal, archive, study="1.1", association="b", kind=InstanceKind.QUARANTINED)
    audit.run()
    messages = written(site)
    assert kinds(messages) == [
        "Application Activity 0",
        *3 * ["DICOM Instances Transferred 0"],
        "DICOM Instances Transferred 4",
    ]
    first = parse(messages[1])
    assert first.find("ActiveParticipant").get("UserID") == "SCANNER"
    assert "1CT1" in messages[1] and "CompressedSamples^CT1" in messages[1]
    assert spooled(journal) == []


def test_nothing_is_told_twice_and_nothing_forgotten_over_a_restart(
    site: NodeConfig, archive: Archive, journal: Journal
) -> None:
    receive_sample(journal, archive, study="1.0", association="before auditing was on")
    trail(site, archive, journal).run()
    receive_sample(journal, archive, study="1.1", association="a")  # then the node dies
    audit = trail(site, archive, journal)
    audit.run()
    audit.run()
    told = written(site)
    assert kinds(told) == [
        "Application Activity 0",
        "Application Activity 0",
        "DICOM Instances Transferred 0",
    ]
    assert 'ParticipantObjectID="1.1"' in told[-1]


def test_what_goes_on_is_told_when_it_has_ended(site: NodeConfig, archive: Archive, journal: Journal) -> None:
    audit = AuditTrail(site, archive, journal, quiet_seconds=60)
    audit.begin()
    receive_sample(journal, archive, study="1.1", association="a")
    audit.run()
    assert kinds(written(site)) == ["Application Activity 0"]
    audit.end()
    assert kinds(written(site))[1:] == ["DICOM Instances Transferred 0", "Application Activity 0"]


def test_what_went_out_is_told_as_begun_and_as_transferred(
    site: NodeConfig, archive: Archive, journal: Journal
) -> None:
    audit = trail(site, archive, journal)
    finish_with_results(archive, journal, "1.1", [SAMPLE], ["pacs"])
    audit.run()
    [claimed] = journal.claim_deliveries("pacs", owner="me", lease_seconds=60)
    audit.run()
    journal.mark_delivered(claimed, 0)
    audit.run()
    told = [message for message in written(site) if "DICOM Instances" in message and "pacs" in message]
    assert kinds(told) == ["Begin Transferring DICOM Instances 0", "DICOM Instances Transferred 0"]
    for message in told:
        assert 'UserID="pacs"' in message and "AETITLES=ORTHANC" in message and "1CT1" in message


def test_a_dead_letter_is_a_failed_transfer(site: NodeConfig, archive: Archive, journal: Journal) -> None:
    audit = trail(site, archive, journal)
    finish_with_results(archive, journal, "1.1", [SAMPLE], ["pacs"])
    [claimed] = journal.claim_deliveries("pacs", owner="me", lease_seconds=60)
    journal.bury_delivery(claimed, reason="refused for good")
    audit.run()
    assert kinds(written(site))[-1] == "DICOM Instances Transferred 8"


def test_a_refused_peer_is_an_alert_once_however_often_it_came(
    site: NodeConfig, archive: Archive, journal: Journal
) -> None:
    audit = trail(site, archive, journal)
    for _ in range(3):
        journal.note_event(
            Severity.WARNING, "association_rejected", "AE 'EVIL' at 192.0.2.66 to AE 'RADIUSDXA': not known"
        )
    journal.note_event(Severity.INFO, "something_else", "of no interest")
    audit.run()
    assert kinds(written(site))[1:] == ["Security Alert 4"]
    assert 'ParticipantObjectID="192.0.2.66"' in written(site)[-1]
    assert "AETITLES=EVIL" in written(site)[-1]


def test_a_question_to_an_archive_is_told(site: NodeConfig, archive: Archive, journal: Journal) -> None:
    audit = trail(site, archive, journal)
    with questions_told_to(audit.asked), scripted_archive(find=lambda _: iter([(0x0000, None)])) as pacs:
        assert find_studies(pacs, StudyFilter(patient_id="1CT1")) == []
    audit.run()
    assert kinds(written(site))[1:] == ["Query 0"]
    query = parse(written(site)[-1])
    assert b"1CT1" in base64.b64decode(query.findtext(".//ParticipantObjectQuery"))
    assert query.findall("ActiveParticipant")[1].get("AlternativeUserID") == "AETITLES=SCRIPTED"


def test_where_auditing_is_off_nothing_is_remembered(
    site: NodeConfig, archive: Archive, journal: Journal
) -> None:
    audit = trail(replace(site, audit=AuditSettings()), archive, journal)
    finish_with_results(archive, journal, "1.1", [SAMPLE], ["pacs"])
    journal.claim_deliveries("pacs", owner="me", lease_seconds=60)
    audit.run()
    audit.end()
    assert spooled(journal) == []
    assert journal._rows("SELECT * FROM audit_transfers") == []


def test_a_full_spool_lets_events_wait_in_the_journal_and_says_so_once(
    site: NodeConfig, archive: Archive, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(site, audit=replace(site.audit, transport="tls", port=1, max_spooled_messages=100))
    audit = trail(small, archive, journal)
    journal.spool_audits(["<x/>"] * 100)
    receive_sample(journal, archive, study="1.1", association="a")
    audit.run()
    audit.run()
    assert journal.spooled_audit_count() == 101
    codes = [event.code for event in journal.events()]
    assert codes.count("audit_spool_full") == codes.count("audit_unreachable") == 1
    journal.drop_spooled_audits(101)
    audit.run()
    assert kinds(spooled(journal)) == ["DICOM Instances Transferred 0"]


def test_audit_files_are_the_owners_and_hold_syslog_lines(
    site: NodeConfig, archive: Archive, journal: Journal
) -> None:
    trail(site, archive, journal).run()
    [file] = site.audit.directory.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert site.audit.directory.stat().st_mode & 0o777 == 0o700
    assert re.match(
        r"<85>1 \d{4}-\d\d-\d\dT\S+ \S+ radius-dxa-node \d+ DICOM\+RFC3881 - \ufeff<\?xml", file.read_text()
    )


def test_udp_carries_one_message_per_datagram(site: NodeConfig, archive: Archive, journal: Journal) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as repository:
        repository.bind(("127.0.0.1", 0))
        repository.settimeout(5)
        port = repository.getsockname()[1]
        audit = trail(replace(site, audit=AuditSettings(transport="udp", port=port)), archive, journal)
        audit.run()
        datagram = repository.recv(65_535)
    assert datagram.startswith(b"<85>1 ")
    assert kinds([datagram.partition(b"\xef\xbb\xbf")[2].decode()]) == ["Application Activity 0"]


class Repository:
    """A syslog server over TLS that can die."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = bytearray()
        self._links: list[ssl.SSLSocket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
                link = self._context.wrap_socket(plain, server_side=True)
            except OSError:
                return
            self._links.append(link)
            threading.Thread(target=self._read, args=[link], daemon=True).start()

    def _read(self, link: ssl.SSLSocket) -> None:
        try:
            while chunk := link.recv(65_536):
                self.received += chunk
            link.unwrap()
        except (OSError, ValueError):  # cut
            return

    def cut(self) -> None:
        """Close every connection."""
        for link in self._links:
            with suppress(OSError):  # the node has hung up already
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        self._links.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def messages(self) -> list[str]:
        """Take the octet-counted frames apart (RFC 5425 section 4.3)."""
        data, found = bytes(self.received), []
        while data:
            length, _, rest = data.partition(b" ")
            frame, data = rest[: int(length)], rest[int(length) :]
            assert len(frame) == int(length)
            found.append(frame.partition(b"\xef\xbb\xbf")[2].decode())
        return found


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Callable[[], Repository]]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            key,
            "-out",
            certificate,
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    started: list[Repository] = []

    def start() -> Repository:
        started.append(Repository(certificate, key))
        return started[-1]

    yield start
    for server in started:
        server.close()


def over_tls(site: NodeConfig, port: int, tmp_path: Path) -> NodeConfig:
    return replace(site, audit=AuditSettings(transport="tls", port=port, ca_file=tmp_path / "cert.pem"))


def test_tls_carries_messages_and_a_clean_end_leaves_nothing_spooled(
    site: NodeConfig, archive: Archive, journal: Journal, repository: Callable[[], Repository], tmp_path: Path
) -> None:
    server = repository()
    audit = trail(over_tls(site, server.port, tmp_path), archive, journal)
    receive_sample(journal, archive, study="1.1", association="a")
    audit.run()
    audit.end()
    wait_until(lambda: len(server.messages()) == 3)
    assert kinds(server.messages()) == [
        "Application Activity 0",
        "DICOM Instances Transferred 0",
        "Application Activity 0",
    ]
    assert spooled(journal) == []


def test_a_repository_that_dies_with_messages_in_its_buffers_gets_them_again(
    site: NodeConfig, archive: Archive, journal: Journal, repository: Callable[[], Repository], tmp_path: Path
) -> None:
    server = repository()
    audit = trail(over_tls(site, server.port, tmp_path), archive, journal)
    audit.run()
    wait_until(lambda: len(server.messages()) == 1)
    server.cut()  # who knows what it had stored
    server.received.clear()
    audit.run()
    audit.run()
    wait_until(lambda: len(server.messages()) >= 1)
    assert kinds(server.messages())[0] == "Application Activity 0"


def test_messages_on_a_connection_that_lived_on_are_settled(  # noqa: PLR0917
    site: NodeConfig,
    archive: Archive,
    journal: Journal,
    repository: Callable[[], Repository],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_transport, "SETTLING_SECONDS", 0.2)
    audit = trail(over_tls(site, repository().port, tmp_path), archive, journal)
    audit.run()
    assert len(spooled(journal)) == 1

    def settled() -> bool:
        audit.run()
        return not spooled(journal)

    wait_until(settled)


def test_a_repository_with_another_certificate_gets_nothing(
    site: NodeConfig, archive: Archive, journal: Journal, repository: Callable[[], Repository]
) -> None:
    server = repository()
    audit = trail(replace(site, audit=AuditSettings(transport="tls", port=server.port)), archive, journal)
    audit.run()
    assert not server.received
    assert "certificate verify failed" in journal.events()[-1].message
    assert len(spooled(journal)) == 1


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東"),
    ],
)
def test_names_in_other_scripts_are_read(file: str, name: str) -> None:
    from pydicom.data import get_charset_files

    [path] = get_charset_files(file)
    assert read_patient(Path(path)).name == name


def test_a_file_that_is_gone_or_rubbish_is_about_nobody_known(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"\xff" * 1000)
    assert read_patient(tmp_path / "rubbish") == read_patient(tmp_path / "gone") == Patient()
    assert read_patient(SAMPLE) == PATIENT
