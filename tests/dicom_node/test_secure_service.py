"""A node that speaks TLS only: objects, commands, and storage commitment go through it end to end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import load_config, wait_until
from own_ca import OwnAuthority
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt
from running_node import running_node, write_node_config
from scripted_scp import write_object
from worker_functions import analyze_as_rejected

from dicom_node.cli import main
from dicom_node.config import ClientTls, NodeConfig, ServerTls
from dicom_node.network.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.sender import read_sendable, store
from dicom_node.network.tls import client_context, server_context
from dicom_node.service import Service
from dicom_node.storage.pledges import PledgeState

SC = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def ca(tmp_path: Path) -> OwnAuthority:
    authority = OwnAuthority(tmp_path / "ca")
    authority.issue("node.example")
    authority.issue("scanner.example")
    return authority


def files(ca: OwnAuthority, name: str) -> str:
    folder = ca.certificate.parent
    return (
        f"trusted = '{ca.certificate}'\n"
        f"certificate = '{folder / name}.pem'\n"
        f"private_key = '{folder / name}.key'\n"
    )


def client_tls(ca: OwnAuthority) -> ClientTls:
    folder = ca.certificate.parent
    return ClientTls(
        trusted=ca.certificate,
        certificate=folder / "scanner.example.pem",
        private_key=folder / "scanner.example.key",
    )


def secure_config(folder: Path, ca: OwnAuthority, *, scanner_port: int = 104) -> NodeConfig:
    return load_config(
        folder,
        extra=f"""
[tls]
enabled = true
port = 0
plain = false
{files(ca, "node.example")}
[access]
policy = "listed"
[commitment]
same_association_seconds = 0
[[peer]]
name = "dxa"
ae_title = "SCANNER"
addresses = ["127.0.0.1"]
certificate_name = "scanner.example"
host = "127.0.0.1"
port = {scanner_port}
[peer.tls]
{files(ca, "node.example")}
""",
    )


@contextmanager
def secure_scanner(ca: OwnAuthority) -> Iterator[tuple[int, list[Dataset]]]:
    """Takes storage commitment reports over TLS."""
    told: list[Dataset] = []
    folder = ca.certificate.parent
    settings = ServerTls(
        enabled=True,
        trusted=ca.certificate,
        certificate=folder / "scanner.example.pem",
        private_key=folder / "scanner.example.key",
    )

    def take(event: evt.Event) -> tuple[int, None]:
        told.append(event.event_information)
        return 0x0000, None

    ae = AE("SCANNER")
    ae.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
    server = ae.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)],
        ssl_context=server_context(settings),
    )
    try:
        yield server.socket.getsockname()[1], told
    finally:
        server.shutdown()


def ask_commitment(port: int, ca: OwnAuthority, uid: str) -> int:
    action = Dataset()
    action.TransactionUID = "1.9"
    action.ReferencedSOPSequence = [Dataset()]
    action.ReferencedSOPSequence[0].ReferencedSOPClassUID = SC
    action.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = uid
    association = AE("SCANNER").associate(
        "127.0.0.1",
        port,
        [build_context(PUSH_MODEL)],
        ae_title="RADIUSDXA",
        tls_args=(client_context(client_tls(ca)), "127.0.0.1"),
    )
    answer, _ = association.send_n_action(action, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    association.release()
    return int(answer.Status)


def test_a_scanner_stores_over_tls_and_is_told_over_tls_that_its_objects_are_kept(
    tmp_path: Path, ca: OwnAuthority
) -> None:
    with secure_scanner(ca) as (scanner_port, told):
        service = Service(
            secure_config(tmp_path, ca, scanner_port=scanner_port),
            work=analyze_as_rejected,
            make_executor=lambda: ThreadPoolExecutor(1),
        )
        service.start()
        try:
            file = read_sendable(write_object(tmp_path / "a.dcm", uid="1.2.3"))
            node = Peer("RADIUSDXA", "127.0.0.1", service.port, client_tls(ca))
            (outcome,) = store([file], node, calling_ae_title="SCANNER", timeouts=Timeouts(5, 5))
            assert outcome.error is None
            assert ask_commitment(service.port, ca, "1.2.3") == 0x0000
            wait_until(lambda: bool(told))
            (item,) = told[0].ReferencedSOPSequence
            assert item.ReferencedSOPInstanceUID == "1.2.3"
            pledge = service.journal.pledge(1)
            assert pledge is not None
            wait_until(lambda: (service.journal.pledge(1) or pledge).state is PledgeState.REPORTED)
        finally:
            service.stop()


def test_the_commands_reach_a_destination_over_tls_as_it_is_configured(
    tmp_path: Path, ca: OwnAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "node"
    config, plain_port = write_node_config(
        folder,
        destinations={},
        extra=f"""
[tls]
enabled = true
port = 0
{files(ca, "node.example")}
""",
    )
    with running_node(config):
        ready = config.with_suffix(".log").read_text()
        found = re.search(rf"listens at 127\.0\.0\.1:{plain_port}, 127\.0\.0\.1:(\d+) \(TLS\)", ready)
        assert found, ready
        caller = tmp_path / "caller"
        path, _ = write_node_config(
            caller,
            destinations={"node": ("RADIUSDXA", int(found[1]))},
            extra=f"[destination.tls]\n{files(ca, 'scanner.example')}",
        )
        assert main(["echo", "node", "--config", str(path)]) == 0
        file = write_object(tmp_path / "a.dcm")
        assert main(["send", str(file), "--to", "node", "--config", str(path)]) == 0
        assert "1 of 1 files stored" in capsys.readouterr().out
        plain = path.read_text().replace("[destination.tls]", "[destination.tls]\nenabled = false")
        path.write_text(plain)
        started = time.monotonic()
        assert main(["echo", "node", "--config", str(path)]) == 1
        assert time.monotonic() - started < 15
        assert "is it without TLS?" in capsys.readouterr().out
