"""How well the engine measures: every goal, on two families of fresh phantoms; writes docs/accuracy.md.

    .venv/bin/python benchmarks/accuracy.py              # everything, about 25 minutes on two idle cores
    .venv/bin/python benchmarks/accuracy.py --quick      # a smaller draw of the same, to see that all is well

Two families, side by side: ``own`` is `analysis.simulation`, on which the engine was developed and its
network trained (with other seeds); ``voxel`` is `analysis.simulation.voxel`, other shapes and other physics,
on which nothing was trained. Seeds lie far from those that samples, tests and training use.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accuracy_parts import comparators, figures, studies, table
from accuracy_parts.cases import (
    Row,
    artefact_case,
    clean_case,
    comparator_case,
    orientation_case,
    repeated_case,
)
from accuracy_parts.pipeline import ENGINE_ERROR
from accuracy_parts.samples import ARTEFACTS, FAMILIES
from accuracy_parts.speed import speed_goals
from accuracy_parts.table import Goal
from accuracy_parts.textures import SPACINGS_MM, texture_condition, texture_goals

from analysis import __version__

REPOSITORY = Path(__file__).parent.parent
FIRST_FRESH_SEED = 1_500_000
"""Used by nothing else in this repository."""
WRONG = ("wrong_side_accepted", "wrong_way_up_accepted", "wrong_bone_accepted")
COMPARED = ("variant", "family", "seed", "artefact", "refusal", "flags", "dice", "one_third_error_percent")
"""What the JSON file keeps of the comparators; of turned pictures it keeps those that went wrong."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is drawn, per family if not said otherwise; artefacts per kind, orientation in four views."""

    clean: int
    repeated: int
    own_artefacts: int
    voxel_artefacts: int
    orientation: int
    texture: int
    comparators: int
    studies: int
    rounds: int


