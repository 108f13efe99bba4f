"""Laws of polygons: area, clipping and pixel masks agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path

from analysis.segmentation.outline import area, clip, clip_to_image, rasterise

coordinate = st.floats(2.0, 38.0)


def ellipse(x: float, y: float, a: float, b: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], axis=1)


@given(coordinate, coordinate, st.floats(0.5, 30.0), st.floats(0.5, 30.0))
def test_a_mask_holds_exactly_the_pixels_whose_centre_is_inside(x, y, a, b):
    polygon = ellipse(x, y, a, b)
    rows, columns = np.indices((40, 40)) + 0.5
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1)
    # a centre on the very outline may count either way: both a little larger and a little smaller must agree
    one, other = (Path(polygon).contains_points(centres, radius=width) for width in (-1e-9, 1e-9))
    decided = one == other
    assert decided.sum() > 1500
    assert (rasterise(polygon, (40, 40)).ravel() == one)[decided].all()


def test_a_centre_on_the_outline_may_count_either_way_and_disturbs_no_other():
    mask = rasterise(ellipse(2.0, 2.5, 0.5, 1.0), (5, 5))
    on_the_outline = {(2, 1), (2, 2)}
    assert set(map(tuple, np.argwhere(mask).tolist())) <= on_the_outline


@given(st.floats(-20.0, 60.0), st.floats(0.0, 2 * np.pi))
def test_both_sides_of_a_cut_make_up_the_whole(offset, angle):
    polygon = ellipse(20, 20, 11, 7)
    normal = (float(np.cos(angle)), float(np.sin(angle)))
    kept = clip(polygon, normal, offset)
    rest = clip(polygon, (-normal[0], -normal[1]), -offset)
    assert area(kept) + area(rest) == pytest.approx(area(polygon))


def test_the_first_pixel_s_centre_is_half_a_pixel_from_the_corner():
    square = np.array([(1.4, 0.4), (3.6, 0.4), (3.6, 1.4), (1.4, 1.4)])
    assert np.argwhere(rasterise(square, (5, 5))).tolist() == [[0, 1], [0, 2], [0, 3]]


def test_what_leaves_the_image_is_cut_off():
    clipped = clip_to_image(ellipse(0, 10, 5, 5), (20, 30))
    assert clipped[:, 0].min() == 0.0
    assert area(clipped) == pytest.approx(area(ellipse(0, 10, 5, 5)) / 2, rel=1e-6)
