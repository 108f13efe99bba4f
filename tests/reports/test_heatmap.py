"""The maps: anatomy stays visible, colours stay on the bone, one colour means one thing for everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from report_support import make_analysis, make_source
from skimage.color import rgb2lab

from analysis.results import ImageEvidence, StudyAnalysis
from reports.anatomy import OUTLINE
from reports.heatmap import (
    PANEL_HEIGHT,
    PANEL_TOP,
    PANEL_WIDTH,
    density_map,
    draw_density_map,
    draw_driver_map,
    driver_map,
    panel_lefts,
)
from reports.options import ReportOptions
from reports.overlay import (
    DENSITY_SCALE,
    DRIVER_SCALE,
    MAXIMUM_OPACITY,
    STRAIN_SCALE,
    ColorScale,
    blended,
)
from reports.source import ReportContext, report_context

SCALES = (DRIVER_SCALE, DENSITY_SCALE, STRAIN_SCALE)

DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
"""Of linear RGB; Machado, Oliveira and Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1.0."""


def context_of(analysis: StudyAnalysis, **options: Any) -> ReportContext:
    return report_context(analysis, [make_source()], options=ReportOptions(**options))


def drawn(analysis: StudyAnalysis) -> NDArray[np.int16]:
    return np.asarray(draw_driver_map(context_of(analysis))[0]).astype(np.int16)


def with_evidence(**changes: object) -> StudyAnalysis:
    analysis = make_analysis()
    assert isinstance(analysis.evidence, ImageEvidence)
    return replace(analysis, evidence=replace(analysis.evidence, **changes))


def panels(picture: NDArray[np.int16], count: int = 2) -> list[NDArray[np.int16]]:
    top, height, width = int(PANEL_TOP), int(PANEL_HEIGHT), int(PANEL_WIDTH)
    return [picture[top : top + height, int(left) : int(left) + width] for left in panel_lefts(count)]


@given(st.floats(-5.0, 5000.0), st.floats(0.0, 1.0), st.sampled_from(SCALES))
def test_the_overlay_is_never_more_than_40_percent_opaque(v: float, grey: float, scale: ColorScale) -> None:
    pixel = blended(np.array([[grey]]), np.array([[v]]), np.array([[1.0]]), scale)[0, 0]
    color = scale.colors(np.array(v))
    assert np.all(np.abs(pixel - grey) <= MAXIMUM_OPACITY * np.abs(color - grey) + 1e-9)
    assert 0.0 <= pixel.min() <= pixel.max() <= 1.0


@given(st.floats(-0.01, 0.01), st.floats(0.0, 1.0))
def test_near_zero_the_anatomy_shows_unchanged(v: float, grey: float) -> None:
    pixel = blended(np.array([[grey]]), np.array([[v]]), np.array([[1.0]]), DRIVER_SCALE)[0, 0]
    assert np.allclose(pixel, grey)


@pytest.mark.parametrize("scale", SCALES)
def test_a_legend_shows_each_value_where_its_tick_stands(scale: ColorScale) -> None:
    values = scale.along(1001)
    for tick in scale.ticks:
        assert values[round(1000 * float(scale.position(np.float64(tick))))] == pytest.approx(
            tick, abs=0.01 * scale.high
        )


def seen_by_a_deuteranope(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ DEUTERANOPIA.T, 0.0, 1.0)
    return np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("grey", [0.25, 0.5, 0.8])
def test_who_cannot_tell_red_from_green_tells_raising_from_lowering(grey: float) -> None:
    values = np.array([[-1.0, -0.3, 0.0, 0.3, 1.0]])
    pixels = blended(np.full(values.shape, grey), values, np.ones(values.shape), DRIVER_SCALE)
    lab = rgb2lab(seen_by_a_deuteranope(pixels))[0]
    differences = np.linalg.norm(lab - lab[2], axis=1)
    assert np.linalg.norm(lab[0] - lab[4]) > 25  # CIE 1976; 2.3 is just noticeable
    assert np.linalg.norm(lab[1] - lab[3]) > 12
    assert differences[0] > differences[1] > 4
    assert differences[4] > differences[3] > 4


def test_outside_the_bone_the_anatomy_shows_unchanged() -> None:
    driver = np.full_like(make_analysis().evidence.driver_map, 0.5)  # type: ignore[union-attr]
    left, right = panels(drawn(replace(with_evidence(driver_map=driver), regions={})))
    changed = np.abs(left - right).max(axis=2) > 0
    columns = np.nonzero(changed.any(axis=0))[0]
    assert changed.any()
    # the ulna, left of the radius, and the soft tissue stay grey
    assert columns.min() > 0.45 * changed.shape[1]
    assert columns.max() - columns.min() < 0.2 * changed.shape[1]


def test_risk_raising_bone_is_orange_and_risk_lowering_bone_is_blue() -> None:
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


def test_there_is_no_driver_map_without_a_risk_or_without_a_place_for_it() -> None:
    assert driver_map(context_of(replace(make_analysis(), risk=None))) is None
    assert driver_map(context_of(with_evidence(driver_map=None))) is None


def test_the_density_page_shows_strain_beside_density_where_the_mechanical_model_ran() -> None:
    strain = np.full((300, 200), 0.0015, dtype=np.float32)
    widths = {
        name: draw_density_map(context_of(with_evidence(strain_map=value)))[0].width
        for name, value in (("without", None), ("with", strain))
    }
    assert widths["with"] == 2000
    picture = np.asarray(draw_density_map(context_of(with_evidence(strain_map=strain)))[0]).astype(np.int16)
    anatomy, density, strained = panels(picture, 3)
    bone = (slice(300, 500), slice(290, 420))
    assert not np.array_equal(anatomy[bone], density[bone])
    assert not np.array_equal(density[bone], strained[bone])


def test_without_calibration_the_density_page_shows_the_anatomy_and_says_so() -> None:
    result = density_map(context_of(with_evidence(density_g_cm2=None)))
    assert result is not None
    assert result.DerivationDescription == "Anatomy as analysed"


@pytest.mark.parametrize("hand_up", [True, False])
def test_the_page_is_drawn_either_way_up(hand_up: bool) -> None:
    upright = drawn(with_evidence())
    assert np.array_equal(upright, drawn(with_evidence(hand_up=hand_up))) is hand_up


def test_uneven_pixels_are_drawn_square() -> None:
    analysis = replace(make_analysis(), pixel_spacing_mm=(1.0, 0.5), regions={})
    picture, pixel_mm = draw_density_map(context_of(analysis))
    assert pixel_mm is not None
    middle = panels(np.asarray(picture).astype(np.int16))[0][:, 120:-120, 0] > 150
    column = middle[:, np.argmax(middle.sum(axis=0))]
    row = middle[middle.shape[0] // 2]
    assert column.sum() * pixel_mm == pytest.approx(250.0, rel=0.05)  # rows 30 to 280 at 1 mm
    assert row.sum() * pixel_mm == pytest.approx((35 + 22) * 0.5, rel=0.1)  # both bones at 0.5 mm


def test_the_anatomy_of_the_picture_is_exactly_that_of_the_source_where_nothing_is_drawn_over_it() -> None:
    evidence = make_analysis().evidence
    assert evidence is not None
    flat = replace(
        make_analysis(), regions={}, evidence=replace(evidence, display=np.full((300, 200), 0.5, np.float32))
    )
    panel = panels(np.asarray(draw_density_map(context_of(flat))[0]).astype(np.int16))[0]
    values, counts = np.unique(panel.reshape(-1, 3), axis=0, return_counts=True)
    assert (128, 128, 128) in {tuple(value) for value in values[np.argsort(counts)[-2:]]}


def test_a_region_that_could_not_be_measured_is_outlined_in_grey() -> None:
    analysis = make_analysis()
    withheld = {
        name: replace(region, bmd_g_cm2=None) if name == "mid" else region
        for name, region in analysis.regions.items()
    }

    def outlined(analysis: StudyAnalysis) -> int:
        picture = np.asarray(draw_density_map(context_of(analysis))[0]).astype(int)
        near = np.abs(picture - np.round(255 * np.array(OUTLINE))).max(axis=2) < 20
        return int(near.sum())

    assert outlined(analysis) > outlined(replace(analysis, regions=withheld)) > 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages_fit_a_screen_whatever_is_missing(language: str) -> None:
    bare = replace(
        with_evidence(ulna_mask=np.zeros((300, 200), dtype=bool)),
        regions={},
        laterality=None,
        pixel_spacing_mm=None,
    )
    for draw in (draw_driver_map, draw_density_map):
        picture, pixel_mm = draw(context_of(bare, language=language))
        assert picture.width == 2000
        assert picture.height <= 1400
        assert pixel_mm is None


def test_a_page_names_what_it_shows() -> None:
    result = driver_map(context_of(make_analysis()))
    assert result is not None
    assert result.SeriesDescription.startswith("Risk drivers")
    assert result.BurnedInAnnotation == "NO"
