"""What `doctor` looks at of ``[fhir]``."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_node.config import FhirSettings, NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ConfigurationError

__all__ = ["check_clinical"]


def check_clinical(config: NodeConfig) -> Iterator[Finding]:
    """Check that codes are sound, and that the server is there and speaks FHIR R4."""
    settings = config.fhir
    if settings.codes is not None:
        yield _check_codes(settings)
    if settings.url is not None:
        yield _check_server(settings)


def _check_codes(settings: FhirSettings) -> Finding:
    from dicom_node.workflow.clinical_import.fhir_codes import SHIPPED_CODES, Codes

    try:
        codes = Codes.read(settings.codes or SHIPPED_CODES)
    except ConfigurationError as error:
        return Finding(Level.FAIL, "FHIR codes", str(error))
    known = sum(map(len, codes.tables.values()))
    return Finding(Level.OK, "FHIR codes", f"{settings.codes}: {known} meanings")


def _check_server(settings: FhirSettings) -> Finding:
    from dicom_node.network.fhir import FhirClient, FhirError

    subject = f"FHIR server {settings.name}"
    try:
        client = FhirClient(settings)
    except ConfigurationError as error:
        return Finding(Level.FAIL, subject, str(error))
    try:
        version = client.version()
    except FhirError as error:
        return Finding(Level.FAIL, subject, str(error))
    finally:
        client.close()
    if not version.startswith("4."):
        return Finding(
            Level.FAIL, subject, f"{settings.url} speaks FHIR {version}; give the address of its R4 endpoint"
        )
    return Finding(Level.OK, subject, f"{settings.url} speaks FHIR {version}")
