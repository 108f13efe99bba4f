"""Deadlines and limits around every connection: they bound what a stuck, lying or flooding peer can cost.

Measured on what the node does without (pynetdicom's own acceptor, DCMTK, Orthanc): half a PDU holds a
connection for ever, a PDU's length field is believed up to 4 GiB, a probe that is not DICOM keeps its slot
for half a minute, and eleven of them shut everybody out.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dicom_node.network.negotiation import Rejection
from dicom_node.observe.metrics import ASSOCIATIONS_REFUSED

__all__ = [
    "LISTEN_BACKLOG",
    "MAX_PDU_BYTES",
    "PDU_DEADLINE_SECONDS",
    "Connection",
    "Doorkeeper",
    "Listener",
    "PduReader",
    "PeerCut",
    "send_within",
]

logger = logging.getLogger(__name__)

PDU_DEADLINE_SECONDS = 10.0
"""From the first byte of a PDU to its last."""

MAX_PDU_BYTES = 1_048_576
"""Longest PDU read; peers that ignore the negotiated maximum by little still get through."""

LISTEN_BACKLOG = 256
"""Connections the kernel holds while associations are being set up."""

MAX_WAITING = 256
"""Connections without an association, all addresses together; beyond, the most crowded address loses one."""

GRACE_SECONDS = 1.0
"""How long an address may have more connections than its limit: a burst of senders is no attack."""

TICK_SECONDS = 1.0
"""Longest sleep in one system call; a deadline is noticed within it."""

_HEADER = struct.Struct(">BxL")
"""Type, reserved byte, length (PS3.8 section 9.3.1)."""
_READ_AHEAD = 262_144 + 4096
"""One PDU of the length that the node asks for, and little of the next, which must be moved to the front."""

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class PeerCut(Exception):  # noqa: N818 - an event, and no error of ours
    """The connection must end.

    Parameters
    ----------
    code : str
        From a closed set: a metric's label.
    source, reason : int or None
        Of the A-ABORT PDU to send first (PS3.8 table 9-26); without `source`, none is sent.
    """

    def __init__(self, code: str, source: int | None = None, reason: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.source = source
        self.reason = reason

    @property
    def pdu(self) -> bytes:
        """The bytes of the A-ABORT PDU, none where the peer is to hear nothing."""
        return b"" if self.source is None else bytes((0x07, 0, 0, 0, 0, 4, 0, 0, self.source, self.reason))


class PduReader:
    """Reads whole PDUs into one reused buffer, under a size cap and a deadline for each.

    Parameters
    ----------
    connection : socket.socket
        Its time-out must be `TICK_SECONDS` at most.
    should_stop : callable
        Asked at least once a tick while waiting.
    """

    def __init__(self, connection: socket.socket, should_stop: Callable[[], bool]) -> None:
        self._connection = connection
        self._should_stop = should_stop
        self._may_stop = True
        self._buffer = memoryview(bytearray(_READ_AHEAD))
        self._start = self._end = 0

    def next(
        self, wait_seconds: float, *, longest: int = MAX_PDU_BYTES, may_stop: bool = True
    ) -> tuple[int, memoryview]:
        """Return the next PDU's type and its bytes, header included; valid until the next call.

        Parameters
        ----------
        wait_seconds : float
            Longest wait for its first byte.
        longest : int
            Cap on its length field.
        may_stop : bool
            Whether to end the wait when the node stops.

        Raises
        ------
        PeerCut
            If the peer closed, stalled, or announces what cannot be right.
        """
        self._may_stop = may_stop
        deadline = time.monotonic() + PDU_DEADLINE_SECONDS if self._end > self._start else None
        if self._end - self._start < _HEADER.size:
            deadline = self._fill(_HEADER.size, wait_seconds, deadline)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if not 1 <= kind <= 7:
            raise PeerCut("unknown_pdu", source=2, reason=1)
        if length > longest:
            raise PeerCut("pdu_too_long", source=2, reason=6)
        size = _HEADER.size + length
        if self._end - self._start < size:
            self._fill(size, wait_seconds, deadline)
        pdu = self._buffer[self._start : self._start + size]
        self._start += size
        return kind, pdu

    def _fill(self, needed: int, wait_seconds: float, deadline: float | None) -> float:
        """Read until `needed` bytes are there; return when the PDU must be complete."""
        self._make_room(needed)
        wait_until = time.monotonic() + wait_seconds
        while self._end - self._start < needed:
            # a peer with Nagle's algorithm on holds a small data set back until its command is acknowledged,
            # which the kernel would delay by 40 ms; Linux forgets this option again, so it is set each time
            if _QUICK_ACK is not None:
                self._connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
            try:
                count = self._connection.recv_into(self._buffer[self._end :])
            except TimeoutError:
                count = -1
            except OSError:
                raise PeerCut("connection_lost") from None
            if count > 0:
                self._end += count
                if deadline is None:
                    deadline = time.monotonic() + PDU_DEADLINE_SECONDS
            elif count == 0:
                raise PeerCut("connection_lost" if self._end > self._start else "connection_closed")
            now = time.monotonic()
            if deadline is not None and now > deadline and self._end - self._start < needed:
                raise PeerCut("pdu_deadline")
            if deadline is None and now > wait_until:
                raise PeerCut("idle", source=0)
            if deadline is None and self._may_stop and self._should_stop():
                raise PeerCut("stopping", source=0)
        return deadline or time.monotonic() + PDU_DEADLINE_SECONDS

    def _make_room(self, needed: int) -> None:
        if len(self._buffer) - self._start >= needed:
            return
        held = self._end - self._start
        target = self._buffer if needed <= len(self._buffer) else memoryview(bytearray(needed))
        target[:held] = self._buffer[self._start : self._end]  # may overlap
        self._buffer, self._start, self._end = target, 0, held


def send_within(connection: socket.socket, content: bytes, seconds: float) -> None:
    """Send all of `content`; raises `PeerCut` if the peer does not take it in time."""
    deadline = time.monotonic() + seconds
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[connection.send(rest) :]
        except TimeoutError:
            if time.monotonic() > deadline:
                raise PeerCut("send_timeout") from None
        except OSError:
            raise PeerCut("connection_lost") from None


@dataclass(eq=False)
class Connection:
    """One accepted TCP connection."""

    socket: socket.socket
    address: str
    port: int
    since: float = field(default_factory=time.monotonic)

    def cut(self) -> None:
        """Wake the thread that serves this connection, and let it find the connection closed."""
        with contextlib.suppress(OSError):  # it may have gone already
            # the base class' method: that of an SSL socket changes what another thread is reading from
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Doorkeeper:
    """Counts connections by address until they have an association, and associations by calling AE title.

    Parameters
    ----------
    maximum_associations : int
        In all.
    maximum_waiting_per_address : int
        Connections of one address without an association; for a further one, the longest silent is cut.
    """

    def __init__(self, maximum_associations: int, maximum_waiting_per_address: int) -> None:
        self._maximum_associations = maximum_associations
        self._maximum_waiting_per_address = maximum_waiting_per_address
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Connection]] = {}
        self._associated: dict[Connection, str] = {}
        self._by_calling_ae: Counter[str] = Counter()

    def welcome(self, connection: Connection) -> None:
        """Count a new connection; where there are too many, one that has waited longer is cut for it."""
        with self._lock:
            if sum(map(len, self._waiting.values())) >= MAX_WAITING:
                self._cut(max(self._waiting.values(), key=len)[0])
            neighbours = self._waiting.setdefault(connection.address, [])
            if len(neighbours) >= self._maximum_waiting_per_address and _is_old(neighbours[0]):
                self._cut(neighbours[0])
            self._waiting.setdefault(connection.address, []).append(connection)

    def associate(self, connection: Connection, calling_ae: str, maximum_for_calling_ae: int) -> None:
        """Turn a waiting connection into an association.

        Raises
        ------
        Rejection
            If there are too many, in all or of this calling AE title.
        """
        with self._lock:
            if len(self._associated) >= self._maximum_associations:
                raise _local_limit("maximum_associations", "[receiver] maximum_associations are open")
            if self._by_calling_ae[calling_ae] >= maximum_for_calling_ae:
                raise _local_limit(
                    "maximum_associations_per_ae",
                    f"AE {calling_ae!r} has {maximum_for_calling_ae} open: [receiver] "
                    "maximum_associations_per_ae, or its own limit",
                )
            self._associated[connection] = calling_ae
            self._by_calling_ae[calling_ae] += 1
            self._forget_waiting(connection)

    def farewell(self, connection: Connection) -> None:
        """Give the connection's slot back; harmless when repeated."""
        with self._lock:
            self._forget_waiting(connection)
            calling_ae = self._associated.pop(connection, None)
            if calling_ae is not None:
                self._by_calling_ae[calling_ae] -= 1
                if not self._by_calling_ae[calling_ae]:
                    del self._by_calling_ae[calling_ae]

    def cut_longest_waiting(self) -> None:
        """Make room where descriptors or threads have run out."""
        with self._lock:
            everyone = [connection for neighbours in self._waiting.values() for connection in neighbours]
            if everyone:
                self._cut(min(everyone, key=lambda connection: connection.since))

    def _cut(self, connection: Connection) -> None:
        ASSOCIATIONS_REFUSED.labels("too_many_connections").inc()
        connection.cut()
        self._forget_waiting(connection)

    def _forget_waiting(self, connection: Connection) -> None:
        neighbours = self._waiting.get(connection.address, [])
        if connection in neighbours:
            neighbours.remove(connection)
        if not neighbours:
            self._waiting.pop(connection.address, None)


