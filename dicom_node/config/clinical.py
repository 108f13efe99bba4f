"""``[fhir]``: the server of electronic records that outcomes and clinical facts are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dicom_node.config.access import ClientTls, read_client_tls
from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, existing_path, must, not_blank, read_table

__all__ = ["FhirSettings", "read_fhir"]


def _fhir_address(value: str) -> str | None:
    parts = urlsplit(value)
    if parts.scheme in ("http", "https") and parts.netloc and not parts.query and not parts.fragment:
        return None
    return "the server's base address, as https://records.example/fhir"


@dataclass(frozen=True, slots=True)
class FhirSettings:
    """``[fhir]``: without a `url`, nothing is read but the bundle files that somebody names."""

    url: str | None = field(default=None, metadata=must(_fhir_address))
    name: str = field(default="fhir", metadata=must(not_blank))
    hours: float = field(default=24.0, metadata=must(between(0.1, 8760)))
    identifier_system: str = ""
    issuer: str = ""
    page_size: int = field(default=200, metadata=must(between(1, 1000)))
    timeout_seconds: float = field(default=60.0, metadata=must(between(1, 3600)))
    username: str | None = field(default=None, metadata=must(not_blank))
    password_file: Path | None = field(default=None, metadata=must(existing_path))
    token_file: Path | None = field(default=None, metadata=must(existing_path))
    codes: Path | None = field(default=None, metadata=must(existing_path))
    tls: ClientTls | None = None

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password_file is None):
            raise ConfigurationError(
                "[fhir]: username and password_file belong together; give both or neither"
            )
        if self.username is not None and self.token_file is not None:
            raise ConfigurationError("[fhir]: username and token_file exclude each other; give one of them")
        if self.url is not None and not self.identifier_system:
            raise ConfigurationError(
                "[fhir] identifier_system is missing: name the system of the identifier that is the "
                "scanners' Patient ID, as urn:oid:1.2.3"
            )


def read_fhir(table: Mapping[str, Any], base: Path) -> FhirSettings:
    """Read ``[fhir]`` and ``[fhir.tls]``."""
    rest = {key: value for key, value in table.items() if key != "tls"}
    return read_table(
        FhirSettings, rest, name="[fhir]", base=base, tls=read_client_tls(table, "[fhir]", base)
    )
