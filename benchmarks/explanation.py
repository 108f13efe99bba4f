"""How faithful the explanations are: writes docs/explanation.md with figures and pictures.

    .venv/bin/python benchmarks/explanation.py [--models DIR] [--fusion DIR] [--people 48]

People of a seed that nothing else uses are each scanned twice. The contributions of every risk model are
judged on all of them, the maps of the image encoder (``dicom-node train fusion``) on the first few, and the
time of prediction, contributions and Grad-CAM is taken on one thread.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from explanation_parts import drawing
from explanation_parts.page import page
from explanation_parts.people import Person, draw
from explanation_parts.pictures import Encoder, MapFigures, explain, judged
from explanation_parts.tabular import Faithfulness, measured_faithfulness, sums_by_family

from analysis.explanation import contributions
from analysis.measurement.reference import load_reference
from analysis.risk import SHIPPED_MODELS, RiskModels, load_models
from analysis.wording import LANGUAGES, explanation_sentences
from dicom_node.config import load_analysis_config

REPOSITORY = Path(__file__).parent.parent
FRESH_SEED = 970_000
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds per study, median and 95th percentile over people, of repeated calls."""

    what: str
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the page tells."""

    seed: int
    people: int
    models: Sequence[Faithfulness]
    maps: dict[str, MapFigures] | None
    mapped: int
    network: str
    timings: Sequence[Timing]
    examples: Sequence[tuple[str, dict[str, list[str]]]]
    machine: str
    day: str


def main() -> None:
    """Measure, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS)
    parser.add_argument("--fusion", type=Path, help="directory of a trained fusion network")
    parser.add_argument("--people", type=int, default=48)
    parser.add_argument("--mapped", type=int, default=12, help="people whose maps are judged")
    parser.add_argument("--seed", type=int, default=FRESH_SEED)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "explanation.md")
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"  # LIME draws a progress bar for every picture
    images = options.out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    models = load_models(options.models)
    people = draw(options.people, options.seed, load_reference(load_analysis_config().reference))
    encoder = Encoder(options.fusion) if options.fusion else None
    figures = [measured_faithfulness(model, people, options.seed) for model in models.models]
    examples = chosen(models, people)
    drawing.draw_families(
        {title: sums_by_family(models, person) for title, person in examples},
        images / "explanation_families.png",
    )
    maps = None
    if encoder is not None:
        maps = map_figures(encoder, options, people, examples, images)
    results = Results(
        options.seed,
        len(people),
        figures,
        maps,
        min(options.mapped, len(people)),
        encoder.described if encoder else "",
        timings(models, encoder, people),
        [(title, sentences(models, person)) for title, person in examples],
        f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        datetime.now(UTC).date().isoformat(),
    )
    text = page(results)
    options.out.write_text(text, encoding="utf-8")
    print(text)


def chosen(models: RiskModels, people: Sequence[Person]) -> list[tuple[str, Person]]:
    """Three people: with the lowest, the middle and the highest 10-year risk."""
    predictions = [models.predict(person.inputs())[0] for person in people]
    risks = sorted(
        (found.estimate.horizons[10].probability, index) for index, found in enumerate(predictions) if found
    )
    picks = (risks[0], risks[len(risks) // 2], risks[-1])
    return [
        (f"{name}: 10-year risk {100 * risk:.1f} %", people[index])
        for name, (risk, index) in zip(("Low", "Middle", "High"), picks, strict=True)
    ]


def sentences(models: RiskModels, person: Person) -> dict[str, list[str]]:
    """What the report says about one person, by language."""
    prediction, _ = models.predict(person.inputs())
    assert prediction is not None
    explanation, regions = contributions(prediction), person.regions()
    return {language: explanation_sentences(explanation, regions, language) for language in LANGUAGES}


def map_figures(
    encoder: Encoder,
    options: argparse.Namespace,
    people: Sequence[Person],
    examples: Sequence[tuple[str, Person]],
    images: Path,
) -> dict[str, MapFigures]:
    """Judge and draw the maps of the image encoder."""
    broken = Encoder(options.fusion, randomised=options.seed)
    explained = explain(encoder, broken, people[: options.mapped], options.seed)
    figures, curves = judged(encoder, explained, options.seed)
    drawing.draw_curves(curves, images / "explanation_curves.png")
    shown = explain(encoder, broken, [person for _, person in examples], options.seed)
    drawing.draw_maps(shown, [title for title, _ in examples], images / "explanation_maps.png")
    return figures


def timings(models: RiskModels, encoder: Encoder | None, people: Sequence[Person]) -> list[Timing]:
    """Time each step warm, on one thread, one study at a time."""
    inputs = [person.inputs() for person in people]
    predictions = [models.predict(one)[0] for one in inputs]

    def told(index: int) -> None:
        found = predictions[index]
        if found is not None:
            explained = contributions(found)
            for language in LANGUAGES:
                explanation_sentences(explained, people[index].regions(), language)

    steps: list[tuple[str, Callable[[int], object]]] = [
        ("prediction with interval", lambda index: models.predict(inputs[index])),
        ("contributions and sentences in both languages", told),
    ]
    if encoder is not None:
        steps.append(("image network and Grad-CAM", lambda index: encoder.grad_cam(people[index])))
    taken = np.array([[_milliseconds(step, index) for index in range(len(people))] for _, step in steps])
    rows = [(name, row) for (name, _), row in zip(steps, taken, strict=True)]
    rows.append(("together", taken.sum(axis=0)))
    return [Timing(name, float(np.median(row)), float(np.percentile(row, 95))) for name, row in rows]


def _milliseconds(step: Callable[[int], object], index: int) -> float:
    step(index)
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        step(index)
        times.append(time.perf_counter() - started)
    return 1000.0 * float(np.median(times))


if __name__ == "__main__":
    main()
