"""The shipped segmentation beside other methods, and without each of its preprocessing steps in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from accuracy_parts.cases import Row
from accuracy_parts.pipeline import UNET
from accuracy_parts.samples import ARTEFACTS, FAMILIES
from accuracy_parts.table import SILENT_DICE, is_silent
from analysis.config import PREPROCESSING, SegmentationMethod


def variants() -> tuple[str, ...]:
    """Every method the engine offers, the UNet, and the shipped one without each preprocessing step."""
    return (*get_args(SegmentationMethod), UNET, *(f"without {step}" for step in PREPROCESSING))


def jobs(count: int, first_seed: int) -> list[tuple[str, int, str | None]]:
    """(family, seed, artefact): `count` clean pictures of each family and as many with artefacts in turn."""
    clean = [(family, first_seed + n, None) for family in FAMILIES for n in range(count)]
    spoiled = [
        (family, first_seed + 500 + n, ARTEFACTS[family][n % len(ARTEFACTS[family])])
        for family in FAMILIES
        for n in range(count)
    ]
    return [*clean, *spoiled]


def as_markdown(rows: Sequence[Row]) -> list[str]:
    """One line per variant; a refused clean picture counts as Dice 0."""
    lines = [
        "The same pictures by every method, and by the shipped method without one step of preprocessing "
        "(what is measured is never changed by these steps, only where it is measured).",
        "",
        "| variant | clean Dice, mean / min | clean refused | one-third BMD error, median of absolute % "
        f"| with artefacts: mean Dice of those outlined | refused | Dice < {SILENT_DICE} unflagged |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant in dict.fromkeys(r["variant"] for r in rows):
        mine = [r for r in rows if r["variant"] == variant]
        clean, spoiled = (
            [r for r in mine if (r["artefact"] is None) == is_clean] for is_clean in (True, False)
        )
        overlap = np.array([r.get("dice", 0.0) for r in clean])
        errors = [
            abs(r["one_third_error_percent"]) for r in clean if r.get("one_third_error_percent") is not None
        ]
        outlined = [r["dice"] for r in spoiled if not r["refusal"]]
        cells = [
            variant,
            f"{overlap.mean():.4f} / {overlap.min():.3f}",
            f"{sum(bool(r['refusal']) for r in clean)} of {len(clean)}",
            f"{np.median(errors):.2f}" if errors else "–",
            f"{np.mean(outlined):.3f}" if outlined else "–",
            f"{sum(bool(r['refusal']) for r in spoiled)} of {len(spoiled)}",
            f"{sum(is_silent(r) for r in spoiled)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
