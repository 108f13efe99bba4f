"""GE Lunar's numbers: Enhanced SR of nested containers, and results as XML in Image Comments (0020,4000).

T- and Z-scores come as NUM or as TEXT with decimal point or comma; regions are labelled
``Radius UD``, ``Radius 33%``, ``Radius Total``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydicom.dataset import Dataset

from analysis.acquisition import header, vendor
from analysis.acquisition.image import VendorRegion, VendorReport


def structured_report(dataset: Dataset) -> VendorReport | None:
    """Radius numbers of an SR, ``None`` if it names no radius region."""
    regions = dict(_content_regions(dataset, depth=0))
    return VendorReport("GE Lunar Structured Report", regions) if regions else None


def image_comments(dataset: Dataset) -> VendorReport | None:
    """Radius numbers of the ``DXA_RESULTS`` XML in Image Comments, ``None`` if there is none.

    External entities and entity expansion are refused (`defusedxml`); XML that does not parse is absent.
    """
    content = header.text(dataset, "ImageComments")
    if "<DXA_RESULTS" not in content or len(content) > _MAXIMUM_XML_LENGTH:
        return None
    try:
        root = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    regions = {
        name: _xml_region(roi)
        for scan in root.iter("SCAN")
        if re.search(r"forearm|radius", scan.get("type", ""), re.IGNORECASE)
        for roi in scan.iter("ROI")
        if (name := vendor.region_of(roi.get("region", ""))) is not None
    }
    return VendorReport("GE Lunar results in Image Comments (0020,4000)", regions) if regions else None


_MAXIMUM_XML_LENGTH = 256 * 1024
_MAXIMUM_DEPTH = 8

_QUANTITIES = {
    "bmd": "bmd",
    "bmc": "bmc",
    "area": "area",
    "tscore": "t_score",
    "bmdtscore": "t_score",
    "youngadulttscore": "t_score",
    "yat": "t_score",
    "zscore": "z_score",
    "bmdzscore": "z_score",
    "agematchedzscore": "z_score",
    "amz": "z_score",
}


def _content_regions(dataset: Dataset, depth: int) -> Iterator[tuple[str, VendorRegion]]:
    if depth > _MAXIMUM_DEPTH:
        return
    for item in header.items(dataset, "ContentSequence"):
        if header.text(item, "ValueType") != "CONTAINER":
            continue
        title = _concept(item)
        if title.lower().startswith("trend"):  # earlier examinations
            continue
        name = vendor.region_of(title)
        if name is None:
            yield from _content_regions(item, depth + 1)
        else:
            yield name, _sr_region(item)


def _sr_region(container: Dataset) -> VendorRegion:
    found: dict[str, float] = {}
    for item in header.items(container, "ContentSequence"):
        quantity = _QUANTITIES.get(re.sub(r"[^a-z]", "", _concept(item).lower()))
        value = _sr_value(item)
        if quantity is not None and value is not None:
            found.setdefault(quantity, value)
    return _region(found.get)


def _sr_value(item: Dataset) -> float | None:
    if header.text(item, "ValueType") == "NUM":
        measured = header.items(item, "MeasuredValueSequence")
        return vendor.printed_number(header.text(measured[0], "NumericValue")) if measured else None
    return vendor.printed_number(header.text(item, "TextValue"))


def _concept(item: Dataset) -> str:
    names = header.items(item, "ConceptNameCodeSequence")
    return header.text(names[0], "CodeMeaning") if names else ""


def _xml_region(roi: Element) -> VendorRegion:
    found: dict[str, float] = {}
    for element in roi:
        quantity = _QUANTITIES.get(re.sub(r"[^a-z]", "", element.tag.lower()))
        value = vendor.printed_number(element.text or "")
        if quantity is not None and value is not None:
            found.setdefault(quantity, value)
    return _region(found.get)


def _region(get: Callable[[str], float | None]) -> VendorRegion:
    return vendor.make_region(get("bmd"), get("bmc"), get("area"), get("t_score"), get("z_score"))
