"""Regions lie at their distances from the ulnar styloid, or are absent with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measurement.regions import place_regions
from analysis.results import REGIONS
from analysis.segmentation import find_forearm


@pytest.fixture(scope="module")
def placed_on(scan):
    def placed(seed, **changes):
        phantom = scan(seed, **changes)
        anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
        return phantom, place_regions(anatomy, phantom.spacing_mm, phantom.truth.forearm_length_mm)

    return placed


@pytest.mark.parametrize("seed", range(6))
def test_regions_cover_what_they_should(placed_on, seed):
    phantom, regions = placed_on(seed)
    pixel_cm2 = np.prod(phantom.spacing_mm) / 100
    assert set(regions.masks) == set(regions.polygons) == set(REGIONS)
    for name, mask in regions.masks.items():
        assert mask.sum() * pixel_cm2 == pytest.approx(phantom.truth.regions[name].area_cm2, rel=0.03)
        assert len(regions.polygons[name]) >= 6


@pytest.mark.parametrize("seed", range(3))
def test_total_is_the_union_of_the_other_three(placed_on, seed):
    _, regions = placed_on(seed)
    parts = [regions.masks[name] for name in REGIONS[:3]]
    assert (np.sum(parts, axis=0) == regions.masks["total"]).all()


def test_a_region_that_the_field_of_view_cuts_off_is_absent_with_a_reason(placed_on):
    _, regions = placed_on(0, artefact="crop")
    assert set(regions.masks) == {"ultradistal", "mid"}
    messages = [f.message for f in regions.findings if f.code == "region_outside_field"]
    assert len(messages) == 2
    assert any("one_third" in message for message in messages)


def test_without_forearm_length_only_the_ultradistal_region_is_placed(scan):
    phantom = scan(0)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    assert set(place_regions(anatomy, phantom.spacing_mm, None).masks) == {"ultradistal"}


def test_without_spacing_no_region_is_placed(scan):
    phantom = scan(0)
    anatomy = find_forearm(phantom.density_g_cm2, None)
    regions = place_regions(anatomy, None, phantom.truth.forearm_length_mm)
    assert not regions.masks
    assert not regions.polygons
