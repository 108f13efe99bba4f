"""Who may speak to the node, from where, over what, and which services they get.

AE titles and addresses are labels: anyone on the network can write them. Only a client certificate over TLS
proves who calls (``[[peer]] certificate_name``).
"""

from __future__ import annotations

import ipaddress
import logging
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_node.config import NodeSettings, PeerSettings, ReceiverSettings
from dicom_node.config.access import AccessSettings, PeerService
from dicom_node.network.commitment import PUSH_MODEL
from dicom_node.network.contexts import is_storage_class, supported_contexts
from dicom_node.network.negotiation import AssociationRequest, Permission, Rejection
from dicom_node.observe.metrics import SERVICES_REFUSED
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = ["AccessControl", "RefusalLog", "certificate_names"]

logger = logging.getLogger(__name__)

_CALLING_NOT_RECOGNISED, _CALLED_NOT_RECOGNISED = 3, 7
"""Reasons of a permanent rejection by the service user (PS3.8 table 9-21)."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A ``[[peer]]``, or a title of ``[receiver] calling_ae_titles``, ready to be compared with requests."""

    settings: PeerSettings
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @classmethod
    def of(cls, settings: PeerSettings) -> _Rule:
        return cls(settings, tuple(ipaddress.ip_network(text) for text in settings.addresses))

    def allows_address(self, address: str) -> bool:
        return not self.networks or any(_plain_address(address) in network for network in self.networks)

    def allows_called(self, ae_title: str) -> bool:
        return ae_title in (self.settings.called_ae_titles or (ae_title,))


