"""The figures that show what shape and strength mean, drawn on phantoms; writes docs/images.

    .venv/bin/python benchmarks/figures.py

``morphometry.png``: every shape measure on one voxel forearm. ``strain_map.png``: the mechanical model of a
strong and of a weak radius under one load. ``mechanics_convergence.png``: stiffness and strain over the side
of the elements.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from morphometry import calibrated
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage
from analysis.config import MechanicsAssumptions
from analysis.measurement.forearm_shape import BOW_START_MM, ulnar_head_surface
from analysis.measurement.mechanics import Mechanics, measure_mechanics
from analysis.measurement.morphometry import Morphometry, measure_morphometry
from analysis.measurement.regions import PlacedRegions, place_regions
from analysis.measurement.section_fit import fit_section
from analysis.measurement.shaft_profile import ShaftImage
from analysis.segmentation import ForearmAnatomy, find_forearm
from analysis.simulation import draw_acquisition, draw_subject, render
from analysis.simulation.voxel import draw_voxel_case, render_voxel

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIDES_MM = (2.0, 1.6, 1.25, 1.0, 0.8, 0.625, 0.5)
WEIGHT_KG = 65.0
BONE, ACCENT, OTHER = "#f4f1ea", "#ffb000", "#4cc9f0"


@dataclass(frozen=True)
class Scene:
    """One scan with everything that is drawn on it."""

    image: RadiusImage
    anatomy: ForearmAnatomy
    placed: PlacedRegions
    shape: Morphometry
    strength: Mechanics


def main() -> None:
    """Draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder")
    folder = parser.parse_args().output
    import matplotlib as mpl

    mpl.use("Agg")
    for name, draw in (
        ("morphometry", draw_morphometry),
        ("strain_map", draw_strain),
        ("mechanics_convergence", draw_convergence),
    ):
        draw().savefig(folder / f"{name}.png", dpi=110)
        sys.stdout.write(f"{folder / name}.png\n")


def draw_morphometry() -> Any:
    """Every shape measure on a forearm, the section fit and the walls along the shaft."""
    import matplotlib.pyplot as plt

    phantom = render_voxel(
        draw_voxel_case(np.random.default_rng(4), spacing_mm=(0.3, 0.3), largest_tilt_degrees=4)
    )
    scene = seen(phantom.pixels, phantom.spacing_mm, phantom.truth.forearm_length_mm)
    figure = plt.figure(figsize=(13, 9.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1))
    _forearm(figure.add_subplot(grid[:, 0]), scene)
    _section(figure.add_subplot(grid[0, 1]), scene)
    _walls(figure.add_subplot(grid[1, 1]), scene)
    return figure


