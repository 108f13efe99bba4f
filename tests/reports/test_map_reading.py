"""A map is read back from its page as it was drawn there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from report_support import COLUMNS, ROWS, make_analysis, make_source

from analysis.results import ImageEvidence, Polygon
from reports.heatmap import density_map, driver_map
from reports.map_reading import FINER, read_map
from reports.overlay import DENSITY_SCALE, DRIVER_SCALE
from reports.source import report_context

CONTEXT = report_context(make_analysis(), [make_source()])
OUTLINES: list[Polygon] = [
    region.polygon
    for name, region in CONTEXT.analysis.regions.items()
    if name != "total" and region.polygon and region.bmd_g_cm2 is not None
]


def coarse(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Back on the source image's grid."""
    with np.errstate(invalid="ignore"):
        blocks = values.reshape(ROWS, FINER, COLUMNS, FINER)
        known = np.isfinite(blocks)
        return np.asarray(np.where(known, blocks, 0).sum(axis=(1, 3)) / known.sum(axis=(1, 3)))


def inside(evidence: ImageEvidence) -> NDArray[np.bool_]:
    """The radius without its edge, where the page's resampling mixes bone and ground."""
    mask = evidence.radius_mask.copy()
    for axis in (0, 1):
        for step in (-2, 2):
            mask &= np.roll(evidence.radius_mask, step, axis)
    return np.asarray(mask)


def test_density_is_read_back_within_the_page_s_colours() -> None:
    page = density_map(CONTEXT)
    assert page is not None
    found = read_map(page, 1, OUTLINES, (ROWS, COLUMNS), DENSITY_SCALE)
    assert found is not None
    bone = inside(CONTEXT.pixels) & np.isfinite(coarse(found))
    truth = CONTEXT.pixels.density_g_cm2
    assert truth is not None
    assert bone.sum() > 0.95 * inside(CONTEXT.pixels).sum()
    assert np.abs(coarse(found)[bone] - truth[bone]).mean() < 0.01


def test_drivers_keep_their_sign_and_size_and_their_place() -> None:
    page = driver_map(CONTEXT)
    truth = CONTEXT.pixels.driver_map
    assert page is not None
    assert truth is not None
    found = read_map(page, 1, OUTLINES, (ROWS, COLUMNS), DRIVER_SCALE)
    assert found is not None
    strong = inside(CONTEXT.pixels) & (np.abs(truth) > 0.1) & np.isfinite(coarse(found))
    assert strong.sum() > 1000
    read = coarse(found)[strong]
    assert (np.sign(read) == np.sign(truth[strong])).mean() > 0.99
    assert np.corrcoef(read, truth[strong])[0, 1] > 0.95
    assert np.isfinite(found).mean() < 0.3  # nothing off the bone


def test_anatomy_alone_is_no_map() -> None:
    page = density_map(CONTEXT)
    assert page is not None
    alone = read_map(page, 0, OUTLINES, (ROWS, COLUMNS), DENSITY_SCALE)
    assert alone is None or np.isfinite(alone).mean() < 0.02


@pytest.mark.parametrize("outlines", [[], [((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))]])
def test_without_outlines_nobody_knows_where_the_image_lies(outlines: list[Polygon]) -> None:
    page = density_map(CONTEXT)
    assert page is not None
    assert read_map(page, 1, outlines, (ROWS, COLUMNS), DENSITY_SCALE) is None
