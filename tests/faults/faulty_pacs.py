"""PACS that misbehave as long as a test wants, and a proxy that cuts or stalls what passes between peers."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ssl import SSLContext

from ground import reset
from pynetdicom import AE, AllStoragePresentationContexts, evt

__all__ = ["FaultyPacs", "FaultyProxy"]

SUCCESS = 0x0000
_CHUNK_BYTES = 1000
_SMALL_BUFFER_BYTES = 4096
"""So that who does not read is felt by the sender after few bytes."""


@dataclass
class FaultyPacs:
    """A C-STORE SCP that keeps every receipt that it answered with success, and counts the others."""

    ae_title: str
    port: int = 0
    answer: Callable[[], int] = lambda: SUCCESS
    """Called for every C-STORE, before anything is kept; returns the status."""
    most_associations: int = 10
    """0: every association is rejected, "local limit exceeded"."""
    knows_only: Sequence[str] = ()
    """The calling AE titles that it accepts; empty: all."""
    tls: SSLContext | None = None
    receipts: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    refused: int = 0
    opened: list[datetime] = field(default_factory=list)
    """When a connection was opened."""

    @contextmanager
    def running(self) -> Iterator[FaultyPacs]:
        """Listen until the end of the block."""
        ae = AE(ae_title=self.ae_title)
        ae.maximum_associations = max(self.most_associations, 1)
        ae.require_calling_aet = list(self.knows_only)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax))
        handlers = [(evt.EVT_C_STORE, self._take), (evt.EVT_CONN_OPEN, self._hold_limit)]
        server = ae.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers, ssl_context=self.tls
        )
        self._ae = ae
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            server.shutdown()

    def _hold_limit(self, _: evt.Event) -> None:
        self.opened.append(datetime.now(UTC))
        # pynetdicom compares with the number of associations that run: below zero none is free
        self._ae._maximum_associations = self.most_associations

    def _take(self, event: evt.Event) -> int:
        status = self.answer()
        if status == SUCCESS:
            self.receipts[event.request.AffectedSOPInstanceUID].append(event.request.DataSet.getvalue())
        else:
            self.refused += 1
        return status


@dataclass
class FaultyProxy:
    """Passes bytes between a client and a server at `target`, until its fault strikes.

    Parameters
    ----------
    target : int
        Port of the server.
    request_bytes : int, optional
        How much of what the client says passes on each connection.
    answer_pdus : int, optional
        How many PDUs of the server's answers pass; 1 is the association's acceptance.
    answer_bytes : int
        How much of the next PDU passes as well.
    stalls : bool
        Then nothing is read or passed any more; else the connection is reset.
    """

    target: int
    request_bytes: int | None = None
    answer_pdus: int | None = None
    answer_bytes: int = 0
    stalls: bool = False
    mended: bool = False
    """New connections are no longer disturbed."""
    strikes: int = 0
    port: int = 0
    opened: list[datetime] = field(default_factory=list)
    """When a connection was opened."""
    _open: list[socket.socket] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        """Listen until the end of the block."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            self.port = listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                for connection in self._open:
                    with suppress(OSError):  # it is closed already
                        connection.shutdown(socket.SHUT_RDWR)
                    connection.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client = listener.accept()[0]
                self.opened.append(datetime.now(UTC))
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
                server.settimeout(None)
                self._open += [client, server]
                for pass_on in (self._pass_requests, self._pass_answers):
                    threading.Thread(target=_quietly, args=(pass_on, client, server), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        left = None if self.mended else self.request_bytes
        while data := client.recv(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left)):
            server.sendall(data)
            if left is not None:
                left -= len(data)
                if left == 0:
                    self._strike(client, server)
                    return
        server.shutdown(socket.SHUT_WR)

    def _pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        left = None if self.mended else self.answer_pdus
        while header := _exactly(server, 6):
            body = _exactly(server, int.from_bytes(header[2:], "big"))
            if left == 0:
                client.sendall((header + body)[: self.answer_bytes])
                self._strike(client, server)
                return
            client.sendall(header + body)
            left = None if left is None else left - 1
        client.shutdown(socket.SHUT_WR)

    def _strike(self, client: socket.socket, server: socket.socket) -> None:
        self.strikes += 1
        if not self.stalls:
            reset(client)
            reset(server)


def _quietly(
    pass_on: Callable[[socket.socket, socket.socket], None], client: socket.socket, server: socket.socket
) -> None:
    with suppress(OSError):  # either end has gone
        pass_on(client, server)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = connection.recv(size - len(received))
        if not data:
            return b""
        received += data
    return received
