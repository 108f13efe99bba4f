"""De-identification of one data set, by a list of what may stay.

DICOM PS3.15 annex E, Basic Application Level Confidentiality Profile with the options Retain Patient
Characteristics and Retain Longitudinal Temporal Information with Modified Dates. Table E.1-1 lists what must
go; here everything goes that `dicom_node.support.profile` does not list, private elements and free text first
of all: stricter, and safe with elements that no edition of the table knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from dicom_node.support.profile import (
    BINARY_THAT_STAYS,
    DATES_THAT_STAY,
    IDENTIFYING,
    PUBLIC_SCHEMES,
    SEQUENCES_THAT_GO,
    TEXT_THAT_STAYS,
)
from dicom_node.support.pseudonyms import Pseudonyms

__all__ = ["deidentified", "identifying_texts", "names_anybody", "pixels_may_stay"]

_NUMBERS = frozenset(["US", "SS", "UL", "SL", "SV", "UV", "FL", "FD", "AT"])
_NUMBERS_AS_TEXT = frozenset(["DS", "IS"])
_NUMBER = re.compile(r"[ 0-9eE+.-]{1,16}")
_PLAIN = re.compile(r"[A-Za-z0-9 ._/+()-]{1,64}")
_TEXT_VRS = frozenset(["LO", "SH", "ST", "LT", "UT", "UC", "PN"])
_SHORTEST_SEARCHED = 4
"""Texts of fewer characters are found everywhere by chance."""

_IMAGES_WITHOUT_WRITING = (
    "1.2.840.10008.5.1.4.1.1.1",  # CR; DX and its kin begin alike: 1.1.1, 1.1.1.1
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.30",  # Parametric Map
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
)
"""SOP classes whose pixels are measured; everything else may be a page with a name on it."""


def deidentified(dataset: Dataset, pseudonyms: Pseudonyms, *, with_pixels: bool) -> Dataset:
    """Return a data set that names nobody.

    Parameters
    ----------
    with_pixels : bool
        Whether the caller lets pixels stay; see `pixels_may_stay`.
    """
    kept = _kept(dataset, pseudonyms)
    if not with_pixels:
        for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
            if keyword in kept:
                del kept[keyword]
    kept.PatientName = "DEIDENTIFIED"
    kept.PatientID = pseudonyms.name(str(dataset.get("PatientID", "")), "patient")
    kept.PatientIdentityRemoved = "YES"
    kept.LongitudinalTemporalInformationModified = "MODIFIED"
    kept.DeidentificationMethod = "List of what may stay, stricter than PS3.15 table E.1-1"
    kept.DeidentificationMethodCodeSequence = Sequence(
        [
            _code("113100", "Basic Application Confidentiality Profile"),
            _code("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
            _code("113108", "Retain Patient Characteristics Option"),
        ]
    )
    return kept


def pixels_may_stay(dataset: Dataset) -> tuple[bool, str]:
    """Tell whether the pixels of an object show no writing as far as it says, and how sure that is."""
    stated = str(dataset.get("BurnedInAnnotation", ""))
    if stated == "YES":
        return False, "Burned In Annotation (0028,0301) is YES: pixels removed"
    if str(dataset.get("SOPClassUID", "")) not in _IMAGES_WITHOUT_WRITING:
        return False, "a class of object whose pixels may be a page with a name on it: pixels removed"
    if stated == "NO":
        return True, "Burned In Annotation (0028,0301) is NO: pixels kept"
    return True, "RISK: Burned In Annotation (0028,0301) is absent: look at the pixels before you send them"


def identifying_texts(dataset: Dataset) -> set[str]:
    """Return the texts of a data set, in all its levels, that name a person or an institution."""
    found: set[str] = set()
    for element in _elements(dataset):
        if element.VR == "PN" or element.keyword in IDENTIFYING:
            for value in _texts(element):
                found.update({value, *re.split(r"[\^=]", value)})
        elif element.tag.is_private and element.VR in _TEXT_VRS:
            found.update(_texts(element))
    return {text.strip() for text in found if len(text.strip()) >= _SHORTEST_SEARCHED}


def names_anybody(kept: Dataset, identifying: Iterable[str]) -> bool:
    """Look once more, in every text that stays, for what named somebody in any of the sources."""
    texts = [
        text.casefold()
        for element in _elements(kept)
        if element.VR in _TEXT_VRS or element.VR == "CS"
        for text in _texts(element)
    ]
    return any(name.casefold() in text for name in identifying for text in texts)


def _kept(dataset: Dataset, pseudonyms: Pseudonyms) -> Dataset:
    kept = Dataset()
    for element in _readable_elements(dataset):
        replaced = _replaced(element, pseudonyms)
        if replaced is not None:
            kept.add(replaced)
    _mend_code(kept)
    return kept


def _replaced(element: DataElement, pseudonyms: Pseudonyms) -> DataElement | None:
    """Return what stays of an element, None if nothing."""
    tag, keyword = element.tag, element.keyword
    if tag.is_private or not keyword or tag.group in range(0x5000, 0x6100):  # curves and overlays
        return None
    if element.VR == "SQ":
        items = [_kept(item, pseudonyms) for item in element.value or []]
        return None if keyword in SEQUENCES_THAT_GO else DataElement(tag, "SQ", Sequence(items))
    if str(element.VR).startswith("O"):
        return element if keyword in BINARY_THAT_STAYS else None
    replacement = _replacements(pseudonyms, keyword).get(str(element.VR))
    if replacement is not None:
        return DataElement(tag, element.VR, [replacement(text) for text in _texts(element)])
    return element if element.VR in _NUMBERS or _text_may_stay(element) else None


def _replacements(pseudonyms: Pseudonyms, keyword: str) -> dict[str, Callable[[str], str]]:
    """Return how values are replaced, by VR."""
    date = pseudonyms.date if keyword in DATES_THAT_STAY else lambda _date: ""
    return {"UI": pseudonyms.uid, "DA": date, "AS": _age}


def _text_may_stay(element: DataElement) -> bool:
    texts = _texts(element)
    if element.VR in _NUMBERS_AS_TEXT:
        return all(_NUMBER.fullmatch(text) for text in texts)
    if element.keyword in ("CodeValue", "LongCodeValue"):  # judged with their scheme in `_mend_code`
        return True
    return element.keyword in TEXT_THAT_STAYS and all(_PLAIN.fullmatch(text) for text in texts)


def _mend_code(kept: Dataset) -> None:
    """Keep codes of public schemes only, and let the code stand in for its meaning, which is free text."""
    for keyword in ("CodeValue", "LongCodeValue"):
        if keyword not in kept:
            continue
        value = str(kept[keyword].value)
        scheme = str(kept.get("CodingSchemeDesignator", ""))
        public = scheme in PUBLIC_SCHEMES and value.isascii() and value.isprintable()
        if not public:
            kept[keyword].value = "removed"
            kept.CodingSchemeDesignator = "99REMOVED"
        kept.CodeMeaning = value if public else "removed"


def _age(text: str) -> str:
    """Return an age; 90 years and more are one class, since so few people reach them (45 CFR 164.514(b))."""
    if not re.fullmatch(r"\d{3}[DWMY]", text):
        return ""
    return "090Y" if text.endswith("Y") and int(text[:3]) > 89 else text


def _readable_elements(dataset: Dataset) -> Iterator[DataElement]:
    for tag in tuple(dataset.keys()):
        try:
            yield dataset[tag]
        except Exception:  # noqa: S112 - a value that cannot be read is not needed, and cannot be judged
            continue


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    for element in _readable_elements(dataset):
        yield element
        if element.VR == "SQ":
            for item in element.value or []:
                yield from _elements(item)


def _texts(element: DataElement) -> list[str]:
    value = element.value
    if value is None or value == "":
        return []
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [str(item) for item in values]


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
