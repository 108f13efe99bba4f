"""Vendor numbers that contradict each other become findings; consistent ones, whatever they are, do not."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition.image import VendorPrior, VendorRegion, VendorReport
from analysis.acquisition.integrity import integrity_findings

AMOUNT = st.floats(0.5, 12.0)
MEANS = {"ultradistal": 0.44, "mid": 0.6, "one_third": 0.69, "total": 0.56}


def codes(regions: dict[str, VendorRegion], history: tuple[VendorPrior, ...] = ()) -> list[str]:
    return [finding.code for finding in integrity_findings(VendorReport("test", regions, history))]


def printed(area: float, bmd: float, mean: float, sd: float) -> VendorRegion:
    return VendorRegion(
        round(bmd, 3),
        round(bmd * area, 2),
        round(area, 2),
        round((bmd - mean) / sd, 1),
        round((bmd - 0.9 * mean) / sd, 1),
        round(100 * bmd / mean),
        round(100 * bmd / (0.9 * mean)),
    )


@given(
    areas=st.tuples(AMOUNT, AMOUNT, AMOUNT),
    densities=st.tuples(*[st.floats(0.2, 1.1)] * 3),
    sd=st.floats(0.03, 0.12),
    past=st.lists(st.floats(0.2, 1.1), max_size=4),
)
def test_numbers_that_a_scanner_rounds_are_never_called_inconsistent(
    areas: tuple[float, ...], densities: tuple[float, ...], sd: float, past: list[float]
) -> None:
    names = ("ultradistal", "mid", "one_third")
    regions = {n: printed(a, d, MEANS[n], sd) for n, a, d in zip(names, areas, densities, strict=True)}
    area, content = sum(areas), sum(a * d for a, d in zip(areas, densities, strict=True))
    regions["total"] = printed(area, content / area, MEANS["total"], sd)
    history = tuple(
        VendorPrior(
            date(2020, 1, n + 1), "one_third", round(bmd, 3), round((bmd - MEANS["one_third"]) / sd, 1)
        )
        for n, bmd in enumerate(past)
    )
    assert codes(regions, history) == []


def test_a_t_score_below_the_mean_beside_more_than_100_percent_is_reported() -> None:
    assert codes({"one_third": VendorRegion(0.7, t_score=-1.6, young_adult_percent=103)}) == [
        "vendor_t_score_inconsistent"
    ]
    assert codes({"one_third": VendorRegion(0.7, z_score=0.3, age_matched_percent=97)}) == [
        "vendor_z_score_inconsistent"
    ]
    assert codes({"one_third": VendorRegion(0.7, t_score=0.0, young_adult_percent=100)}) == []


def test_t_scores_that_fall_while_bmd_rises_are_reported() -> None:
    history = (VendorPrior(date(2020, 1, 1), "one_third", 0.650, -0.7),)
    assert codes({"one_third": VendorRegion(0.700, t_score=-1.5)}, history) == ["vendor_t_score_inconsistent"]
    assert codes({"one_third": VendorRegion(0.700, t_score=0.1)}, history) == []
    assert (
        codes({"mid": VendorRegion(0.700, t_score=-1.5)}, history) == []
    )  # another region, another reference
