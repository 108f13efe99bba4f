"""One function per kind of case: draw it, analyse it, compare it with its truth, return plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from accuracy_parts.pipeline import Outcome, analyse
from accuracy_parts.samples import Point, Sample, draw_pair, draw_sample, turned
from accuracy_parts.statistics import dice, hd95_mm
from analysis.config import PREPROCESSING
from analysis.measurement.regions import one_third_slab, slab_outline
from analysis.results import Laterality

Row = dict[str, Any]

GREY_SHARE = 5
"""Every fifth picture of the voxel family is one of 8-bit greys; it tells of outlines, not of densities."""


def clean_case(family: str, seed: int) -> Row:
    """A picture without artefact."""
    sample = draw_sample(family, seed, grey=family == "voxel" and seed % GREY_SHARE == 0)
    return compared(sample, analyse(sample))


def artefact_case(family: str, seed: int, kind: str) -> Row:
    """A picture with an artefact."""
    sample = draw_sample(family, seed, artefact=kind)
    return compared(sample, analyse(sample))


def repeated_case(family: str, seed: int) -> Row:
    """One arm scanned twice: BMD and cortex of both scans, measured and true."""
    samples = draw_pair(family, seed)
    outcomes = [analyse(sample) for sample in samples]
    row: Row = {"family": family, "seed": seed, "flags": [list(o.flags) for o in outcomes]}
    for name in ("ultradistal", "mid", "one_third", "total"):
        row[name] = [_bmd(outcome, name) for outcome in outcomes]
        row[f"{name}_true"] = [sample.regions[name][0] for sample in samples]
        row[f"{name}_in_field"] = all(sample.regions[name][1] for sample in samples)
    row["cortex"] = [_morphometry(outcome, "cortical_thickness_mm") for outcome in outcomes]
    row["cortex_true"] = [sample.cortical_thickness_mm for sample in samples]
    return row


def orientation_case(family: str, seed: int) -> list[Row]:
    """One picture as left and right arm and either way up, each with a true and with a wrong header."""
    sample, rows = draw_sample(family, seed), []
    for mirrored in (False, True):
        for upside_down in (False, True):
            view = turned(sample, mirrored=mirrored, upside_down=upside_down)
            other = Laterality.RIGHT if view.laterality is Laterality.LEFT else Laterality.LEFT
            # whatever the header says, the picture is the same: it is segmented once
            unchecked = analyse(view, measured=False)
            true, wrong = (unchecked.with_header(side) for side in (view.laterality, other))
            anatomy = true.anatomy
            rows.append(
                {
                    "family": family,
                    "seed": seed,
                    "mirrored": mirrored,
                    "upside_down": upside_down,
                    "refusal": true.refusal,
                    "wrong_side_accepted": not wrong.refusal,
                    "wrong_way_up_accepted": anatomy is not None and anatomy.hand_up != view.hand_up,
                    "wrong_bone_accepted": anatomy is not None
                    and dice(anatomy.radius_mask, view.ulna_mask)
                    > dice(anatomy.radius_mask, view.radius_mask),
                }
            )
    return rows


def comparator_case(family: str, seed: int, kind: str | None, variants: tuple[str, ...]) -> list[Row]:
    """One picture by every variant: a method's name, or ``without STEP`` of the preprocessing."""
    sample, rows = draw_sample(family, seed, artefact=kind), []
    for variant in variants:
        step = variant.removeprefix("without ")
        options: dict[str, Any] = {"method": variant}
        if step != variant:
            options = {"preprocessing": tuple(name for name in PREPROCESSING if name != step)}
        rows.append({"variant": variant, **compared(sample, analyse(sample, **options))})
    return rows


def compared(sample: Sample, outcome: Outcome) -> Row:
    """An outcome against the truth; a figure that does not exist is None."""
    row: Row = {
        "family": sample.family,
        "seed": sample.seed,
        "artefact": sample.artefact,
        "spacing_mm": list(sample.spacing_mm),
        "tilt_degrees": sample.tilt_degrees,
        "density": sample.density,
        "refusal": outcome.refusal,
        "flags": list(outcome.flags),
        "milliseconds": outcome.milliseconds,
    }
    anatomy = outcome.anatomy
    if anatomy is None:
        return row
    row |= {
        "dice": dice(anatomy.radius_mask, sample.radius_mask),
        "ulna_dice": dice(anatomy.ulna_mask, sample.ulna_mask),
        "hd95_mm": hd95_mm(anatomy.radius_outline, sample.radius_cover, sample.spacing_mm),
        "end_plate_mm": _distance(anatomy.end_plate, sample.end_plate, sample),
        "styloid_mm": _distance(anatomy.ulnar_styloid, sample.ulnar_styloid, sample),
        "one_third_mm": _one_third_error(sample, outcome),
        "up_right": anatomy.hand_up == sample.hand_up,
    }
    for name, (true, in_field) in sample.regions.items():
        found = _bmd(outcome, name) if sample.density else None
        row[f"{name}_error_percent"] = None if found is None or not in_field else 100 * (found / true - 1)
    thickness = _morphometry(outcome, "cortical_thickness_mm") if sample.density else None
    row["cortex_true_mm"] = sample.cortical_thickness_mm
    row["cortex_error_mm"] = None if thickness is None else thickness - sample.cortical_thickness_mm
    return row


def _distance(found: Point, true: Point, sample: Sample) -> float:
    row_mm, column_mm = sample.spacing_mm
    return float(np.hypot((found[0] - true[0]) * column_mm, (found[1] - true[1]) * row_mm))


def _one_third_error(sample: Sample, outcome: Outcome) -> float | None:
    """Distance of the radius's midline at a third of the forearm from where it truly is, if in the field."""
    if outcome.anatomy is None or not sample.regions["one_third"][1]:
        return None
    centre = sum(one_third_slab(sample.forearm_length_mm)) / 2
    outline = slab_outline(outcome.anatomy, (centre - 0.5, centre + 0.5))
    if len(outline) < 3:
        return None
    column, row = (outline.max(axis=0) + outline.min(axis=0)) / 2
    return _distance((float(column), float(row)), sample.one_third, sample)


def _bmd(outcome: Outcome, name: str) -> float | None:
    return None if outcome.measured is None else outcome.measured.regions[name].bmd_g_cm2


def _morphometry(outcome: Outcome, name: str) -> float | None:
    return None if outcome.measured is None else outcome.measured.morphometry.get(name)
