"""Regions of both bones, density within them and the texture's variogram: writes docs/images.

.venv/bin/python benchmarks/region_figure.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
from figures import IMAGES, OTHER, Scene, seen
from scipy import ndimage

from analysis.measurement.density_distribution import HIGH_DENSITY_G_CM2
from analysis.measurement.regions import PARTS, place_regions
from analysis.measurement.texture import TREND_MM
from analysis.measurement.texture.patch import GRID_MM, resampled_patch
from analysis.measurement.texture.variogram import LAGS_PX, variogram_features, without_trend
from analysis.simulation.voxel import draw_voxel_case, render_voxel

COLOURS = {"ultradistal": "#ffb000", "mid": "#7ae582", "one_third": "#ff6b6b"}
SEED = 4


def main() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    draw().savefig(IMAGES / "measured_regions.png", dpi=100)


def draw() -> Any:
    """One forearm with its regions, their histograms and the variogram of the ultradistal one."""
    import matplotlib.pyplot as plt

    case = draw_voxel_case(np.random.default_rng(SEED), spacing_mm=(0.3, 0.3), largest_tilt_degrees=4)
    phantom = render_voxel(case)
    scene = seen(phantom.pixels, phantom.spacing_mm, phantom.truth.forearm_length_mm)
    figure = plt.figure(figsize=(13, 7.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.4))
    _regions(figure.add_subplot(grid[:, 0]), scene, phantom.truth.forearm_length_mm)
    _histograms(figure.add_subplot(grid[0, 1]), scene)
    _variogram(figure.add_subplot(grid[1, 1]), scene)
    return figure


def _regions(axis: Any, scene: Scene, length_mm: float) -> None:
    ulna = place_regions(scene.anatomy, scene.image.spacing_mm, length_mm, bone="ulna")
    axis.imshow(scene.image.pixels, cmap="gray", vmin=0, vmax=1.1)
    for polygons, style in ((scene.placed.polygons, "-"), (ulna.polygons, ":")):
        for name in PARTS:
            outline = np.array([*polygons[name], polygons[name][0]]) - 0.5
            axis.plot(*outline.T, color=COLOURS[name], lw=1.3, ls=style)
    for name in PARTS:
        column, row = np.mean(scene.placed.polygons[name], axis=0)
        axis.text(column, row, name.replace("_", "-"), color="w", ha="center", va="center", fontsize=8)
    axis.set(xticks=[], yticks=[])
    axis.set_title(
        "Regions of the radius (solid) and the ulna (dotted),\nvoxel phantom (simulated)", fontsize=10
    )


def _histograms(axis: Any, scene: Scene) -> None:
    for name in PARTS:
        density = scene.image.pixels[scene.placed.masks[name]]
        axis.hist(
            density,
            bins=np.arange(0, 1.4, 0.025),
            histtype="step",
            color=COLOURS[name],
            lw=1.6,
            label=name.replace("_", "-"),
        )
        axis.axvline(HIGH_DENSITY_G_CM2[name], color=COLOURS[name], lw=1, ls="--")
    axis.set(xlabel="areal density, g/cm² (dashed: counted as high from here)", ylabel="pixels")
    axis.legend(fontsize=8)


def _variogram(axis: Any, scene: Scene) -> None:
    patch = resampled_patch(scene.image.pixels, scene.placed.masks["ultradistal"], scene.anatomy)
    values = variogram_features(patch.values, patch.smooth, patch.mask)
    inner = ndimage.binary_erosion(patch.mask, iterations=2)  # as the features do, off the outline
    even = without_trend(patch.values, inner, TREND_MM / GRID_MM)
    lags = np.arange(1, LAGS_PX + 1)
    gamma = [np.mean([_squared_difference(even, inner, lag, way) for way in (0, 1)]) for lag in lags]
    axis.loglog(lags * GRID_MM, gamma, "o-", color=OTHER, label="variogram, ultradistal radius")
    axis.axhline(values["variogram_sill"], color="0.4", ls="--", lw=1, label="sill")
    axis.set(xlabel="distance, mm", ylabel="mean squared difference, (g/cm²)²")
    axis.set_title(
        f"slope {values['variogram_slope']:.2f} (TBS-like, not TBS), texture to noise "
        f"{values['variogram_snr']:.1f}, range {values['variogram_range_mm']:.1f} mm",
        fontsize=10,
    )
    axis.legend(fontsize=8)


def _squared_difference(values: Any, mask: Any, lag: int, axis: int) -> float:
    near, far = (np.s_[lag:], np.s_[:-lag]) if axis == 0 else (np.s_[:, lag:], np.s_[:, :-lag])
    both = mask[near] & mask[far]
    return float(((values[near] - values[far])[both] ** 2).mean())


if __name__ == "__main__":
    main()
