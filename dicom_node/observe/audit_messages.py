"""DICOM audit messages (PS3.15 A.5.3) as XML by the schema of PS3.15 A.5.1: one patient each."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

__all__ = [
    "AuditSource",
    "Outcome",
    "Participant",
    "Patient",
    "application_activity",
    "audit_log_used",
    "begin_transferring",
    "instances_transferred",
    "query",
    "security_alert",
    "user_authentication",
    "user_security_changed",
]


class Outcome(StrEnum):
    """EventOutcomeIndicator (PS3.15 table A.5.2-1)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"
    MAJOR_FAILURE = "12"


@dataclass(frozen=True, slots=True)
class AuditSource:
    """The node, as the source of a message and as a participant in what it tells.

    `process_id` is the operating system's: the UserID of a process (PS3.15 A.5.2.1).
    """

    source_id: str
    enterprise_site_id: str
    ae_title: str
    process_id: int
    address: str


@dataclass(frozen=True, slots=True)
class Participant:
    """A system at the other end."""

    user_id: str
    ae_title: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom the objects are about; what is not known is "unknown"."""

    id: str = "unknown"
    name: str = "unknown"


class _Code(NamedTuple):
    value: str
    system: str
    meaning: str


def _dcm(value: str, meaning: str) -> _Code:
    return _Code(value, "DCM", meaning)


_APPLICATION_ACTIVITY = _dcm("110100", "Application Activity")
_AUDIT_LOG_USED = _dcm("110101", "Audit Log Used")
_BEGIN_TRANSFERRING = _dcm("110102", "Begin Transferring DICOM Instances")
_INSTANCES_TRANSFERRED = _dcm("110104", "DICOM Instances Transferred")
_QUERY = _dcm("110112", "Query")
_SECURITY_ALERT = _dcm("110113", "Security Alert")
_USER_AUTHENTICATION = _dcm("110114", "User Authentication")
_START, _STOP = _dcm("110120", "Application Start"), _dcm("110121", "Application Stop")
_LOGIN, _LOGOUT = _dcm("110122", "Login"), _dcm("110123", "Logout")
_NODE_AUTHENTICATION = _dcm("110126", "Node Authentication")
_USER_SECURITY_CHANGED = _dcm("110137", "User Security Attributes Changed")
_APPLICATION = _dcm("110150", "Application")
_DESTINATION = _dcm("110152", "Destination Role ID")
_SOURCE = _dcm("110153", "Source Role ID")
_STUDY_UID = _dcm("110180", "Study Instance UID")
_CLASS_UID = _dcm("110181", "SOP Class UID")
_NODE_ID = _dcm("110182", "Node ID")
_PATIENT_NUMBER = _Code("2", "RFC-3881", "Patient Number")
_URI = _Code("12", "RFC-3881", "URI")
"""DICOM PS3.16 CID 400 to 405; the last two from RFC 3881 section 5.5.4."""

_APPLICATION_SERVER = "4"
_PERSON, _SYSTEM = "1", "2"
_ROLE_PATIENT, _ROLE_REPORT, _ROLE_SECURITY_RESOURCE = "1", "3", "13"
_MACHINE_NAME, _IP_ADDRESS = "1", "2"


def application_activity(source: AuditSource, at: str, *, started: bool) -> str:
    """Return the message of PS3.15 A.5.3.1: the node started or stopped."""
    root = _event(_APPLICATION_ACTIVITY, "E", at, Outcome.SUCCESS, _START if started else _STOP)
    _node(root, source, _APPLICATION, requestor=False)
    return _finished(root, source)


def audit_log_used(source: AuditSource, at: str, *, user: str, log_uri: str) -> str:
    """Return the message of PS3.15 A.5.3.2: somebody read the audit log that the node keeps."""
    root = _event(_AUDIT_LOG_USED, "R", at, Outcome.SUCCESS)
    _participant(root, Participant(user, address=source.address), None, requestor=True)
    _source(root, source)
    _object(root, _SYSTEM, _ROLE_SECURITY_RESOURCE, _URI, log_uri, name="Security Audit Log")
    return _text(root)


def begin_transferring(
    source: AuditSource,
    at: str,
    *,
    receiver: Participant,
    patient: Patient,
    study: str,
    classes: Mapping[str, int],
) -> str:
    """Return the message of PS3.15 A.5.3.3: the node begins to send objects of one study.

    Parameters
    ----------
    classes : mapping of str to int
        SOP Class UID -> number of instances.
    """
    root = _event(_BEGIN_TRANSFERRING, "E", at, Outcome.SUCCESS)
    _node(root, source, _SOURCE, requestor=True)
    _participant(root, receiver, _DESTINATION, requestor=False)
    _source(root, source)
    _study(root, study, classes)
    _patient(root, patient)
    return _text(root)


def instances_transferred(
    source: AuditSource,
    at: str,
    *,
    peer: Participant,
    received: bool,
    patient: Patient,
    study: str,
    classes: Mapping[str, int],
    outcome: Outcome = Outcome.SUCCESS,
    explanation: str = "",
) -> str:
    """Return the message of PS3.15 A.5.3.7: objects of one study came in (`received`) or went out."""
    root = _event(_INSTANCES_TRANSFERRED, "C" if received else "R", at, outcome, explanation=explanation)
    if received:
        _participant(root, peer, _SOURCE, requestor=True)
        _node(root, source, _DESTINATION, requestor=False)
    else:
        _node(root, source, _SOURCE, requestor=True)
        _participant(root, peer, _DESTINATION, requestor=False)
    _source(root, source)
    _study(root, study, classes)
    _patient(root, patient)
    return _text(root)


def query(
    source: AuditSource,
    at: str,
    *,
    archive: Participant,
    sop_class_uid: str,
    identifier: bytes,
    transfer_syntax_uid: str,
    outcome: Outcome = Outcome.SUCCESS,
) -> str:
    """Return the message of PS3.15 A.5.3.10: the node asked an archive.

    Parameters
    ----------
    identifier : bytes
        The question as sent: the encoded C-FIND identifier, or the QIDO-RS query string.
    """
    root = _event(_QUERY, "E", at, outcome)
    _node(root, source, _SOURCE, requestor=True)
    _participant(root, archive, _DESTINATION, requestor=False)
    _source(root, source)
    asked = _object(root, _SYSTEM, _ROLE_REPORT, _CLASS_UID, sop_class_uid, query=identifier)
    _detail(asked, "TransferSyntax", transfer_syntax_uid)
    return _text(root)


def security_alert(
    source: AuditSource, at: str, *, subject: Participant, description: str, outcome: Outcome
) -> str:
    """Return the message of PS3.15 A.5.3.11: a node did not prove who it is, or was not let in."""
    root = _event(_SECURITY_ALERT, "E", at, outcome, _NODE_AUTHENTICATION)
    _node(root, source, None, requestor=True)
    _participant(root, subject, None, requestor=False)
    _source(root, source)
    alert = _object(root, _SYSTEM, _ROLE_SECURITY_RESOURCE, _NODE_ID, subject.user_id, name=subject.user_id)
    _detail(alert, "Alert Description", description)
    return _text(root)


def user_authentication(
    source: AuditSource, at: str, *, user: str, address: str, login: bool, outcome: Outcome
) -> str:
    """Return the message of PS3.15 A.5.3.12: a person logged in or out, or tried to."""
    root = _event(_USER_AUTHENTICATION, "E", at, outcome, _LOGIN if login else _LOGOUT)
    _participant(root, Participant(user, address=address), None, requestor=True)
    _node(root, source, None, requestor=False)
    return _finished(root, source)


def user_security_changed(
    source: AuditSource, at: str, *, by: Participant, subject: str, description: str
) -> str:
    """Return the message of PS3.15 A.5.3.11: a person made, changed or disabled a user or a token."""
    root = _event(_SECURITY_ALERT, "E", at, Outcome.SUCCESS, _USER_SECURITY_CHANGED)
    _participant(root, by, None, requestor=True)
    _node(root, source, None, requestor=False)
    _source(root, source)
    changed = _object(root, _SYSTEM, _ROLE_SECURITY_RESOURCE, _URI, f"user:{subject}", name=subject)
    _detail(changed, "Alert Description", description)
    return _text(root)


def _event(
    code: _Code,
    action: str,
    at: str,
    outcome: Outcome,
    type_code: _Code | None = None,
    *,
    explanation: str = "",
) -> Element:
    root = Element("AuditMessage")
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=action,
        EventDateTime=at,
        EventOutcomeIndicator=outcome.value,
    )
    _coded(event, "EventID", code)
    if type_code:
        _coded(event, "EventTypeCode", type_code)
    if explanation:
        SubElement(event, "EventOutcomeDescription").text = _legal(explanation)
    return root


def _node(root: Element, source: AuditSource, role: _Code | None, *, requestor: bool) -> None:
    node = Participant(str(source.process_id), source.ae_title, source.address)
    _participant(root, node, role, requestor=requestor)


def _participant(root: Element, who: Participant, role: _Code | None, *, requestor: bool) -> None:
    element = SubElement(
        root,
        "ActiveParticipant",
        UserID=_legal(who.user_id),
        UserIsRequestor="true" if requestor else "false",
    )
    if who.ae_title:
        element.set("AlternativeUserID", f"AETITLES={_legal(who.ae_title)}")  # PS3.15 A.5.2.2
    if who.address:
        element.set("NetworkAccessPointID", _legal(who.address))
        numeric = re.fullmatch(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.%a-z]*", who.address)
        element.set("NetworkAccessPointTypeCode", _IP_ADDRESS if numeric else _MACHINE_NAME)
    if role:
        _coded(element, "RoleIDCode", role)


def _source(root: Element, source: AuditSource) -> None:
    element = SubElement(root, "AuditSourceIdentification", AuditSourceID=_legal(source.source_id))
    if source.enterprise_site_id:
        element.set("AuditEnterpriseSiteID", _legal(source.enterprise_site_id))
    SubElement(element, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})


def _study(root: Element, study: str, classes: Mapping[str, int]) -> None:
    element = _object(root, _SYSTEM, _ROLE_REPORT, _STUDY_UID, study or "unknown", name="Study")
    description = SubElement(element, "ParticipantObjectDescription")
    for uid, count in classes.items():
        SubElement(description, "SOPClass", UID=_legal(uid), NumberOfInstances=str(count))


def _patient(root: Element, patient: Patient) -> None:
    _object(root, _PERSON, _ROLE_PATIENT, _PATIENT_NUMBER, patient.id or "unknown", name=patient.name)


def _object(
    root: Element,
    type_code: str,
    role: str,
    id_type: _Code,
    identifier: str,
    *,
    name: str = "",
    query: bytes | None = None,
) -> Element:
    element = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_legal(identifier),
        ParticipantObjectTypeCode=type_code,
        ParticipantObjectTypeCodeRole=role,
    )
    _coded(element, "ParticipantObjectIDTypeCode", id_type)
    if query is None:
        SubElement(element, "ParticipantObjectName").text = _legal(name)
    else:
        SubElement(element, "ParticipantObjectQuery").text = base64.b64encode(query).decode()
    return element


def _detail(element: Element, name: str, value: str) -> None:
    encoded = base64.b64encode(value.encode()).decode()
    SubElement(element, "ParticipantObjectDetail", type=name, value=encoded)


def _coded(parent: Element, name: str, code: _Code) -> None:
    attributes = {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning}
    SubElement(parent, name, attributes)


def _finished(root: Element, source: AuditSource) -> str:
    """For a message that names no objects."""
    _source(root, source)
    return _text(root)


def _text(root: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode")


def _legal(text: str) -> str:
    """Replace what XML 1.0 cannot carry (section 2.2): senders put anything into their values."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
