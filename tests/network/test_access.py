"""Who may speak to the node, from where, and what a peer that may not is answered."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import running_receiver
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from raw_scu import secondary_capture
from running_receiver import RunningReceiver

from dicom_node.config import AccessSettings, PeerSettings
from dicom_node.network.access import RefusalLog, certificate_names
from dicom_node.network.commitment import PUSH_MODEL
from dicom_node.network.negotiation import AssociationRequest
from dicom_node.storage.journal import Journal

SC = "1.2.840.10008.5.1.4.1.1.7"
VERIFICATION = "1.2.840.10008.1.1"
LISTED = AccessSettings(policy="listed")


def receiving(
    folder: Path, *peers: PeerSettings, access: AccessSettings | None = None, **settings: Any
) -> AbstractContextManager[RunningReceiver]:
    """A receiver that knows these peers."""
    return running_receiver.receiving(folder, peers=peers, access=access, **settings)


@contextmanager
def calling(
    node: RunningReceiver,
    ae_title: str = "SCANNER",
    *,
    called: str = "RADIUSDXA",
    classes: tuple[str, ...] = (SC,),
) -> Iterator[Association]:
    ae = AE(ae_title)
    contexts = [build_context(uid) for uid in classes]
    association = ae.associate("127.0.0.1", node.port, contexts, ae_title=called)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        ae.shutdown()


def rejection(association: Association) -> tuple[int, int, int] | None:
    """Result, source and reason of the A-ASSOCIATE-RJ, None if the node accepted."""
    if association.is_established:
        return None
    answer = association.acceptor.primitive
    assert answer is not None
    assert association.is_rejected
    return answer.result, answer.result_source, answer.diagnostic


def test_anybody_may_send_to_a_node_that_is_open(tmp_path: Path) -> None:
    data_set = secondary_capture()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with receiving(tmp_path) as node, calling(node, "NEVERSEEN") as association:
        assert association.send_c_store(data_set).Status == 0x0000


@pytest.mark.parametrize(
    ("title", "called", "answer"),
    [
        ("SCANNER", "RADIUSDXA", None),
        ("STRANGER", "RADIUSDXA", (1, 1, 3)),
        ("SCANNER", "OTHER", (1, 1, 7)),
        ("STRANGER", "OTHER", (1, 1, 7)),
    ],
)
def test_a_node_that_lists_its_peers_rejects_everybody_else(
    tmp_path: Path, title: str, called: str, answer: tuple[int, int, int] | None
) -> None:
    scanner = PeerSettings(name="dxa", ae_title="SCANNER")
    with (
        receiving(tmp_path, scanner, access=LISTED) as node,
        calling(node, title, called=called) as association,
    ):
        assert rejection(association) == answer


def test_calling_ae_titles_of_the_receiver_mean_the_same_as_listed_peers(tmp_path: Path) -> None:
    with receiving(tmp_path, settings={"calling_ae_titles": ("SCANNER",)}) as node:
        with calling(node, "SCANNER") as association:
            assert rejection(association) is None
        with calling(node, "STRANGER") as association:
            assert rejection(association) == (1, 1, 3)


@pytest.mark.parametrize(
    ("addresses", "answer"),
    [
        (("127.0.0.0/8",), None),
        (("192.0.2.0/24", "127.0.0.1"), None),
        (("192.0.2.0/24",), (1, 1, 3)),
        (("::1",), (1, 1, 3)),
    ],
)
def test_a_listed_title_is_taken_only_from_its_addresses_even_by_an_open_node(
    tmp_path: Path, addresses: tuple[str, ...], answer: tuple[int, int, int] | None
) -> None:
    scanner = PeerSettings(name="dxa", ae_title="SCANNER", addresses=addresses)
    with receiving(tmp_path, scanner) as node, calling(node) as association:
        assert rejection(association) == answer


def test_the_node_answers_to_each_of_its_titles_but_a_peer_only_to_its_own(tmp_path: Path) -> None:
    scanner = PeerSettings(name="dxa", ae_title="SCANNER", called_ae_titles=("RESEARCH",))
    with receiving(tmp_path, scanner, node={"additional_ae_titles": ("RESEARCH",)}) as node:
        for title, called, answer in (
            ("ANYBODY", "RADIUSDXA", None),
            ("ANYBODY", "RESEARCH", None),
            ("SCANNER", "RESEARCH", None),
            ("SCANNER", "RADIUSDXA", (1, 1, 7)),
        ):
            with calling(node, title, called=called) as association:
                assert rejection(association) == answer, (title, called)


def test_a_service_that_a_peer_may_not_have_is_not_negotiated(tmp_path: Path) -> None:
    workstation = PeerSettings(name="desk", ae_title="SCANNER", services=("verify",))
    with receiving(tmp_path, workstation) as node:
        with calling(node, classes=(VERIFICATION, SC, PUSH_MODEL)) as association:
            accepted = {context.abstract_syntax for context in association.accepted_contexts}
            assert accepted == {VERIFICATION}
            assert association.send_c_echo().Status == 0x0000
        with calling(node, classes=(SC,)) as association:
            assert not association.is_established
        messages = [event.message for event in node.journal.events()]
        assert any("service 'store' refused" in message for message in messages)


def test_one_peer_cannot_take_more_associations_than_it_is_given(tmp_path: Path) -> None:
    scanner = PeerSettings(name="dxa", ae_title="SCANNER", maximum_associations=2)
    with receiving(tmp_path, scanner) as node, calling(node) as first, calling(node) as second:
        assert first.is_established
        assert second.is_established
        with calling(node) as third:
            assert rejection(third) == (2, 3, 2)
        with calling(node, "OTHER") as other:
            assert other.is_established


def test_a_peer_with_a_certificate_name_is_refused_without_tls(tmp_path: Path) -> None:
    scanner = PeerSettings(name="dxa", ae_title="SCANNER", certificate_name="dxa.example")
    with receiving(tmp_path, scanner) as node, calling(node) as association:
        assert rejection(association) == (1, 1, 3)


@pytest.mark.dcmtk
def test_a_dcmtk_client_is_told_why_it_may_not_speak(tmp_path: Path) -> None:
    scanner = PeerSettings(name="dxa", ae_title="SCANNER")
    with receiving(tmp_path, scanner, access=LISTED) as node:
        told = subprocess.run(
            ["echoscu", "-aet", "STRANGER", "-aec", "RADIUSDXA", "127.0.0.1", str(node.port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert told.returncode != 0
    assert "Calling AE Title Not Recognized" in told.stderr + told.stdout


def test_a_refusal_names_who_asked_and_what_to_change(tmp_path: Path) -> None:
    with receiving(tmp_path, access=LISTED) as node:
        with calling(node, "STRANGER"):
            pass
        code, message = node.last_event()
    assert code == "association_rejected"
    assert "'STRANGER' at 127.0.0.1" in message
    assert "[[peer]]" in message


def request(address: str = "192.0.2.1", calling_ae: str = "FLOOD") -> AssociationRequest:
    return AssociationRequest(
        calling_ae=calling_ae,
        called_ae="RADIUSDXA",
        address=address,
        certificate=None,
        contexts=(),
        maximum_length=0,
        application_context="",
        roles={},
    )


def test_a_flood_of_refusals_does_not_fill_the_journal(tmp_path: Path) -> None:
    now = [0.0]
    journal = Journal(tmp_path / "journal.db")
    refusals = RefusalLog(journal, clock=lambda: now[0])
    for number in range(1000):
        refusals.note(request(calling_ae=f"FLOOD{number}"), "calling_ae_title", "unknown")
    assert len(journal.events(limit=5000)) == 1
    now[0] = 61.0
    refusals.note(request(), "calling_ae_title", "unknown")
    assert len(journal.events(limit=5000)) == 2
    assert "999 further refusals" in journal.events()[-1].message
    for number in range(1000):
        refusals.note(request(f"2001:db8::{number:x}"), "calling_ae_title", "unknown")
    assert len(journal.events(limit=5000)) < 70
    journal.close()


def test_a_certificate_is_known_by_its_alternative_names_before_its_common_name(tmp_path: Path) -> None:
    assert certificate_names(None) == frozenset()
    subject = ((("commonName", "old-scanner"),),)
    assert certificate_names({"subject": subject}) == {"old-scanner"}
    both = {"subject": subject, "subjectAltName": (("DNS", "dxa.example"), ("IP Address", "192.0.2.7"))}
    assert certificate_names(both) == {"dxa.example", "192.0.2.7"}
