"""The heat map: anatomy stays visible, colours stay on the bone, one colour means one thing for everybody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from report_support import make_analysis, make_source

from analysis.results import ImageEvidence, StudyAnalysis
from reports.heatmap import BOTTOM, OUTLINE, PANELS, TOP, draw_heat_map
from reports.overlay import (
    DENSITY_SCALE,
    DRIVER_SCALE,
    MAXIMUM_OPACITY,
    ColorScale,
    blended,
)
from reports.source import report_context


def drawn(analysis: StudyAnalysis) -> NDArray[np.int16]:
    context = report_context(analysis, [make_source()])
    return np.asarray(draw_heat_map(context)[0]).astype(np.int16)


def with_evidence(**changes: object) -> StudyAnalysis:
    analysis = make_analysis()
    assert isinstance(analysis.evidence, ImageEvidence)
    return replace(analysis, evidence=replace(analysis.evidence, **changes))


def panels(picture: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    left, right = (picture[TOP:BOTTOM, first:last] for first, last in PANELS)
    return left, right


value = st.floats(-5.0, 5.0)


@given(value, st.floats(0.0, 1.0), st.sampled_from([DRIVER_SCALE, DENSITY_SCALE]))
def test_the_overlay_is_never_more_than_40_percent_opaque(v: float, grey: float, scale: ColorScale) -> None:
    pixel = blended(np.array([[grey]]), np.array([[v]]), np.array([[1.0]]), scale)[0, 0]
    color = scale.colors(np.array(v))
    assert np.all(np.abs(pixel - grey) <= MAXIMUM_OPACITY * np.abs(color - grey) + 1e-9)
    assert 0.0 <= pixel.min() <= pixel.max() <= 1.0


@given(st.floats(-0.01, 0.01), st.floats(0.0, 1.0))
def test_near_zero_the_anatomy_shows_unchanged(v: float, grey: float) -> None:
    pixel = blended(np.array([[grey]]), np.array([[v]]), np.array([[1.0]]), DRIVER_SCALE)[0, 0]
    assert np.allclose(pixel, grey)


def test_outside_the_bone_the_anatomy_shows_unchanged() -> None:
    driver = np.full_like(make_analysis().evidence.driver_map, 0.5)  # type: ignore[union-attr]
    left, right = panels(drawn(replace(with_evidence(driver_map=driver), regions={})))
    changed = np.abs(left - right).max(axis=2) > 0
    rows, columns = np.nonzero(changed)
    evidence = make_analysis().evidence
    assert evidence is not None
    assert changed.any()
    # the ulna, in the left half of the picture, and the soft tissue stay grey
    assert columns.min() > changed.shape[1] / 2
    assert changed.sum() < 1.1 * (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)


def test_risk_raising_bone_is_red_and_risk_lowering_bone_is_blue() -> None:
    for level, channel in ((0.4, 0), (-0.4, 2)):
        driver = np.where(make_analysis().evidence.radius_mask, level, 0.0).astype(np.float32)  # type: ignore[union-attr]
        left, right = panels(drawn(replace(with_evidence(driver_map=driver), regions={})))
        changed = np.abs(left - right).max(axis=2) > 0
        assert right[changed].mean(axis=0).argmax() == channel


def test_the_scale_is_fixed_a_stronger_neighbour_does_not_change_a_color() -> None:
    driver = make_analysis().evidence.driver_map  # type: ignore[union-attr]
    assert driver is not None
    stronger = driver.copy()
    stronger[200:270, 110:145] = 3.0
    plain, other = panels(drawn(with_evidence()))[1], panels(drawn(with_evidence(driver_map=stronger)))[1]
    upper = slice(0, plain.shape[0] // 2)
    assert np.array_equal(plain[upper], other[upper])
    assert not np.array_equal(plain, other)


def test_without_a_risk_a_density_map_takes_its_place_and_without_density_the_plain_anatomy() -> None:
    density = drawn(with_evidence(driver_map=None))
    plain = drawn(with_evidence(driver_map=None, density_g_cm2=None))
    for picture, differs in ((density, True), (plain, False)):
        left, right = panels(picture)
        bone = (slice(300, 700), slice(290, 380))
        assert np.array_equal(left[bone], right[bone]) is not differs


@pytest.mark.parametrize("hand_up", [True, False])
def test_the_page_is_drawn_either_way_up(hand_up: bool) -> None:
    upright = drawn(with_evidence())
    picture = drawn(with_evidence(hand_up=hand_up))
    assert np.array_equal(upright, picture) is hand_up


def test_uneven_pixels_are_drawn_square() -> None:
    analysis = replace(make_analysis(), pixel_spacing_mm=(1.0, 0.5), regions={})
    context = report_context(analysis, [make_source()])
    picture, pixel_mm = draw_heat_map(context)
    assert pixel_mm is not None
    middle = np.asarray(picture)[TOP:BOTTOM, PANELS[0][0] : PANELS[0][1], 0] > 150
    column = middle[:, np.argmax(middle.sum(axis=0))]
    row = middle[middle.shape[0] // 2]
    assert column.sum() * pixel_mm == pytest.approx(250.0, rel=0.05)  # rows 30 to 280 at 1 mm
    assert row.sum() * pixel_mm == pytest.approx((35 + 22) * 0.5, rel=0.1)  # both bones at 0.5 mm


def test_a_region_that_could_not_be_measured_is_outlined_in_grey() -> None:
    analysis = make_analysis()
    withheld = {
        name: replace(region, bmd_g_cm2=None) if name == "mid" else region
        for name, region in analysis.regions.items()
    }
    picture = drawn(replace(with_evidence(driver_map=None, density_g_cm2=None), regions=withheld))
    assert (drawn(with_evidence()) == OUTLINE).all(axis=2).sum() > (picture == OUTLINE).all(axis=2).sum() > 0


def test_a_missing_ulna_and_missing_regions_still_give_a_page() -> None:
    analysis = replace(with_evidence(ulna_mask=np.zeros((300, 200), dtype=bool)), regions={}, laterality=None)
    assert drawn(analysis).shape[1] == 1600
