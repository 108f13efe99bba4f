"""The vendor's printed numbers, whatever the dialect: labels, units, decimal commas, and several reports."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from analysis.acquisition import header
from analysis.acquisition.image import VendorPrior, VendorRegion, VendorReport
from analysis.results import QualityFinding, Severity

QUANTITIES = ("bmd", "bmc", "area", "t_score", "z_score", "young_adult_percent", "age_matched_percent")
"""What a vendor prints of a region."""

HIGHEST_BMD_G_CM2 = 10.0
"""A BMD above this was printed in mg/cm²: no bone reaches 10 g/cm²."""

_LABEL = re.compile(
    r"(?:r|rad|radius)?(?:(?P<one_third>1/3|13|33%?)|(?P<ultradistal>ud|ultradistal)|(?P<mid>mid)"
    r"|(?P<total>tot|total))"
)
_IN_TITLE = re.compile(
    r"(?<![\w/])(?:(?P<one_third>1/3|33 ?%)|(?P<ultradistal>ud|ultra ?distal)|(?P<mid>mid)|(?P<total>total))"
    r"(?![\w/])"
)
_TAG = re.compile(r"<[^<>]{0,80}>")


def region_of(vendor_label: str) -> str | None:
    """Our name of a vendor's region label; ``None`` for the ulna, radius + ulna and anything unknown.

    >>> region_of("R_1/3"), region_of("Radius UD"), region_of("U_MID"), region_of("R+U Total")
    ('one_third', 'ultradistal', None, None)
    """
    match = _LABEL.fullmatch(re.sub(r"[\s_.]+", "", plain_text(vendor_label).lower()))
    return match.lastgroup if match else None


def region_in_title(title: str) -> str | None:
    """The one radius region that a table's title names, e.g. ``Previous results: 1/3 Radius``."""
    words = plain_text(title).lower()
    if re.search(r"ulna|\+\s*u\b", words):
        return None
    found = {match.lastgroup for match in _IN_TITLE.finditer(words)}
    return found.pop() if len(found) == 1 else None


def plain_text(cell: str) -> str:
    """A table cell without HTML tags and entities."""
    return html.unescape(_TAG.sub("", cell)).replace("\xa0", " ").strip()


def printed_number(cell: str) -> float | None:
    """The number in a cell, decimal point or comma, HTML or a trailing unit around it; blank is ``None``."""
    bare = re.sub(r"\s*(?:%|g/cm²|g/cm2|mg/cm2|cm²|cm2|g|SD)$", "", plain_text(cell))
    return header.as_number(bare)


def make_region(values: Mapping[str, float | None]) -> VendorRegion:
    """A region from printed numbers by `QUANTITIES`; amounts that are not positive are absent."""
    amounts = {name: _positive(values.get(name)) for name in QUANTITIES}
    return VendorRegion(
        bmd_g_cm2=_in_grams(amounts["bmd"]),
        bmc_g=amounts["bmc"],
        area_cm2=amounts["area"],
        t_score=values.get("t_score"),
        z_score=values.get("z_score"),
        young_adult_percent=amounts["young_adult_percent"],
        age_matched_percent=amounts["age_matched_percent"],
    )


def make_prior(
    day: date | None, region: str, bmd: float | None, t_score: float | None
) -> tuple[VendorPrior, ...]:
    """One row of history, none if its day or its BMD cannot be told."""
    grams = _in_grams(_positive(bmd))
    return () if day is None or grams is None else (VendorPrior(day, region, grams, t_score),)


def make_report(
    source: str, rows: Mapping[str, Mapping[str, float | None]], history: Iterable[VendorPrior] = ()
) -> VendorReport | None:
    """A report from printed numbers by region; ``None`` if there is neither a current nor an earlier one."""
    past = tuple(sorted(set(history), key=lambda prior: (prior.day, prior.region, prior.bmd_g_cm2)))
    if not rows and not past:
        return None
    milligrams = any((values.get("bmd") or 0) > HIGHEST_BMD_G_CM2 for values in rows.values())
    regions = {name: make_region(values) for name, values in rows.items()}
    return VendorReport(source, regions, past, milligrams)


