"""Tells people by webhook and mail what the journal's events say that they must know.

A job reads the events behind a bookmark and counts them by cause; each cause is told at once, and again after
a quiet time if it goes on, with how often it came. What cannot be told is tried again: a mail server that is
down delays nothing else. Messages hold no patient data and no UID unless the site wants them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import smtplib
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from dicom_node.config.notifying import NotificationSettings
from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.notices import Notice
from dicom_node.storage.records import Event

__all__ = ["SIGNATURE_HEADER", "TITLES", "Notifications"]

logger = logging.getLogger(__name__)

TITLES = {
    "delivery_failed": "An object could not be delivered (dead letter)",
    "breaker_open": "A destination is down",
    "breaker_closed": "A destination answers again",
    "disk_low": "The disk is full: objects are refused",
    "disk_recovered": "The disk has room again",
    "certificate_expires": "A certificate expires soon",
    "certificate_expired": "A certificate has expired",
    "certificate_unreadable": "A certificate cannot be read",
    "certificate_not_reloaded": "A changed certificate cannot be used",
    "study_stuck": "A study does not come to its end",
    "study_failed": "The analysis of a study was given up",
    "node_recovered": "The node had stopped without being told to",
    "backup_failed": "The journal could not be backed up",
    "object_damaged": "A stored object is damaged",
    "file_missing": "Files are gone that the journal counts as kept",
    "journal_restored": "The journal was restored or rebuilt: some deliveries wait for a decision",
    "executor_unavailable": "Analyses wait: the cluster cannot be reached",
    "expected_content_missing": "A study was completed although part of it is missing",
    "study_discarded": "A route has discarded a study",
    "surveillance_crossed": "A limit of surveillance is crossed: a model may no longer fit its studies",
    "surveillance_back": "Surveillance: back within the limits",
    "clock_set_back": "The clock of the node was set back",
}
"""Event code -> what it is about, in words that hold no data."""

_OF_A_STUDY = ("study_stuck", "study_failed", "object_damaged", "expected_content_missing", "study_discarded")
"""Their messages may name objects."""

_BY_SUBJECT = ("delivery_failed", "breaker_", "certificate_", "surveillance_")
"""Their messages begin with a subject, ``to pacs: …``, which makes a cause of its own."""

SIGNATURE_HEADER = "X-Radius-DXA-Signature"
"""``sha256=`` and the hexadecimal HMAC-SHA256 of the body under the webhook's secret."""

TIMEOUT_SECONDS = 10.0
FIRST_RETRY_SECONDS = 30.0
MAX_RETRY_SECONDS = 3600.0

Message = Mapping[str, Any]


class Notifications:
    """The channels of ``[notifications]`` over one journal.

    Parameters
    ----------
    node : str
        The node's AE title: which of several it is.
    """

    def __init__(
        self, settings: NotificationSettings, journal: Journal, *, node: str, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._node = node
        self._clock = clock
        self._channels: dict[str, Callable[[Message], None]] = {}
        if settings.webhook_url is not None:
            self._channels["webhook"] = self._post
        if settings.smtp_host is not None:
            self._channels["mail"] = self._mail

    @property
    def enabled(self) -> bool:
        """Whether anybody is told."""
        return bool(self._channels)

    def pump(self) -> None:
        """Read what is new and tell what is due."""
        self._journal.collect_notices(list(self._channels), TITLES, _cause)
        for name, send in self._channels.items():
            for notice in self._journal.due_notices(name):
                if not self._tell(notice, send):
                    break  # the next would wait for the same time-out

    def _tell(self, notice: Notice, send: Callable[[Message], None]) -> bool:
        try:
            send(self._message(notice))
        except (OSError, smtplib.SMTPException, ConfigurationError) as error:
            wait = min(FIRST_RETRY_SECONDS * 2.0 ** min(notice.attempts, 16), MAX_RETRY_SECONDS)
            self._journal.notice_failed(notice, retry_at=self._clock() + timedelta(seconds=wait))
            logger.warning(
                "a notification by %s failed: %s; it is tried again", notice.channel, type(error).__name__
            )
            return False
        self._journal.notice_told(notice, quiet=timedelta(minutes=self._settings.quiet_minutes))
        return True

    def _message(self, notice: Notice) -> Message:
        message: dict[str, Any] = {
            "node": self._node,
            "code": notice.code,
            "title": TITLES[notice.code],
            "times": notice.times,
            "since": notice.first_at,
            "sent_at": self._clock().isoformat(timespec="seconds"),
        }
        if self._settings.include_patient_data or notice.code not in _OF_A_STUDY:
            message["detail"] = notice.message
        if self._settings.include_patient_data and notice.study_instance_uid:
            message["study_instance_uid"] = notice.study_instance_uid
        return message

    def _post(self, message: Message) -> None:
        from dicom_node.network.web import read_secret, web_session

        settings = self._settings
        body = json.dumps(message).encode()
        headers = {"Content-Type": "application/json"}
        if settings.webhook_secret_file is not None:
            key = read_secret(settings.webhook_secret_file).encode()
            headers[SIGNATURE_HEADER] = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
        with web_session() as session:
            if settings.trusted is not None:
                session.verify = str(settings.trusted)
            with session.post(
                str(settings.webhook_url),
                data=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer:
                if not 200 <= answer.status_code < 300:
                    raise OSError(f"HTTP status {answer.status_code}")

    def _mail(self, message: Message) -> None:
        settings = self._settings
        mail = EmailMessage()
        mail["Subject"] = f"[{message['node']}] {message['title']}"
        mail["From"] = settings.mail_from
        mail["To"] = ", ".join(settings.mail_to)
        mail.set_content("\n".join(f"{key}: {value}" for key, value in message.items()) + "\n")
        context = ssl.create_default_context(cafile=settings.trusted)
        host, port = str(settings.smtp_host), settings.smtp_port
        server = (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
            if settings.smtp_security == "tls"
            else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        )
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_username is not None and settings.smtp_password_file is not None:
                from dicom_node.network.web import read_secret

                server.login(settings.smtp_username, read_secret(settings.smtp_password_file))
            server.send_message(mail)


def _cause(event: Event) -> str:
    """Return what makes events one cause: the code, and whom or what it is about."""
    subject = event.message.partition(": ")[0] if event.code.startswith(_BY_SUBJECT) else ""
    return f"{event.code} {subject}".strip()
