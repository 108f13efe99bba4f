"""The vendor's printed numbers, whatever the dialect: labels, units, decimal commas and integrity."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from analysis.acquisition import header
from analysis.acquisition.image import VendorRegion, VendorReport
from analysis.results import REGIONS, QualityFinding, Severity

PRINTED_RESOLUTION = 0.01
"""Area (cm²) and BMC (g) are printed with two decimals in the analysis tables seen."""

BMD_RESOLUTION = 0.001
"""BMD (g/cm²) is printed with three decimals."""

_PARTS = REGIONS[:3]

_LABEL = re.compile(
    r"(?:r|rad|radius)?(?:(?P<one_third>1/3|13|33%?)|(?P<ultradistal>ud|ultradistal)|(?P<mid>mid)"
    r"|(?P<total>tot|total))"
)
_TAG = re.compile(r"<[^<>]{0,80}>")


def region_of(vendor_label: str) -> str | None:
    """Our name of a vendor's region label; ``None`` for the ulna, radius + ulna and anything unknown.

    >>> region_of("R_1/3"), region_of("Radius UD"), region_of("U_MID"), region_of("R+U Total")
    ('one_third', 'ultradistal', None, None)
    """
    match = _LABEL.fullmatch(re.sub(r"[\s_.]+", "", plain_text(vendor_label).lower()))
    return match.lastgroup if match else None


def plain_text(cell: str) -> str:
    """A table cell without HTML tags and entities."""
    return html.unescape(_TAG.sub("", cell)).replace("\xa0", " ").strip()


def printed_number(cell: str) -> float | None:
    """The number in a cell, decimal point or comma, HTML or a trailing unit around it; blank is ``None``."""
    bare = re.sub(r"\s*(?:%|g/cm²|g/cm2|mg/cm2|cm²|cm2|g|SD)$", "", plain_text(cell))
    return header.as_number(bare)


def make_region(
    bmd: float | None, bmc: float | None, area: float | None, t_score: float | None, z_score: float | None
) -> VendorRegion:
    """A region from printed numbers; BMD above 10 was printed in mg/cm² (no bone reaches 10 g/cm²)."""
    return VendorRegion(
        bmd_g_cm2=_positive(bmd / 1000 if bmd is not None and bmd > 10 else bmd),
        bmc_g=_positive(bmc),
        area_cm2=_positive(area),
        t_score=t_score,
        z_score=z_score,
    )


def merged(reports: Sequence[VendorReport]) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """One report out of several, the later ones (a re-analysis) winning where they differ."""
    regions: dict[str, VendorRegion] = {}
    replaced: set[str] = set()
    for report in reports:
        replaced |= {name for name, new in report.regions.items() if regions.get(name, new) != new}
        regions.update(report.regions)
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
    sources = dict.fromkeys(report.source for report in reports)
    return VendorReport("; ".join(sources), regions), tuple(findings)


def integrity_findings(regions: Mapping[str, VendorRegion]) -> tuple[QualityFinding, ...]:
    """Whether printed numbers agree with each other within their rounding.

    BMD = BMC / area in every region, and area and BMC of the total are the sums of ultradistal, mid and
    one-third (holds exactly in Hologic's own database rows).
    """
    findings = [
        _finding(
            "vendor_bmd_inconsistent",
            f"The vendor's {name.replace('_', ' ')} BMD {region.bmd_g_cm2} g/cm² is not its BMC "
            f"{region.bmc_g} g divided by its area {region.area_cm2} cm².",
        )
        for name, region in regions.items()
        if not _bmd_agrees(region)
    ]
    total = regions.get("total")
    if total is not None and all(name in regions for name in _PARTS):
        for quantity, unit in (("area_cm2", "cm²"), ("bmc_g", "g")):
            parts = [getattr(regions[name], quantity) for name in _PARTS]
            whole = getattr(total, quantity)
            if whole is None or None in parts:
                continue
            # each of the four printed numbers is off by half a unit of its last decimal at most
            if abs(sum(parts) - whole) > 4 * PRINTED_RESOLUTION / 2 + 1e-9:
                findings.append(
                    _finding(
                        "vendor_total_inconsistent",
                        f"The vendor's total of {whole} {unit} is not the sum {sum(parts):.2f} {unit} of "
                        "its regions.",
                    )
                )
    return tuple(findings)


def _bmd_agrees(region: VendorRegion) -> bool:
    bmd, bmc, area = region.bmd_g_cm2, region.bmc_g, region.area_cm2
    if bmd is None or bmc is None or area is None:
        return True
    half = PRINTED_RESOLUTION / 2
    lowest, highest = (bmc - half) / (area + half), (bmc + half) / max(area - half, half)
    return lowest - BMD_RESOLUTION <= bmd <= highest + BMD_RESOLUTION


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _finding(code: str, message: str) -> QualityFinding:
    return QualityFinding(code, Severity.WARNING, message)
