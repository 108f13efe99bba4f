"""What an association is, what it may cost, and what the node does with it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dicom_node.network.dimse import CommandSet, Reply, p_data
from dicom_node.network.guard import Connection, Doorkeeper, send_within
from dicom_node.network.incoming import BufferPool, Incoming
from dicom_node.network.negotiation import AcceptedContext, AssociationRequest, Gate, Rejection
from dicom_node.storage.spool import Spool

__all__ = ["Association", "Handler", "Limits", "Message", "Services", "Shared"]


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
