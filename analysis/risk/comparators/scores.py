"""What a comparator says of one person and of many, and what must be shown with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.risk.comparators.people import BoolArray, FloatArray, People

PUBLISHED_FORMULA = "Published formula; no licence is claimed on it."


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """Values of one comparator over people, before anything is refused.

    Attributes
    ----------
    native : ndarray, (people,)
        In the comparator's own units and direction.
    refused : sequence of (ndarray of bool, str)
        Who gets no value and why; the first reason that holds is told.
    probability : ndarray, (people, horizons), or None
        Between 0 and 1.
    """

    native: FloatArray
    refused: Sequence[tuple[BoolArray, str]]
    probability: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Comparator:
    """A published way to tell risk without this project's models.

    Attributes
    ----------
    name : str
        As in tables and files.
    title : str
        As shown to a reader.
    predicts : str
        What a high value stands for.
    source : str
        Publication.
    note : str
        What must be known to read the value: assumptions, conventions.
    compute : callable
    horizons : tuple of int or None
        Years; None if no horizon is meant.
    higher_is_riskier : bool
        Whether the native value rises with risk.
    licence, disclaimer : str
        The disclaimer, if any, must be displayed alongside every value.
    refit : tuple of str
        Predictors to fit anew where a fair baseline is wanted: the value given here is only a ranking.
    category : callable or None
        Native value -> published class.
    """

    name: str
    title: str
    predicts: str
    source: str
    note: str
    compute: Callable[[People], Computed]
    horizons: tuple[int, ...] | None = None
    higher_is_riskier: bool = True
    licence: str = PUBLISHED_FORMULA
    disclaimer: str = ""
    refit: tuple[str, ...] = ()
    category: Callable[[float], str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ComparatorScores:
    """One comparator over a cohort.

    Attributes
    ----------
    name, predicts, note, licence, disclaimer, source : str
        See `Comparator`.
    scores : ndarray, (people,)
        Higher means more at risk; NaN where there is no value, never a guess.
    horizons : tuple of int or None
        Years of the columns of `probability`.
    probability : ndarray, (people, horizons), or None
        Between 0 and 1; one column if there are probabilities without a horizon (prevalence).
    reasons : ndarray of str objects, (people,)
        Why there is no value; empty where there is one.
    refit : tuple of str
        See `Comparator`.
    """

    name: str
    predicts: str
    scores: FloatArray
    horizons: tuple[int, ...] | None
    probability: FloatArray | None
    note: str
    licence: str
    disclaimer: str
    source: str
    reasons: NDArray[np.object_]
    refit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComparatorScore:
    """One comparator for one patient.

    Attributes
    ----------
    name, title, predicts, note, licence, disclaimer, source : str
        See `Comparator`; a disclaimer must be displayed alongside the value.
    value : float or None
        In the comparator's own units; None for the `reason` given.
    category : str or None
        Published class of the value.
    probability : tuple of (int or None, float)
        Years (None for a prevalence) and probability between 0 and 1.
    reason : str or None
    """

    name: str
    title: str
    predicts: str
    value: float | None
    category: str | None
    probability: tuple[tuple[int | None, float], ...]
    reason: str | None
    note: str
    licence: str
    disclaimer: str
    source: str


def scores_of(comparator: Comparator, people: People) -> ComparatorScores:
    """Compute one comparator over people; whoever is refused gets NaN and the reason."""
    computed = comparator.compute(people)
    native = computed.native.copy()
    reasons: NDArray[np.object_] = np.full(people.size, "", dtype=object)
    for who, why in reversed(computed.refused):
        reasons[who] = why
    refused = reasons != ""
    native[refused] = np.nan
    reasons[np.isnan(native) & ~refused] = "an input is unknown"
    probability = computed.probability
    if probability is not None:
        probability = np.where(np.isnan(native)[:, None], np.nan, probability)
    return ComparatorScores(
        comparator.name,
        comparator.predicts,
        native if comparator.higher_is_riskier else -native,
        comparator.horizons,
        probability,
        comparator.note,
        comparator.licence,
        comparator.disclaimer,
        comparator.source,
        reasons,
        comparator.refit,
    )


def score_of(comparator: Comparator, person: People) -> ComparatorScore:
    """Compute one comparator for the only person of `person`."""
    scores = scores_of(comparator, person)
    known = not np.isnan(scores.scores[0])
    value = float(scores.scores[0]) * (1 if comparator.higher_is_riskier else -1) if known else None
    texts: dict[str, Any] = {
        name: getattr(comparator, name)
        for name in ("name", "title", "predicts", "note", "licence", "disclaimer", "source")
    }
    return ComparatorScore(
        value=value,
        category=comparator.category(value) if comparator.category and value is not None else None,
        probability=_by_horizon(scores) if known else (),
        reason=None if known else str(scores.reasons[0]),
        **texts,
    )


def _by_horizon(scores: ComparatorScores) -> tuple[tuple[int | None, float], ...]:
    if scores.probability is None:
        return ()
    horizons: Sequence[int | None] = scores.horizons or (None,)
    return tuple(zip(horizons, map(float, scores.probability[0]), strict=True))
