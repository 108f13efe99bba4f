"""Enhanced images seen as flat ones: what functional groups say of the one frame, said by the header."""

from __future__ import annotations

from pydicom.dataset import Dataset

from analysis.acquisition import header


def flattened(dataset: Dataset) -> Dataset:
    """An image of one frame with the attributes of its functional groups at the top level.

    Functional groups (PS3.3 C.7.6.16) hold pixel spacing, anatomy and Real World Value Mapping of Parametric
    Map and other enhanced images, in the Shared or the Per-Frame Functional Groups Sequence.

    Returns
    -------
    Dataset
        `dataset` itself if it has no functional groups, else a copy that shares its elements: what the header
        says itself stands.
    """
    shared = header.items(dataset, "SharedFunctionalGroupsSequence")[:1]
    frames = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    if not shared and not frames:
        return dataset
    flat = copied(dataset)
    for groups in (*shared, *(frames if len(frames) == 1 else ())):
        for macro, keywords in _MACROS.items():
            for item in header.items(groups, macro)[:1]:
                _surface(flat, item, keywords)
        mappings = header.items(groups, "RealWorldValueMappingSequence")
        if mappings and not header.items(flat, "RealWorldValueMappingSequence"):
            flat.RealWorldValueMappingSequence = list(mappings)
    return flat


def copied(dataset: Dataset) -> Dataset:
    """A data set with the same elements, to which others can be added without changing the original."""
    elements = {tag: dataset.get_item(tag) for tag in sorted(dataset.keys())}
    copy = Dataset({tag: element for tag, element in elements.items() if element is not None})
    is_implicit_vr, is_little_endian = dataset.original_encoding
    copy.set_original_encoding(is_implicit_vr, is_little_endian, dataset.original_character_set)
    if hasattr(dataset, "file_meta"):
        copy.file_meta = dataset.file_meta
    return copy


_MACROS: dict[str, dict[str, str]] = {
    "PixelMeasuresSequence": {"PixelSpacing": "PixelSpacing"},
    "FrameAnatomySequence": {
        "AnatomicRegionSequence": "AnatomicRegionSequence",
        "FrameLaterality": "ImageLaterality",
    },
}
"""Functional group macro -> attribute in its item -> attribute of a flat image."""


def _surface(flat: Dataset, item: Dataset, keywords: dict[str, str]) -> None:
    for keyword, name in keywords.items():
        if keyword in item and name not in flat:
            setattr(flat, name, item[keyword].value)
