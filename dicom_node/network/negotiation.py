"""Association negotiation as acceptor (PS3.8 sections 7.1 and 9.3, PS3.7 annex D).

pynetdicom's PDU classes decode and encode, and its rules choose the presentation contexts; which of them the
node supports is asked of a `Gate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dicom_node.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

__all__ = [
    "MAX_CONTEXTS",
    "AcceptedContext",
    "AssociationRequest",
    "Gate",
    "Negotiated",
    "Permission",
    "Rejection",
    "decode_request",
    "negotiate",
]

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
"""The one DICOM application context (PS3.7 annex A.2.1)."""

MAX_CONTEXTS = 128
"""Presentation context IDs are the odd numbers from 1 to 255 (PS3.8 table 9-13)."""

_SHORTEST_USABLE_PDU = 32
"""Assumption: a peer that takes fewer bytes in a PDU is none; its PDV headers alone have 6."""


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """Who asks for an association, and for what.

    Attributes
    ----------
    calling_ae, called_ae : str
        AE titles as sent, without padding.
    address : str
        The peer's IP address.
    certificate : mapping or None
        What `ssl.SSLSocket.getpeercert` tells of a peer over TLS; None without TLS or certificate.
    contexts : list of PresentationContext
        As proposed.
    maximum_length : int
        Longest PDU that the peer takes; 0 = any.
    application_context : str
        UID.
    roles : mapping of SOP class UID -> (SCU role, SCP role)
    """

    calling_ae: str
    called_ae: str
    address: str
    certificate: dict[str, Any] | None
    contexts: list[PresentationContext]
    maximum_length: int
    application_context: str
    roles: dict[UID, tuple[bool | None, bool | None]]


class Rejection(Exception):  # noqa: N818 - the standard's word for it
    """The content of an A-ASSOCIATE-RJ PDU (PS3.8 table 9-21), and its reason for journal and metrics.

    Parameters
    ----------
    code : str
        From a closed set: a metric's label.
    sentence : str
        What is wrong and how to mend it.
    result, source, reason : int
        As in the PDU; by default permanent, by the service user, without a reason.
    """

    def __init__(
        self, code: str, sentence: str, *, result: int = 1, source: int = 1, reason: int = 1
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.result, self.source, self.reason = result, source, reason

    @property
    def pdu(self) -> bytes:
        """The PDU's bytes."""
        return bytes((0x03, 0, 0, 0, 0, 4, 0, self.result, self.source, self.reason))


@dataclass(frozen=True, slots=True)
class Permission:
    """What a welcome peer may do.

    Attributes
    ----------
    contexts : list of PresentationContext
        Supported ones, for pynetdicom's negotiation.
    maximum_associations : int
        How many this calling AE title may have open at the same time.
    """

    contexts: list[PresentationContext]
    maximum_associations: int


class Gate(Protocol):
    """Decides who may speak to the node, and in which presentation contexts."""

    def decide(self, request: AssociationRequest) -> Permission:
        """Return what the peer may do; raise `Rejection` if it may not speak at all."""


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """One accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Negotiated:
    """An association that is agreed upon: the accepted contexts by ID, and the PDU that tells the peer."""

    contexts: dict[int, AcceptedContext]
    pdu: bytes


def decode_request(pdu: bytes, address: str, certificate: dict[str, Any] | None) -> AssociationRequest:
    """Read an A-ASSOCIATE-RQ PDU, its header included.

    Raises
    ------
    Rejection
        If another version of the protocol or another application than DICOM is asked for, no context or too
        many are, or what the peer takes is too short for any message.
    Exception
        Any, if the PDU is malformed; pynetdicom's decoder raises what it meets.
    """
    # PS3.8 table 9-11: "shall only test that bit 0 is set"
    if not pdu[7] & 1:
        raise Rejection(
            "protocol_version",
            "the peer does not speak version 1 of the DICOM upper layer",
            source=2,
            reason=2,
        )
    decoder = A_ASSOCIATE_RQ()
    decoder.decode(pdu)
    primitive = decoder.to_primitive()
    request = AssociationRequest(
        calling_ae=primitive.calling_ae_title or "",
        called_ae=primitive.called_ae_title or "",
        address=address,
        certificate=certificate,
        contexts=primitive.presentation_context_definition_list,
        maximum_length=_maximum_length(primitive),
        application_context=str(primitive.application_context_name or ""),
        roles={
            item.sop_class_uid: (bool(item.scu_role), bool(item.scp_role))
            for item in primitive.user_information
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid
        },
    )
    _check(request)
    return request


def _check(request: AssociationRequest) -> None:
    if request.application_context != APPLICATION_CONTEXT:
        raise Rejection("application_context", "the peer asks for an application other than DICOM", reason=2)
    count = len(request.contexts)
    if not 1 <= count <= MAX_CONTEXTS:
        raise Rejection("contexts", f"the peer proposes {count} presentation contexts; 1 to 128 are legal")
    if 0 < request.maximum_length < _SHORTEST_USABLE_PDU:
        raise Rejection("maximum_length", f"the peer takes PDUs of {request.maximum_length} bytes only")


def negotiate(request: AssociationRequest, permission: Permission, maximum_length: int) -> Negotiated:
    """Agree on presentation contexts.

    Parameters
    ----------
    maximum_length : int
        Longest PDU that the node asks the peer to send.

    Raises
    ------
    Rejection
        If no context can be accepted.
    """
    results, roles = negotiate_as_acceptor(request.contexts, permission.contexts, request.roles)
    accepted = {
        context.context_id: AcceptedContext(
            context.context_id, str(context.abstract_syntax), str(context.transfer_syntax[0])
        )
        for context in results
        if context.result == 0 and context.context_id is not None
    }
    if not accepted:
        raise Rejection(
            "no_context",
            "none of the proposed presentation contexts is supported; see docs/conformance.md, or what this "
            "peer may do",
        )
    answer = A_ASSOCIATE()
    answer.application_context_name = UID(APPLICATION_CONTEXT)
    answer.calling_ae_title = request.calling_ae
    answer.called_ae_title = request.called_ae
    answer.result = 0
    answer.result_source = 1
    answer.presentation_context_definition_results_list = results
    answer.user_information = [*_user_information(maximum_length), *roles]
    encoder = A_ASSOCIATE_AC()
    encoder.from_primitive(answer)
    return Negotiated(accepted, encoder.encode())


def _user_information(maximum_length: int) -> list[Any]:
    length = MaximumLengthNotification()
    length.maximum_length_received = maximum_length
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [length, implementation, version]


def _maximum_length(primitive: A_ASSOCIATE) -> int:
    for item in primitive.user_information:
        if isinstance(item, MaximumLengthNotification):
            return item.maximum_length_received or 0
    return 0
