"""GE Lunar's results as XML in Image Comments (0020,4000), in the new and the old form.

New: ``DXA_RESULTS / SCAN type / ROI region`` holds the current examination, ``TREND region / EXAM date`` the
course with the current examination first. Old: ``DENSITOMETRY_RESULTS / CURRENT_EXAM / SCAN type / TREND /
TREND_ROI / EXAM`` holds the course alone, the current examination last. The order is trusted only where dates
cannot decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydicom.dataset import Dataset

from analysis.acquisition import header, vendor
from analysis.acquisition.dates import printed_dates
from analysis.acquisition.image import VendorReport
from analysis.acquisition.lunar import LunarResults, Values, chosen_report, collected
from analysis.acquisition.wording import FOREARM, side_in, sites_in
from analysis.results import Laterality, QualityFinding, Severity

SOURCE = "GE Lunar results in Image Comments (0020,4000)"


def image_comments(
    dataset: Dataset, side: Laterality | None = None, day: date | None = None
) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """Radius numbers of the XML in Image Comments; parameters as of `lunar.structured_report`.

    External entities and entity expansion are refused (`defusedxml`).

    Returns
    -------
    VendorReport or None
        ``None`` if there is no such XML, or none of a forearm.
    tuple of QualityFinding
        ``vendor_xml_unreadable``, ``vendor_exam_order``, and those of `lunar.chosen_report`.
    """
    content = header.text(dataset, "ImageComments")
    start = _ROOT.search(content)
    if start is None:
        return None, ()
    end = content.rfind(f"</{start[1]}>")
    if end < 0 or len(content) > _MAXIMUM_LENGTH:
        return None, (_unreadable(content),)
    try:
        root = fromstring(content[start.start() : end + len(start[1]) + 3])
    except (ParseError, DefusedXmlException, ValueError):
        return None, (_unreadable(content),)
    results = LunarResults()
    findings = _read(root, results, day, current_first=start[1] == "DXA_RESULTS")
    report, remarks = chosen_report(results, SOURCE, side, day)
    return report, (*findings, *remarks)


_ROOT = re.compile(r"<(DXA_RESULTS|DENSITOMETRY_RESULTS)\b")
_MAXIMUM_LENGTH = 256 * 1024
_LT_CHARACTERS = 10240
"""Longest value of VR LT (PS3.5 6.2): writers that keep to it cut longer XML off."""


def _read(
    root: Element, results: LunarResults, day: date | None, *, current_first: bool
) -> list[QualityFinding]:
    findings: list[QualityFinding] = []
    results.dates += [element.text or "" for element in root.iter("EXAM_DATE")]
    results.dates += [exam.get("date", "") for exam in root.iter("EXAM")]
    for scan in root.iter("SCAN"):
        kind = scan.get("type", "")
        if FOREARM not in sites_in(kind):
            continue
        arm = side_in(kind)
        rois = [(vendor.region_of(roi.get("region", "")), roi) for roi in scan.iter("ROI")]
        results.current += [(arm, name, _values(roi)) for name, roi in rois if name is not None]
        for trend in scan.iter("TREND"):
            name = vendor.region_of(_trend_region(trend))
            exams = [(_exam_date(exam), _values(exam)) for exam in trend.iter("EXAM")]
            if name is None or not exams:
                continue
            days = printed_dates([*(when for when, _ in exams), *results.dates], day)[: len(exams)]
            current, unexpected = _current_exam(days, day, current_first)
            if unexpected and not findings:
                findings.append(_EXAM_ORDER)
            if not rois:
                results.current.append((arm, name, exams[current][1]))
            results.past += [
                (arm, name, when, values) for n, (when, values) in enumerate(exams) if n != current
            ]
    return findings


def _current_exam(days: Sequence[date | None], day: date | None, current_first: bool) -> tuple[int, bool]:
    """Index of the current examination, and whether it is not where this form of the XML has it."""
    expected = 0 if current_first else len(days) - 1
    if day is not None and days.count(day) == 1:
        index = days.index(day)
    elif all(when is not None for when in days):
        index = max(range(len(days)), key=lambda n: (days[n] or date.min, n == expected))
    else:
        index = expected
    return index, index != expected


def _trend_region(trend: Element) -> str:
    """The region of a trend: an attribute, or the text or attribute of TREND_ROI."""
    roi = trend.find("TREND_ROI")
    if roi is None:
        return trend.get("region", "")
    return roi.get("region", "") or roi.findtext("REGION", "") or (roi.text or "").strip()


def _exam_date(exam: Element) -> str:
    return exam.get("date", "") or exam.findtext("EXAM_DATE", "")


def _values(element: Element) -> Values:
    return collected(_quantities(element))


def _quantities(element: Element) -> Iterator[tuple[str, str]]:
    for child in element:
        yield child.tag, child.text or ""


def _unreadable(content: str) -> QualityFinding:
    cut = (
        " It is as long as Image Comments may be and may be cut off."
        if len(content) >= _LT_CHARACTERS
        else ""
    )
    return QualityFinding(
        "vendor_xml_unreadable",
        Severity.WARNING,
        f"The results in Image Comments (0020,4000) are no readable XML and are not used.{cut} Have the "
        "scanner send its Structured Report.",
    )


_EXAM_ORDER = QualityFinding(
    "vendor_exam_order",
    Severity.INFO,
    "The results in Image Comments (0020,4000) list the current examination where this form of them has an "
    "earlier one; it was told by its date.",
)
