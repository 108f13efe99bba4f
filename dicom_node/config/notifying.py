"""``[notifications]``: who is told when the node needs somebody."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, each, existing_path, must, not_blank

__all__ = ["NotificationSettings"]


def _web_address(value: str) -> str | None:
    parts = urlsplit(value)
    if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc:
        return None
    return "an address such as https://alerts.example/hook, without user name and password in it"


def _mail_address(value: str) -> str | None:
    local, at, domain = value.partition("@")
    if at and local and domain and not any(character.isspace() or character in "<>," for character in value):
        return None
    return "mail addresses such as pacs-team@hospital.example"


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """``[notifications]``: a webhook, mail, or both; without either nobody is told.

    Attributes
    ----------
    webhook_secret_file : Path or None
        Its content signs each message (HMAC-SHA256).
    trusted : Path or None
        PEM file of the authorities that webhook and mail server are held to; None = the system's.
    include_patient_data : bool
        Adds the Study Instance UID and the study's own message.
    quiet_minutes : float
        The same cause is told once in this time, with how often it came.
    stuck_study_minutes : float
        A study that has not ended this long after its last object is told of.
    """

    webhook_url: str | None = field(default=None, metadata=must(_web_address))
    webhook_secret_file: Path | None = field(default=None, metadata=must(existing_path))
    smtp_host: str | None = field(default=None, metadata=must(not_blank))
    smtp_port: int = field(default=587, metadata=must(between(1, 65535)))
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str | None = field(default=None, metadata=must(not_blank))
    smtp_password_file: Path | None = field(default=None, metadata=must(existing_path))
    mail_from: str | None = field(default=None, metadata=must(_mail_address))
    mail_to: tuple[str, ...] = field(default=(), metadata=must(each(_mail_address)))
    trusted: Path | None = field(default=None, metadata=must(existing_path))
    include_patient_data: bool = False
    quiet_minutes: float = field(default=60.0, metadata=must(between(1, 10_080)))
    stuck_study_minutes: float = field(default=120.0, metadata=must(between(1, 100_000)))

    def __post_init__(self) -> None:
        if self.smtp_host is not None and not (self.mail_from and self.mail_to):
            raise ConfigurationError("[notifications] smtp_host: needs mail_from and mail_to as well")
        if (self.smtp_username is None) != (self.smtp_password_file is None):
            raise ConfigurationError(
                "[notifications] smtp_username and smtp_password_file belong together; give both or neither"
            )
        if self.smtp_username is not None and self.smtp_security == "none":
            raise ConfigurationError(
                '[notifications] smtp_security = "none": would send the password in the clear; use "starttls"'
            )
