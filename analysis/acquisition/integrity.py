"""Whether the vendor's printed numbers agree with each other within their rounding.

Numbers that a person retyped, a truncated export or a parser's mistake rarely keep these relations.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from analysis.acquisition.image import VendorRegion, VendorReport
from analysis.results import REGIONS, QualityFinding, Severity

PRINTED_RESOLUTION = 0.01
"""Area (cm²) and BMC (g) are printed with two decimals in the analysis tables seen."""

BMD_RESOLUTION = 0.001
"""BMD (g/cm²) is printed with three decimals."""

SCORE_RESOLUTION = 0.1
"""T- and Z-scores are printed with one decimal."""

_PARTS = REGIONS[:3]
_ROUNDING = 1e-9
"""Slack for sums of binary fractions."""


def integrity_findings(report: VendorReport) -> tuple[QualityFinding, ...]:
    """Check one report.

    Returns
    -------
    tuple of QualityFinding
        ``vendor_bmd_inconsistent``: BMD is not BMC / area. ``vendor_total_inconsistent``: area or BMC of the
        total is not the sum of ultradistal, mid and one-third (which holds exactly in Hologic's own database
        rows). ``vendor_t_score_inconsistent`` and ``vendor_z_score_inconsistent``: the score lies on the
        other side of the reference mean than the percentage printed beside it, or T-scores of one region
        do not rise with its BMD over the years.
    """
    return (
        *(finding for name, region in report.regions.items() for finding in _region_findings(name, region)),
        *_total_findings(report.regions),
        *_history_findings(report),
    )


def _region_findings(name: str, region: VendorRegion) -> list[QualityFinding]:
    findings = []
    if not _bmd_agrees(region):
        findings.append(
            _finding(
                "vendor_bmd_inconsistent",
                f"The vendor's {_shown(name)} BMD {region.bmd_g_cm2} g/cm² is not its BMC {region.bmc_g} g "
                f"divided by its area {region.area_cm2} cm².",
            )
        )
    for letter, score, percent, whose in (
        ("t", region.t_score, region.young_adult_percent, "young-adult"),
        ("z", region.z_score, region.age_matched_percent, "age-matched"),
    ):
        if score is not None and percent is not None and not _same_side(score, percent):
            findings.append(
                _finding(
                    f"vendor_{letter}_score_inconsistent",
                    f"The vendor's {_shown(name)} {letter.upper()}-score {score:+.1f} contradicts the "
                    f"{percent:g} % of the {whose} mean printed beside it.",
                )
            )
    return findings


def _bmd_agrees(region: VendorRegion) -> bool:
    bmd, bmc, area = region.bmd_g_cm2, region.bmc_g, region.area_cm2
    if bmd is None or bmc is None or area is None:
        return True
    half = PRINTED_RESOLUTION / 2
    lowest, highest = (bmc - half) / (area + half), (bmc + half) / max(area - half, half)
    return lowest - BMD_RESOLUTION <= bmd <= highest + BMD_RESOLUTION


def _same_side(score: float, percent: float) -> bool:
    """Whether a score and a percentage of its reference's mean have the same sign; 0 and 100 have none.

    The score is zero where BMD is the mean (or median), so their signs agree for any reference curve.
    """
    above = round(percent) > 100
    below = round(percent) < 100
    return not (score > SCORE_RESOLUTION / 2 and below) and not (score < -SCORE_RESOLUTION / 2 and above)


def _total_findings(regions: Mapping[str, VendorRegion]) -> list[QualityFinding]:
    total = regions.get("total")
    if total is None or not all(name in regions for name in _PARTS):
        return []
    findings = []
    for quantity, unit in (("area_cm2", "cm²"), ("bmc_g", "g")):
        parts = [getattr(regions[name], quantity) for name in _PARTS]
        whole = getattr(total, quantity)
        if whole is None or None in parts:
            continue
        # each of the four printed numbers is off by half a unit of its last decimal at most
        if abs(sum(parts) - whole) > 4 * PRINTED_RESOLUTION / 2 + _ROUNDING:
            findings.append(
                _finding(
                    "vendor_total_inconsistent",
                    f"The vendor's total of {whole} {unit} is not the sum {sum(parts):.2f} {unit} of "
                    "its regions.",
                )
            )
    return findings


def _history_findings(report: VendorReport) -> list[QualityFinding]:
    """T-scores of one region come from one young-adult reference: they rise and fall with its BMD."""
    findings = []
    for name in REGIONS:
        pairs = {(p.bmd_g_cm2, p.t_score) for p in report.history if p.region == name}
        now = report.regions.get(name, VendorRegion())
        if now.bmd_g_cm2 is not None:
            pairs.add((now.bmd_g_cm2, now.t_score))
        scored = sorted((bmd, score) for bmd, score in pairs if score is not None)
        # neighbours in BMD whose difference is no rounding: their T must not run the other way
        if any(high[0] > low[0] and high[1] < low[1] - _ROUNDING for low, high in combinations(scored, 2)):
            findings.append(
                _finding(
                    "vendor_t_score_inconsistent",
                    f"The vendor's {_shown(name)} T-scores over the years do not rise with BMD: they were "
                    "made with different references, or a row is wrong.",
                )
            )
    return findings


def _shown(region: str) -> str:
    return region.replace("_", " ")


def _finding(code: str, message: str) -> QualityFinding:
    return QualityFinding(code, Severity.WARNING, message)
