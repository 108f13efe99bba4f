"""Tells auditors what people do to the console: logins, and changes to who may do what (PS3.15 A.5)."""

from __future__ import annotations

from dicom_node.config import NodeConfig
from dicom_node.observe import audit_messages
from dicom_node.observe.audit import audit_source
from dicom_node.observe.audit_messages import Outcome, Participant
from dicom_node.storage.connection import timestamp, utc_now
from dicom_node.storage.journal import Journal

__all__ = ["audit_authentication", "audit_security_change"]


def audit_authentication(
    config: NodeConfig, journal: Journal, *, user: str, address: str, login: bool, success: bool
) -> None:
    """Tell auditors that somebody logged in or out, or tried to (PS3.15 A.5.3.12)."""
    if config.audit.transport == "none":
        return
    message = audit_messages.user_authentication(
        audit_source(config),
        timestamp(utc_now()),
        user=user,
        address=address,
        login=login,
        outcome=Outcome.SUCCESS if success else Outcome.MINOR_FAILURE,
    )
    journal.spool_audits([message])


def audit_security_change(
    config: NodeConfig, journal: Journal, user: str, address: str, *, subject: str, description: str
) -> None:
    """Tell auditors that a user or a token was made, changed or disabled (PS3.15 A.5.3.11)."""
    if config.audit.transport == "none":
        return
    message = audit_messages.user_security_changed(
        audit_source(config),
        timestamp(utc_now()),
        by=Participant(user, address=address),
        subject=subject,
        description=description,
    )
    journal.spool_audits([message])
