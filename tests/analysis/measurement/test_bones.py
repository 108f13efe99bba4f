"""Radius, ulna and both together, against straight bones whose BMD is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straight_forearm import (
    LENGTH_MM,
    RADIUS_DENSITY,
    RADIUS_MM,
    STYLOID_ROW_MM,
    ULNA_DENSITY,
    ULNA_MM,
    straight_forearm,
)

from analysis.measurement.bones import Densitometry, measure_bones
from analysis.measurement.densitometry import PRECISION_CV_PERCENT, precision_cv_percent
from analysis.measurement.reference import load_reference
from analysis.measurement.regions import PARTS, place_regions
from analysis.quality_control.devices import NO_DEVICES, Device, Devices, Precision
from analysis.results import REGIONS

SHIPPED = Path(__file__).parents[3] / "conf" / "reference"
SLABS = {"ultradistal": (10, 25), "mid": (25, 70), "one_third": (70, 90), "total": (10, 90)}


def measured(
    convention: str = "hologic", reference: str = "iscd-atlas-female", **changes: Any
) -> Densitometry:
    image, anatomy = straight_forearm(**changes)
    placed = place_regions(anatomy, image.spacing_mm, LENGTH_MM, convention=convention)  # type: ignore[arg-type]
    curve = load_reference(SHIPPED / f"{reference}.csv")
    return measure_bones(image, anatomy, placed, curve, age_years=66.0, sex="F")


@pytest.mark.parametrize("spacing_mm", [(0.4, 0.4), (0.5, 0.5), (1.0, 0.42), (0.31, 0.63)])
@pytest.mark.parametrize("blur_mm", [0.0, 0.35])
def test_every_region_has_the_bones_own_density_and_area(
    spacing_mm: tuple[float, float], blur_mm: float
) -> None:
    found = measured(spacing_mm=spacing_mm, blur_mm=blur_mm)
    for regions, density, edges in (
        (found.radius, RADIUS_DENSITY, RADIUS_MM),
        (found.others["ulna"], ULNA_DENSITY, ULNA_MM),
    ):
        for name, (distal, proximal) in SLABS.items():
            region = regions[name]
            assert region.bmd_g_cm2 == pytest.approx(density, rel=2e-3)
            assert region.area_cm2 == pytest.approx(
                (edges[1] - edges[0]) * (proximal - distal) / 100, rel=1e-3
            )
            assert region.bmc_g == pytest.approx(region.bmd_g_cm2 * region.area_cm2)
            assert region.bmd_uncertainty_g_cm2 > 0
            assert len(region.polygon) >= 4


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(st.floats(0.25, 0.7), st.floats(0.25, 0.7)),
    st.floats(0.0, 0.1),
    st.floats(-0.003, 0.003),
)
def test_total_is_the_sum_of_its_parts_and_both_that_of_the_bones(
    spacing_mm: tuple[float, float], soft_tissue: float, ramp: float
) -> None:
    found = measured(spacing_mm=spacing_mm, soft_tissue=soft_tissue, ramp_per_mm=ramp)
    for regions in (found.radius, found.others["ulna"], found.others["both"]):
        for quantity in ("bmc_g", "area_cm2"):
            parts = sum(getattr(regions[name], quantity) for name in PARTS)
            assert getattr(regions["total"], quantity) == pytest.approx(parts)
    for name in REGIONS:
        radius, ulna, both = found.radius[name], found.others["ulna"][name], found.others["both"][name]
        assert both.bmc_g == pytest.approx(radius.bmc_g + ulna.bmc_g)
        assert both.area_cm2 == pytest.approx(radius.area_cm2 + ulna.area_cm2)
        low, high = sorted((radius.bmd_g_cm2, ulna.bmd_g_cm2))
        assert low <= both.bmd_g_cm2 <= high
        assert both.polygon == ()


@settings(max_examples=10, deadline=None)
@given(st.floats(0.3, 1.6))
def test_twice_the_mineral_is_twice_the_bmd_and_a_higher_t_score(factor: float) -> None:
    image, anatomy = straight_forearm(blur_mm=0.4)
    placed = place_regions(anatomy, image.spacing_mm, LENGTH_MM)
    curve = load_reference(SHIPPED / "iscd-atlas-female.csv")

    def with_pixels(pixels: Any) -> Densitometry:
        return measure_bones(replace(image, pixels=pixels), anatomy, placed, curve, age_years=None, sex=None)

    plain, scaled = with_pixels(image.pixels), with_pixels((image.pixels * factor).astype(np.float32))
    for name in REGIONS:
        assert scaled.radius[name].bmd_g_cm2 == pytest.approx(factor * plain.radius[name].bmd_g_cm2, rel=1e-5)
    before, after = plain.radius["one_third"].t_score, scaled.radius["one_third"].t_score
    assert (after > before) == (factor > 1)


def test_soft_tissue_beside_the_bones_counts_for_neither() -> None:
    plain, raised = measured(), measured(soft_tissue=0.05)
    for bone in ("ulna", "both"):
        for name in REGIONS:
            assert raised.others[bone][name].bmd_g_cm2 == pytest.approx(
                plain.others[bone][name].bmd_g_cm2, rel=1e-4
            )


def test_an_ulna_that_leaves_the_image_is_absent_with_a_reason() -> None:
    found = measured(ulna_mm=(-3.0, 9.0))
    assert all(region.bmd_g_cm2 is None for region in found.others["ulna"].values())
    assert all(region.bmd_g_cm2 is None for region in found.others["both"].values())
    assert found.radius["one_third"].bmd_g_cm2 is not None
    assert sum(f.code == "ulna_outside_field" for f in found.findings) == len(REGIONS)


def test_metal_on_the_ulna_withholds_its_numbers_and_leaves_the_radius_alone() -> None:
    plain, found = measured(), measured(metal_at_mm=(23.0, STYLOID_ROW_MM + 50.0))
    for bone in ("ulna", "both"):
        assert found.others[bone]["mid"].bmd_g_cm2 is None
        assert found.others[bone]["total"].bmd_g_cm2 is None
        assert found.others[bone]["one_third"].bmd_g_cm2 is not None
    assert found.others["ulna"]["mid"].polygon
    for name in REGIONS:
        assert found.radius[name] == plain.radius[name]
    assert "mid, total" in next(f for f in found.findings if f.code == "artefact_metal_ulna").message


def test_lunar_regions_lie_by_the_end_plate_and_by_33_percent() -> None:
    ramp = 0.004
    hologic, lunar = measured(ramp_per_mm=ramp), measured("lunar", ramp_per_mm=ramp)

    def shift(name: str) -> float:
        return (lunar.radius[name].bmd_g_cm2 - hologic.radius[name].bmd_g_cm2) / ramp

    assert shift("ultradistal") == pytest.approx(
        -2.0, abs=0.03
    )  # the end plate lies 2 mm distal to the styloid
    assert shift("one_third") == pytest.approx((0.33 - 1 / 3) * LENGTH_MM, abs=0.03)
    parts = sum(lunar.radius[name].area_cm2 for name in PARTS)
    assert lunar.radius["total"].area_cm2 == pytest.approx(parts)


def test_a_reference_of_both_bones_scores_both_bones_only() -> None:
    found = measured(reference="china-changchun-own-sex")
    both = found.others["both"]["one_third"]
    assert both.t_score == pytest.approx((both.bmd_g_cm2 - 0.506) / 0.058)
    assert all(region.t_score is None for region in found.radius.values())
    codes = {finding.code for finding in found.findings}
    assert {"t_score_unavailable", "other_bones_unscored", "reference_device_differs"} <= codes


def test_a_picture_without_calibration_has_no_ulna() -> None:
    assert measured(density=False).others == {}


def test_the_sites_own_precision_is_part_of_the_uncertainty_of_the_region_that_it_was_studied_on() -> None:
    study = Precision(0.02, 4.0, 30, date(2026, 1, 5), "30 patients, twice")
    site = Devices(entries=(Device("Test", precision={"one_third": study}),))
    image, anatomy = straight_forearm()
    placed = place_regions(anatomy, image.spacing_mm, LENGTH_MM)
    curve = load_reference(SHIPPED / "iscd-atlas-female.csv")
    own, published = (
        measure_bones(
            image,
            anatomy,
            placed,
            curve,
            age_years=66.0,
            sex="F",
            precision=precision_cv_percent(image.device, devices),
        )
        for devices in (site, NO_DEVICES)
    )
    for before, after in ((published.radius, own.radius), (published.others["ulna"], own.others["ulna"])):
        variance = [regions["one_third"].bmd_uncertainty_g_cm2 ** 2 for regions in (before, after)]
        more = (4.0**2 - PRECISION_CV_PERCENT["one_third"] ** 2) / 100**2
        assert variance[1] - variance[0] == pytest.approx(more * after["one_third"].bmd_g_cm2 ** 2, rel=0.01)
        assert after["mid"] == before["mid"]


def test_another_scanners_precision_is_not_used() -> None:
    study = Precision(0.02, 4.0, 30, date(2026, 1, 5), "30 patients, twice")
    site = Devices(entries=(Device("Another", precision={"one_third": study}),))
    assert precision_cv_percent("Test", site) == PRECISION_CV_PERCENT