def draw_strain() -> Any:
    """Strain under one load in a strong and in a weak radius, on one scale."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10.5, 7.6), layout="constrained")
    scenes = [_own_scene(age, sex) for age, sex in ((45.0, "M"), (82.0, "F"))]
    for axis, scene, title in zip(axes, scenes, ("strong radius", "weak radius"), strict=True):
        shown = _on_forearm(scene, scene.image.pixels, _window(scene))
        axis.imshow(shown, cmap="gray", extent=_extent(scene), vmax=1.1)
        strain = _on_forearm(scene, scene.strength.strain_map, _window(scene))
        picture = axis.imshow(
            np.where(strain > 0, 1e6 * strain, np.nan),
            cmap="inferno",
            vmin=0,
            vmax=2500,
            extent=_extent(scene),
        )
        across, along = _outline(scene)
        axis.plot(across, along, color=OTHER, lw=0.9)
        _bounded(axis, scene)
        _scale_bar(axis, scene)
        value = scene.strength.values
        axis.set_title(
            f"{title}: mean {value['mean_strain_index']:.0f}, 95th percentile "
            f"{value['maximum_strain']:.0f} µε\naxial {value['axial_stiffness_n_mm']:.0f} N/mm, bending "
            f"{value['bending_stiffness_n_mm']:.0f} N/mm",
            fontsize=10,
        )
    bar = figure.colorbar(picture, ax=axes, shrink=0.7, extend="max")
    bar.set_label("equivalent strain, µε (10⁻⁶)")
    load = WEIGHT_KG * 9.80665 * MechanicsAssumptions().radius_share
    figure.suptitle(
        f"Plane-stress model of a fall on the hand, {load:.0f} N on both (body mass {WEIGHT_KG:.0f} kg): "
        "model assumption, relative use only",
        fontsize=10,
    )
    return figure


def draw_convergence() -> Any:
    """Results over the side of the elements, relative to the finest."""
    import matplotlib.pyplot as plt

    names = {
        "axial_stiffness_n_mm": "axial stiffness",
        "bending_stiffness_n_mm": "bending stiffness",
        "mean_strain_index": "mean strain",
        "maximum_strain": "95th percentile of strain",
    }
    figure, axis = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    default = SIDES_MM.index(MechanicsAssumptions().element_mm)
    results = np.array([_by_side(seed, tuple(names)) for seed in range(5)])
    for index, (label, marker) in enumerate(zip(names.values(), "osv^", strict=True)):
        relative = 100 * (results[..., index] / results[:, -1:, index] - 1)
        middle, reach = relative.mean(axis=0), np.abs(relative).max(axis=0)
        axis.plot(
            SIDES_MM, middle, marker=marker, label=f"{label} (largest {reach[default]:.1f} % at the default)"
        )
    axis.axvline(MechanicsAssumptions().element_mm, color="0.6", lw=1, ls="--")
    axis.set_ylim(-2, 7)
    axis.text(MechanicsAssumptions().element_mm + 0.01, -1.8, "default ", color="0.4", ha="right", fontsize=9)
    axis.axhline(0, color="0.8", lw=0.8)
    axis.set(xlabel="side of the elements, mm", ylabel="difference from 0.5 mm, %, mean of five radii")
    axis.invert_xaxis()
    axis.legend(fontsize=9)
    return figure


def seen(density: NDArray[np.float32], spacing_mm: tuple[float, float], length_mm: float) -> Scene:
    """Analyse one scan."""
    image = calibrated(density, spacing_mm, length_mm)
    anatomy = find_forearm(image.pixels, spacing_mm)
    placed = place_regions(anatomy, spacing_mm, length_mm)
    assumptions = MechanicsAssumptions()
    return Scene(
        image,
        anatomy,
        placed,
        measure_morphometry(image, anatomy, placed.slabs, assumptions.compact_mineral_g_cm3),
        measure_mechanics(
            density, anatomy, placed.slabs, density_cv={}, weight_kg=WEIGHT_KG, assumptions=assumptions
        ),
    )


def _own_scene(age: float, sex: Any) -> Scene:
    rng = np.random.default_rng(21)
    acquisition = replace(draw_acquisition(rng, spacing_mm=0.35), tilt_degrees=2.0)
    phantom = render(draw_subject(rng, age=age, sex=sex), acquisition, seed=1)
    return seen(phantom.density_g_cm2, phantom.spacing_mm, phantom.truth.forearm_length_mm)


def _by_side(seed: int, names: tuple[str, ...]) -> list[list[float]]:
    rng = np.random.default_rng([seed, 5])
    phantom = render(draw_subject(rng), draw_acquisition(rng), seed)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    slabs = place_regions(anatomy, phantom.spacing_mm, phantom.truth.forearm_length_mm).slabs
    rows = []
    for side in SIDES_MM:
        values = measure_mechanics(
            phantom.density_g_cm2,
            anatomy,
            slabs,
            density_cv={},
            weight_kg=WEIGHT_KG,
            assumptions=MechanicsAssumptions(element_mm=side),
        ).values
        rows.append([float(values[name] or np.nan) for name in names])
    return rows


def _extent(scene: Scene) -> tuple[float, float, float, float]:
    """Left, right, bottom and top (mm) of a straight picture with the radius on the right."""
    across, _ = _outline(scene)
    left, right = float(across.min()) - 34.0, float(across.max()) + 14.0
    return left, right, scene.placed.slabs["one_third"][1] + 8.0, -34.0


def _window(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Forearm coordinates of that picture, 0.25 mm apart."""
    left, right, bottom, top = _extent(scene)
    along, across = np.mgrid[top:bottom:0.25, left:right:0.25]
    return _side(scene) * across, along


