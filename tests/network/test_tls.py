"""DICOM over TLS: who is let in, what is refused, and that real clients and servers agree with it."""

from __future__ import annotations

import socket
import ssl
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from node_support import wait_until
from own_ca import Leaf, OwnAuthority
from pydicom.uid import generate_uid
from real_peers import pick_free_port, running_orthanc
from running_receiver import RunningReceiver, receiving
from scripted_scp import write_object

from dicom_node.config import ClientTls, PeerSettings, ServerTls
from dicom_node.errors import ConfigurationError, DeliveryError, TransientDeliveryError
from dicom_node.network.certificates import ServerCertificate
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.receiver import Entrance
from dicom_node.network.sender import echo, read_sendable, store
from dicom_node.network.tls import client_context, server_context
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity

WAITS = Timeouts(5, 5)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> OwnAuthority:
    return OwnAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def node_leaf(ca: OwnAuthority) -> Leaf:
    return ca.issue("node.example")


@pytest.fixture(scope="module")
def scanner(ca: OwnAuthority) -> Leaf:
    return ca.issue("scanner.example")


@pytest.fixture
def secured(tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf) -> Iterator[RunningReceiver]:
    with secure_receiver(tmp_path, ca, node_leaf) as node:
        yield node


@pytest.fixture
def identity(ca: OwnAuthority, scanner: Leaf) -> list[str]:
    """What openssl s_client shows of itself, and whom it trusts."""
    options = {"-cert": scanner.certificate, "-key": scanner.private_key, "-CAfile": ca.certificate}
    return [str(part) for option in options.items() for part in option]


@contextmanager
def secure_receiver(
    folder: Path, ca: OwnAuthority, leaf: Leaf, *, plain: bool = False, peers: Any = (), **tls: Any
) -> Iterator[RunningReceiver]:
    """A receiver at a TLS port, the last of its ports; with `plain`, at one without TLS too."""
    settings = ServerTls(
        enabled=True,
        port=0,
        certificate=leaf.certificate,
        private_key=leaf.private_key,
        trusted=ca.certificate,
        **tls,
    )

    def entrances(_archive: Archive, journal: Journal) -> Mapping[str, Any]:
        certificate = ServerCertificate(settings, journal)
        secure = Entrance("127.0.0.1", 0, "[tls]", certificate.secure)
        return {"entrances": [Entrance("127.0.0.1", 0), secure] if plain else [secure]}

    with receiving(folder, more=entrances, peers=peers) as node:
        yield node


def peer(node: RunningReceiver, ca: OwnAuthority, leaf: Leaf | None, **tls: Any) -> Peer:
    settings = ClientTls(
        trusted=ca.certificate,
        certificate=leaf.certificate if leaf else None,
        private_key=leaf.private_key if leaf else None,
        **tls,
    )
    return Peer("RADIUSDXA", "127.0.0.1", node.receiver.ports[-1], settings)


def send_echo(to: Peer) -> None:
    echo(to, calling_ae_title="SCANNER", timeouts=WAITS)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_objects_arrive_over_both_versions_with_certificates_on_both_sides(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf, version: Any
) -> None:
    file = read_sendable(write_object(tmp_path / "a.dcm", uid="1.2.3.4", padding=300_000))
    with secure_receiver(tmp_path, ca, node_leaf, minimum_version=version) as node:
        to = peer(node, ca, scanner)
        (outcome,) = store([file], to, calling_ae_title="SCANNER", timeouts=WAITS)
        assert outcome.error is None
        (held,) = node.journal.held_objects("1.2.3.4")
        assert node.archive.resolve(held.path).stat().st_size > 300_000


