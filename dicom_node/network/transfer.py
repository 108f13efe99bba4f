"""The life of one connection: request, negotiation, conversation, end (the state machine of PS3.8 section 9).

One thread owns one connection and reads whole PDUs; nothing is polled.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from dicom_node.network.association import Association, Services, Shared
from dicom_node.network.conversation import Conversation, count_cut
from dicom_node.network.guard import Connection, PduReader, PeerCut, send_within
from dicom_node.network.negotiation import Rejection, decode_request, negotiate
from dicom_node.observe.metrics import ASSOCIATIONS_REFUSED

__all__ = ["serve"]

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 262_144
"""Longest A-ASSOCIATE-RQ PDU read; 128 contexts with 60 transfer syntaxes each, more than exist, fit in."""

_ASSOCIATE_RQ, _ABORT = 0x01, 0x07

_LINGER_SECONDS = 0.5
"""Longest wait for the peer to close after the last PDU: closing first might destroy that PDU on its way."""


def serve(connection: Connection, services: Services, shared: Shared) -> None:
    """Serve one connection until it ends; its slot is free and its socket closed afterwards."""
    last_words = b""
    try:
        if services.secure is not None:
            services.secure(connection)
        reader = PduReader(connection.socket, shared.should_stop)
        association = _establish(connection, reader, services, shared)
        last_words = Conversation(association, reader, services, shared).run()
    except Rejection as rejection:
        ASSOCIATIONS_REFUSED.labels(rejection.code).inc()
        last_words = rejection.pdu
    except PeerCut as cut:
        count_cut(cut)
        last_words = cut.pdu
    except Exception as error:  # whatever a peer sends, the node lives on
        logger.info("connection from %s ended: %s", connection.address, error)
        ASSOCIATIONS_REFUSED.labels("connection_lost").inc()
    finally:
        shared.doorkeeper.farewell(connection)
        _close(connection.socket, last_words)


def _establish(connection: Connection, reader: PduReader, services: Services, shared: Shared) -> Association:
    """Read the request (Sta2), decide, and accept (Sta3); raises `Rejection` or `PeerCut`."""
    limits = shared.limits
    try:
        kind, pdu = reader.next(limits.request_seconds, longest=MAX_REQUEST_BYTES)
        if kind != _ASSOCIATE_RQ:
            raise PeerCut("unexpected_pdu", source=None if kind == _ABORT else 0)
    except PeerCut as cut:
        # AA-1 and AA-2: before an association there is no provider's abort; a silent peer is just closed
        silent = cut.source is None or cut.code in ("idle", "stopping")
        raise PeerCut(cut.code, source=None if silent else 0) from None
    try:
        request = decode_request(bytes(pdu), connection.address, _certificate(connection.socket))
    except Rejection:
        raise
    except Exception:  # pynetdicom's decoder raises whatever it meets
        raise PeerCut("malformed_request", source=0) from None
    try:
        permission = services.gate.decide(request)
        negotiated = negotiate(request, permission, limits.maximum_pdu_size)
        shared.doorkeeper.associate(connection, request.calling_ae, permission.maximum_associations)
    except Rejection as rejection:
        services.on_refused(request, rejection)
        raise
    send_within(connection.socket, negotiated.pdu, limits.message_gap_seconds)
    return Association(
        connection=connection,
        request=request,
        contexts=negotiated.contexts,
        send_seconds=limits.idle_seconds,
    )


def _certificate(connection: socket.socket) -> dict[str, Any] | None:
    get = getattr(connection, "getpeercert", None)
    return get() if get else None


def _close(connection: socket.socket, last_words: bytes) -> None:
    """Say good-bye, and wait a moment for the peer to close first (Sta13)."""
    try:
        if last_words:
            connection.settimeout(_LINGER_SECONDS)
            connection.sendall(last_words)
            socket.socket.shutdown(connection, socket.SHUT_WR)
            deadline = time.monotonic() + _LINGER_SECONDS
            while time.monotonic() < deadline and connection.recv(65_536):
                pass
    except OSError:
        pass  # the peer has gone
    finally:
        connection.close()
