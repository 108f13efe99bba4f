"""Codes: short enough for their attributes, with a meaning, of a scheme that is known or declared."""

from __future__ import annotations

from collections.abc import Iterator

from reports.checks.breach import Breach
from reports.checks.tree import Attributes, items_of

MAXIMUM_MEANING = 64
"""Characters of Code Meaning (0008,0104), VR LO."""

MAXIMUM_VALUE = 16
"""Characters of Code Value (0008,0100), VR SH; longer ones belong into Long Code Value (0008,0119)."""

STANDARD_SCHEMES = frozenset(
    {
        "DCM",
        "SCT",
        "LN",
        "UCUM",
        "UMLS",
        "IBSI",
        "RFC5646",
        "ISO3166_1",
        "NCIt",
        "RADLEX",
        "FMA",
    }
)
"""Coding Scheme Designators of PS3.16 Table 8-1 that need no declaration."""

_SAID = ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodeMeaning")


def check_codes(dataset: Attributes) -> Iterator[Breach]:
    """Check every code of an object, however deep, and that its private schemes are declared."""
    declared = {
        str(scheme.get("CodingSchemeDesignator", ""))
        for scheme in items_of(dataset, "CodingSchemeIdentificationSequence")
    }
    for said in {tuple(str(code.get(name) or "") for name in _SAID) for code in _codes(dataset)}:
        yield from _check_code(said, declared)


def _codes(dataset: Attributes) -> Iterator[Attributes]:
    for keyword, value in dataset.items():
        if not isinstance(value, list) or keyword == "CodingSchemeIdentificationSequence":
            continue
        is_code = keyword.endswith("CodeSequence")
        for item in value:
            if isinstance(item, dict):
                if is_code:
                    yield item
                yield from _codes(item)


def _check_code(said: tuple[str, ...], declared: set[str]) -> Iterator[Breach]:
    short, long, urn, scheme, meaning = said
    if not 0 < len(meaning) <= MAXIMUM_MEANING:
        yield Breach(
            f"have code meanings of 1 to {MAXIMUM_MEANING} characters",
            "PS3.3 Table 8.8-1",
        )
    elif not meaning.isascii():
        yield Breach(
            f"have the English meaning of every code, not {meaning!r}",
            "ours: meanings stay standard",
        )
    if sum(map(bool, (short, long, urn))) != 1:
        yield Breach(f"have one code value for {meaning!r}", "PS3.3 Table 8.8-1")
    elif len(short) > MAXIMUM_VALUE:
        yield Breach(
            f"have code values of at most {MAXIMUM_VALUE} characters",
            "PS3.3 Table 8.8-1",
        )
    if scheme not in declared | STANDARD_SCHEMES and not urn:
        yield Breach(f"declare the coding scheme {scheme!r} of {meaning!r}", "PS3.3 C.12.1.1.2")
