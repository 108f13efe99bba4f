"""The DICOM conformance statement (PS3.2), written from a configuration and the tables the code uses."""

from dicom_node.conformance.claims import ClaimedContext, claimed_contexts
from dicom_node.conformance.statement import conformance_statement

__all__ = ["ClaimedContext", "claimed_contexts", "conformance_statement"]
