"""The life of one association: request, negotiation, messages, end (the state machine of PS3.8 section 9.2).

One thread owns one connection and reads whole PDUs; nothing is polled. What a message asks for is decided by
`Services`; here is only how it comes and how its answer goes.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dicom_node.network.dimse import CommandField, CommandSet, DimseError, Reply, p_data, response_to
from dicom_node.network.guard import (
    Connection,
    Doorkeeper,
    PduReader,
    PeerCut,
    send_within,
)
from dicom_node.network.incoming import BufferPool, DataSetTooLongError, Incoming
from dicom_node.network.negotiation import (
    AcceptedContext,
    AssociationRequest,
    Gate,
    Rejection,
    decode_request,
    negotiate,
)
from dicom_node.observe.metrics import ASSOCIATIONS, ASSOCIATIONS_OPEN, ASSOCIATIONS_REFUSED
from dicom_node.storage.spool import Spool

__all__ = [
    "UNRECOGNIZED_OPERATION",
    "Association",
    "Handler",
    "Limits",
    "Message",
    "Services",
    "Shared",
    "serve",
]

logger = logging.getLogger(__name__)

UNRECOGNIZED_OPERATION = 0x0211
"""PS3.7 annex C.5.25."""

MAX_REQUEST_BYTES = 262_144
"""Longest A-ASSOCIATE-RQ PDU read; 128 contexts with 60 transfer syntaxes each, more than exist, fit in."""

MAX_COMMAND_BYTES = 16_384
"""Longest command set read: a C-STORE's has some 200 bytes, none of the standard's over 1 kB."""

_ASSOCIATE_RQ, _P_DATA, _RELEASE_RQ, _RELEASE_RP, _ABORT = 0x01, 0x04, 0x05, 0x06, 0x07
_RELEASE_RESPONSE = bytes((_RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0))

_LINGER_SECONDS = 0.5
"""Longest wait for the peer to close after the last PDU: closing first might destroy that PDU on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one association may cost; see ``[receiver]`` in the configuration."""

    request_seconds: float
    message_gap_seconds: float
    message_seconds: float
    idle_seconds: float
    maximum_pdu_size: int
    max_instance_bytes: int


@dataclass(frozen=True, slots=True)
class Shared:
    """What all associations have in common.

    Attributes
    ----------
    should_stop : callable
        Tells whether the node is being stopped: a message that has begun is served, no further one is.
    """

    limits: Limits
    doorkeeper: Doorkeeper
    pool: BufferPool
    should_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Message:
    """A whole DIMSE message.

    Attributes
    ----------
    context : AcceptedContext
        The presentation context it came in.
    command : CommandSet
    data_set : Incoming or None
        Encoded in the context's transfer syntax; gone once the handler has returned.
    """

    context: AcceptedContext
    command: CommandSet
    data_set: Incoming | None


class Handler(Protocol):
    """Does what a request asks for; ``None`` where nothing is to be answered, as to a response."""

    def __call__(self, association: Association, message: Message) -> Reply | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the node does with connections.

    Attributes
    ----------
    gate : Gate
        Who may speak.
    handlers : mapping of Command Field -> Handler
    new_spool : callable
        Makes the file for a data set of a C-STORE that is too large for memory.
    on_open, on_close : callable
        Told of every association.
    on_refused : callable
        Told why a request was rejected.
    on_cut : callable
        Told the code of what ended an association that was not released.
    on_answered : callable
        Called after each answer has been sent.
    secure : callable or None
        Makes the connection's socket a TLS socket, handshake included; runs in the connection's own thread.
    """

    gate: Gate
    handlers: Mapping[int, Handler]
    new_spool: Callable[[Association, AcceptedContext, CommandSet], Spool]
    on_open: Callable[[Association], None]
    on_close: Callable[[Association], None]
    on_refused: Callable[[AssociationRequest, Rejection], None]
    on_cut: Callable[[Association, str], None]
    on_answered: Callable[[], None]
    secure: Callable[[Connection], None] | None = None


