"""What the network sees is the whole picture with square pixels, and what it finds lands where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import RejectedInput
from analysis.segmentation.letterbox import NETWORK_SHAPE, letterbox, to_network_input

shapes = st.tuples(st.integers(240, 600), st.integers(240, 400))
spacings = st.tuples(st.floats(0.25, 0.5), st.floats(0.25, 0.5))


def disc(shape: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    rows, columns = np.indices(shape) + 0.5
    return np.hypot((columns - centre[0]) / radii[0], (rows - centre[1]) / radii[1]) < 1


@given(shapes, spacings, st.tuples(st.floats(0, 100), st.floats(0, 100)))
def test_points_come_back_to_where_they_were(
    shape: tuple[int, int], spacing: tuple[float, float], point: tuple[float, float]
) -> None:
    box = letterbox(shape, spacing)
    np.testing.assert_allclose(box.points_to_source(box.points_to_network(np.array(point))), point, atol=1e-9)


@given(shapes, spacings)
def test_the_whole_picture_fits_and_touches_two_sides(
    shape: tuple[int, int], spacing: tuple[float, float]
) -> None:
    box = letterbox(shape, spacing)
    corners = box.points_to_network(np.array([[0.0, 0.0], [shape[1], shape[0]]]))
    assert (corners >= 0).all() and (corners <= np.array([NETWORK_SHAPE[1], NETWORK_SHAPE[0]]) + 1e-9).all()
    assert box.rows == NETWORK_SHAPE[0] or box.columns == NETWORK_SHAPE[1]


def test_a_circle_scanned_with_oblong_pixels_is_round_again() -> None:
    spacing = (0.6, 0.3)
    circle = disc((250, 340), (170.3, 120.2), (20 / 0.3, 20 / 0.6)).astype(np.float64)
    array, _ = to_network_input(circle, spacing)
    rows, columns = np.nonzero(array[0, 0] > 0.5 * array.max())
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1)


@pytest.mark.parametrize("shape", [(502, 350), (300, 210), (256, 176), (220, 400)])
def test_a_mask_survives_the_way_there_and_back(shape: tuple[int, int]) -> None:
    mask = disc(shape, (0.45 * shape[1], 0.55 * shape[0]), (0.2 * shape[1], 0.3 * shape[0]))
    box = letterbox(shape, None)
    back = box.maps_to_source(box.to_network(mask.astype(np.float32))[None])[0] > 0.5
    assert 2 * (mask & back).sum() / (mask.sum() + back.sum()) > 0.99
    rows, columns = np.nonzero(back)
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    np.testing.assert_allclose(centre, (0.45 * shape[1], 0.55 * shape[0]), atol=0.15)


@given(st.floats(0.01, 5000), st.floats(-100, 100))
def test_neither_unit_nor_offset_of_the_greys_matters(gain: float, offset: float) -> None:
    image = np.random.default_rng(1).normal(0.3, 0.05, (300, 200)) + disc((300, 200), (90, 150), (20, 130))
    one, _ = to_network_input(image, (0.4, 0.4))
    other, _ = to_network_input(gain * (image + offset), (0.4, 0.4))
    np.testing.assert_allclose(other, one, atol=2e-3)
    assert one.min() == 0.0 and one.max() <= 1.0


@pytest.mark.parametrize(
    "image",
    [
        np.ones((300, 200)),
        np.full((300, 200), np.nan),
        np.eye(40),
        np.random.default_rng(0).random((60, 900)),
    ],
    ids=["flat", "not finite", "thumbnail", "strip"],
)
def test_a_picture_that_can_show_no_forearm_is_declined(image: np.ndarray) -> None:
    with pytest.raises(RejectedInput) as caught:
        to_network_input(image, None)
    assert caught.value.code == "radius_not_found"
