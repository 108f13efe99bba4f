"""The segmentation networks' model card: what they are, how they were made, how good they are, what they are
not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from analysis.training.segmentation.labels import LANDMARK_NAMES

TEMPLATE = Path(__file__).with_name("model_card.template.md")
MODEL_CARD_FILE = "segmentation-model-card.md"


def model_card(manifest: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    manifest : mapping
        As written to ``segmentation.json``.
    evaluation : mapping of architecture to figures
        As written to ``segmentation-evaluation.json``.
    """
    height, width = manifest["input"]["shape"][2:]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=manifest["name"],
        version=manifest["version"],
        height=height,
        width=width,
        classes=", ".join(f"`{name}`" for name in manifest["classes"]),
        landmarks=", ".join(f"`{name}`" for name in manifest["landmarks"]),
        networks="\n\n".join(_section(figures) for figures in evaluation.values()),
    )


def _section(figures: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            f"## `forearm-{figures['architecture']}`",
            "",
            f"Made by `dicom-node train segmentation --architecture {figures['architecture']} --size "
            f"{figures['size']} --steps {figures['steps']} --seed {figures['seed']} --processes "
            f"{figures['processes']}`: {figures['parameters']} parameters; {figures['training_data']}.",
            "",
            f"Shipped as **{figures['shipped']}**: integers change the mean radius Dice by "
            f"{-figures['dice_loss_int8']:+.5f}.",
            "",
            "| numbers | kB | ms per picture, one thread: median (least) |",
            "|---|---|---|",
            *(_size_row(name, network) for name, network in figures["networks"].items()),
            "",
            "Dice of the raw network on the scan's own pixels, before any edge refinement:",
            "",
            "| numbers | scans | n | radius mean | p5 | least | below 0.93 | ulna mean | carpals mean |",
            "|---|---|---|---|---|---|---|---|---|",
            *(_dice_row(n, kind, s) for n, kind, s in _rows(figures)),
            "",
            "Distance of landmarks from the truth, mm, median / 95th percentile:",
            "",
            "| numbers | scans | " + " | ".join(LANDMARK_NAMES) + " |",
            "|---|---|" + "---|" * len(LANDMARK_NAMES),
            *(
                f"| {n} | {kind} | " + " | ".join(_landmark_cells(s["landmark_error_mm"])) + " |"
                for n, kind, s in _rows(figures)
                if s["landmark_error_mm"]
            ),
            "",
            f"Training took {figures['minutes']['training']:g} minutes after "
            f"{figures['minutes']['rendering']:g} of rendering, in {figures['processes']} processes on a "
            "machine shared with other work:",
            "",
            "| steps | minutes | mean radius Dice on validation scans |",
            "|---|---|---|",
            *(f"| {p['step']} | {p['minutes']:g} | {p['radius_dice']:.4f} |" for p in figures["curve"]),
        ]
    )


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [
        (number_format, kind, scores)
        for number_format, network in figures["networks"].items()
        for kind, scores in network["held_out"].items()
    ]


def _size_row(number_format: str, network: Mapping[str, Any]) -> str:
    took = network["inference_ms"]
    return f"| {number_format} | {network['bytes'] / 1000:.0f} | {took['median']:g} ({took['min']:g}) |"


def _dice_row(number_format: str, kind: str, scores: Mapping[str, Any]) -> str:
    radius, ulna = scores["dice"]["radius"], scores["dice"]["ulna"]
    carpals = f"{scores['dice']['carpals']['mean']:.4f}" if "carpals" in scores["dice"] else "–"
    return (
        f"| {number_format} | {kind} | {scores['scans']} | {radius['mean']:.4f} | {radius['p5']:.4f} | "
        f"{radius['min']:.4f} | {scores['radius_below_0.93']} | {ulna['mean']:.4f} | {carpals} |"
    )


def _landmark_cells(errors: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Median and 95th percentile, or a dash where no scan of the kind shows the landmark."""
    return [
        f"{errors[name]['median']:.2f} / {errors[name]['p95']:.2f}" if name in errors else "–"
        for name in LANDMARK_NAMES
    ]
