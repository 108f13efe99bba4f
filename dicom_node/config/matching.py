"""Conditions on what was received, as routes and completion profiles spell them.

``when = { modality = "DX" }``: a small declarative language. A condition names one attribute and one or more
patterns, and holds if any pattern fits. Nothing is evaluated, so a configuration cannot run code.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from dicom_node.errors import ConfigurationError
from dicom_node.settings import reject_unknown_keys

__all__ = ["ATTRIBUTES", "Condition", "read_conditions"]

ATTRIBUTES: Mapping[str, str] = {
    "calling_ae": "AE title of the sender",
    "called_ae": "AE title of this node that the sender called",
    "peer_address": "network address of the sender; an address or a network such as 10.20.0.0/16",
    "kind": "image, report (SR), document (PDF and the like) or other, by SOP class",
    "sop_class": "SOP class by UID, name or keyword",
    "modality": "Modality (0008,0060)",
    "body_part": "Body Part Examined (0018,0015)",
    "station_name": "Station Name (0008,1010)",
    "institution": "Institution Name (0008,0080)",
    "manufacturer": "Manufacturer (0008,0070)",
    "model_name": "Manufacturer's Model Name (0008,1090)",
    "study_description": "Study Description (0008,1030)",
    "series_description": "Series Description (0008,103E)",
    "protocol_name": "Protocol Name (0018,1030)",
}
"""What a condition may ask about, and what it is."""

KINDS = ("image", "report", "document", "other")


@dataclass(frozen=True, slots=True)
class Condition:
    """One attribute and the patterns of which one must fit."""

    attribute: str
    patterns: tuple[str, ...]

    def fitting(self, values: tuple[str, ...]) -> str | None:
        """Return the first pattern that fits one of an object's `values` of the attribute, or None.

        ``*``, ``?`` and ``[abc]`` are wild cards as in file names; letters count the same in either case. An
        address fits the network that holds it. An absent or empty value fits nothing, not even ``*``.
        """
        fits = _address_fits if self.attribute == "peer_address" else _text_fits
        present = [value for value in values if value]
        return next((pattern for pattern in self.patterns if any(fits(pattern, v) for v in present)), None)

    def __str__(self) -> str:
        return f"{self.attribute} = {' or '.join(map(repr, self.patterns))}"


def read_conditions(table: Any, name: str) -> tuple[Condition, ...]:
    """Read a ``when`` table; all its conditions must hold for one and the same object.

    Raises
    ------
    ConfigurationError
        For an unknown attribute, or a value that is neither a text nor a list of texts.
    """
    if not isinstance(table, dict):
        raise ConfigurationError(f'{name} = {table!r}: must be a table, e.g. {{ modality = "DX" }}')
    reject_unknown_keys(table, ATTRIBUTES, name)
    return tuple(
        Condition(attribute, _patterns(value, f"{name} {attribute}", attribute))
        for attribute, value in table.items()
    )


def _patterns(value: Any, name: str, attribute: str) -> tuple[str, ...]:
    patterns = [value] if isinstance(value, str) else value
    good = isinstance(patterns, list) and all(isinstance(item, str) and item.strip() for item in patterns)
    if not good or not patterns:
        raise ConfigurationError(
            f'{name} = {value!r}: must be a text or a list of texts, e.g. "FOREARM" or ["FOREARM", "WRIST"]'
        )
    for pattern in patterns:
        remedy = _remedy(attribute, pattern)
        if remedy:
            raise ConfigurationError(f"{name} = {pattern!r}: must be {remedy}")
    return tuple(pattern.strip() for pattern in patterns)


def _remedy(attribute: str, pattern: str) -> str | None:
    if attribute == "kind" and pattern not in KINDS:
        return f"one of {', '.join(KINDS)}"
    if attribute == "peer_address":
        try:
            _network(pattern.strip())
        except ValueError as error:
            return f"an address or a network, e.g. 10.20.30.40 or 10.20.0.0/16 ({error})"
    return None


def _text_fits(pattern: str, value: str) -> bool:
    return _compiled(pattern).fullmatch(value.strip()) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern), re.IGNORECASE)


def _address_fits(network: str, address: str) -> bool:
    try:
        return _unmapped(ip_address(address.partition("%")[0])) in _network(network)
    except ValueError:
        return False


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 peer of a socket that listens to both shows as ``::ffff:10.1.2.3``."""
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=256)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)
