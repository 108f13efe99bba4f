"""``[reports]``, ``[delivery]`` and ``[[destination]]``: what is sent, how, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dicom_node.config.access import ClientTls, read_client_tls
from dicom_node.errors import ConfigurationError
from dicom_node.settings import ae_title, between, must, not_blank, read_table, reject_unknown_keys, table_of
from reports import ReportOptions
from reports.options import DEFAULT_OPTIONS, EVERY_RESULT

__all__ = ["DeliverySettings", "Destination", "read_destinations", "read_reports"]


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``[delivery]``: how results are sent, to every destination."""

    connect_timeout_seconds: float = field(default=10.0, metadata=must(between(1, 300)))
    response_timeout_seconds: float = field(default=60.0, metadata=must(between(1, 3600)))
    first_retry_seconds: float = field(default=5.0, metadata=must(between(0, 86_400)))
    max_retry_seconds: float = field(default=600.0, metadata=must(between(0, 604_800)))


@dataclass(frozen=True, slots=True)
class Destination:
    """``[[destination]]``: one peer that receives results.

    `reports` is ``[reports]`` as ``[destination.reports]`` overrides it; `tls` is ``[destination.tls]``.
    """

    name: str = field(metadata=must(not_blank))
    ae_title: str = field(metadata=must(ae_title))
    host: str = field(metadata=must(not_blank))
    port: int = field(metadata=must(between(1, 65535)))
    reports: ReportOptions = DEFAULT_OPTIONS
    tls: ClientTls | None = None


def read_destinations(document: Mapping[str, Any], base: Path) -> tuple[Destination, ...]:
    """Read every ``[[destination]]``."""
    entries = document.get("destination", [])
    if not isinstance(entries, list):
        raise ConfigurationError("destination: must be a list of tables; write [[destination]] for each")
    shared = table_of(document, "reports")
    found: list[Destination] = []
    for number, entry in enumerate(entries, start=1):
        name = f"[[destination]] {number}"
        own = entry.get("reports", {})
        if not isinstance(own, dict):
            raise ConfigurationError(
                f"{name} reports = {own!r}: must be a table; write [destination.reports] on its own line"
            )
        reports = read_reports(shared, own, f"{name} [destination.reports]", base)
        tls = read_client_tls(entry, name, base)
        rest = {key: value for key, value in entry.items() if key not in ("reports", "tls")}
        destination = read_table(Destination, rest, name=name, base=base, reports=reports, tls=tls)
        if destination.name in {other.name for other in found}:
            raise ConfigurationError(
                f"[[destination]] {number} name = {destination.name!r}: used twice; give each its own name"
            )
        found.append(destination)
    return tuple(found)


def read_reports(shared: Mapping[str, Any], own: Mapping[str, Any], name: str, base: Path) -> ReportOptions:
    """Read ``[reports]``, or what a destination makes of it: its `own` keys win over the `shared` ones."""
    reject_unknown_keys(own, [item.name for item in fields(ReportOptions)], name)
    options = read_table(ReportOptions, {**shared, **own}, name=name, base=base)
    if not options.results:
        raise ConfigurationError(f"{name} results = []: must name at least one of {', '.join(EVERY_RESULT)}")
    for key in ("results", "texture"):
        values = getattr(options, key)
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{name} {key}: names {twice!r} twice; name it once")
    return options
