"""An established association: messages in, answers out (PS3.8 section 9.2, state Sta6).

What a message asks for is decided by `Services`; here is only how it comes and how its answer goes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from dicom_node.network.association import Association, Message, Services, Shared
from dicom_node.network.dimse import CommandField, CommandSet, DimseError, Reply, response_to
from dicom_node.network.guard import PduReader, PeerCut
from dicom_node.network.incoming import DataSetTooLongError, Incoming
from dicom_node.network.negotiation import AcceptedContext
from dicom_node.observe.metrics import ASSOCIATIONS, ASSOCIATIONS_OPEN, ASSOCIATIONS_REFUSED

__all__ = ["UNRECOGNIZED_OPERATION", "Conversation", "count_cut"]

logger = logging.getLogger(__name__)

UNRECOGNIZED_OPERATION = 0x0211
"""PS3.7 annex C.5.25."""

MAX_COMMAND_BYTES = 16_384
"""Longest command set read: a C-STORE's has some 200 bytes, none of the standard's over 1 kB."""

_P_DATA, _RELEASE_RQ, _RELEASE_RP, _ABORT = 0x04, 0x05, 0x06, 0x07
_RELEASE_RESPONSE = bytes((_RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0))

_NOBODY_TO_BLAME = frozenset({"connection_closed", "stopping"})
"""A peer that closes between two PDUs, as probes for a living port do; and our own end."""


class Conversation:
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
            count_cut(cut)
            self._services.on_cut(self._association, cut.code)
            return cut.pdu
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


@dataclass
class _Unfinished:
    """A message of which the last fragment has not come."""

    context: AcceptedContext
    deadline: float
    encoded_command: bytearray = field(default_factory=bytearray)
    command: CommandSet | None = None
    data_set: Incoming | None = None


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


def count_cut(cut: PeerCut) -> None:
    """Count what ended a connection, unless nobody is to blame."""
    if cut.code not in _NOBODY_TO_BLAME:
        ASSOCIATIONS_REFUSED.labels(cut.code).inc()
