"""Every storage class is accepted, in the sender's own syntax; what is not storage is not."""

from __future__ import annotations

import time

import pytest
from pydicom.uid import (
    MPEG2MPML,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)
from pynetdicom import AllStoragePresentationContexts, build_context
from pynetdicom import sop_class as known
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dicom_node.network.contexts import TRANSFER_SYNTAXES, is_storage_class, supported_contexts

PRIVATE = "1.2.826.0.1.3680043.10.9999.1"
ACCEPTED, NO_CLASS, NO_SYNTAX = 0, 3, 4


def answer(
    *requested: PresentationContext, accept_deflated: bool = False
) -> list[tuple[int | None, str | None]]:
    """Result and transfer syntax of each context, as pynetdicom negotiates them."""
    for number, context in enumerate(requested):
        context.context_id = 2 * number + 1
    supported = supported_contexts(requested, accept_deflated=accept_deflated)
    contexts, _ = negotiate_as_acceptor(list(requested), supported)
    return [(context.result, str(context.transfer_syntax[0])) for context in contexts]


@pytest.mark.parametrize("context", AllStoragePresentationContexts, ids=lambda c: str(c.abstract_syntax))
def test_every_storage_class_that_pynetdicom_knows_is_one(context: PresentationContext) -> None:
    assert is_storage_class(str(context.abstract_syntax))


@pytest.mark.parametrize(
    ("uid", "storage"),
    {
        PRIVATE: True,
        "1.2.840.113619.4.26": True,  # a scanner maker's
        "1.2.840.10008.5.1.4.1.1.9999.1": True,  # the standard's next
        "1.2.840.10008.5.1.4.1.1.3": True,  # retired: Ultrasound Multi-frame
        "1.2.840.10008.5.1.4.1.1.88.1": True,  # trial: Text SR
        "1.2.840.10008.5.1.4.45.9": False,  # the standard's next service
        "1.2.840.10008.1.1": False,
        "1.2.840.10008.1.20.1": False,
        "1.2.840.10008.5.1.1.9": False,  # Basic Grayscale Print Management
        "1.2.840.10008.3.1.1.1": False,  # the application context
        "1.2.840.10008.1.2.1": False,  # a transfer syntax
        "1.2.840.10008.4.2": False,  # the Storage Service Class as a whole
        "1.2.840.10008.5.1.4.38.1": False,  # Hanging Protocol Storage: belongs to no study
        "1.02.3": False,
        "../../etc": False,
        "": False,
        "1." + "2" * 70: False,
    }.items(),
)
def test_what_is_a_storage_class(uid: str, storage: bool) -> None:
    assert is_storage_class(uid) is storage


def test_no_other_service_is_taken_for_storage() -> None:
    services = [
        name for name in vars(known) if name.endswith("_CLASSES") and name not in ("_STORAGE_CLASSES",)
    ]
    uids = {uid for name in services for uid in getattr(known, name).values() if isinstance(uid, str)}
    assert len(uids) > 50
    assert not [uid for uid in uids if is_storage_class(uid)]


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES, ids=lambda uid: uid.keyword)
def test_every_transfer_syntax_is_taken_alone(syntax: str) -> None:
    assert answer(build_context(PRIVATE, syntax)) == [(ACCEPTED, syntax)]


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([ImplicitVRLittleEndian, ExplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([HTJ2KLossless, ExplicitVRLittleEndian], HTJ2KLossless),
        ([MPEG2MPML, JPEG2000Lossless], JPEG2000Lossless),
        ([JPEGBaseline8Bit, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
    ],
)
def test_of_several_syntaxes_the_senders_first_lossless_one_is_taken(offered: list[str], taken: str) -> None:
    assert answer(build_context(CTImageStorage, offered)) == [(ACCEPTED, taken)]


def test_each_context_of_one_class_is_answered_for_itself() -> None:
    wanted = [ExplicitVRLittleEndian, JPEGBaseline8Bit, MPEG2MPML]
    answers = answer(*(build_context(CTImageStorage, syntax) for syntax in wanted))
    assert [result for result, _ in answers] == [ACCEPTED, ACCEPTED, NO_SYNTAX]
    assert [syntax for _, syntax in answers] == wanted


def test_other_services_are_refused_by_their_abstract_syntax() -> None:
    worklist = build_context("1.2.840.10008.5.1.4.31")
    assert [result for result, _ in answer(worklist, build_context(PRIVATE))] == [NO_CLASS, ACCEPTED]


def test_deflated_is_taken_only_where_the_site_says_so() -> None:
    deflated = build_context(CTImageStorage, DeflatedExplicitVRLittleEndian)
    assert answer(deflated)[0][0] == NO_SYNTAX
    assert answer(deflated, accept_deflated=True) == [(ACCEPTED, DeflatedExplicitVRLittleEndian)]


@pytest.mark.alone
def test_negotiation_costs_what_was_asked_not_what_exists() -> None:
    """pynetdicom's list of all storage contexts costs 14 ms for each association."""
    requested = [build_context(CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])]
    seconds = []
    for _ in range(50):
        started = time.perf_counter()
        supported_contexts(requested)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.0005
