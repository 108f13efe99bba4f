"""``docs/deep-line.md`` from the figures; a stage that has not run is left out and named."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from deep_line_parts.comparisons import STAGES
from deep_line_parts.study import TUNING_EPOCHS, Study

Found = Mapping[str, Any]
HEADER = "| | AUC 1 y | 3 y | 5 y | 10 y | Brier 10 y | O:E 10 y | slope 10 y | osteoporosis AUC |"
HORIZONS = ("1", "3", "5", "10")


def page(study: Study, results: Found) -> str:
    """The whole page."""
    found = {name: result["found"] for name, result in results.items()}
    lines = [*_head(study, results)]
    for name, section in SECTIONS.items():
        if name in found:
            lines += ["", *section(found)]
    left = [name for name in STAGES if name not in found]
    if left:
        lines += ["", f"Not run yet: {', '.join(left)}. The same command goes on with them."]
    return "\n".join(lines) + "\n"


def _head(study: Study, results: Found) -> list[str]:
    found = results.get("oracle", {}).get("found", {})
    aucs = ", ".join(
        f"{auc:.3f} at {years} y ({events} fractures)"
        for years, (auc, events) in found.get("auc", {}).items()
    )
    minutes = sum(result["processor_minutes"] for result in results.values())
    return [
        "# The deep line: a picture's encoder fused with the families of predictors",
        "",
        "**Simulated training data; research use only.** People, pictures and fractures are "
        "simulated; absolute "
        "figures are properties of the simulator and say nothing about patients.",
        "",
        "**A development comparison.** Where the network starts, its learning rate, its number of members "
        "and how Cox's penalty is chosen were changed after AUCs of this judging part had been seen: quote "
        "only the figures of a fresh draw"
        + (" (next section)." if "confirmation" in results else ": `--fresh`."),
        "",
        f"Made by `python benchmarks/deep_line.py` on {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, "
        f"{os.cpu_count()} cores shared with other work, one thread: {minutes:.0f} processor "
        f"minutes for all of it. "
        f"{len(study.train)} subjects with pictures teach, {len(study.test)} others judge; members "
        f"are stopped by "
        "folds of the teaching part. Encoders are pre-trained on "
        f"{min(study.pretraining_pictures, len(study.train))} pictures of the teaching part in "
        f"{study.epochs} passes. "
        "AUCs are weighted for censoring, death competes; brackets "
        "are 95 % intervals "
        "(DeLong).",
        "",
        f"The oracle, who knows everybody's true risk, has an AUC of {aucs} on the judging part: "
        f"no model can "
        "know more."
        if aucs
        else "",
    ]


def _table(rows: Found) -> list[str]:
    lines = [HEADER, "|---|" + "---|" * 8]
    for name, figures in rows.items():
        horizons = figures["horizons"]
        cells = [_interval(horizons[years].get("auc")) for years in HORIZONS]
        last = horizons["10"]
        cells += [
            _value(last.get("brier"), 4),
            _value(last.get("observed_to_expected")),
            _value(last.get("slope")),
        ]
        cells.append(_interval(figures.get("osteoporosis_auc")))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cox(found: Found) -> list[str]:
    return [
        "## The plain line: ridge Cox regression",
        "",
        "Cause-specific regressions of fracture and death on the same predictors, the ridge "
        "chosen over three folds of the "
        "teaching part. This is a comparator made here, not the node's own risk models.",
        "",
        *_table(found["cox"]),
    ]


def _inputs(found: Found) -> list[str]:
    return [
        "## What the picture adds to what is measured on it",
        "",
        "Early fusion. *deployable* is age, sex, body size, density, shape and the chosen "
        "hand-made texture; "
        "*image* is the self-supervised encoder.",
        "",
        *_table(found["inputs"]),
    ]


def _encoders(found: Found) -> list[str]:
    rows = found["encoders"]
    gains = [f"| {name} | {_interval(figures['gain_over_bmd'], 4)} |" for name, figures in rows.items()]
    stayed = [name for name in rows if rows[name] == rows["random"] and name != "random"]
    return [
        "## How the encoder is trained",
        "",
        "Age, sex, body size, density and the picture, no hand-made texture. `random` is an "
        "untrained encoder, "
        "`none+tuned` one trained from scratch on outcomes, `segmentation` the shipped "
        "segmentation network's first "
        "19 layers unpacked from their 8-bit ONNX file, `self-supervised` VICReg on two views of "
        "each picture (repeat "
        "scans of a person are not kept as pictures in a cohort), `microstructure` regression of "
        "the simulator's true "
        "trabecular number and distal cortical thickness, which no site has. `+tuned` also learns "
        f"from outcomes for {TUNING_EPOCHS} passes, of which the best is kept, and none where none helps"
        + (f" (so of {', '.join(stayed)}: the same as `random`)." if stayed else "."),
        "",
        *_table(rows),
        "",
        "| encoder | gain in 10-year AUC over the same network without a picture |",
        "|---|---|",
        *gains,
    ]


def _fusions(found: Found) -> list[str]:
    rows = found["fusions"]
    gains = [f"| {name} | {_interval(figures['gain_over_cox'], 4)} |" for name, figures in rows.items()]
    poorer = {f"{name}, deployable": figures["deployable_by_masking"] for name, figures in rows.items()}
    return [
        "## Ways of fusion, all families with the picture",
        "",
        "*deployable* is the same network when turnover, clinical, genetic and gait families are "
        "missing (masked), "
        "not one trained for that.",
        "",
        *_table({**rows, **poorer}),
        "",
        "| fusion | gain in 10-year AUC over ridge Cox on all families |",
        "|---|---|",
        *gains,
    ]


def _microstructure(found: Found) -> list[str]:
    rows = {name: value for name, value in found["microstructure"].items() if name != "target"}
    return [
        "## Does an encoder see what hand-made texture does not?",
        "",
        f"R² of `{found['microstructure']['target']}` on the judging part, by ridge regression:",
        "",
        "| seen | R² |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in rows.items()),
    ]


def _sequence(found: Found) -> list[str]:
    rows = found["sequence"]
    if not rows:
        return ["## Repeat scans", "", "The cohort has none."]
    readers = {name: value for name, value in rows.items() if name not in ("people", "fractures")}
    return [
        "## Repeat scans",
        "",
        f"{rows['people']} people with earlier scans, {rows['fractures']} fractures in ten years; "
        f"10-year AUC by five "
        "folds of these people (the index scan's picture is not used: earlier pictures are not "
        "kept). With so few the "
        "intervals are wide and no reader can be told from another unless they part.",
        "",
        "| reader | 10-year AUC |",
        "|---|---|",
        *(f"| {name} | {_interval(value)} |" for name, value in readers.items()),
    ]


def _missing(found: Found) -> list[str]:
    return [
        "## Missing values",
        "",
        "Told to the network (mask: row *full* above), or also filled by multiple imputation "
        "(chained equations).",
        "",
        *_table({"mice": found["missing"]["mice"]}),
        "",
        f"Gain of imputation in 10-year AUC: {_interval(found['missing']['gain'], 4)}.",
    ]


def _optimisers(found: Found) -> list[str]:
    return [
        "## Optimisers and schedules",
        "",
        "All tabular predictors; *full* above is AdamW with a cosine.",
        "",
        *_table(found["optimisers"]),
    ]


def _search(found: Found) -> list[str]:
    trials = {name: len(figures["tried"]) for name, figures in found["search"].items()}
    return [
        "## Searches",
        "",
        f"Trials: {trials}; deployable with the picture.",
        "",
        *_table(found["search"]),
    ]


def _nested(found: Found) -> list[str]:
    aucs = ", ".join(f"{auc:.3f} at {years} y" for years, auc in found["nested"]["auc"].items())
    return [
        "## Nested cross-validation",
        "",
        f"Deployable with the picture; plans searched inside each outer fold of the teaching part: "
        f"AUC {aucs}. The "
        "encoder was pre-trained on pictures (without outcomes) of the whole teaching part.",
    ]


def _shipped(found: Found) -> list[str]:
    rows = found["shipped"]
    size = sum(rows["bytes"].values())
    took = rows["predict_and_explain_ms"]
    return [
        "## The written network and the published figures",
        "",
        f"Early fusion of all families with the self-supervised encoder: "
        f"{rows['parameters']['encoder']} parameters in "
        f"the encoder, {rows['parameters']['all']} in all; {size / 1e6:.2f} MB for safetensors, "
        f"ONNX and JSON. One "
        f"prediction with its Grad-CAM takes {took['median']} ms (median; least {took['least']} "
        f"ms) on one thread of "
        "a busy machine.",
        "",
        *_table({"all families + picture": rows["figures"]}),
        "",
        f"Gain in 10-year AUC over ridge Cox on all families: {_interval(rows['gain_over_cox'], 4)}.",
        "",
        "| osteoporosis by central DXA | AUC |",
        "|---|---|",
        f"| here, simulated | {_interval(rows['figures'].get('osteoporosis_auc'))} |",
        "| published, deep learning on forearm radiographs | 0.81–0.86 |",
        "| published, six families (Wang & Meng 2026, internal test) | 0.936 (0.927–0.945) |",
        "",
        "The published figures are of other people, other pictures and other definitions; they "
        "stand here for scale.",
    ]


def _confirmation(found: Found) -> list[str]:
    """The claims on people nobody had looked at when the networks' settings were fixed."""
    fresh = {name: result["found"] for name, result in found["confirmation"].items()}
    aucs = ", ".join(
        f"{auc:.3f} at {years} y ({events} fractures)"
        for years, (auc, events) in fresh["oracle"]["auc"].items()
    )
    gains = [
        f"| {name} over ridge Cox, all families | {_interval(figures['gain_over_cox'], 4)} |"
        for name, figures in fresh["fusions"].items()
    ]
    return [
        "## Judged by a fresh draw",
        "",
        f"The same teaching part, encoders and settings; {fresh['oracle']['test']} other people of another "
        f"seed judge, once. The oracle's AUC is {aucs}.",
        "",
        *_table({f"ridge Cox, {name}": figures for name, figures in fresh["cox"].items()}),
        *_table(
            {**fresh["inputs"], **{f"{name}, full + image": item for name, item in fresh["fusions"].items()}}
        )[2:],
        "",
        "| difference in 10-year AUC | |",
        "|---|---|",
        *gains,
    ]


SECTIONS: Mapping[str, Callable[[Found], list[str]]] = {
    "confirmation": _confirmation,
    "shipped": _shipped,
    "cox": _cox,
    "inputs": _inputs,
    "microstructure": _microstructure,
    "encoders": _encoders,
    "fusions": _fusions,
    "sequence": _sequence,
    "missing": _missing,
    "optimisers": _optimisers,
    "search": _search,
    "nested": _nested,
}


def _interval(estimate: list[float] | None, digits: int = 3) -> str:
    if estimate is None:
        return "–"
    value, low, high = estimate
    return (
        f"{value:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"
        if digits == 3
        else (f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})")
    )


def _value(estimate: list[float] | None, digits: int = 2) -> str:
    return "–" if estimate is None else f"{estimate[0]:.{digits}f}"