FULL = Sizes(150, 40, 50, 35, 250, 80, 24, 20, 25)
QUICK = Sizes(10, 5, 2, 1, 3, 10, 2, 2, 3)
TINY = Sizes(2, 2, 1, 1, 1, 8, 1, 1, 1)
"""For the smoke test."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    sizes = TINY if options.tiny else QUICK if options.quick else FULL
    started = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        results = measure_all(sizes, options.first_seed, lambda f, *a: list(pool.map(f, *a)))
    # alone at the end, so that nothing else runs beside it
    results["goals"] += speed_goals(sizes.rounds, options.first_seed)
    images = options.out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    worst = figures.ten_worst(results["clean"] + results["spoiled"], images / "accuracy_ten_worst.png")
    figures.contact_sheet(options.first_seed, images / "accuracy_contact_sheet.png")
    minutes = (time.perf_counter() - started) / 60
    options.out.write_text(report(results, worst, options, sizes, minutes), encoding="utf-8")
    options.out.with_suffix(".json").write_text(as_json(results, options, sizes), encoding="utf-8")
    print("\n".join(table.as_markdown(results["goals"])))


def measure_all(sizes: Sizes, first_seed: int, run: Callable[..., list[Any]]) -> dict[str, Any]:
    """Draw, analyse and compare everything; `run` maps a function over arguments."""

    def seeds(count: int, block: int) -> list[int]:
        return list(range(first_seed + 1000 * block, first_seed + 1000 * block + count))

    def over_families(function: Callable[..., Any], count: int, block: int) -> list[Any]:
        jobs = [(family, seed) for family in FAMILIES for seed in seeds(count, block)]
        return run(function, *zip(*jobs, strict=True))

    clean = over_families(clean_case, sizes.clean, 1)
    repeated = over_families(repeated_case, sizes.repeated, 2)
    spoiled = run(artefact_case, *zip(*_artefact_jobs(sizes, first_seed), strict=True))
    turned = [row for rows in over_families(orientation_case, sizes.orientation, 4) for row in rows]
    conditions = run(
        texture_condition,
        *zip(
            *[(f, mm, sizes.texture, first_seed + 5000) for f in FAMILIES for mm in SPACINGS_MM], strict=True
        ),
    )
    variants = comparators.variants()
    jobs = comparators.jobs(sizes.comparators, first_seed + 6000)
    compared = [
        row for rows in run(comparator_case, *zip(*jobs, strict=True), [variants] * len(jobs)) for row in rows
    ]
    per_flavour = [
        (flavour, seed) for flavour in (*studies.FLAVOURS, "to decline") for seed in seeds(sizes.studies, 0)
    ]
    return {
        "clean": clean,
        "repeated": repeated,
        "spoiled": spoiled,
        "turned": turned,
        "conditions": conditions,
        "compared": compared,
        "studies": run(studies.run_case, *zip(*per_flavour, strict=True)),
        "goals": [
            *table.density_goals(clean),
            *table.repositioning_goals(repeated),
            *table.outline_goals(clean),
            *table.artefact_goals(spoiled),
            *table.landmark_goals(clean),
            *table.cortex_goals(clean, repeated),
            *table.orientation_goals(turned),
            *texture_goals(conditions),
        ],
    }


def _artefact_jobs(sizes: Sizes, first_seed: int) -> list[tuple[str, int, str]]:
    counts = {"own": sizes.own_artefacts, "voxel": sizes.voxel_artefacts}
    return [
        (family, first_seed + 3000 + 100 * place + number, kind)
        for family in FAMILIES
        for place, kind in enumerate(ARTEFACTS[family])
        for number in range(counts[family])
    ]


def report(
    results: dict[str, Any], worst: Sequence[str], options: argparse.Namespace, sizes: Sizes, minutes: float
) -> str:
    """The page."""
    goals: list[Goal] = results["goals"]
    missed = [g.name for g in goals if g.verdict(g.must) in ("miss", "not measured")]
    lines = [
        *preface(options, sizes, minutes),
        "## Goals",
        "",
        "Ranges in brackets are 95 % bootstrap intervals over cases. A goal is met if both families meet it.",
        "",
        *table.as_markdown(goals),
        "",
        "A picture is *flagged* if it is refused or if any warning or error about segmentation, artefacts, "
        "regions or plausibility is raised; what is said of every picture of greys does not count. "
        "Repositioning turns the bone in the beam (voxel family): its own projection then differs, which no "
        "software can undo; that part is told beside the figure.",
        "",
        *engine_errors(results),
        f"Not met or not measured: {'; '.join(missed)}." if missed else "Every must is met.",
        "",
        *by_artefact(results["spoiled"]),
        "",
        "## Comparators and preprocessing",
        "",
        *comparators.as_markdown(results["compared"]),
        "",
        "## Studies as DICOM",
        "",
        *studies.as_markdown(results["studies"]),
        "",
        "## Pictures",
        "",
        "Found in red, true in blue; regions in yellow; end plate +, ulnar styloid ×, one-third centre ○.",
        "",
        "![Twenty-four cases of both families](images/accuracy_contact_sheet.png)",
        "",
        "![The ten worst cases](images/accuracy_ten_worst.png)",
        "",
        *[f"{number}. {line}" for number, line in enumerate(worst, 1)],
    ]
    return "\n".join(lines) + "\n"


def preface(options: argparse.Namespace, sizes: Sizes, minutes: float) -> list[str]:
    """When, where and on what the figures were made, and what they cannot say."""
    draw = "the full draw" if sizes is FULL else "a quick draw: intervals are wide, rare failures unseen"
    return [
        "# Accuracy on fresh phantoms",
        "",
        f"Made by `python benchmarks/accuracy.py` on {datetime.now(UTC):%Y-%m-%d}, engine {__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {draw}, "
        f"{minutes:.0f} minutes, seeds from {options.first_seed}, used by nothing else here.",
        "",
        "**These are simulated forearms.** *Own* is the family the engine was developed and its network "
        "trained on. *Voxel* is a second one of other shapes and other physics: no model was trained on it, "
        "but its failures, on other seeds, were looked at while the engine was mended, and the core texture "
        "set was chosen on both. Neither predicts the error on patients.",
        "",
        "The voxel family: volumes whose sections are no ellipses (interosseous crest, dorsal tubercle, "
        "notch), wall and density changing along the shaft, an end plate slanted in two directions, "
        "pronation ±10°, tilt ±20°, pixels of 0.25 to 1 mm and not always square, a trabecular network cut "
        "from a 3-D field of known period, blur with tails, scatter and soft-tissue errors, "
        "ten kinds of artefact.",
        "",
    ]


def engine_errors(results: dict[str, Any]) -> list[str]:
    """A sentence that names every case on which the engine failed instead of measuring or refusing."""
    rows = [*results["clean"], *results["spoiled"], *results["turned"]]
    failed = [
        f"{row['family']} {row.get('artefact') or 'clean'} {row['seed']}"
        for row in rows
        if row["refusal"] == ENGINE_ERROR
    ]
    for condition in results["conditions"]:
        failed += [f"{condition['family']} texture {seed}" for seed in condition["engine_errors"]]
    return [f"**The engine failed on** {', '.join(dict.fromkeys(failed))}.", ""] if failed else []


def by_artefact(spoiled: Sequence[Row]) -> list[str]:
    """One line per family and kind of artefact."""
    lines = [
        "## By artefact",
        "",
        "| family, kind | n | refused | flagged | mean Dice | minimum | silent failures |",
        "|---|---|---|---|---|---|---|",
    ]
    for family in FAMILIES:
        for kind in ARTEFACTS[family]:
            rows = [r for r in spoiled if r["family"] == family and r["artefact"] == kind]
            overlaps = [r["dice"] for r in rows if not r["refusal"]]
            dice = (
                [f"{sum(overlaps) / len(overlaps):.3f}", f"{min(overlaps):.3f}"] if overlaps else ["–", "–"]
            )
            counts = [sum(bool(r[key]) for r in rows) for key in ("refusal", "flags")]
            silent = sum(table.is_silent(r) for r in rows)
            cells = [f"{family}, {kind}", len(rows), *counts, *dice, silent]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def as_json(results: dict[str, Any], options: argparse.Namespace, sizes: Sizes) -> str:
    """Goals and the cases behind them."""
    content = {
        "engine": __version__,
        "first_seed": options.first_seed,
        "sizes": asdict(sizes),
        **results,
        "turned": [row for row in results["turned"] if row["refusal"] or any(row[key] for key in WRONG)],
        "compared": [{key: row.get(key) for key in COMPARED} for row in results["compared"]],
        "goals": table.as_json(results["goals"]),
        "studies": [asdict(case) for case in results["studies"]],
    }
    return json.dumps(_rounded(content), indent=None, separators=(",", ":")) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller draw of everything")
    parser.add_argument("--tiny", action="store_true", help="one or two of everything: does it run?")
    parser.add_argument("--first-seed", type=int, default=FIRST_FRESH_SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "accuracy.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
