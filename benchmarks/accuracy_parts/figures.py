"""The pictures: a contact sheet of both families, and the ten worst cases with what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from accuracy_parts.cases import GREY_SHARE, Row, compared
from accuracy_parts.pipeline import Outcome, analyse
from accuracy_parts.samples import ARTEFACTS, FAMILIES, Sample, draw_sample
from accuracy_parts.statistics import dice

FOUND, TRUE, REGION = "#ff4d4d", "#39c5ff", "#ffd23f"
SHEET_SEED_OFFSET = 8000


def contact_sheet(first_seed: int, path: Path) -> None:
    """Twelve cases of each family, half of them with artefacts."""
    cases = []
    for family in FAMILIES:
        kinds = [None] * 6 + [ARTEFACTS[family][i % len(ARTEFACTS[family])] for i in range(6)]
        if family == "voxel":
            kinds = [None] * 4 + list(ARTEFACTS[family])[:8]
        for number, kind in enumerate(kinds):
            sample = draw_sample(family, first_seed + SHEET_SEED_OFFSET + number, artefact=kind)
            cases.append((sample, analyse(sample), f"{family}, {kind or 'clean'}"))
    _draw(cases, 4, path, dpi=62)


def ten_worst(rows: Sequence[Row], path: Path) -> list[str]:
    """Draw the ten worst cases; returns one line each: which case, and what went wrong."""
    cases, lines = [], []
    for row in sorted(rows, key=badness, reverse=True)[:10]:
        sample = sample_of(row)
        outcome = analyse(sample)
        kind = f"{row['family']}, {row['artefact'] or 'clean'}, seed {row['seed']}"
        lines.append(f"{kind}: {what_went_wrong(sample, outcome)}")
        cases.append((sample, outcome, kind))
    _draw(cases, 2, path, dpi=72)
    return lines


def sample_of(row: Row) -> Sample:
    """The sample behind a row of `clean_case` or `artefact_case`."""
    grey = row["family"] == "voxel" and row["artefact"] is None and row["seed"] % GREY_SHARE == 0
    return draw_sample(row["family"], row["seed"], artefact=row["artefact"], grey=grey)


def badness(row: Row) -> float:
    """Silent failures first, then flagged failures, refused clean pictures, and what is merely off."""
    if row["refusal"]:
        return 2.0 if row["artefact"] is None else 0.5
    overlap = 1 - row["dice"]
    failed = overlap > 0.07
    off = sum(min(row[key] or 0.0, 20.0) for key in ("end_plate_mm", "styloid_mm", "one_third_mm")) / 60
    silent = 4.0 if failed and not row["flags"] else 0.0
    return (
        silent
        + (1.0 if failed else 0.0)
        + overlap
        + off
        + (0.5 if row["artefact"] is None and off > 0.05 else 0)
    )


def what_went_wrong(sample: Sample, outcome: Outcome) -> str:
    """In words, from the numbers alone."""
    if outcome.anatomy is None:
        return f"refused ({outcome.refusal})"
    row, anatomy = compared(sample, outcome), outcome.anatomy
    faults = []
    if dice(anatomy.radius_mask, sample.ulna_mask) > dice(anatomy.radius_mask, sample.radius_mask):
        faults.append("the ulna was taken for the radius")
    elif row["dice"] < 0.98:
        missing = np.count_nonzero(sample.radius_mask & ~anatomy.radius_mask) / sample.radius_mask.sum()
        added = np.count_nonzero(anatomy.radius_mask & ~sample.radius_mask) / sample.radius_mask.sum()
        where = _where(sample, anatomy.radius_mask)
        faults.append(
            f"{100 * missing:.0f} % of the radius missed and {100 * added:.0f} % added, mostly {where}"
        )
    if not row["up_right"]:
        faults.append("taken for the other way up")
    for name, key in (
        ("end plate", "end_plate_mm"),
        ("styloid", "styloid_mm"),
        ("one-third", "one_third_mm"),
    ):
        if row[key] is not None and row[key] > 1.5:
            faults.append(f"{name} off by {row[key]:.1f} mm")
    error = row.get("one_third_error_percent")
    if error is not None and abs(error) > 1:
        faults.append(f"one-third BMD {error:+.1f} %")
    flags = f"flagged {', '.join(outcome.flags)}" if outcome.flags else "not flagged"
    return f"Dice {row['dice']:.3f}; {'; '.join(faults) or 'no single fault stands out'}; {flags}"


def _where(sample: Sample, found: Any) -> str:
    """In which third of the radius, seen from the hand, most wrong pixels lie."""
    wrong = np.nonzero(found ^ sample.radius_mask)[0]
    rows = np.nonzero((found | sample.radius_mask).any(axis=1))[0]
    part = (np.median(wrong) - rows[0]) / max(rows[-1] - rows[0], 1)
    part = part if sample.hand_up else 1 - part
    return ("at the wrist", "along the distal shaft", "at the proximal end")[min(int(3 * part), 2)]


def _draw(cases: Sequence[tuple[Sample, Outcome, str]], lines: int, path: Path, *, dpi: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = -(-len(cases) // lines)
    figure, axes = plt.subplots(lines, columns, figsize=(3.1 * columns, 4.5 * lines), facecolor="black")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (sample, outcome, title) in zip(axes.flat, cases, strict=False):
        _draw_case(axis, sample, outcome)
        seen = outcome.refusal or f"Dice {dice(outcome.anatomy.radius_mask, sample.radius_mask):.3f}"  # type: ignore[union-attr]
        axis.set_title(f"{title}\n{seen}", color="white", fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=dpi, facecolor="black", pil_kwargs={"optimize": True})
    plt.close(figure)
    _fewer_colours(path)


def _draw_case(axis: Any, sample: Sample, outcome: Outcome) -> None:
    rows, columns = sample.pixels.shape
    aspect = sample.spacing_mm[0] / sample.spacing_mm[1]
    low, high = (-0.03, 0.95) if sample.density else (0.0, 1.0)
    frame = (0, columns, rows, 0)
    axis.imshow(sample.pixels, cmap="gray", vmin=low, vmax=high, aspect=aspect, extent=frame)
    grid = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    axis.contour(*grid, sample.radius_cover, [0.5], colors=TRUE, linewidths=0.9)
    if outcome.anatomy is not None:
        for outline in (outcome.anatomy.radius_outline, outcome.anatomy.ulna_outline):
            points = np.array([*outline, outline[0]])
            axis.plot(*points.T, color=FOUND, linewidth=0.7)
        for polygon in outcome.placed.polygons.values() if outcome.placed else ():
            points = np.array([*polygon, polygon[0]])
            axis.plot(*points.T, color=REGION, linewidth=0.5, alpha=0.8)
        axis.plot(*outcome.anatomy.end_plate, "+", color=FOUND, markersize=8)
        axis.plot(*outcome.anatomy.ulnar_styloid, "x", color=FOUND, markersize=6)
    axis.plot(*sample.end_plate, "+", color=TRUE, markersize=8)
    axis.plot(*sample.ulnar_styloid, "x", color=TRUE, markersize=6)
    axis.plot(*sample.one_third, "o", color=TRUE, markersize=4, fillstyle="none")
    axis.set_xlim(0, columns)
    axis.set_ylim(rows, 0)


def _fewer_colours(path: Path) -> None:
    """Greys, and the inks over greys, from one palette: it keeps the file small and the inks bright."""
    from PIL import Image, ImageColor

    greys = np.linspace(0, 255, 100)[:, None] * np.ones(3)
    share, under = np.meshgrid([0.35, 0.6, 0.8, 1.0], np.linspace(0, 255, 12))
    inks = [
        share.reshape(-1, 1) * np.array(ImageColor.getrgb(ink))
        + (1 - share.reshape(-1, 1)) * under.reshape(-1, 1)
        for ink in (FOUND, TRUE, REGION)
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, *inks]).round().astype(np.uint8).tobytes())
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
