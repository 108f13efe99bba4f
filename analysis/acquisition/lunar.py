"""GE Lunar's Enhanced SR: a container for the scan, in it one for each region, in it NUM and TEXT items.

T- and Z-scores come as NUM or as TEXT with decimal point or comma; regions are labelled ``Radius UD``,
``Radius 33%``, ``Radius Total``. Containers called ``Trend ...`` hold earlier examinations by date. The same
results as XML are read by `lunar_comments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from pydicom.dataset import Dataset

from analysis.acquisition import header, vendor
from analysis.acquisition.dates import printed_dates
from analysis.acquisition.image import VendorPrior, VendorReport
from analysis.acquisition.wording import FOREARM, side_in, sites_in
from analysis.results import Laterality, QualityFinding, Severity

Values = Mapping[str, float | None]

SOURCE = "GE Lunar Structured Report"


@dataclass(slots=True)
class LunarResults:
    """What one document says of either forearm, before an arm is chosen.

    Attributes
    ----------
    current : list of (side or None, region, values)
    past : list of (side or None, region, date as printed, values)
    dates : list of str
        Other dates of the document as printed: they help to tell day from month.
    """

    current: list[tuple[Laterality | None, str, Values]] = field(default_factory=list)
    past: list[tuple[Laterality | None, str, str, Values]] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)


def structured_report(
    dataset: Dataset, side: Laterality | None = None, day: date | None = None
) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """Radius numbers of an SR, ``None`` if it names no radius region.

    Parameters
    ----------
    dataset : Dataset
    side : Laterality, optional
        Which arm, where the SR reports both.
    day : date, optional
        Of the study: it tells day from month in dates, and the current examination from earlier ones.
    """
    results = LunarResults()
    _walk(dataset, results, side_in(_concept(dataset)), 0)
    return chosen_report(results, SOURCE, side, day)


def chosen_report(
    results: LunarResults, source: str, side: Laterality | None, day: date | None
) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """The report of one arm.

    Returns
    -------
    VendorReport or None
    tuple of QualityFinding
        ``vendor_table_ambiguous`` where both arms are reported and `side` is unknown, or a region is reported
        twice with different numbers (then absent); see also `vendor.history_findings`.
    """
    findings = []
    arms = {arm for arm, _, _ in results.current if arm is not None}
    usable = results.current
    if side is None and len(arms) > 1:
        findings.append(_ambiguous(f"The {source} reports both forearms and the study names none"))
        usable = []
    wanted = side or next(iter(arms), None)
    rows: dict[str, Values] = {}
    ambiguous: set[str] = set()
    for arm, name, values in usable:
        if arm in (None, wanted) and rows.setdefault(name, values) != values:
            ambiguous.add(name)
    for name in sorted(ambiguous):
        del rows[name]
        findings.append(_ambiguous(f"The {source} holds {name.replace('_', ' ')} twice with other numbers"))
    past, unassigned = _priors(results, wanted, day)
    report = vendor.make_report(source, rows, past)
    return report, (*findings, *vendor.history_findings(past, unassigned, f"the {source}"))


def collected(pairs: Iterable[tuple[str, str]]) -> Values:
    """Quantities by name out of (vendor's name, printed value); one that is printed differently is absent."""
    found: dict[str, float | None] = {}
    for name, text in pairs:
        quantity = _QUANTITIES.get(re.sub(r"[^a-z]", "", name.lower()))
        value = vendor.printed_number(text)
        if quantity is not None and value is not None and found.setdefault(quantity, value) != value:
            found[quantity] = None
    return found


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
    "bmdpya": "young_adult_percent",
    "bmdpam": "age_matched_percent",
}


def _walk(item: Dataset, results: LunarResults, arm: Laterality | None, depth: int) -> None:
    """Collect the regions below `item`; containers of other body sites are passed over."""
    if depth > _MAXIMUM_DEPTH or _is_of_another_site(_concept(item)):
        return
    for child in header.items(item, "ContentSequence"):
        if header.text(child, "ValueType") != "CONTAINER":
            continue
        title = _concept(child)
        trend = re.match(r"trend\b\s*", title, re.IGNORECASE)
        name = vendor.region_of(title[trend.end() :] if trend else title)
        if trend:
            results.past += [(arm, name or "", when, values) for when, values in _exams(child)]
        elif name is not None:
            results.current.append((arm, name, collected(_quantities(child))))
        else:
            _walk(child, results, side_in(title) or arm, depth + 1)


def _is_of_another_site(title: str) -> bool:
    sites = sites_in(title)
    return bool(sites) and FOREARM not in sites


def _exams(trend: Dataset) -> Iterator[tuple[str, Values]]:
    """Date as printed and values of every examination in a trend container."""
    for exam in header.items(trend, "ContentSequence"):
        if header.text(exam, "ValueType") == "CONTAINER":
            yield _concept(exam), collected(_quantities(exam))


def _quantities(container: Dataset) -> Iterator[tuple[str, str]]:
    for item in header.items(container, "ContentSequence"):
        if header.text(item, "ValueType") == "NUM":
            for measured in header.items(item, "MeasuredValueSequence")[:1]:
                yield _concept(item), header.text(measured, "NumericValue")
        else:
            yield _concept(item), header.text(item, "TextValue")


def _concept(item: Dataset) -> str:
    names = header.items(item, "ConceptNameCodeSequence")
    return header.text(names[0], "CodeMeaning") if names else ""


def _priors(
    results: LunarResults, side: Laterality | None, day: date | None
) -> tuple[list[VendorPrior], int]:
    """Earlier examinations of the arm without the study's own, and how many have no sure day or region."""
    days = printed_dates([*(when for _, _, when, _ in results.past), *results.dates], day)
    priors: list[VendorPrior] = []
    unassigned = 0
    for (arm, name, _, values), when in zip(results.past, days, strict=False):
        bmd = values.get("bmd")
        if arm not in (None, side) or bmd is None or (when is not None and when == day):
            continue
        made = vendor.make_prior(when, name, bmd, values.get("t_score")) if name else ()
        priors += made
        unassigned += not made
    return priors, unassigned


def _ambiguous(what: str) -> QualityFinding:
    return QualityFinding(
        "vendor_table_ambiguous",
        Severity.ERROR,
        f"{what}; none is used. Send each forearm as a study of its own.",
    )