@dataclass(eq=False, kw_only=True)
class Association:
    """An open association.

    Attributes
    ----------
    association_id : str
        Unique over all nodes and times; what journal and logs call it by.
    """

    connection: Connection
    request: AssociationRequest
    contexts: Mapping[int, AcceptedContext]
    send_seconds: float
    association_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    studies: set[str] = field(default_factory=set)
    """Study Instance UIDs of what it has sent."""
    _sending: threading.Lock = field(default_factory=threading.Lock)

    @property
    def calling_ae(self) -> str:
        """Calling AE title."""
        return self.request.calling_ae

    @property
    def called_ae(self) -> str:
        """Called AE title."""
        return self.request.called_ae

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self.request.address

    def send(self, context_id: int, command: bytes, data_set: bytes = b"") -> None:
        """Send one DIMSE message; any thread may.

        Raises
        ------
        PeerCut
            If the peer does not take it; the association is over then.
        """
        pdus = b"".join(p_data(context_id, command, data_set, self.request.maximum_length))
        with self._sending:
            send_within(self.connection.socket, pdus, self.send_seconds)


def serve(connection: Connection, services: Services, shared: Shared) -> None:
    """Serve one connection until it ends; its slot is free and its socket closed afterwards."""
    last_words = b""
    try:
        if services.secure is not None:
            services.secure(connection)
        reader = PduReader(connection.socket, shared.should_stop)
        association = _establish(connection, reader, services, shared)
        last_words = _Conversation(association, reader, services, shared).run()
    except Rejection as rejection:
        ASSOCIATIONS_REFUSED.labels(rejection.code).inc()
        last_words = rejection.pdu
    except PeerCut as cut:
        _count(cut)
        last_words = _abort_pdu(cut)
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


@dataclass
class _Unfinished:
    """A message of which the last fragment has not come."""

    context: AcceptedContext
    deadline: float
    encoded_command: bytearray = field(default_factory=bytearray)
    command: CommandSet | None = None
    data_set: Incoming | None = None


