"""What codes mean: read from ``fhir_codes.toml``, or from a site's own file of that form."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dicom_node.clinical_catalogue import item_of
from dicom_node.errors import ConfigurationError
from dicom_node.storage.clinical_records import FRACTURE_SITES, MECHANISMS

__all__ = ["SHIPPED_CODES", "Codes", "Concept"]

SHIPPED_CODES = Path(__file__).with_name("fhir_codes.toml")

HIERARCHICAL = ("icd10", "atc")
"""Code systems in which what begins with a code is below it."""

_LOINC = "http://loinc.org"

Concept = Mapping[str, Any]
"""One table of the file."""


@dataclass(frozen=True)
class Codes:
    """The tables of one file."""

    systems: Mapping[str, str]
    """Address of a code system -> its short name in the file."""
    tables: Mapping[str, tuple[Concept, ...]]

    @classmethod
    def read(cls, path: Path = SHIPPED_CODES) -> Codes:
        """Read a file of codes.

        Raises
        ------
        ConfigurationError
            If it cannot be read, or names what the node does not know.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
            systems = {address: name for name, every in document["systems"].items() for address in every}
            tables = {
                topic: tuple(document.get(topic, ())) for topic in ("observation", "condition", "medication")
            }
            codes = cls(systems, tables)
            codes._check()
        except (
            OSError,
            UnicodeDecodeError,
            tomllib.TOMLDecodeError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            raise ConfigurationError(
                f"{path}: is no file of codes ({type(error).__name__}: {error}); see the shipped one"
            ) from None
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
        return codes

    def meaning(self, topic: str, coded: Iterable[Mapping[str, Any]]) -> Concept | None:
        """Return what a list of FHIR ``Coding`` means, by the first that is known."""
        known = self._known[topic]
        for coding in coded:
            system = self.systems.get(str(coding.get("system", "")))
            code = str(coding.get("code", ""))
            for candidate in _above(code) if system in HIERARCHICAL else (code,):
                if (system, candidate) in known:
                    return known[system, candidate]
        return None

    @property
    def observed(self) -> list[str]:
        """``system|code`` of every observation that is known, as a search asks for them."""
        return [f"{_LOINC}|{code}" for item in self.tables["observation"] for code in item.get("loinc", ())]

    @cached_property
    def _known(self) -> Mapping[str, Mapping[tuple[str | None, str], Concept]]:
        short = set(self.systems.values())
        return {
            topic: {
                (system, code): item for item in items for system in short for code in item.get(system, ())
            }
            for topic, items in self.tables.items()
        }

    def _check(self) -> None:
        for item in self.tables["observation"]:
            item_of(item["name"])
        for item in (*self.tables["condition"], *self.tables["medication"]):
            for name in item.get("yes", ()):
                item_of(name)
            if item.get("fracture", "other") not in FRACTURE_SITES:
                raise ConfigurationError(f"fracture = {item['fracture']!r} must be one of {FRACTURE_SITES}")
            if item.get("mechanism", "unknown") not in MECHANISMS:
                raise ConfigurationError(f"mechanism = {item['mechanism']!r} must be one of {MECHANISMS}")


def _above(code: str) -> Iterator[str]:
    """Yield a code and all that stand above it, the narrowest first."""
    for end in range(len(code), 2, -1):
        yield code[:end]
