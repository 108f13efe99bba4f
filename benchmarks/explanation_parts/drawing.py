"""The pictures of the page: signed colours, red where the bone raises the risk, blue where it lowers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.explanation.faithfulness import Curves
from analysis.wording.names import FAMILY_NAMES
from explanation_parts.pictures import METHODS, Explained

RAISES, LOWERS = "#b40426", "#3b4cc0"
PATCH_MM = (38.4, 32.0)
NOTE = "Simulated training data; research use only"


def draw_families(sums: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Contribution of every family for a few people, one panel each."""
    plt = _pyplot()
    figure, axes = plt.subplots(1, len(sums), figsize=(4.2 * len(sums), 3.6), sharex=True, sharey=True)
    families = [name for name in FAMILY_NAMES if any(name in one for one in sums.values())]
    for axis, (title, values) in zip(np.atleast_1d(axes), sums.items(), strict=True):
        lengths = [values.get(name, 0.0) for name in families]
        colors = [RAISES if length > 0 else LOWERS for length in lengths]
        axis.barh([FAMILY_NAMES[name][0] for name in families], lengths, color=colors)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("contribution to the log-hazard")
        axis.grid(axis="x", alpha=0.3)
    figure.suptitle(f"What each family of inputs adds ({NOTE})", fontsize=11)
    _save(figure, path)


def draw_maps(explained: Sequence[Explained], titles: Sequence[str], path: Path) -> None:
    """Patch, and the map of each method over it; last Grad-CAM of the network with shuffled weights."""
    plt = _pyplot()
    columns = ("patch", *METHODS, "Grad-CAM, weights shuffled")
    figure, axes = plt.subplots(
        len(explained), len(columns), figsize=(2.5 * len(columns), 2.75 * len(explained)), squeeze=False
    )
    extent = (0, PATCH_MM[1], PATCH_MM[0], 0)
    for row, (item, title) in enumerate(zip(explained, titles, strict=True)):
        pictures = [None, *(item.maps[method] for method in METHODS), item.randomised["Grad-CAM"]]
        for axis, name, picture in zip(axes[row], columns, pictures, strict=True):
            axis.imshow(item.person.patches[0], cmap="gray", extent=extent)
            if picture is not None:
                inside = np.where(item.bone, picture, np.nan)
                limit = float(np.nanmax(np.abs(inside))) or 1.0
                shown = axis.imshow(
                    inside, cmap="coolwarm", vmin=-limit, vmax=limit, alpha=0.65, extent=extent
                )
                bar = figure.colorbar(shown, ax=axis, fraction=0.05, pad=0.02, ticks=[-limit, 0, limit])
                bar.ax.set_yticklabels([f"{-limit:+.3f}", "0", f"{limit:+.3f}"], fontsize=7)
            axis.set_xticks([])
            axis.set_yticks([])
            if row == 0:
                axis.set_title(name, fontsize=10)
        axes[row, 0].set_ylabel(title, fontsize=9)
    figure.suptitle(
        "Red raises, blue lowers the log-hazard; each map on its own scale, bone only. "
        f"Patches of {PATCH_MM[0]:g} x {PATCH_MM[1]:g} mm, hand up. {NOTE}",
        fontsize=10,
    )
    _save(figure, path)


def draw_curves(found: Mapping[str, Curves], path: Path) -> None:
    """Mean deletion and insertion curves of the maps."""
    plt = _pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
    for name, curve in found.items():
        share = np.linspace(0, 100, len(curve.deletion))
        axes[0].plot(share, curve.deletion, label=name)
        axes[1].plot(share, curve.insertion, label=name)
    titles = ("structure deleted, raising first", "structure inserted, raising first")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("pixels replaced (%)" if "deleted" in title else "pixels put back (%)")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("log-hazard less that\nof the whole picture")
    axes[0].legend(frameon=False)
    figure.suptitle(NOTE, fontsize=9)
    _save(figure, path)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=80)
