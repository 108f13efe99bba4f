"""DICOM over TLS by the BCP 195 profile (PS3.15 section B.12): TLS 1.2 and 1.3, ephemeral keys, AEAD."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from dicom_node.config import ClientTls, ServerTls
from dicom_node.errors import ConfigurationError

__all__ = ["HANDSHAKE_SECONDS", "client_context", "server_context", "start_server_session"]

HANDSHAKE_SECONDS = 10.0
"""From the first byte of a TLS handshake to its last, all round trips included."""

TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
"""RFC 9325 section 4.2 (BCP 195): ephemeral key exchange and AEAD; every suite of TLS 1.3 is of that kind."""

_VERIFICATION = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL}
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def client_context(settings: ClientTls) -> ssl.SSLContext:
    """Return a fresh context for calling a peer: its certificate and its host name are always verified.

    Files are read anew each time, so a renewed certificate needs no restart. After a failed handshake the
    context's attribute ``handshake_failure`` says why.

    Raises
    ------
    ConfigurationError
        If a file cannot be used.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, settings.minimum_version)
    if settings.trusted is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, settings.trusted)
    if settings.certificate and settings.private_key:
        _load_certificate(context, settings.certificate, settings.private_key)
    return context


def server_context(settings: ServerTls) -> ssl.SSLContext:
    """Return a context for taking associations over TLS, as ``[tls]`` says.

    Raises
    ------
    ConfigurationError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, settings.minimum_version)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings.certificate and settings.private_key:
        _load_certificate(context, settings.certificate, settings.private_key)
    if settings.client_certificate != "none" and settings.trusted:
        _trust(context, settings.trusted)
        context.verify_mode = _VERIFICATION[settings.client_certificate]
    return context


def start_server_session(connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Wrap an accepted connection; the caller then has it ``do_handshake`` within `HANDSHAKE_SECONDS`.

    The time-out of a blocking handshake counts from its start, not from the last byte (Python, module ssl),
    so a peer that drips bytes does not stretch it.
    """
    connection.settimeout(HANDSHAKE_SECONDS)
    return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)


class _Context(ssl.SSLContext):
    handshake_failure: ssl.SSLError | None = None


class _TellingSocket(ssl.SSLSocket):
    """pynetdicom logs why a handshake failed, and hands on only that it did."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLError as error:
            context: Any = self.context
            context.handshake_failure = error
            raise


_Context.sslsocket_class = _TellingSocket


def _harden(context: ssl.SSLContext, minimum_version: str) -> None:
    context.minimum_version = _VERSIONS[minimum_version]
    context.set_ciphers(TLS_1_2_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _trust(context: ssl.SSLContext, trusted: Path) -> None:
    try:
        if trusted.is_dir():
            context.load_verify_locations(capath=trusted)
        else:
            context.load_verify_locations(cafile=trusted)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"trusted = {str(trusted)!r}: cannot be used ({error}); name a PEM file of CA certificates, or a "
            "folder of them under their hash names (openssl rehash)"
        ) from error


def _load_certificate(context: ssl.SSLContext, certificate: Path, private_key: Path) -> None:
    def refuse_password() -> str:
        raise ConfigurationError(
            f"private_key = {str(private_key)!r}: is encrypted; store it in the clear, for the node only"
        )

    try:
        context.load_cert_chain(certificate, private_key, password=refuse_password)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"certificate = {str(certificate)!r}, private_key = {str(private_key)!r}: cannot be used "
            f"({error}); name PEM files, the certificate's chain included, whose keys belong together"
        ) from error
