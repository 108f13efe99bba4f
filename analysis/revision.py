"""What a new analysis of a study changes against the one before it.

Both are compared as `analysis.serialization.to_json_object` describes them. Who computed a value, and when,
is not part of what it says: a new version that finds the same changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.results import REGIONS, Revision

__all__ = ["revisions", "same_content"]

_NOT_CONTENT = frozenset(
    {"identity", "engine_version", "results", "explanation_text", "explanation_families"}
)
"""Names, versions, and what is derived from the rest."""

Document = Mapping[str, Any]


def same_content(before: Document, after: Document) -> bool:
    """Tell whether two analyses say the same, versions of engine and models set aside.

    Parameters
    ----------
    before, after : mapping
        Study objects of schema "1", read from JSON, so that they hold nothing but what JSON does.
    """
    return _content(before) == _content(after)


def revisions(before: Document, after: Document) -> tuple[Revision, ...]:
    """Return what changed: causes first (engine, model, entries), then what they came to.

    Values that a reader acts on are named one by one; a single `Revision` without values stands for all
    others. Empty if both say the same.
    """
    if same_content(before, after):
        return ()
    found = [
        Revision(subject, *pair)
        for subject, pair in (*_causes(before, after), *_findings(before, after))
        if pair[0] != pair[1]
    ]
    if _codes(before) != _codes(after):
        found.append(Revision("quality"))
    if not any(item.subject not in ("engine", "model", "segmentation_model") for item in found):
        found.append(Revision("other"))
    return tuple(found)


Pair = tuple[Any, Any]


def _causes(before: Document, after: Document) -> Iterator[tuple[str, Pair]]:
    yield "engine", (before.get("engine_version"), after.get("engine_version"))
    yield "model", (_model(before.get("risk")), _model(after.get("risk")))
    yield "segmentation_model", (_model(before.get("segmentation")), _model(after.get("segmentation")))
    yield "reference", (_named(before.get("reference")), _named(after.get("reference")))
    yield "calibration", (before.get("calibration"), after.get("calibration"))
    yield "laterality", (before.get("laterality"), after.get("laterality"))
    old, new = before.get("context") or {}, after.get("context") or {}
    for name in dict.fromkeys((*old, *new)):
        yield f"context:{name}", (old.get(name), new.get(name))


def _findings(before: Document, after: Document) -> Iterator[tuple[str, Pair]]:
    for region in REGIONS:
        old, new = _region(before, region), _region(after, region)
        for value in ("bmd_g_cm2", "t_score"):
            yield f"{value}:{region}", (old.get(value), new.get(value))
    yield "diagnosis", (_category(before.get("diagnosis")), _category(after.get("diagnosis")))
    old, new = _horizons(before), _horizons(after)
    for years in dict.fromkeys((*old, *new)):
        yield f"risk:{years}", (_probability(old.get(years)), _probability(new.get(years)))
    yield "risk_category", (_category(before.get("risk")), _category(after.get("risk")))


def _content(document: Document) -> dict[str, Any]:
    kept = {name: value for name, value in document.items() if name not in _NOT_CONTENT}
    for part in ("risk", "segmentation"):
        if isinstance(kept.get(part), Mapping):
            kept[part] = {name: value for name, value in kept[part].items() if name != "model"}
    return kept


def _model(part: Document | None) -> str | None:
    model = (part or {}).get("model")
    return f"{model['name']} {model['version']}" if model else None


def _named(part: Document | None) -> str | None:
    return part["name"] if part else None


def _category(part: Document | None) -> str | None:
    return (part or {}).get("category")


def _region(document: Document, region: str) -> Document:
    found: Document = (document.get("regions") or {}).get(region) or {}
    return found


def _horizons(document: Document) -> Document:
    found: Document = (document.get("risk") or {}).get("horizons") or {}
    return found


def _probability(horizon: Document | None) -> float | None:
    return horizon["probability"] if horizon else None


def _codes(document: Document) -> set[str]:
    return {item["code"] for item in document.get("quality") or ()}