def test_the_plain_port_serves_beside_the_one_for_tls(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    with secure_receiver(tmp_path, ca, node_leaf, plain=True) as node:
        send_echo(Peer("RADIUSDXA", "127.0.0.1", node.receiver.ports[0]))
        send_echo(peer(node, ca, scanner))


def test_whoever_speaks_plain_to_the_tls_port_or_tls_to_the_plain_one_is_refused(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    with secure_receiver(tmp_path, ca, node_leaf, plain=True) as node:
        plain, secure = node.receiver.ports
        with pytest.raises(TransientDeliveryError):
            send_echo(Peer("RADIUSDXA", "127.0.0.1", secure))
        with pytest.raises(TransientDeliveryError, match="TLS"):
            send_echo(Peer("RADIUSDXA", "127.0.0.1", plain, peer(node, ca, scanner).tls))


def test_a_client_without_certificate_is_let_in_only_where_none_is_required(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf
) -> None:
    with secure_receiver(tmp_path / "a", ca, node_leaf) as node, pytest.raises(DeliveryError):
        send_echo(peer(node, ca, None))
    for policy in ("optional", "none"):
        with secure_receiver(tmp_path / policy, ca, node_leaf, client_certificate=policy) as node:
            send_echo(peer(node, ca, None))


def test_a_client_of_another_authority_is_refused_and_the_administrator_told_why(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf
) -> None:
    stranger = OwnAuthority(tmp_path / "other", "Other CA").issue("scanner.example")
    with secure_receiver(tmp_path, ca, node_leaf) as node:
        with pytest.raises(DeliveryError):
            send_echo(peer(node, ca, stranger))
        wait_until(lambda: bool(node.journal.events()))  # TLS 1.3 tells the client before the node is through
        code, message = node.last_event()
    assert code == "association_rejected"
    assert "TLS handshake with 127.0.0.1 failed" in message
    assert "certificate verify failed" in message


def test_a_server_of_another_authority_or_name_is_not_spoken_to(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    with secure_receiver(tmp_path, ca, node_leaf) as node:
        with pytest.raises(TransientDeliveryError, match="certificate verify failed"):
            send_echo(peer(node, OwnAuthority(tmp_path / "other"), scanner))
        with pytest.raises(TransientDeliveryError, match="Hostname mismatch"):
            send_echo(peer(node, ca, scanner, server_name="pacs.example"))
        send_echo(peer(node, ca, scanner, server_name="node.example"))


def test_an_ae_title_can_be_bound_to_a_certificate(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    bound = PeerSettings(name="dxa", ae_title="SCANNER", certificate_name="scanner.example")
    with secure_receiver(tmp_path, ca, node_leaf, plain=True, peers=[bound]) as node:
        send_echo(peer(node, ca, scanner))
        for impostor in (
            peer(node, ca, ca.issue("impostor.example")),
            Peer("RADIUSDXA", "127.0.0.1", node.receiver.ports[0]),
        ):
            with pytest.raises(DeliveryError, match="rejected"):
                send_echo(impostor)


@pytest.mark.openssl
@pytest.mark.parametrize(
    ("version", "suites", "taken"),
    [
        ("-tls1_1", "ALL", None),
        ("-tls1_2", "AES128-SHA", None),
        ("-tls1_2", "ECDHE-ECDSA-AES128-SHA", None),
        ("-tls1_2", "aNULL", None),
        ("-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("-tls1_3", "ALL", "TLS_AES_256_GCM_SHA384"),
    ],
)
def test_old_versions_and_weak_suites_are_refused(
    secured: RunningReceiver, identity: list[str], version: str, suites: str, taken: str | None
) -> None:
    # security level 0 lets the client itself go as low as it is asked to
    low = ["-cipher", f"{suites}:@SECLEVEL=0"]
    told = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{secured.receiver.port}", *identity, version, *low],
        input="",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    output = told.stdout + told.stderr
    if taken:
        assert f"Cipher is {taken}" in output, output
    else:
        assert "Cipher is (NONE)" in output, output
        assert "SSL alert number" in output, output  # it was the node that refused


def test_a_renewed_certificate_is_shown_without_a_restart_and_a_bad_one_is_not(
    tmp_path: Path, ca: OwnAuthority
) -> None:
    leaf = ca.issue("node.example", file="renewed")
    journal = Journal(tmp_path / "journal.db")
    settings = ServerTls(
        enabled=True, certificate=leaf.certificate, private_key=leaf.private_key, client_certificate="none"
    )
    certificate = ServerCertificate(settings, journal)
    first = certificate.context
    certificate.reload_if_changed()
    assert certificate.context is first

    leaf.private_key.write_text("-----BEGIN NONSENSE-----\n")
    certificate.reload_if_changed()
    certificate.reload_if_changed()
    assert certificate.context is first
    assert [(event.severity, event.code) for event in journal.events()] == [
        (Severity.ERROR, "certificate_not_reloaded")
    ]

    ca.issue("node.example", file="renewed")
    certificate.reload_if_changed()
    assert certificate.context is not first
    assert journal.events()[-1].code == "certificate_reloaded"
    journal.close()


def test_an_unusable_file_is_named_with_its_key(tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(ConfigurationError, match=r"certificate = .*nonsense.pem.*cannot be used"):
        client_context(ClientTls(certificate=nonsense, private_key=node_leaf.private_key))
    with pytest.raises(ConfigurationError, match=r"trusted = .*nonsense.pem.*cannot be used"):
        client_context(ClientTls(trusted=nonsense))
    other = ca.issue("other.example")
    with pytest.raises(ConfigurationError, match=r"private_key = .*other.example.key.*belong together"):
        server_context(
            ServerTls(
                enabled=True,
                certificate=node_leaf.certificate,
                private_key=other.private_key,
                trusted=ca.certificate,
            )
        )


def test_a_client_file_that_has_become_unusable_is_a_failure_that_may_pass(
    tmp_path: Path, secured: RunningReceiver, ca: OwnAuthority
) -> None:
    leaf = ca.issue("scanner.example", file="spoilt")
    to = peer(secured, ca, leaf)
    leaf.private_key.write_text("nonsense")
    with pytest.raises(TransientDeliveryError, match=r"spoilt\.key.*cannot be used"):
        send_echo(to)
    ca.issue("scanner.example", file="spoilt")
    send_echo(to)


def test_every_suite_is_ephemeral_and_authenticated(ca: OwnAuthority, node_leaf: Leaf) -> None:
    context = server_context(
        ServerTls(
            enabled=True,
            certificate=node_leaf.certificate,
            private_key=node_leaf.private_key,
            trusted=ca.certificate,
        )
    )
    for suite in context.get_ciphers():
        assert suite["aead"], suite["name"]
        assert suite["protocol"] == "TLSv1.3" or suite["name"].startswith("ECDHE-"), suite["name"]
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_handshake_that_drips_or_stalls_is_cut_at_its_limit(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.network.tls.HANDSHAKE_SECONDS", 1.0)
    with secure_receiver(tmp_path, ca, node_leaf) as node, ExitStack() as open_sockets:
        port = node.receiver.ports[-1]
        silent = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
        dripping = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
        started = time.monotonic()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        for byte in hello:
            try:
                dripping.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.1)
        assert time.monotonic() - started < 3.0
        silent.settimeout(2.0)
        assert silent.recv(1) == b""


@pytest.mark.alone
def test_a_hundred_silent_clients_delay_a_real_one_by_less_than_a_fifth_of_a_second(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    with secure_receiver(tmp_path, ca, node_leaf) as node:
        to = peer(node, ca, scanner)
        alone = [seconds_to_echo(to) for _ in range(7)]
        with ExitStack() as open_sockets:
            for number in range(100):  # each from an address of its own, so that none is cut for the others
                connection = socket.create_connection(
                    ("127.0.0.1", to.port), source_address=(f"127.0.1.{number + 1}", 0)
                )
                open_sockets.enter_context(connection)
            crowded = [seconds_to_echo(to) for _ in range(7)]
    assert statistics.median(crowded) - statistics.median(alone) < 0.2


def seconds_to_echo(to: Peer) -> float:
    started = time.monotonic()
    send_echo(to)
    return time.monotonic() - started


@pytest.mark.dcmtk
def test_storescu_of_dcmtk_stores_over_tls_and_not_without_certificate(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    uid = generate_uid()
    file = write_object(tmp_path / "a.dcm", uid=uid)
    with secure_receiver(tmp_path, ca, node_leaf) as node:
        port = str(node.receiver.ports[-1])
        for tls, stored in (
            (["+tls", str(scanner.private_key), str(scanner.certificate)], True),
            (["+tla"], False),
            ([], False),
        ):
            trusted = ["+cf", str(ca.certificate)] if tls else []
            done = subprocess.run(
                ["storescu", "-R", "-aec", "RADIUSDXA", *tls, *trusted, "127.0.0.1", port, str(file)],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert (done.returncode == 0) is stored, done.stderr
            assert len(node.journal.held_objects(uid)) == 1


@pytest.mark.dcmtk
def test_the_node_stores_over_tls_at_storescp_of_dcmtk(
    tmp_path: Path, ca: OwnAuthority, scanner: Leaf
) -> None:
    server = ca.issue("pacs.example")
    port = pick_free_port()
    received = tmp_path / "received"
    received.mkdir()
    process = subprocess.Popen(
        [
            "storescp", "+tls", server.private_key, server.certificate, "+cf", ca.certificate,
            "-od", received, str(port),
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        settings = ClientTls(
            trusted=ca.certificate, certificate=scanner.certificate, private_key=scanner.private_key
        )
        file = read_sendable(write_object(tmp_path / "a.dcm"))
        to = Peer("ANY-SCP", "127.0.0.1", port, settings)
        deadline = time.monotonic() + 10
        while True:
            try:
                (outcome,) = store([file], to, calling_ae_title="NODE", timeouts=WAITS)
                break
            except TransientDeliveryError:  # not yet listening
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert outcome.error is None
        assert len(list(received.iterdir())) == 1
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.orthanc
def test_orthanc_with_mutual_tls_takes_our_results_and_sends_to_us(
    tmp_path: Path, ca: OwnAuthority, node_leaf: Leaf, scanner: Leaf
) -> None:
    server = ca.issue("orthanc.example")
    with secure_receiver(tmp_path, ca, node_leaf) as node:
        settings = {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(server.certificate),
            "DicomTlsPrivateKey": str(server.private_key),
            "DicomTlsTrustedCertificates": str(ca.certificate),
            "DicomTlsRemoteCertificateRequired": True,
            "DicomModalities": {
                "node": {
                    "AET": "RADIUSDXA",
                    "Host": "127.0.0.1",
                    "Port": node.receiver.ports[-1],
                    "UseDicomTls": True,
                }
            },
        }
        with running_orthanc(tmp_path / "orthanc", settings=settings) as orthanc:
            tls = peer(node, ca, scanner).tls
            to = Peer(orthanc.ae_title, "127.0.0.1", orthanc.dicom_port, tls)
            file = read_sendable(write_object(tmp_path / "a.dcm", uid="1.2.3.4"))
            (outcome,) = store([file], to, calling_ae_title="NODE", timeouts=WAITS)
            assert outcome.error is None
            with pytest.raises(DeliveryError):
                send_echo(Peer(orthanc.ae_title, "127.0.0.1", orthanc.dicom_port))
            (instance,) = orthanc.get("/instances")
            send = urllib.request.Request(
                f"http://127.0.0.1:{orthanc.http_port}/modalities/node/store", data=instance.encode()
            )
            urllib.request.urlopen(send, timeout=10).close()
            assert len(node.journal.held_objects("1.2.3.4")) == 1