def merged(reports: Sequence[VendorReport]) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """One report out of several, the later ones (a re-analysis) winning where they differ.

    Returns
    -------
    VendorReport or None
        ``None`` if no report has a current result.
    tuple of QualityFinding
        ``vendor_reports_differ`` for every region on which they do, ``vendor_bmd_in_milligrams``.
    """
    regions: dict[str, VendorRegion] = {}
    replaced: set[str] = set()
    for report in reports:
        for name, new in report.regions.items():
            old = regions.get(name, new)
            contradicted = _contradict(old, new)
            replaced |= {name} if contradicted else set()
            regions[name] = new if contradicted else _completed(new, old)
    if not regions:
        return None, ()
    findings = [
        QualityFinding(
            "vendor_reports_differ",
            Severity.WARNING,
            f"The study holds several vendor results for {name.replace('_', ' ')} that differ; the latest "
            "is used.",
        )
        for name in sorted(replaced)
    ]
    milligrams = any(report.milligrams for report in reports)
    if milligrams:
        findings.append(_MILLIGRAMS)
    history = {prior for report in reports for prior in report.history}
    ordered = tuple(sorted(history, key=lambda prior: (prior.day, prior.region, prior.bmd_g_cm2)))
    sources = dict.fromkeys(report.source for report in reports)
    return VendorReport("; ".join(sources), regions, ordered, milligrams), tuple(findings)


def _contradict(one: VendorRegion, other: VendorRegion) -> bool:
    """Whether two printed regions differ by more than the rounding of their last decimal."""
    return any(
        first is not None and second is not None and abs(first - second) > resolution
        for name, resolution in _RESOLUTIONS.items()
        for first, second in [(getattr(one, name), getattr(other, name))]
    )


def _completed(region: VendorRegion, by: VendorRegion) -> VendorRegion:
    """`region` with what only the other report prints of it."""
    blanks = [name for name in _RESOLUTIONS if getattr(region, name) is None]
    return replace(region, **{name: getattr(by, name) for name in blanks})


_RESOLUTIONS: Mapping[str, float] = {
    "bmd_g_cm2": 0.00051,
    "bmc_g": 0.0051,
    "area_cm2": 0.0051,
    "t_score": 0.051,
    "z_score": 0.051,
    "young_adult_percent": 0.51,
    "age_matched_percent": 0.51,
}
"""Half of the last decimal that is printed, and a little for binary fractions."""


def history_findings(
    priors: Sequence[VendorPrior], unassigned: int, location: str
) -> tuple[QualityFinding, ...]:
    """What the vendor's own history says, as context; rows without a sure day or region are counted."""
    findings = []
    if priors:
        listed = ", ".join(
            f"{prior.day.isoformat()} {prior.region.replace('_', ' ')} {prior.bmd_g_cm2:.3f} g/cm²"
            for prior in sorted(priors, key=lambda prior: (prior.day, prior.region))
        )
        findings.append(
            QualityFinding("vendor_history", Severity.INFO, f"Earlier examinations by {location}: {listed}.")
        )
    if unassigned:
        findings.append(
            QualityFinding(
                "vendor_history_unassigned",
                Severity.INFO,
                f"{unassigned} earlier results by {location} are not compared with: region or day cannot "
                "be told (a date such as 03/04/2020 is two days).",
            )
        )
    return tuple(findings)


_MILLIGRAMS = QualityFinding(
    "vendor_bmd_in_milligrams",
    Severity.INFO,
    f"The vendor prints BMD above {HIGHEST_BMD_G_CM2:g}: it is taken as mg/cm² and divided by 1000.",
)


def _in_grams(bmd: float | None) -> float | None:
    return bmd / 1000 if bmd is not None and bmd > HIGHEST_BMD_G_CM2 else bmd


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None
