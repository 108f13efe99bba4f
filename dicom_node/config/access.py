"""``[access]``, ``[[peer]]``, ``[tls]`` and ``[commitment]``: who may speak to the node, and how safely."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dicom_node.errors import ConfigurationError
from dicom_node.settings import ae_title, between, each, existing_path, must, not_blank, read_table

__all__ = [
    "AccessSettings",
    "ClientTls",
    "CommitmentSettings",
    "PeerService",
    "PeerSettings",
    "ServerTls",
    "TlsVersion",
    "read_client_tls",
    "read_peers",
]

TlsVersion = Literal["1.2", "1.3"]
PeerService = Literal["verify", "store", "commit"]

_AE_TITLES = each(ae_title)  # a field of that name hides the check within a class


def _network(text: str) -> str | None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return f'addresses or networks in CIDR form, e.g. "192.0.2.7" or "192.0.2.0/24" ({error})'
    return None


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """``[access]``: what becomes of a peer that no ``[[peer]]`` describes."""

    policy: Literal["open", "listed"] = "open"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """``[tls]``: the port for DICOM over TLS (PS3.15 section B.12)."""

    enabled: bool = False
    port: int = field(default=2762, metadata=must(between(0, 65535)))
    plain: bool = True
    certificate: Path | None = field(default=None, metadata=must(existing_path))
    private_key: Path | None = field(default=None, metadata=must(existing_path))
    trusted: Path | None = field(default=None, metadata=must(existing_path))
    client_certificate: Literal["required", "optional", "none"] = "required"
    minimum_version: TlsVersion = "1.2"

    def __post_init__(self) -> None:
        if not self.enabled:
            if not self.plain:
                raise ConfigurationError(
                    "[tls] plain = false: without enabled = true the node would listen nowhere; enable one"
                )
            return
        needed = ["certificate", "private_key"]
        if self.client_certificate != "none":
            needed.append("trusted")
        for key in needed:
            if getattr(self, key) is None:
                raise ConfigurationError(
                    f"[tls] {key} is missing; add a line such as: {key} = "
                    '"tls/FILE.pem", or set enabled = false'
                )


@dataclass(frozen=True, slots=True)
class ClientTls:
    """``[destination.tls]``, ``[peer.tls]``: how a peer is called over TLS; a table left out means plain."""

    enabled: bool = True
    trusted: Path | None = field(default=None, metadata=must(existing_path))
    certificate: Path | None = field(default=None, metadata=must(existing_path))
    private_key: Path | None = field(default=None, metadata=must(existing_path))
    server_name: str | None = field(default=None, metadata=must(not_blank))
    minimum_version: TlsVersion = "1.2"


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """``[[peer]]``: one application entity that speaks to the node, and what it may do."""

    name: str = field(metadata=must(not_blank))
    ae_title: str = field(metadata=must(ae_title))
    addresses: tuple[str, ...] = field(default=(), metadata=must(each(_network)))
    services: tuple[PeerService, ...] = ("verify", "store", "commit")
    called_ae_titles: tuple[str, ...] = field(default=(), metadata=must(_AE_TITLES))
    maximum_associations: int | None = field(default=None, metadata=must(between(1, 500)))
    certificate_name: str | None = field(default=None, metadata=must(not_blank))
    host: str | None = field(default=None, metadata=must(not_blank))
    port: int | None = field(default=None, metadata=must(between(1, 65535)))
    tls: ClientTls | None = None


@dataclass(frozen=True, slots=True)
class CommitmentSettings:
    """``[commitment]``: how the node answers who asks it to keep objects (PS3.4 annex J)."""

    same_association_seconds: float = field(default=2.0, metadata=must(between(0, 60)))
    keep_days: float = field(default=0.0, metadata=must(between(0, 36_500)))
    report_days: float = field(default=3.0, metadata=must(between(0.01, 365)))
    first_retry_seconds: float = field(default=10.0, metadata=must(between(0.1, 86_400)))
    max_retry_seconds: float = field(default=3600.0, metadata=must(between(0.1, 604_800)))


def read_client_tls(entry: Mapping[str, Any], name: str, base: Path) -> ClientTls | None:
    """Read the ``tls`` table of a ``[[destination]]`` or ``[[peer]]``; None if it is absent or off."""
    table = entry.get("tls")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name} tls = {table!r}: must be a table; write it under a [….tls] line")
    settings = read_table(ClientTls, table, name=f"{name} tls:", base=base)
    if (settings.certificate is None) != (settings.private_key is None):
        raise ConfigurationError(
            f"{name} tls: certificate and private_key belong together; give both, or neither for a peer "
            "that asks for no client certificate"
        )
    return settings if settings.enabled else None


def read_peers(document: Mapping[str, Any], base: Path) -> tuple[PeerSettings, ...]:
    """Read every ``[[peer]]``."""
    entries = document.get("peer", [])
    if not isinstance(entries, list):
        raise ConfigurationError("peer: must be a list of tables; write [[peer]] for each")
    found: list[PeerSettings] = []
    for number, entry in enumerate(entries, start=1):
        name = f"[[peer]] {number}"
        rest = {key: value for key, value in entry.items() if key != "tls"}
        tls = read_client_tls(entry, name, base)
        peer = read_table(PeerSettings, rest, name=name, base=base, tls=tls)
        if peer.name in {other.name for other in found}:
            raise ConfigurationError(f"{name} name = {peer.name!r}: used twice; give each its own name")
        if (peer.host is None) != (peer.port is None):
            raise ConfigurationError(f"{name}: host and port belong together; give both or neither")
        found.append(peer)
    return tuple(found)
