"""``[reports]``, ``[delivery]`` and ``[[destination]]``: what is sent, how, and to whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dicom_node.config.access import ClientTls, read_client_tls
from dicom_node.errors import ConfigurationError
from dicom_node.settings import (
    ae_title,
    between,
    existing_path,
    must,
    not_blank,
    read_table,
    reject_unknown_keys,
    table_of,
)
from reports import ReportOptions
from reports.options import DEFAULT_OPTIONS, EVERY_RESULT

__all__ = [
    "DeliverySettings",
    "Destination",
    "Hours",
    "hours_of",
    "legal_hours",
    "read_destinations",
    "read_reports",
]


Hours = tuple[time, time]


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``[delivery]``: how objects are sent, to every destination.

    Attributes
    ----------
    breaker_failures : int
        Failed connections in a row after which a destination counts as down (circuit breaker open).
    association_idle_seconds : float
        How long an association stays open for the next study.
    """

    connect_timeout_seconds: float = field(default=10.0, metadata=must(between(1, 300)))
    response_timeout_seconds: float = field(default=60.0, metadata=must(between(1, 3600)))
    first_retry_seconds: float = field(default=5.0, metadata=must(between(0, 86_400)))
    max_retry_seconds: float = field(default=600.0, metadata=must(between(0, 604_800)))
    breaker_failures: int = field(default=5, metadata=must(between(1, 1000)))
    association_idle_seconds: float = field(default=5.0, metadata=must(between(0, 300)))


def _web_address(value: str) -> str | None:
    parts = urlsplit(value)
    if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc:
        return None
    return "an address such as https://pacs.example/dicom-web, without user name and password in it"


def legal_hours(value: str) -> str | None:
    """Check hours of the day in the form of `hours_of`."""
    try:
        start, end = hours_of(value)
    except ValueError:
        return 'hours in the form "19:00-07:00"'
    return None if start != end else "hours that begin and end at different times"


def hours_of(text: str) -> Hours:
    """Return begin and end of ``"19:00-07:00"``; raises `ValueError` for anything else."""
    matched = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if matched is None:
        raise ValueError(text)
    first, second, third, fourth = map(int, matched.groups())
    return time(first, second), time(third, fourth)


@dataclass(frozen=True, slots=True)
class Destination:
    """``[[destination]]``: one place that receives results, originals or both.

    Attributes
    ----------
    type : {"dicom", "stow", "folder"}
        C-STORE (over TLS with ``[destination.tls]``), STOW-RS, or files in a folder.
    reports : ReportOptions
        ``[reports]`` as ``[destination.reports]`` overrides it.
    hours : str or None
        Local time of day in which something is sent, e.g. ``"19:00-07:00"``; None = always.
    max_instances_per_second, max_bytes_per_second : float
        Limits of the rate; 0 = none.
    give_up_days : float
        Age at which even a failure that may pass makes a dead letter; 0 = never.
    confirm : {"store", "commitment", "find"}
        What makes a delivery: the destination's answer, its storage commitment, or that a search finds it.
    commitment_hours : float
        How long a commitment, or an object in searches, is waited for.
    """

    name: str = field(metadata=must(not_blank))
    ae_title: str | None = field(default=None, metadata=must(ae_title))
    host: str | None = field(default=None, metadata=must(not_blank))
    port: int | None = field(default=None, metadata=must(between(1, 65535)))
    reports: ReportOptions = DEFAULT_OPTIONS
    tls: ClientTls | None = None
    type: Literal["dicom", "stow", "folder"] = "dicom"
    url: str | None = field(default=None, metadata=must(_web_address))
    username: str | None = field(default=None, metadata=must(not_blank))
    password_file: Path | None = field(default=None, metadata=must(existing_path))
    token_file: Path | None = field(default=None, metadata=must(existing_path))
    path: Path | None = None
    hours: str | None = field(default=None, metadata=must(legal_hours))
    max_instances_per_second: float = field(default=0.0, metadata=must(between(0)))
    max_bytes_per_second: float = field(default=0.0, metadata=must(between(0)))
    give_up_days: float = field(default=0.0, metadata=must(between(0, 36_500)))
    confirm: Literal["store", "commitment", "find"] = "store"
    commitment_hours: float = field(default=24.0, metadata=must(between(0.001, 8760)))

    def __post_init__(self) -> None:
        def complain(rule: str) -> None:
            raise ConfigurationError(f"[[destination]] {self.name!r} {rule}")

        for key in _NEEDED[self.type]:
            if getattr(self, key) is None:
                complain(f'{key} is missing: type = "{self.type}" needs {" and ".join(_NEEDED[self.type])}')
        for kind, keys in _NEEDED.items():
            foreign = next(
                (key for key in keys if kind != self.type and getattr(self, key) is not None), None
            )
            if foreign:
                complain(f'{foreign}: belongs to type = "{kind}", not "{self.type}"; remove one of the two')
        if self.confirm not in _CONFIRMED_BY[self.type]:
            choices = " or ".join(f'"{choice}"' for choice in _CONFIRMED_BY[self.type])
            complain(f'confirm = "{self.confirm}": type = "{self.type}" knows {choices}')
        if (self.username is None) != (self.password_file is None):
            complain("username and password_file belong together; give both or neither")
        if self.username is not None and self.token_file is not None:
            complain("username and token_file exclude each other; give one of them")
        if self.type != "stow" and (self.username or self.token_file):
            complain('username, password_file and token_file: belong to type = "stow"')


_NEEDED = {"dicom": ("ae_title", "host", "port"), "stow": ("url",), "folder": ("path",)}
_CONFIRMED_BY = {"dicom": ("store", "commitment", "find"), "stow": ("store", "find"), "folder": ("store",)}


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