def _on_forearm(scene: Scene, picture: Any, window: tuple[Any, Any]) -> NDArray[np.float64]:
    from scipy import ndimage

    column, row = scene.anatomy.frame.to_image(*window)
    return np.asarray(ndimage.map_coordinates(picture, [row - 0.5, column - 0.5], order=1, cval=0.0))


def _side(scene: Scene) -> float:
    return 1.0 if scene.anatomy.radius_is_right_of_ulna else -1.0


def _outline(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    outline = np.array([*scene.anatomy.radius_outline, scene.anatomy.radius_outline[0]])
    across, along = scene.anatomy.frame.to_forearm(*outline.T)
    return _side(scene) * across, along


def _bounded(axis: Any, scene: Scene) -> None:
    left, right, bottom, top = _extent(scene)
    axis.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])


def _scale_bar(axis: Any, scene: Scene) -> None:
    left, _, bottom, _ = _extent(scene)
    axis.plot([left + 3, left + 13], [bottom - 5, bottom - 5], color="w", lw=3)
    axis.text(left + 8, bottom - 6.5, "10 mm", color="w", ha="center", va="bottom", fontsize=9)


def _forearm(axis: Any, scene: Scene) -> None:
    values, anatomy, side = scene.shape.values, scene.anatomy, _side(scene)
    axis.imshow(
        _on_forearm(scene, scene.image.pixels, _window(scene)),
        cmap="gray",
        extent=_extent(scene),
        vmin=0,
        vmax=1.1,
    )
    across, along = _outline(scene)
    axis.plot(across, along, color=OTHER, lw=0.8)
    (styloid_x, styloid_y), (corner_x, corner_y) = anatomy.radial_styloid_mm, anatomy.end_plate_medial_mm
    styloid_x, corner_x = side * styloid_x, side * corner_x
    axis.plot([styloid_x, corner_x], [styloid_y, corner_y], "-o", color=ACCENT, ms=4)
    axis.plot([corner_x, styloid_x], [corner_y, corner_y], color=ACCENT, lw=0.8, ls=":")
    axis.text(
        corner_x - 3,
        corner_y - 12,
        f"inclination {values['radial_inclination_deg']:.0f}°\nwidth {values['distal_width_mm']:.1f} mm",
        color=ACCENT,
        fontsize=9,
        ha="right",
    )
    head = ulnar_head_surface(anatomy)
    if head is not None:
        for level in (head, corner_y):
            axis.plot([corner_x - 20, corner_x], [level, level], color="#ff6b6b", lw=1)
        axis.text(
            corner_x - 21,
            head + 1,
            f"ulnar\nvariance\n{values['ulnar_variance_mm']:+.1f} mm",
            color="#ff6b6b",
            fontsize=9,
            ha="right",
            va="top",
        )
    _bow(axis, scene)
    for name in ("ultradistal", "one_third"):
        for level in scene.placed.slabs[name]:
            axis.plot([across.min() - 2, across.max() + 12], [level, level], color="w", lw=0.6, ls="--")
        inertia, modulus = values[f"{name}_inertia_mm4"], values[f"{name}_section_modulus_mm3"]
        axis.text(
            across.max() + 13.5,
            np.mean(scene.placed.slabs[name]),
            f"{name.replace('_', '-')}\nCSMI {inertia:.0f} mm⁴\nZ {modulus:.0f} mm³",
            color="w",
            fontsize=8,
            ha="right",
            va="center",
        )
    _bounded(axis, scene)
    _scale_bar(axis, scene)
    axis.set_title("Voxel phantom, measured by the engine (simulated)", fontsize=10)


