"""STOW-RS: each instance's own outcome, whatever the service answers, and secrets that go nowhere else."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from own_ca import OwnAuthority
from scripted_scp import write_object

from dicom_node.config import ClientTls, Destination
from dicom_node.errors import (
    ConfigurationError,
    DeliveryError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from dicom_node.network.outgoing import SendableFile, StoreOutcome, read_sendable
from dicom_node.network.peers import Timeouts
from dicom_node.network.stow import StowClient

WAITS = Timeouts(connect=2, response=1)
UIDS = ("1.2.3.1", "1.2.3.2", "1.2.3.3")


@dataclass
class Service:
    """A STOW-RS service whose answers a test scripts."""

    url: str = ""
    code: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stalls: float = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def lists(self, stored: dict[str, int | None], failed: dict[str, int]) -> None:
        """Answer with these Referenced and Failed SOP Sequences."""

        def items(reasons: dict[str, Any], tag: str) -> dict[str, Any]:
            values = []
            for uid, reason in reasons.items():
                item: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [uid]}}
                if reason is not None:
                    item[tag] = {"vr": "US", "Value": [reason]}
                values.append(item)
            return {"vr": "SQ", "Value": values}

        answer = {}
        if stored:
            answer["00081199"] = items(stored, "00081196")
        if failed:
            answer["00081198"] = items(failed, "00081197")
        self.body = json.dumps(answer).encode()


@contextmanager
def running(service: Service, *, context: ssl.SSLContext | None = None) -> Iterator[Service]:
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            service.requests.append((self.path, dict(self.headers), content))
            stopped.wait(service.stalls)
            self.send_response(service.code)
            for name, value in service.headers.items():
                self.send_header(name, value)
            body = service.body or b""
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if context else "http"
    service.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/dicom-web"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture
def service() -> Iterator[Service]:
    with running(Service()) as started:
        yield started


@pytest.fixture
def files(tmp_path: Path) -> list[SendableFile]:
    return [read_sendable(write_object(tmp_path / f"{uid}.dcm", uid=uid)) for uid in UIDS]


def send(service: Service, files: list[SendableFile], **fields: Any) -> dict[str, StoreOutcome]:
    destination = Destination("web", type="stow", url=service.url, **fields)
    outcomes = list(StowClient(destination, WAITS).store(files))
    assert len(outcomes) == len(files)
    return {outcome.file.sop_instance_uid: outcome for outcome in outcomes}


def test_objects_go_out_byte_for_byte(service: Service, files: list[SendableFile]) -> None:
    service.lists(dict.fromkeys(UIDS), {})
    assert all(outcome.error is None for outcome in send(service, files).values())
    ((path, headers, content),) = service.requests
    assert path == "/dicom-web/studies"
    assert 'type="application/dicom"' in headers["Content-Type"]
    for file in files:
        assert file.path.read_bytes() in content


def test_each_instance_has_the_outcome_that_the_service_lists(
    service: Service, files: list[SendableFile]
) -> None:
    service.code = 202
    service.lists({UIDS[0]: 0xB000}, {UIDS[1]: 0xA700, UIDS[2]: 0xC122})
    destination = Destination("web", type="stow", url=service.url)
    outcomes = list(StowClient(destination, WAITS).store(files))
    assert [outcome.file.sop_instance_uid for outcome in outcomes] == [UIDS[0], UIDS[2], UIDS[1]], (
        "what is to be tried again comes last"
    )
    warned, refused, full = outcomes
    assert warned.error is None and "0xB000" in warned.note
    assert isinstance(refused.error, PermanentDeliveryError)
    assert isinstance(full.error, TransientDeliveryError)


def test_a_conflict_that_lists_a_duplicate_has_stored_it(service: Service, files: list[SendableFile]) -> None:
    service.code = 409
    service.lists({}, dict.fromkeys(UIDS, 0x0111))
    assert all(outcome.error is None for outcome in send(service, files).values())


def test_an_instance_that_is_not_listed_is_tried_again(service: Service, files: list[SendableFile]) -> None:
    service.lists({UIDS[0]: None, UIDS[2]: None}, {})
    outcomes = send(service, files)
    assert isinstance(outcomes[UIDS[1]].error, TransientDeliveryError)
    assert outcomes[UIDS[2]].error is None


def test_a_service_that_lists_nothing_has_stored_all_by_its_200(
    service: Service, files: list[SendableFile]
) -> None:
    outcomes = send(service, files)
    assert all(outcome.error is None for outcome in outcomes.values())
    assert "lists no instances" in outcomes[UIDS[0]].note


@pytest.mark.parametrize(
    ("code", "policy"),
    [
        (202, TransientDeliveryError),
        (400, PermanentDeliveryError),
        (401, PermanentDeliveryError),
        (404, PermanentDeliveryError),
        (409, PermanentDeliveryError),
        (413, PermanentDeliveryError),
        (429, TransientDeliveryError),
        (500, TransientDeliveryError),
        (503, TransientDeliveryError),
    ],
)
def test_an_http_code_without_a_listing_decides_for_all(
    service: Service, files: list[SendableFile], code: int, policy: type[DeliveryError]
) -> None:
    service.code = code
    with pytest.raises(policy, match=f"HTTP status {code}"):
        send(service, files)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{", b'{"00081199": 3}', b"null"])
def test_an_answer_that_cannot_be_read_is_no_listing(
    service: Service, files: list[SendableFile], body: bytes
) -> None:
    service.code, service.body = 409, body
    with pytest.raises(PermanentDeliveryError, match="Conflict"):
        send(service, files)


def test_a_redirection_is_not_followed_and_the_password_stays(
    service: Service, files: list[SendableFile], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("pass wörd\n", encoding="utf-8")
    fields = {"username": "node", "password_file": tmp_path / "password"}
    with running(Service()) as thief:
        service.code, service.headers = 307, {"Location": f"{thief.url}/studies"}
        with pytest.raises(PermanentDeliveryError, match="redirection"):
            send(service, files, **fields)
        assert thief.requests == []
    expected = base64.b64encode("node:pass wörd".encode()).decode()
    assert service.requests[0][1]["Authorization"] == f"Basic {expected}"


def test_a_bearer_token_is_read_anew_each_time(
    service: Service, files: list[SendableFile], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    service.lists(dict.fromkeys(UIDS), {})
    for text in ("first", "second"):
        token.write_text(text)
        send(service, files, token_file=token)
    assert [headers["Authorization"] for _, headers, _ in service.requests] == [
        "Bearer first",
        "Bearer second",
    ]
    token.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        send(service, files, token_file=token)


def test_a_service_that_is_away_or_silent_is_tried_again(
    service: Service, files: list[SendableFile], free_port: Callable[[], int]
) -> None:
    service.stalls = 5
    with pytest.raises(TransientDeliveryError, match="does not answer"):
        send(service, files)
    away = Service(url=f"http://127.0.0.1:{free_port()}/dicom-web")
    with pytest.raises(TransientDeliveryError, match="is it running"):
        send(away, files)


def test_many_objects_go_in_several_requests(
    service: Service, files: list[SendableFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.network.stow.REQUEST_INSTANCES", 2)
    service.lists(dict.fromkeys(UIDS), {})
    send(service, files)
    assert len(service.requests) == 2


def test_a_file_that_has_vanished_is_a_dead_letter_and_the_rest_is_sent(
    service: Service, files: list[SendableFile]
) -> None:
    files[0].path.unlink()
    service.lists(dict.fromkeys(UIDS[1:]), {})
    outcomes = send(service, files)
    assert isinstance(outcomes[UIDS[0]].error, PermanentDeliveryError)
    assert outcomes[UIDS[1]].error is None


def test_a_client_certificate_is_shown_and_the_service_s_own_is_verified(
    files: list[SendableFile], tmp_path: Path
) -> None:
    ca, other_ca = OwnAuthority(tmp_path / "ca"), OwnAuthority(tmp_path / "other")
    server, client = ca.issue("pacs.example"), ca.issue("node.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.private_key)
    context.load_verify_locations(ca.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    good = ClientTls(trusted=ca.certificate, certificate=client.certificate, private_key=client.private_key)
    with running(Service(), context=context) as service:
        service.lists(dict.fromkeys(UIDS), {})
        assert all(outcome.error is None for outcome in send(service, files, tls=good).values())
        with pytest.raises(TransientDeliveryError, match="TLS handshake failed"):
            send(service, files, tls=ClientTls(trusted=other_ca.certificate))
