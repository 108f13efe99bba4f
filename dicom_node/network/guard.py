"""Deadlines and limits that pynetdicom's acceptor lacks.

Measured against pynetdicom 3.0.4, which is why that version is pinned: half a PDU holds a socket, two threads
and an association slot for ever; a PDU's length field is believed up to 4 GiB; a probe that is not DICOM
keeps its slot until the ACSE timeout; the listen backlog is 5.
"""

from __future__ import annotations

import socket
import time
from typing import Any, cast

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

__all__ = ["MAX_PDU_BYTES", "PDU_DEADLINE_SECONDS", "start_guarded_server"]

PDU_DEADLINE_SECONDS = 10.0
"""From the first byte of a PDU to its last."""

MAX_PDU_BYTES = 1_048_576
"""Longest PDU read; peers that ignore the negotiated maximum by little still get through."""

LISTEN_BACKLOG = 256
"""Connections the kernel holds while associations are being set up."""


def start_guarded_server(
    ae: AE, address: tuple[str, int], handlers: list[Any], *, idle_timeout: float
) -> ThreadedAssociationServer:
    """Bind `address` and return a server, ready for ``serve_forever``, that keeps these limits.

    Parameters
    ----------
    handlers : list
        pynetdicom event handlers, as for ``AE.start_server``.
    idle_timeout : float
        Seconds after which a peer that does not take its answer is dropped.

    Raises
    ------
    OSError
        If the address cannot be bound.
    """

    class Handler(_GuardedRequestHandler):
        send_timeout = idle_timeout

    server = ae.make_server(
        address,
        evt_handlers=[*handlers, (evt.EVT_CONN_CLOSE, _wake_negotiation)],
        server_class=_GuardedServer,
        request_handler=Handler,
    )
    ae._servers.append(server)  # as AE.start_server does; shutdown() takes it off again
    return server


_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class _GuardedServer(ThreadedAssociationServer):
    request_queue_size = LISTEN_BACKLOG
    daemon_threads = True


class _GuardedRequestHandler(RequestHandler):
    send_timeout: float

    def _create_association(self) -> Association:
        association = super()._create_association()
        connection = cast(AssociationSocket, association.dul.socket)
        reader = _PduReader(cast(socket.socket, connection.socket), self.send_timeout)
        connection.recv = reader.receive  # type: ignore[method-assign]
        return association


class _PduReader:
    """Takes the place of ``AssociationSocket.recv``, which is called for each PDU's header, then its body."""

    _HEADER_BYTES = 6

    def __init__(self, connection: socket.socket, send_timeout: float) -> None:
        self._connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._send_timeout = send_timeout
        self._deadline = 0.0
        self._in_body = False

    def receive(self, nr_bytes: int) -> bytearray:
        """Return `nr_bytes` bytes, fewer if the peer closed.

        Raises
        ------
        OSError
            If the PDU is too long or its deadline has passed; pynetdicom then closes the connection.
        """
        if not self._in_body:
            self._deadline = time.monotonic() + PDU_DEADLINE_SECONDS
        self._in_body = not self._in_body and nr_bytes == self._HEADER_BYTES
        if nr_bytes > MAX_PDU_BYTES:
            raise OSError(f"a PDU of {nr_bytes} bytes exceeds the limit of {MAX_PDU_BYTES}")
        received = self._read(nr_bytes)
        # a peer with Nagle's algorithm on holds a small data set back until its command is acknowledged,
        # which the kernel would delay by 40 ms; Linux forgets this option again, so it is set for each PDU
        if _QUICK_ACK is not None:
            self._connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        self._connection.settimeout(self._send_timeout)  # reading is over; this bounds the answer
        return received

    def _read(self, size: int) -> bytearray:
        buffer = bytearray(size)
        view, at = memoryview(buffer), 0
        while at < size:
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError("the PDU was not complete within its deadline")
            self._connection.settimeout(remaining)
            count = self._connection.recv_into(view[at:])
            if not count:
                break
            at += count
        view.release()
        del buffer[at:]
        return buffer


def _wake_negotiation(event: evt.Event) -> None:
    """Free the slot of a connection that closed before it asked for an association."""
    if not event.assoc.is_established:
        event.assoc.dul.to_user_queue.put(None)  # type: ignore[arg-type]  # what its reader takes for a time-out
