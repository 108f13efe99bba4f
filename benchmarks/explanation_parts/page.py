"""The page docs/explanation.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from explanation_parts.pictures import METHODS, MapFigures
from explanation_parts.tabular import Faithfulness

if TYPE_CHECKING:
    from explanation import Results

FOLDER = Path(__file__).parent
NO_MAPS = """## Maps of the image network
No trained network was given (`--fusion`): no maps were judged on this run."""


def page(results: Results) -> str:
    """Everything in Markdown."""
    return _filled(
        "page",
        day=results.day,
        machine=results.machine,
        people=results.people,
        seed=results.seed,
        models="\n".join(map(_model_row, results.models)),
        examples=_examples(results),
        maps=_maps(results),
        timings="\n".join(f"| {t.what} | {t.median:.1f} | {t.p95:.1f} |" for t in results.timings),
    )


def _filled(name: str, **values: object) -> str:
    template = Template((FOLDER / f"{name}.template.md").read_text(encoding="utf-8"))
    return template.substitute({key: str(value) for key, value in values.items()})


def _model_row(model: Faithfulness) -> str:
    cells = (
        model.name,
        str(model.features),
        str(model.people),
        f"{model.additivity_gap:.0e}",
        f"{model.gain:.3f}",
        f"{model.lime_gain:.3f}",
        f"{model.chance:+.3f}",
        f"{model.lime_agreement:.2f}",
        f"{model.lime_difference:.3f}",
        f"{model.randomised_agreement:.2f}",
        f"{model.scan_agreement:.2f}",
        f"{model.scan_difference:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def _examples(results: Results) -> str:
    blocks = []
    for title, told in results.examples:
        lines = [f"- {sentence}" for language in ("en", "zh") for sentence in told[language]]
        blocks.append(f"**{title}**\n\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _maps(results: Results) -> str:
    if results.maps is None:
        return NO_MAPS
    return _filled(
        "maps",
        network=results.network,
        methods=" | ".join(f"rank agreement with {method}" for method in METHODS),
        rows="\n".join(_map_row(name, figures, results.mapped) for name, figures in results.maps.items()),
        mapped=results.mapped,
        verdict=_verdict(results.maps, results.mapped),
    ).strip()


def _verdict(maps: Mapping[str, MapFigures], people: int) -> str:
    """Which maps point to what moves the network, by most people and in the mean."""
    faithful = {
        name: 2 * item.people_above_chance > people and item.gain > item.chance for name, item in maps.items()
    }
    good = " and ".join(name for name, found in faithful.items() if found) or "none of the maps"
    bad = [name for name, found in faithful.items() if not found]
    verdict = f"**Verdict.** {good[:1].upper()}{good[1:]} beat random blocks for most people"
    if not bad:
        return f"{verdict}."
    return (
        f"{verdict}; {' and '.join(bad)} did not: such a map looks plausible and does not show what moves "
        "this network. No report draws a map of the network."
    )


def _map_row(name: str, figures: MapFigures, people: int) -> str:
    cells = (
        name,
        f"{figures.gain:.3f}",
        f"{figures.chance:+.3f}",
        f"{figures.people_above_chance} of {people}",
        *("-" if method == name else f"{figures.agreement[method]:.2f}" for method in METHODS),
        f"{figures.randomised:.2f}",
        f"{figures.repeated:.2f}",
    )
    return f"| {' | '.join(cells)} |"
