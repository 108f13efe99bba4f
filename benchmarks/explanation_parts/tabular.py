"""How faithful the contributions of a risk model are, on people that no model has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.explanation.contributions import contributions
from analysis.explanation.faithfulness import curves, gain_over_chance, rank_agreement
from analysis.explanation.lime_opinion import lime_contributions
from analysis.risk import RiskModel, RiskModels, RiskPrediction
from analysis.wording import family_shares
from explanation_parts.people import Person

FloatArray = NDArray[np.float64]
SHUFFLES = 5


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Figures of one model; agreements are Spearman's, means over people.

    Attributes
    ----------
    additivity_gap : float
        Largest |sum of contributions - the model's own log relative hazard|.
    gain, chance, lime_gain : float
        Insertion over deletion, in log-hazard.
    lime_agreement : float
    lime_difference : float
        Median |LIME - exact|, in log-hazard.
    randomised_agreement : float
        With the contributions after the coefficients were shuffled.
    scan_agreement, scan_difference : float
        Between two scans of one day: ranks, and median of the largest |difference| in log-hazard.
    """

    name: str
    people: int
    features: int
    additivity_gap: float
    gain: float
    chance: float
    lime_gain: float
    lime_agreement: float
    lime_difference: float
    randomised_agreement: float
    scan_agreement: float
    scan_difference: float


def measured_faithfulness(model: RiskModel, people: Sequence[Person], seed: int) -> Faithfulness:
    """Explain everybody whom the model can judge, and judge the explanations."""
    rng = np.random.default_rng(seed)
    usable = [p for p in people if all(not model.unmet(p.inputs(scan)) for scan in range(len(p.scans)))]
    predictions = [[model.predict(p.inputs(scan)) for scan in range(len(p.scans))] for p in usable]
    score, average = model.fracture.log_relative, np.zeros(len(model.features))
    background = rng.standard_normal((500, len(model.features)))
    gaps, gains, opinions = [], [], []
    for first, *_ in predictions:
        values, exact = _standardised(model, first), _exact(first)
        gaps.append(abs(exact.sum() - float(score(values[None])[0])))
        gain, chance = gain_over_chance(score, values, average, exact, rng=rng)
        told = lime_contributions(score, values, background, [f.name for f in model.features], seed=seed)
        lime = np.array([told[f.name] for f in model.features])
        gains.append((gain, chance, curves(score, values, average, lime).gain))
        opinions.append((rank_agreement(exact, lime), float(np.median(np.abs(lime - exact)))))
    gain, chance, lime_gain = np.mean(gains, axis=0)
    agreement, difference = np.mean(opinions, axis=0)
    repeats = [(_exact(one), _exact(other)) for one, other, *_ in predictions]
    return Faithfulness(
        model.identity.name,
        len(usable),
        len(model.features),
        max(gaps),
        gain,
        chance,
        lime_gain,
        agreement,
        difference,
        _randomised(model, usable, predictions, rng),
        float(np.mean([rank_agreement(*pair) for pair in repeats])),
        float(np.median([np.abs(one - other).max() for one, other in repeats])),
    )


def _standardised(model: RiskModel, prediction: RiskPrediction) -> FloatArray:
    """What entered the model on its own scale; where nothing was known, what was used instead."""
    return np.array(
        [
            float(feature.standardised(np.array([term.value]))[0])
            for feature, term in zip(model.features, prediction.terms, strict=True)
        ]
    )


def _exact(prediction: RiskPrediction) -> FloatArray:
    return np.array([term.contribution for term in prediction.terms])


def _randomised(
    model: RiskModel,
    people: Sequence[Person],
    predictions: Sequence[Sequence[RiskPrediction]],
    rng: np.random.Generator,
) -> float:
    agreements = []
    for _ in range(SHUFFLES):
        shuffled = replace(
            model, fracture=replace(model.fracture, coefficients=rng.permutation(model.fracture.coefficients))
        )
        for person, (first, *_) in zip(people, predictions, strict=True):
            agreements.append(rank_agreement(_exact(first), _exact(shuffled.predict(person.inputs()))))
    return float(np.mean(agreements))


def sums_by_family(models: RiskModels, person: Person) -> dict[str, float]:
    """Contribution by family in log-hazard, of the model that the person's data allow."""
    prediction, _ = models.predict(person.inputs())
    assert prediction is not None
    return {item.family: item.contribution for item in family_shares(contributions(prediction))}
