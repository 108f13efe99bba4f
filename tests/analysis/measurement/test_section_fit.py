"""The section model recovers sections of known shape, with the blur unknown, and knows how sure it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measurement.section_fit import fit_section, refit_section
from analysis.measurement.sections import Section

POSITION = np.arange(-10.5, 10.5, 0.2)
FINE = np.arange(-14.0, 14.0, 0.01)


def blurred(height, kernel):
    return np.interp(POSITION, FINE, np.convolve(height, kernel / kernel.sum(), "same"))


def gaussian(sd):
    return np.exp(-0.5 * (np.arange(-3, 3.005, 0.01) / sd) ** 2)


def projected_tube(*, width, thickness, cavity=0.1, shift=0.0, exponent=2.0, depth=0.95):
    """A superellipse around a shifted one, projected: independent of the code under test."""
    outer, inner = width / 2, width / 2 - thickness

    def chord(half, deep, centre):
        return 2 * deep * np.clip(1 - np.abs((FINE - centre) / half) ** exponent, 0, None) ** (1 / exponent)

    hole = chord(inner, outer * depth - thickness, shift)
    return chord(outer, outer * depth, 0.0) - hole + cavity * hole


TUBES = st.fixed_dictionaries(
    {
        "width": st.floats(10.0, 15.0),
        "thickness": st.floats(1.5, 3.4),
        "cavity": st.floats(0.03, 0.15),
        "shift": st.floats(0.0, 0.5),
        "depth": st.floats(0.88, 1.05),
    }
)


@settings(max_examples=20, deadline=None)
@given(TUBES, st.floats(0.25, 0.55))
def test_a_tube_is_recovered_whatever_the_blur(tube, blur_mm):
    fit = fit_section(POSITION, blurred(projected_tube(**tube), gaussian(blur_mm)), tube["width"] / 2)
    ulnar, radial = fit.section.walls()
    assert fit.section.width() == pytest.approx(tube["width"], abs=0.08)
    assert (ulnar + radial) / 2 == pytest.approx(tube["thickness"], abs=0.08)
    assert (ulnar - radial) / 2 == pytest.approx(tube["shift"], abs=0.1)
    assert fit.section.blur_mm == pytest.approx(blur_mm, abs=0.05)


@pytest.mark.parametrize("exponent", [1.8, 2.3, 2.6])
def test_a_section_that_is_no_ellipse_is_recovered(exponent):
    tube = projected_tube(width=12.6, thickness=2.5, exponent=exponent, shift=0.2)
    fit = fit_section(POSITION, blurred(tube, gaussian(0.35)), 6.3)
    assert sum(fit.section.walls()) / 2 == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("kernel", ["box", "tails"])
def test_blur_that_is_not_gaussian_moves_the_wall_by_less_than_a_tenth_of_a_millimetre(kernel):
    place = np.arange(-3, 3.005, 0.01)
    shape = (
        (np.abs(place) < 0.6) * 1.0 if kernel == "box" else gaussian(0.3) + 0.02 / (1 + (place / 0.6) ** 2)
    )
    fit = fit_section(POSITION, blurred(projected_tube(width=12.0, thickness=2.6), shape), 6.0)
    assert sum(fit.section.walls()) / 2 == pytest.approx(2.6, abs=0.1)


def test_grey_levels_do_not_change_the_geometry():
    height = blurred(projected_tube(width=12.5, thickness=2.8), gaussian(0.4))
    plain, scaled = (fit_section(POSITION, level, 6.2) for level in (height, 0.05 + 0.3 * height))
    assert scaled.section.walls() == pytest.approx(plain.section.walls(), abs=2e-3)


def test_the_mean_height_is_the_mineral_over_the_width():
    section = projected_tube(width=12.5, thickness=2.8)
    fit = fit_section(POSITION, blurred(section, gaussian(0.4)), 6.2)
    assert fit.mean_height == pytest.approx(section.sum() * 0.01 / 12.5, rel=0.01)


def test_the_stated_error_is_the_scatter_under_noise():
    rng = np.random.default_rng(3)
    clean = blurred(projected_tube(width=12.5, thickness=2.6), gaussian(0.4))
    fits = [fit_section(POSITION, clean + 0.1 * rng.standard_normal(clean.size), 6.2) for _ in range(25)]
    widths = [fit.section.width() for fit in fits]
    gradient = np.zeros(len(Section._fields))
    gradient[Section._fields.index("half_width_mm")] = 2.0
    assert 0.4 < np.std(widths) / np.median([fit.sd(gradient) for fit in fits]) < 2.0


def test_a_profile_without_room_for_a_bone_is_refused():
    assert fit_section(POSITION[:10], np.ones(10), 6.0) is None
    assert fit_section(POSITION, np.ones(POSITION.size), 1.0) is None


@given(
    st.builds(
        Section,
        st.floats(-1, 1),
        st.floats(4.5, 7.0),
        st.floats(1.0, 3.0),
        st.floats(0, 0.4),
        st.floats(0, 0.3),
        st.floats(-0.3, 1),
        st.floats(0.8, 1.1),
        st.floats(0.15, 0.6),
    )
)
def test_projection_keeps_area(section):
    place = np.arange(-16, 16, 0.05)
    wall, cavity = section.projected(place)
    assert 0.05 * wall.sum() == pytest.approx(section.areas()[0], rel=0.01)
    assert 0.05 * cavity.sum() == pytest.approx(section.areas()[1], rel=0.01, abs=0.05)


NEAR = Section(0.0, 6.0, 2.5, 0.1, 0.1, 0.1, 0.95, 0.5)


@settings(max_examples=40, deadline=None)
@given(
    profile=st.lists(st.floats(-2.0, 4.0, width=32), min_size=0, max_size=40),
    first_mm=st.floats(-16.0, 10.0),
    step_mm=st.floats(0.05, 0.4),
    half_width_mm=st.floats(0.0, 8.0),
)
def test_an_odd_profile_gives_a_section_or_none_and_never_an_error(profile, first_mm, step_mm, half_width_mm):
    position, height = first_mm + step_mm * np.arange(len(profile)), np.array(profile)
    near = NEAR._replace(half_width_mm=half_width_mm)
    for fit in (fit_section(position, height, half_width_mm), refit_section(position, height, near)):
        assert fit is None or (np.isfinite(fit.residual) and fit.section.width() > 0.0)


@pytest.mark.parametrize("height", [np.zeros(60), np.full(60, np.nan), np.ones(3)])
def test_a_flat_undefined_or_short_profile_holds_no_bone(height):
    position = np.linspace(-8.0, 8.0, height.size)
    assert fit_section(position, height, 6.0) is None
    assert refit_section(position, height, NEAR) is None


def test_blur_keeps_the_profile_in_its_place_even_where_the_profile_is_shorter_than_the_blur_reaches():
    whole, _ = NEAR.projected(np.linspace(-9.0, 9.0, 91))
    part, _ = NEAR.projected(np.linspace(-0.2, 0.2, 3))
    assert part[1] == pytest.approx(whole[45], rel=0.15)
    assert np.ptp(part) < 0.15 * whole.max()