def _is_old(connection: Connection) -> bool:
    return time.monotonic() - connection.since > GRACE_SECONDS


def _local_limit(code: str, sentence: str) -> Rejection:
    return Rejection(code, sentence, result=2, source=3, reason=2)


class Listener:
    """Accepts connections on one address, each served by a thread of its own.

    Parameters
    ----------
    serve : callable
        Serves one connection to its end, in its own thread; must close the socket.
    """

    def __init__(
        self, host: str, port: int, doorkeeper: Doorkeeper, serve: Callable[[Connection], None]
    ) -> None:
        self._doorkeeper = doorkeeper
        self._serve = serve
        self._socket = _listening_socket(host, port)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept_all, name=f"listener {self.port}", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened at; tells which one was found when 0 was asked for."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Accept connections in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port; connections go on."""
        self._stopped.set()
        with contextlib.suppress(OSError):  # not every system lets a listening socket be shut down
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * TICK_SECONDS)
        self._socket.close()

    def _accept_all(self) -> None:
        while not self._stopped.is_set():
            try:
                accepted, peer = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as error:
                self._pause(error)
                continue
            self._hand_over(accepted, peer)

    def _pause(self, error: OSError) -> None:
        """Wait a little where accepting fails, so that a lack of descriptors costs no processor."""
        if self._stopped.is_set() or error.errno == errno.ECONNABORTED:
            return
        logger.error("cannot accept a connection: %s; raise the limit of open files if this persists", error)
        ASSOCIATIONS_REFUSED.labels("accept_failed").inc()
        self._doorkeeper.cut_longest_waiting()
        self._stopped.wait(0.1)

    def _hand_over(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        connection = Connection(accepted, *peer[:2])
        try:
            accepted.settimeout(TICK_SECONDS)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._doorkeeper.welcome(connection)
            threading.Thread(target=self._serve, args=(connection,), name="association", daemon=True).start()
        except (OSError, RuntimeError) as error:  # the peer has gone, or no thread can be started
            logger.error("cannot serve a connection: %s", error)
            ASSOCIATIONS_REFUSED.labels("no_thread").inc()
            self._doorkeeper.farewell(connection)
            accepted.close()
            self._stopped.wait(0.1)


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(LISTEN_BACKLOG)
        listening.settimeout(TICK_SECONDS)
    except BaseException:
        listening.close()
        raise
    return listening
