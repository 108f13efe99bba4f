"""Every kind of audit message follows the schema of PS3.15 A.5.1 and the tables of A.5.3."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from dicom_node.observe import audit_messages as messages
from dicom_node.observe.audit_messages import AuditSource, Outcome, Participant, Patient

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parents[2] / "data" / "dicom-audit-message.rng"))
SOURCE = AuditSource("RADIUSDXA", "site", "RADIUSDXA", 4711, "node-1")
AT = "2026-11-27T19:00:00.000000+00:00"
PEER = Participant("pacs", "ORTHANC", "192.0.2.7")
PATIENT = Patient("4711", "Müller^Änne=明^美")
CLASSES = {"1.2.840.10008.5.1.4.1.1.7": 3, "1.2.840.10008.5.1.4.1.1.88.33": 1}

EVERY_KIND = {
    "110100": messages.application_activity(SOURCE, AT, started=True),
    "110101": messages.audit_log_used(SOURCE, AT, user="root", log_uri="file:///audit"),
    "110102": messages.begin_transferring(
        SOURCE, AT, receiver=PEER, patient=PATIENT, study="1.2", classes=CLASSES
    ),
    "110104": messages.instances_transferred(
        SOURCE, AT, peer=PEER, received=True, patient=PATIENT, study="1.2", classes=CLASSES
    ),
    "110112": messages.query(
        SOURCE,
        AT,
        archive=PEER,
        sop_class_uid="1.2.840.10008.5.1.4.1.2.2.1",
        identifier=b"\0\1",
        transfer_syntax_uid="1.2.840.10008.1.2",
    ),
    "110113": messages.security_alert(
        SOURCE, AT, subject=PEER, description="<not let in>", outcome=Outcome.MINOR_FAILURE
    ),
    "110114": messages.user_authentication(
        SOURCE, AT, user="anna@node", address="::1", login=True, outcome=Outcome.SUCCESS
    ),
}
"""Event ID -> an example."""


def parse(message: str) -> etree._Element:
    """The message as XML; fails unless it follows the schema."""
    root = etree.fromstring(message.encode())
    SCHEMA.assertValid(root)
    return root


@pytest.mark.parametrize("event_id", EVERY_KIND)
def test_a_message_follows_the_schema(event_id: str) -> None:
    root = parse(EVERY_KIND[event_id])
    assert root.find("EventIdentification/EventID").get("csd-code") == event_id
    requestors = [item for item in root.findall("ActiveParticipant") if item.get("UserIsRequestor") == "true"]
    assert len(requestors) <= 1  # PS3.15 table A.5.2-1


def test_a_changed_user_is_a_security_alert_that_names_both_people() -> None:
    changed = messages.user_security_changed(
        SOURCE, AT, by=Participant("anna"), subject="bert", description="user.role role operator"
    )
    root = parse(changed)
    kind = root.find("EventIdentification/EventTypeCode")
    assert (kind.get("csd-code"), kind.get("originalText")) == ("110137", "User Security Attributes Changed")
    assert root.find("ActiveParticipant").get("UserID") == "anna"
    assert root.find("ParticipantObjectIdentification").get("ParticipantObjectID") == "user:bert"


@pytest.mark.parametrize("event_id", ["110102", "110104"])
def test_a_transfer_names_one_patient_one_study_and_both_ends(event_id: str) -> None:
    root = parse(EVERY_KIND[event_id])
    objects = {
        item.find("ParticipantObjectIDTypeCode").get("csd-code"): item
        for item in root.findall("ParticipantObjectIdentification")
    }
    assert set(objects) == {"110180", "2"}
    assert objects["2"].get("ParticipantObjectID") == "4711"
    assert objects["2"].findtext("ParticipantObjectName") == "Müller^Änne=明^美"
    assert objects["110180"].get("ParticipantObjectID") == "1.2"
    counts = {item.get("UID"): item.get("NumberOfInstances") for item in root.iter("SOPClass")}
    assert counts == {"1.2.840.10008.5.1.4.1.1.7": "3", "1.2.840.10008.5.1.4.1.1.88.33": "1"}
    roles = {
        item.get("UserID"): item.find("RoleIDCode").get("csd-code")
        for item in root.findall("ActiveParticipant")
    }
    sends = event_id == "110102"
    assert roles == ({"4711": "110153", "pacs": "110152"} if sends else {"pacs": "110153", "4711": "110152"})


def test_addresses_and_names_of_machines_are_told_apart() -> None:
    root = parse(EVERY_KIND["110102"])
    kinds = {
        item.get("NetworkAccessPointID"): item.get("NetworkAccessPointTypeCode")
        for item in root.findall("ActiveParticipant")
    }
    assert kinds == {"node-1": "1", "192.0.2.7": "2"}


def test_a_query_carries_what_was_asked() -> None:
    root = parse(EVERY_KIND["110112"])
    assert base64.b64decode(root.findtext(".//ParticipantObjectQuery")) == b"\0\1"


def test_the_schema_can_fail() -> None:
    """What the other tests rely on."""
    broken = EVERY_KIND["110104"].replace("EventDateTime", "EventTime")
    assert not SCHEMA.validate(etree.fromstring(broken.encode()))


@given(st.text(), st.text(), st.text())
def test_whatever_stands_in_a_senders_values_the_message_is_sound(name: str, number: str, ae: str) -> None:
    parse(
        messages.instances_transferred(
            SOURCE,
            AT,
            peer=Participant(ae, ae, ae),
            received=False,
            patient=Patient(number, name),
            study=number,
            classes={ae: 1},
        )
    )
