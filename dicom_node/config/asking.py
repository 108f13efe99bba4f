"""``[[archive]]``, ``[retrieval]`` and ``[priors]``: the PACS that is asked, and what it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dicom_node.config.access import ClientTls, read_client_tls
from dicom_node.errors import ConfigurationError
from dicom_node.settings import ae_title, between, each, existing_path, must, not_blank, read_table

__all__ = ["PriorsSettings", "RemoteArchive", "RetrievalSettings", "check_priors", "read_archives"]


def _web_address(value: str) -> str | None:
    return (
        None
        if value.startswith(("http://", "https://"))
        else "an address that starts with http:// or https://"
    )


@dataclass(frozen=True, slots=True)
class RemoteArchive:
    """``[[archive]]``: one PACS that the node may ask, over DIMSE or DICOMweb."""

    name: str = field(metadata=must(not_blank))
    type: Literal["dicom", "dicomweb"] = "dicom"
    ae_title: str | None = field(default=None, metadata=must(ae_title))
    host: str | None = field(default=None, metadata=must(not_blank))
    port: int | None = field(default=None, metadata=must(between(1, 65535)))
    retrieve: Literal["c-get", "c-move"] = "c-get"
    url: str | None = field(default=None, metadata=must(_web_address))
    username: str | None = field(default=None, metadata=must(not_blank))
    password_file: Path | None = field(default=None, metadata=must(existing_path))
    token_file: Path | None = field(default=None, metadata=must(existing_path))
    tls: ClientTls | None = None

    def __post_init__(self) -> None:
        needed = ("url",) if self.type == "dicomweb" else ("ae_title", "host", "port")
        missing = next((key for key in needed if getattr(self, key) is None), None)
        if missing:
            raise ConfigurationError(
                f'[[archive]] {self.name!r} {missing} is missing: type = "{self.type}" needs '
                f"{' and '.join(needed)}"
            )
        if (self.username is None) != (self.password_file is None):
            raise ConfigurationError(
                f"[[archive]] {self.name!r}: username and password_file belong together; give both or neither"
            )
        if self.username is not None and self.token_file is not None:
            raise ConfigurationError(
                f"[[archive]] {self.name!r}: username and token_file exclude each other; give one of them"
            )


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """``[retrieval]``: how archives are asked and studies are fetched, from every archive."""

    connect_timeout_seconds: float = field(default=10.0, metadata=must(between(1, 300)))
    response_timeout_seconds: float = field(default=60.0, metadata=must(between(1, 3600)))
    max_attempts: int = field(default=5, metadata=must(between(1, 1000)))
    first_retry_seconds: float = field(default=10.0, metadata=must(between(0, 86_400)))
    max_retry_seconds: float = field(default=600.0, metadata=must(between(0, 604_800)))


@dataclass(frozen=True, slots=True)
class PriorsSettings:
    """``[priors]``: earlier studies of a patient that are fetched before a new one is analysed."""

    archive: str | None = field(default=None, metadata=must(not_blank))
    wait_seconds: float = field(default=60.0, metadata=must(between(1, 3600)))
    look_back_years: float = field(default=10.0, metadata=must(between(0.1, 120)))
    modalities: tuple[str, ...] = field(
        default=("BMD", "BD", "DX", "CR", "OT"), metadata=must(each(not_blank))
    )
    body_parts: tuple[str, ...] = field(default=(), metadata=must(each(not_blank)))
    descriptions: tuple[str, ...] = field(default=(), metadata=must(each(not_blank)))
    maximum_studies: int = field(default=5, metadata=must(between(1, 100)))
    maximum_instances: int = field(default=500, metadata=must(between(1, 100_000)))
    deliver: bool = False
    reprocess_when_late: bool = False


def read_archives(document: Mapping[str, Any], base: Path) -> tuple[RemoteArchive, ...]:
    """Read every ``[[archive]]``."""
    entries = document.get("archive", [])
    if not isinstance(entries, list):
        raise ConfigurationError("archive: must be a list of tables; write [[archive]] for each")
    found: list[RemoteArchive] = []
    for number, entry in enumerate(entries, start=1):
        name = f"[[archive]] {number}"
        rest = {key: value for key, value in entry.items() if key != "tls"}
        tls = read_client_tls(entry, name, base)
        archive = read_table(RemoteArchive, rest, name=name, base=base, tls=tls)
        if archive.name in {other.name for other in found}:
            raise ConfigurationError(f"{name} name = {archive.name!r}: used twice; give each its own name")
        found.append(archive)
    return tuple(found)


def check_priors(priors: PriorsSettings, archives: tuple[RemoteArchive, ...]) -> None:
    """Raise `ConfigurationError` if ``[priors] archive`` names none of the `archives`."""
    names = [archive.name for archive in archives]
    if priors.archive is not None and priors.archive not in names:
        raise ConfigurationError(
            f"[priors] archive = {priors.archive!r}: no [[archive]] has this name; "
            f"there are: {', '.join(names) or 'none'}"
        )
