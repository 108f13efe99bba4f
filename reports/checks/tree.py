"""The content tree of a Structured Report, read once for all checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from reports.checks.encoded import read_encoded_sequence

Attributes = Mapping[str, Any]
"""A data set as keyword -> value, a sequence being a list of the same: read once, since every look into a
pydicom data set costs microseconds and the checks take thousands."""

CodeKey = tuple[str, str]
"""(Code Value, Coding Scheme Designator): what makes two codes equal, whatever their meaning says."""

FILE_META = "file_meta"
NO_CODE: CodeKey = ("", "")


@dataclass(frozen=True, slots=True)
class Item:
    """One content item with what the checks ask of it.

    Attributes
    ----------
    dataset : Attributes
    value_type : str
        Value Type (0040,A040); empty for an item by reference.
    relationship : str
        Relationship Type (0040,A010) with the parent; empty at the root.
    concept : CodeKey
        Concept Name; `NO_CODE` where there is none.
    children : tuple of Item
    """

    dataset: Attributes
    value_type: str
    relationship: str
    concept: CodeKey
    children: tuple[Item, ...]

    def walk(self) -> Iterator[Item]:
        """Yield this item and all below it, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def named(self, concept: CodeKey) -> list[Item]:
        """Return the children with this concept name."""
        return [child for child in self.children if child.concept == concept]

    @property
    def code(self) -> CodeKey:
        """The value of a CODE item."""
        values = items_of(self.dataset, "ConceptCodeSequence")
        return code_key(values[0]) if values else NO_CODE

    @property
    def title(self) -> str:
        """Code Meaning of the concept name, for messages and for people."""
        names = items_of(self.dataset, "ConceptNameCodeSequence")
        return str(names[0].get("CodeMeaning", "")) if names else self.value_type


def read_tree(dataset: Attributes) -> Item:
    """Read a content item, or a whole document, with everything below it."""
    names = items_of(dataset, "ConceptNameCodeSequence")
    return Item(
        dataset,
        str(dataset.get("ValueType", "")),
        str(dataset.get("RelationshipType", "")),
        code_key(names[0]) if names else NO_CODE,
        tuple(read_tree(child) for child in items_of(dataset, "ContentSequence")),
    )


def code_key(code: Attributes) -> CodeKey:
    """Return what identifies a code; a long or URN code value counts like a short one."""
    value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue") or ""
    return str(value), str(code.get("CodingSchemeDesignator", ""))


def content_items(item: Dataset) -> Iterator[Dataset]:
    """Yield `item` and every content item below it, depth first."""
    yield item
    for child in item.get("ContentSequence", ()):
        yield from content_items(child)


def read_result(result: Dataset) -> Attributes:
    """Read a whole object, with its file meta information under `FILE_META`."""
    return {
        **attributes_of(result),
        FILE_META: attributes_of(getattr(result, "file_meta", None) or Dataset()),
    }


def attributes_of(dataset: Dataset) -> Attributes:
    """Read a whole data set; private elements are left out, and `dataset` stays as encoded as it is."""
    read: dict[str, Any] = {}
    for tag in tuple(dataset.keys()):
        if keyword := _keyword(tag):
            read[keyword] = _value(dataset, tag)
    return read


def _value(dataset: Dataset, tag: BaseTag) -> Any:
    encoded: object = dataset.get_item(tag)
    if isinstance(encoded, RawDataElement) and encoded.VR == "SQ" and not encoded.is_implicit_VR:
        return read_encoded_sequence(encoded.value or b"")
    element = dataset[tag]
    return [attributes_of(item) for item in element.value] if element.VR == "SQ" else element.value


@cache
def _keyword(tag: BaseTag) -> str:
    return keyword_for_tag(tag)


def items_of(dataset: Attributes, keyword: str) -> Sequence[Attributes]:
    """Return the items of a sequence attribute; none where it is absent or empty."""
    items: Sequence[Attributes] = dataset.get(keyword) or ()
    return items