def _bow(axis: Any, scene: Scene) -> None:
    anatomy, end = scene.anatomy, scene.placed.slabs["one_third"][1]
    shaft = ShaftImage.of(scene.image.pixels, anatomy, BOW_START_MM)
    level = np.arange(BOW_START_MM + 1.5, end - 1.5, 3.0)
    offset = np.array([shaft.centre((at - 1.5, at + 1.5)) for at in level], dtype=float)
    lean = _side(scene) * anatomy.radius_axis_slope
    across = offset * np.hypot(1, lean) + lean * level
    axis.plot(across, level, color="#7ae582", lw=1.5)
    axis.plot([across[0], across[-1]], [level[0], level[-1]], color="#7ae582", lw=0.8, ls=":")
    values = scene.shape.values
    axis.text(
        float(across.mean()) + 9,
        float(values["shaft_bow_level_mm"] or 0),
        f"bow {values['shaft_bow_mm']:+.1f} mm\nat {values['shaft_bow_level_mm']:.0f} mm",
        color="#7ae582",
        fontsize=9,
        ha="left",
    )


def _section(axis: Any, scene: Scene) -> None:
    """The one-third profile, the fit, and the section behind it."""
    shaft = ShaftImage.of(scene.image.pixels, scene.anatomy, BOW_START_MM)
    profile = shaft.profile(scene.placed.slabs["one_third"])
    if profile is None:
        raise RuntimeError("the figure's phantom shows no shaft")
    fit = fit_section(profile.position, profile.height, profile.half_width_mm)
    if fit is None:
        raise RuntimeError("the figure's phantom shows no section")
    wall, cavity = fit.section.projected(profile.position)
    columns = np.stack([wall, cavity, np.ones_like(wall), profile.position], axis=1)
    model = columns @ np.linalg.lstsq(columns, profile.height, rcond=None)[0]
    axis.plot(profile.position, profile.height, ".", color="0.45", ms=4, label="profile at one third")
    axis.plot(profile.position, model, color="#d62828", lw=1.4, label="fitted section, projected and blurred")
    borders = fit.section.borders()
    (outer_x, outer_y), (inner_x, _) = borders
    base = 1.75 * float(profile.height.max())
    scale = 0.55 * float(profile.height.max()) / float(outer_y.max())
    for x, y in borders:
        axis.plot(np.r_[x, x[::-1]], base + scale * np.r_[y, -y[::-1]], color="#1d3557", lw=1.2)
    for low, high, name, at in (
        (outer_x.min(), inner_x.min(), "ulnar", "right"),
        (inner_x.max(), outer_x.max(), "radial", "left"),
    ):
        axis.annotate(
            "", (low, base), (high, base), arrowprops={"arrowstyle": "<->", "color": "#d62828", "lw": 1.2}
        )
        value = scene.shape.values[f"cortical_thickness_{name}_mm"]
        sd = scene.shape.uncertainty[f"cortical_thickness_{name}_mm"]
        place = outer_x.min() - 0.4 if at == "right" else outer_x.max() + 0.4
        axis.text(place, base, f"{name} wall\n{value:.2f} ± {sd:.2f} mm", ha=at, va="center", fontsize=8)
    values = scene.shape.values
    axis.set_title(
        f"width {values['shaft_diameter_mm']:.2f} mm, cavity {values['medullary_width_mm']:.2f} mm, blur SD "
        f"{values['image_blur_mm']:.2f} mm (fitted)",
        fontsize=10,
    )
    axis.set(xlabel="mm from the shaft's middle, away from the ulna", ylabel="areal density, g/cm²")
    axis.set_xlim(-13, 13)
    axis.legend(fontsize=8, loc="lower center")


def _walls(axis: Any, scene: Scene) -> None:
    profile = scene.shape.thickness_profile
    if profile is None:
        raise RuntimeError("the figure's phantom shows no walls along the shaft")
    axis.plot(profile.level_mm, profile.ulnar_mm, "-o", ms=3, label="ulnar wall")
    axis.plot(profile.level_mm, profile.radial_mm, "-s", ms=3, label="radial wall")
    axis.plot(profile.level_mm, (profile.ulnar_mm + profile.radial_mm) / 2, color="k", lw=1, label="mean")
    axis.axvspan(*scene.placed.slabs["one_third"], color="0.9", label="one-third region")
    axis.set(xlabel="mm from the ulnar styloid", ylabel="cortical thickness, mm", ylim=(0, None))
    axis.legend(fontsize=8)


if __name__ == "__main__":
    main()
