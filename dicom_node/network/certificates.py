"""Certificates over time: renewed without a restart, and warned of before they expire."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.config import Destination, NodeConfig, PeerSettings, RemoteArchive, ServerTls
from dicom_node.errors import ConfigurationError
from dicom_node.network.access import RefusalLog
from dicom_node.network.guard import TICK_SECONDS, Connection, PeerCut
from dicom_node.network.tls import server_context, start_server_session
from dicom_node.observe.metrics import CERTIFICATE_EXPIRES
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = [
    "LOOK_SECONDS",
    "CertificateWatch",
    "ServerCertificate",
    "expires_at",
    "expiry_warning",
    "shown_certificates",
]

WARNING_DAYS = 30
"""How long before its expiry a certificate is warned of."""

LOOK_SECONDS = 3600.0
"""How often the schedule is to have expiry looked at."""


def expires_at(path: Path) -> datetime:
    """Return when the first of a PEM file's certificates, the node's own, expires (UTC).

    Raises
    ------
    ConfigurationError
        If the file holds no certificate.
    """
    from cryptography import x509  # a tenth of the start of a node without TLS

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read as a PEM certificate ({error})") from error


def shown_certificates(config: NodeConfig) -> dict[str, Path]:
    """Return every certificate that the node shows, by what it shows it to."""
    shown: dict[str, Path] = {}
    if config.tls.enabled and config.tls.certificate:
        shown["server"] = config.tls.certificate
    called: dict[str, tuple[Destination | PeerSettings | RemoteArchive, ...]] = {
        "destination": config.destinations,
        "peer": config.peers,
        "archive": config.archives,
    }
    for kind, entries in called.items():
        for entry in entries:
            if entry.tls and entry.tls.certificate:
                shown[f"{kind} {entry.name}"] = entry.tls.certificate
    return shown


class ServerCertificate:
    """The context that new connections get, renewed when a file of ``[tls]`` changes.

    Raises
    ------
    ConfigurationError
        If a file cannot be used at the start; later, a bad file leaves the context as it was.
    """

    def __init__(self, settings: ServerTls, journal: EventLog) -> None:
        self._settings = settings
        self._journal = journal
        self._refusals = RefusalLog(journal)
        self._seen = self._state()
        self.context: ssl.SSLContext = server_context(settings)

    def reload_if_changed(self) -> None:
        """Look at the files' times and sizes, and load them if they are others than before."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self.context = server_context(self._settings)
        except ConfigurationError as error:
            self._journal.note_event(
                Severity.ERROR,
                "certificate_not_reloaded",
                f"[tls] {error}; the certificate that was loaded before stays in use",
            )
            return
        self._journal.note_event(
            Severity.INFO, "certificate_reloaded", "the changed files of [tls] are in use now"
        )

    def secure(self, connection: Connection) -> None:
        """Make the connection's socket a TLS socket; runs in the connection's own thread.

        Raises
        ------
        PeerCut
            If the handshake fails, or is not over within `HANDSHAKE_SECONDS`.
        """
        try:
            session = start_server_session(connection.socket, self.context)
            connection.socket = session  # before the handshake, so that the connection can be cut meanwhile
            session.do_handshake()
            session.settimeout(TICK_SECONDS)
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self._refusals.note_address(
                    connection.address,
                    "tls_handshake",
                    f"TLS handshake with {connection.address} failed: {error}; "
                    "compare its certificate and protocol version with [tls]",
                )
            raise PeerCut("tls_handshake") from None

    def _state(self) -> tuple[tuple[int, int] | None, ...]:
        settings = self._settings
        return tuple(
            _signature(path) for path in (settings.certificate, settings.private_key, settings.trusted)
        )


class CertificateWatch:
    """A job for the schedule: measures how long certificates are still valid, and warns once a day.

    Parameters
    ----------
    shown : mapping of str -> Path
        See `shown_certificates`.
    journal : EventLog
    """

    def __init__(
        self,
        shown: Mapping[str, Path],
        journal: EventLog,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._shown = shown
        self._journal = journal
        self._now = now
        self._warned_at: dict[str, datetime] = {}

    def look(self) -> None:
        """Look at every certificate."""
        now = self._now()
        for name, path in self._shown.items():
            try:
                expiry = expires_at(path)
            except ConfigurationError as error:
                self._warn(name, Severity.ERROR, "certificate_unreadable", f"certificate for {name}: {error}")
                continue
            CERTIFICATE_EXPIRES.labels(name).set(expiry.timestamp())
            warning = expiry_warning(expiry, now)
            if warning and expiry <= now:
                self._warn(name, Severity.ERROR, "certificate_expired", f"certificate for {name}: {warning}")
            elif warning:
                self._warn(
                    name, Severity.WARNING, "certificate_expires", f"certificate for {name}: {warning}"
                )

    def _warn(self, name: str, severity: Severity, code: str, message: str) -> None:
        now = self._now()
        last = self._warned_at.get(name)
        if last is None or now - last >= timedelta(days=1):
            self._warned_at[name] = now
            self._journal.note_event(severity, code, message)


def expiry_warning(expiry: datetime, now: datetime) -> str | None:
    """Return what to say of a certificate that expires soon or has expired; None if it is good."""
    if expiry <= now:
        return f"expired on {expiry:%Y-%m-%d}: peers refuse it; renew it now"
    days = (expiry - now).days
    if days >= WARNING_DAYS:
        return None
    return f"expires on {expiry:%Y-%m-%d}, in {days} days; renew it"


def _signature(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
