"""Who is to be told is told once an hour and cause, without patient data; a deaf server delays nobody."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from node_support import FakeClock, receive
from own_ca import OwnAuthority
from real_peers import pick_free_port

from dicom_node.config import NotificationSettings
from dicom_node.errors import ConfigurationError
from dicom_node.observe.notifications import SIGNATURE_HEADER, Notifications
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.workflow.watch import Watch

STUDY = "1.2.840.99.1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db", clock=clock)
    yield opened
    opened.close()


@dataclass
class Hook:
    """A webhook's server."""

    url: str = ""
    code: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posted]


@contextmanager
def listening() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.posted.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.code)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as started:
        yield started


@pytest.fixture
def notify(journal: Journal, clock: FakeClock, hook: Hook) -> Callable[..., Notifications]:
    """Makes notifications over the journal that have read its past."""

    def make(**settings: Any) -> Notifications:
        made = Notifications(
            NotificationSettings(**{"webhook_url": hook.url, **settings}), journal, node="NODE", clock=clock
        )
        made.pump()
        return made

    return make


def fail_delivery(journal: Journal, destination: str = "pacs", times: int = 1) -> None:
    for _ in range(times):
        journal.note_event(
            Severity.ERROR,
            "delivery_failed",
            f"to {destination}: SOP class refused",
            study_instance_uid=STUDY,
        )


def test_a_cause_is_told_at_once_and_then_once_an_hour_with_how_often_it_came(
    journal: Journal, clock: FakeClock, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    notifications = notify()
    fail_delivery(journal, times=3)
    fail_delivery(journal, "archive")
    notifications.pump()
    assert sorted((message["detail"], message["times"]) for message in hook.messages) == [
        ("to archive: SOP class refused", 1),
        ("to pacs: SOP class refused", 3),
    ]
    fail_delivery(journal, times=5)
    clock.advance(3599)
    notifications.pump()
    assert len(hook.posted) == 2
    clock.advance(1)
    notifications.pump()
    assert hook.messages[2]["times"] == 5
    clock.advance(86_400)
    notifications.pump()
    assert len(hook.posted) == 3, "what is over is not told again"


def test_a_restart_tells_nothing_twice_and_forgets_nothing(
    journal: Journal, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    notify().pump()
    fail_delivery(journal)
    notify()
    notify().pump()
    assert len(hook.posted) == 1


def test_a_journal_s_past_is_not_told(
    journal: Journal, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    fail_delivery(journal)
    notify().pump()
    assert hook.posted == []


def test_no_message_holds_a_study_unless_the_site_wants_it(
    journal: Journal, clock: FakeClock, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    notifications = notify()
    fail_delivery(journal)
    journal.note_event(Severity.ERROR, "study_failed", f"{STUDY} is odd", study_instance_uid=STUDY)
    notifications.pump()
    assert {message["code"] for message in hook.messages} == {"delivery_failed", "study_failed"}
    assert STUDY.encode() not in b"".join(body for _, body in hook.posted)
    clock.advance(3600)
    fail_delivery(journal)
    notify(include_patient_data=True).pump()
    assert hook.messages[-1]["study_instance_uid"] == STUDY


def test_a_signature_proves_who_sent_it(
    tmp_path: Path, journal: Journal, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("shared\n")
    notifications = notify(webhook_secret_file=secret)
    fail_delivery(journal)
    notifications.pump()
    ((headers, body),) = hook.posted
    assert headers[SIGNATURE_HEADER] == f"sha256={hmac.new(b'shared', body, hashlib.sha256).hexdigest()}"


def test_a_redirection_is_not_followed_and_what_failed_is_told_later(
    journal: Journal, clock: FakeClock, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    with listening() as elsewhere:
        hook.code, hook.headers = 307, {"Location": elsewhere.url}
        notifications = notify()
        fail_delivery(journal)
        notifications.pump()
        assert elsewhere.posted == []
    notifications.pump()
    assert len(hook.posted) == 1, "it is not tried again before its time"
    hook.code = 200
    clock.advance(30)
    notifications.pump()
    assert len(hook.posted) == 2


def test_a_server_that_is_down_costs_one_try_a_turn_and_loses_nothing(
    journal: Journal, clock: FakeClock, hook: Hook, notify: Callable[..., Notifications]
) -> None:
    hook.code = 503
    notifications = notify()
    for number in range(5):
        fail_delivery(journal, f"pacs{number}")
    notifications.pump()
    assert len(hook.posted) == 1
    hook.code = 200
    clock.advance(3600)
    notifications.pump()
    assert len(hook.posted) == 6


@dataclass
class Inbox:
    """What a mail server took."""

    mails: list[Message] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"secret")


@contextmanager
def mail_server(authority: OwnAuthority) -> Iterator[tuple[Inbox, int]]:
    leaf = authority.issue("mail.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.private_key)
    inbox = Inbox()
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=pick_free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=inbox.authenticate,
    )
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()


def test_mail_goes_over_starttls_with_a_password_and_only_to_the_server_that_is_trusted(
    tmp_path: Path, journal: Journal, clock: FakeClock, notify: Callable[..., Notifications]
) -> None:
    authority = OwnAuthority(tmp_path / "ca")
    password = tmp_path / "password"
    password.write_text("secret\n")
    settings = {
        "webhook_url": None,
        "smtp_host": "127.0.0.1",
        "smtp_username": "node",
        "smtp_password_file": password,
        "mail_from": "node@hospital.example",
        "mail_to": ("team@hospital.example", "it@hospital.example"),
    }
    with mail_server(authority) as (inbox, port):
        suspicious = notify(**settings, smtp_port=port)
        fail_delivery(journal)
        suspicious.pump()
        assert inbox.mails == inbox.users == [], "an unknown authority gets neither mail nor password"
        clock.advance(60)
        notify(**settings, smtp_port=port, trusted=authority.certificate)
    (mail,) = inbox.mails
    assert inbox.users == ["node"]
    assert mail["To"] == "team@hospital.example, it@hospital.example"
    assert mail["Subject"] == "[NODE] An object could not be delivered (dead letter)"
    assert "to pacs: SOP class refused" in str(mail.get_payload())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"smtp_host": "mail"}, "needs mail_from and mail_to"),
        ({"smtp_username": "node"}, "belong together"),
        (
            {"smtp_username": "n", "smtp_password_file": Path("p"), "smtp_security": "none"},
            "password in the clear",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        NotificationSettings(**settings)


def test_the_watch_says_once_that_a_study_is_stuck_and_that_the_disk_is_full(
    tmp_path: Path, journal: Journal, clock: FakeClock
) -> None:
    receive(journal, STUDY)
    archive = Archive(tmp_path / "data", min_free_bytes=0)
    watch = Watch(archive, journal, stuck_after=timedelta(minutes=60), clock=clock)
    clock.advance(3599)
    watch.look()
    clock.advance(2)
    watch.look()
    watch.look()
    archive._min_free_bytes = 10**18
    watch.look()
    watch.look()
    archive._min_free_bytes = 0
    watch.look()
    assert [event.code for event in journal.events()] == ["study_stuck", "disk_low", "disk_recovered"]
