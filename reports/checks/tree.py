"""The content tree of a Structured Report, read once for all checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset

CodeKey = tuple[str, str]
"""(Code Value, Coding Scheme Designator): what makes two codes equal, whatever their meaning says."""

NO_CODE: CodeKey = ("", "")


@dataclass(frozen=True, slots=True)
class Item:
    """One content item with what the checks ask of it.

    Attributes
    ----------
    dataset : Dataset
    value_type : str
        Value Type (0040,A040); empty for an item by reference.
    relationship : str
        Relationship Type (0040,A010) with the parent; empty at the root.
    concept : CodeKey
        Concept Name; `NO_CODE` where there is none.
    children : tuple of Item
    """

    dataset: Dataset
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


def read_tree(dataset: Dataset) -> Item:
    """Read a content item, or a whole document, with everything below it."""
    names = items_of(dataset, "ConceptNameCodeSequence")
    return Item(
        dataset,
        str(dataset.get("ValueType", "")),
        str(dataset.get("RelationshipType", "")),
        code_key(names[0]) if names else NO_CODE,
        tuple(read_tree(child) for child in items_of(dataset, "ContentSequence")),
    )


def code_key(code: Dataset) -> CodeKey:
    """Return what identifies a code; a long or URN code value counts like a short one."""
    value = (
        code.get("CodeValue")
        or code.get("LongCodeValue")
        or code.get("URNCodeValue")
        or ""
    )
    return str(value), str(code.get("CodingSchemeDesignator", ""))


def content_items(item: Dataset) -> Iterator[Dataset]:
    """Yield `item` and every content item below it, depth first."""
    yield item
    for child in item.get("ContentSequence", ()):
        yield from content_items(child)


def items_of(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence attribute; none where it is absent or empty."""
    items: Sequence[Dataset] = dataset.get(keyword) or ()
    return items