class AccessControl:
    """Decides on every association request, before anything else is done with it.

    Parameters
    ----------
    node, receiver, access, peers
        The tables of the configuration that it enforces.
    refusals : RefusalLog
        Told when a peer that may speak asks for a service that it may not have.
    """

    def __init__(
        self,
        node: NodeSettings,
        receiver: ReceiverSettings,
        access: AccessSettings,
        peers: Sequence[PeerSettings],
        *,
        refusals: RefusalLog,
    ) -> None:
        self._called = {node.ae_title, *node.additional_ae_titles}
        shorthand = [PeerSettings(name=title, ae_title=title) for title in receiver.calling_ae_titles]
        self._rules = [_Rule.of(settings) for settings in (*peers, *shorthand)]
        self._only_listed = access.policy == "listed" or bool(receiver.calling_ae_titles)
        self._receiver = receiver
        self._refusals = refusals

    def decide(self, request: AssociationRequest) -> Permission:
        """Return what the peer may do.

        Raises
        ------
        Rejection
            If it may not speak to the node.
        """
        peer = self._recognise(request)
        services: Collection[PeerService] = peer.services if peer else get_args(PeerService)
        limit = (peer.maximum_associations if peer else None) or self._receiver.maximum_associations_per_ae
        return Permission(
            contexts=self._contexts(request, services),
            maximum_associations=min(limit, self._receiver.maximum_associations),
        )

    def _recognise(self, request: AssociationRequest) -> PeerSettings | None:
        """Return the peer's entry; None if it has none and needs none."""
        if request.called_ae not in self._called:
            raise _called_not_recognised("the node does not answer to it; see [node] ae_title")
        rules = [rule for rule in self._rules if rule.settings.ae_title == request.calling_ae]
        if not rules:
            if self._only_listed:
                raise _calling_not_recognised("calling_ae_title", "no [[peer]] has this AE title")
            return None
        rules = [rule for rule in rules if rule.allows_address(request.address)]
        if not rules:
            raise _calling_not_recognised("address", "its [[peer]] addresses do not hold this address")
        rules = [rule for rule in rules if rule.allows_called(request.called_ae)]
        if not rules:
            raise _called_not_recognised("its [[peer]] called_ae_titles do not hold it")
        names = certificate_names(request.certificate)
        for rule in rules:
            if rule.settings.certificate_name in (None, *names):
                return rule.settings
        raise _calling_not_recognised(
            "certificate", "no TLS certificate with its [[peer]] certificate_name was shown"
        )

    def _contexts(
        self, request: AssociationRequest, services: Collection[PeerService]
    ) -> list[PresentationContext]:
        wanted = {_service(str(context.abstract_syntax)) for context in request.contexts}
        for service in wanted.difference(services, [None]):
            SERVICES_REFUSED.labels(service).inc()
            self._refusals.note(
                request,
                f"{service}_refused",
                f"service {service!r} refused: its [[peer]] services do not hold it",
            )
        contexts: list[PresentationContext] = []
        if "store" in services:
            contexts = supported_contexts(request.contexts, accept_deflated=self._receiver.accept_deflated)
        if "verify" in services and "verify" in wanted:
            contexts.append(build_context(Verification, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
        if "commit" in services and "commit" in wanted:
            contexts.append(_commitment_context())
        return contexts


def certificate_names(certificate: dict[str, Any] | None) -> frozenset[str]:
    """Return whom a verified certificate was issued to: DNS names and addresses, else the common name.

    Parameters
    ----------
    certificate : dict or None
        What `ssl.SSLSocket.getpeercert` returns.
    """
    if not certificate:
        return frozenset()
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    if names:  # RFC 6125 section 6.4.4: the common name counts only where there is no other
        return frozenset(names)
    subject: Iterable[tuple[tuple[str, str], ...]] = certificate.get("subject", ())
    return frozenset(value for part in subject for key, value in part if key == "commonName")


class RefusalLog:
    """Journals refusals, sparingly: a flood must not fill the journal.

    Each address gets one event a minute for each code, and all together get few; what is left out is counted,
    and the next event tells how many.
    """

    WINDOW_SECONDS = 60.0
    MAX_EVENTS = 60
    """In one window, all addresses together."""

    def __init__(self, journal: EventLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._left_out = 0

    def note(self, request: AssociationRequest, code: str, sentence: str) -> None:
        """Note that a request, or a part of it, was refused; `code` is from a closed set."""
        who = f"AE {request.calling_ae!r} at {request.address} to AE {request.called_ae!r}"
        self.note_address(request.address, code, f"{who}: {sentence}")

    def note_address(self, address: str, code: str, message: str) -> None:
        """Note that a connection was refused before anybody said who calls."""
        with self._lock:
            now = self._clock()
            while self._noted and now - next(iter(self._noted.values())) >= self.WINDOW_SECONDS:
                self._noted.popitem(last=False)
            if (address, code) in self._noted or len(self._noted) >= self.MAX_EVENTS:
                self._left_out += 1
                return
            self._noted[address, code] = now
            left_out, self._left_out = self._left_out, 0
        if left_out:
            message += f" ({left_out} further refusals were not written down)"
        try:
            self._journal.note_event(Severity.WARNING, "association_rejected", message)
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot journal a refusal: %s", error)


def _service(abstract_syntax: str) -> PeerService | None:
    if abstract_syntax == Verification:
        return "verify"
    if abstract_syntax == PUSH_MODEL:
        return "commit"
    return "store" if is_storage_class(abstract_syntax) else None


def _commitment_context() -> PresentationContext:
    """Either role: a scanner asks us as an SCU, a PACS reports to us as an SCP."""
    context = build_context(PUSH_MODEL, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    context.scu_role = context.scp_role = True
    return context


def _plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address; IPv4 over an IPv6 socket (RFC 4291 section 2.5.5.2) as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _calling_not_recognised(code: str, sentence: str) -> Rejection:
    return Rejection(code, sentence, reason=_CALLING_NOT_RECOGNISED)


def _called_not_recognised(sentence: str) -> Rejection:
    return Rejection("called_ae_title", sentence, reason=_CALLED_NOT_RECOGNISED)