class _Conversation:
    """An established association (Sta6): messages in, answers out."""

    def __init__(
        self, association: Association, reader: PduReader, services: Services, shared: Shared
    ) -> None:
        self._association = association
        self._reader = reader
        self._services = services
        self._shared = shared
        self._unfinished: _Unfinished | None = None

    def run(self) -> bytes:
        """Serve until release, abort or cut; return the PDU to say good-bye with."""
        ASSOCIATIONS.inc()
        ASSOCIATIONS_OPEN.inc()
        self._services.on_open(self._association)
        try:
            return self._converse()
        except PeerCut as cut:
            _count(cut)
            self._services.on_cut(self._association, cut.code)
            return _abort_pdu(cut)
        finally:
            self._forget()
            ASSOCIATIONS_OPEN.dec()
            self._services.on_close(self._association)

    def _converse(self) -> bytes:
        while True:
            kind, pdu = self._reader.next(self._patience(), may_stop=self._unfinished is None)
            if kind == _P_DATA:
                for context_id, control, fragment in _pdvs(pdu):
                    self._take(context_id, control, fragment)
            elif kind == _RELEASE_RQ:
                return _RELEASE_RESPONSE
            elif kind == _ABORT:
                self._services.on_cut(self._association, "aborted_by_peer")
                return b""
            else:
                raise PeerCut("unexpected_pdu", source=2, reason=2)

    def _patience(self) -> float:
        """Return how long to wait for the next PDU."""
        limits = self._shared.limits
        if self._unfinished is None:
            if self._shared.should_stop():
                raise PeerCut("stopping", source=0)
            return limits.idle_seconds
        if time.monotonic() > self._unfinished.deadline:
            raise PeerCut("message_timeout", source=0)
        return limits.message_gap_seconds

    def _take(self, context_id: int, control: int, fragment: memoryview) -> None:
        """Take one presentation data value: part of a command set, or of the data set that follows it."""
        is_command, is_last = bool(control & 1), bool(control & 2)
        message = self._unfinished or self._begin(context_id)
        if context_id != message.context.context_id or is_command != (message.command is None):
            raise PeerCut("message_order", source=2, reason=5)
        if is_command:
            self._take_command(message, fragment, is_last)
        elif message.data_set is not None:
            _append(message.data_set, fragment)
            if is_last:
                self._answer(message)

    def _begin(self, context_id: int) -> _Unfinished:
        context = self._association.contexts.get(context_id)
        if context is None:
            raise PeerCut("unknown_context", source=2, reason=6)
        self._unfinished = _Unfinished(context, time.monotonic() + self._shared.limits.message_seconds)
        return self._unfinished

    def _take_command(self, message: _Unfinished, fragment: memoryview, is_last: bool) -> None:
        message.encoded_command += fragment
        if len(message.encoded_command) > MAX_COMMAND_BYTES:
            raise PeerCut("command_too_long", source=2, reason=6)
        if not is_last:
            return
        try:
            message.command = CommandSet.decode(message.encoded_command)
        except DimseError as error:
            logger.info("association %s: %s", self._association.association_id, error)
            raise PeerCut("malformed_command", source=2, reason=6) from None
        if message.command.has_data_set:
            message.data_set = self._expect(message.context, message.command)
        else:
            self._answer(message)

    def _expect(self, context: AcceptedContext, command: CommandSet) -> Incoming:
        """Be ready for the data set that a command announces."""
        pool = self._shared.pool
        is_store = command.field == CommandField.C_STORE_RQ
        # identifiers and action information are short, and no file is made for them
        longest = self._shared.limits.max_instance_bytes if is_store else pool.size
        make = self._services.new_spool
        return Incoming(pool, lambda: make(self._association, context, command), longest)

    def _answer(self, unfinished: _Unfinished) -> None:
        """Have a whole message served, and send what it is answered with."""
        if unfinished.command is None:
            return
        message = Message(unfinished.context, unfinished.command, unfinished.data_set)
        handler = self._services.handlers.get(message.command.field, _unrecognized)
        reply = handler(self._association, message)
        self._forget()
        if reply is None:
            return
        command = response_to(message.command, reply)
        self._association.send(message.context.context_id, command, reply.data_set)
        self._services.on_answered()

    def _forget(self) -> None:
        """Be ready for the next message."""
        if self._unfinished is not None and self._unfinished.data_set is not None:
            self._unfinished.data_set.close()
        self._unfinished = None


def _append(data_set: Incoming, fragment: memoryview) -> None:
    try:
        data_set.append(fragment)
    except DataSetTooLongError:
        raise PeerCut("instance_too_large", source=0) from None


def _unrecognized(association: Association, message: Message) -> Reply | None:
    """Answer an operation that the node does not offer; an answer or a cancellation gets none."""
    if message.command.is_response or message.command.field == CommandField.C_CANCEL_RQ:
        return None
    logger.info(
        "association %s: operation 0x%04X is not offered", association.association_id, message.command.field
    )
    return Reply(UNRECOGNIZED_OPERATION)


def _pdvs(pdu: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Return presentation context ID, message control header and fragment of each item of a P-DATA-TF PDU."""
    at, end = 6, len(pdu)
    if at == end:
        raise PeerCut("malformed_pdata", source=2, reason=6)
    while at < end:
        length = int.from_bytes(pdu[at : at + 4], "big")
        if at + 6 > end or length < 2 or at + 4 + length > end:
            raise PeerCut("malformed_pdata", source=2, reason=6)
        yield pdu[at + 4], pdu[at + 5], pdu[at + 6 : at + 4 + length]
        at += 4 + length


def _count(cut: PeerCut) -> None:
    if cut.code not in _NOBODY_TO_BLAME:
        ASSOCIATIONS_REFUSED.labels(cut.code).inc()


_NOBODY_TO_BLAME = frozenset({"connection_closed", "stopping"})
"""A peer that closes between two PDUs, as probes for a living port do; and our own end."""


def _abort_pdu(cut: PeerCut) -> bytes:
    if cut.source is None:
        return b""
    return bytes((_ABORT, 0, 0, 0, 0, 4, 0, 0, cut.source, cut.reason))


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
