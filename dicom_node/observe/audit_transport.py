"""How audit messages leave the node: syslog over TLS (RFC 5425), over UDP (RFC 5426), or a file a day.

A message is an RFC 5424 line whose text is the XML (PS3.15 A.6): facility 10, MSGID ``DICOM+RFC3881``, a byte
order mark before the UTF-8.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dicom_node.config import AuditSettings
from dicom_node.errors import ConfigurationError
from dicom_node.storage.audits import SpooledMessage

__all__ = ["AuditTransport", "FileTransport", "TlsTransport", "UdpTransport", "open_transport", "syslog_line"]

logger = logging.getLogger(__name__)

_PRIORITY = 10 * 8 + 5
"""Facility 10 (security and authorisation), severity 5, notice (RFC 5424 section 6.2.1; PS3.15 A.6)."""
_MESSAGE_ID = "DICOM+RFC3881"
_APPLICATION = "radius-dxa-node"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

LONGEST_DATAGRAM = 65_507
"""Bytes of a UDP datagram over IPv4."""

CONNECT_SECONDS = 10.0
SETTLING_SECONDS = 10.0
"""RFC 5425 has no acknowledgement: what was sent on a connection that lived this long after has arrived."""


class AuditTransport(Protocol):
    """Where audit messages go."""

    def send(self, messages: Sequence[SpooledMessage]) -> None:
        """Send messages in order; after an `OSError` all that are not settled are to be sent again."""

    def settled(self) -> int:
        """Return the id up to which messages are known to have arrived; raises `OSError` as `send`."""

    def close(self) -> int:
        """Close in good order; return the id up to which messages have arrived."""


def open_transport(settings: AuditSettings) -> AuditTransport:
    """Return the transport that ``[audit]`` asks for, not yet connected.

    Raises
    ------
    ConfigurationError
        If a certificate file cannot be used or the directory cannot be written.
    """
    match settings.transport:
        case "tls":
            return TlsTransport(settings.host, settings.port, _tls_context(settings))
        case "udp":
            return UdpTransport(settings.host, settings.port)
        case _:
            return FileTransport(settings.directory)


def syslog_line(message: SpooledMessage) -> bytes:
    """Return a message as RFC 5424 writes it."""
    host = socket.gethostname().encode("ascii", "replace").decode() or "-"
    header = f"<{_PRIORITY}>1 {message.at} {host} {_APPLICATION} {os.getpid()} {_MESSAGE_ID} - "
    return header.encode() + _BYTE_ORDER_MARK + message.message.encode()


class FileTransport:
    """One file a day (UTC), ``audit-YYYY-MM-DD.log``, readable by its owner only, never removed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written = 0
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"[audit] directory = {str(directory)!r}: cannot be made ({error.strerror}); set its owner, "
                "or another directory"
            ) from error

    def send(self, messages: Sequence[SpooledMessage]) -> None:
        """Append messages and make them durable."""
        day = datetime.now(UTC).date().isoformat()
        path = self._directory / f"audit-{day}.log"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.writelines(syslog_line(message).replace(b"\n", b" ") + b"\n" for message in messages)
            file.flush()
            os.fsync(file.fileno())
        self._written = messages[-1].id if messages else self._written

    def settled(self) -> int:
        """What is written is on the disk."""
        return self._written

    def close(self) -> int:
        """Nothing is open between two batches."""
        return self._written


class UdpTransport:
    """Datagrams: nobody says whether they arrive."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._sent = 0

    def send(self, messages: Sequence[SpooledMessage]) -> None:
        """Send one datagram per message; what no datagram can hold is cut (RFC 5426 section 3.2)."""
        family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as link:
            for message in messages:
                link.sendto(syslog_line(message)[:LONGEST_DATAGRAM], address)
                self._sent = message.id

    def settled(self) -> int:
        """What was sent is gone."""
        return self._sent

    def close(self) -> int:
        """Nothing is open between two batches."""
        return self._sent


class TlsTransport:
    """One lasting connection; messages are framed by their length (RFC 5425 section 4.3)."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._address = (host, port)
        self._context = context
        self._link: ssl.SSLSocket | None = None
        self._sent: list[tuple[int, float]] = []
        self._settled = 0

    def send(self, messages: Sequence[SpooledMessage]) -> None:
        """Connect where that is needed, and send."""
        try:
            link = self._link or self._connect()
            for message in messages:
                line = syslog_line(message)
                link.sendall(b"%d %b" % (len(line), line))
                self._sent.append((message.id, time.monotonic()))
        except OSError:
            self._drop()
            raise

    def settled(self) -> int:
        """Look whether the connection still lives, and count what it carried long enough ago."""
        if self._link is not None and not _lives(self._link):
            self._drop()
            raise OSError(f"the audit repository {self._address[0]}:{self._address[1]} closed the connection")
        long_ago = time.monotonic() - SETTLING_SECONDS
        while self._sent and self._sent[0][1] <= long_ago:
            self._settled = self._sent.pop(0)[0]
        return self._settled

    def close(self) -> int:
        """Say goodbye: a repository that answers it has read everything before."""
        if self._link is not None:
            try:
                self._link.settimeout(CONNECT_SECONDS)
                self._link.unwrap()
            except OSError as error:
                logger.info("the audit repository did not say goodbye: %s", error)
            else:
                self._settled = self._sent[-1][0] if self._sent else self._settled
            self._drop()
        return self._settled

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self._address, timeout=CONNECT_SECONDS)
        try:
            self._link = self._context.wrap_socket(plain, server_hostname=self._address[0])
        except BaseException:
            plain.close()
            raise
        return self._link

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        self._sent.clear()


def _lives(link: ssl.SSLSocket) -> bool:
    """Tell whether the peer has not closed; a syslog server never speaks (RFC 5425 section 4.3)."""
    link.settimeout(0)
    try:
        return bool(link.recv(1024))
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return True
    except OSError:
        return False
    finally:
        link.settimeout(CONNECT_SECONDS)


def _tls_context(settings: AuditSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"[audit] ca_file, certificate_file or key_file cannot be used ({error}); name PEM files"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
