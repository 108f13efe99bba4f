"""Why the estimate is what it is, in sentences.

An input raises or lowers the estimate against the average of the training cohort. A BMD is told against the
young-adult reference (its T-score), and against that average too where the two point to different sides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from analysis.results import REGIONS, Contribution, RegionMeasurement
from analysis.wording import chinese, english
from analysis.wording.families import family_shares
from analysis.wording.names import (
    FAMILY_NAMES,
    LANGUAGES,
    TEXTURE_TOGETHER,
    YES_OR_NO,
    Language,
    family_name,
)
from analysis.wording.numbers import input_text, rounded

SENTENCES_SHOWN = 6
"""Inputs told one by one, largest contribution first; the rest are summed up."""

DECIMALS_OF_CONTRIBUTION = 2

LEAST_DRIVER = 0.1
"""Log-hazard below which an input is not among the main drivers: a tenth more or less of the hazard."""

LEAST_SHARE = 0.005
"""A family with a smaller share is not named: it would be told as 0 %."""


class Phrases(Protocol):
    """What a language must be able to say."""

    LEAD: str

    def driver(self, item: Contribution, deviation: str, *, most: bool) -> str: ...
    def deviation(self, score: float | None, average: str | None, side: int, unit: str) -> str: ...
    def subject(self, item: Contribution) -> str: ...
    def within(self, name: str) -> str: ...
    def further(self, count: int, total: float) -> str: ...
    def not_known(self, features: Sequence[str], total: float) -> str: ...
    def families(self, shares: Sequence[tuple[str, str]]) -> str: ...


_PHRASES: Mapping[Language, Phrases] = {"en": english, "zh": chinese}


def explanation_sentences(
    explanation: Sequence[Contribution], regions: Mapping[str, RegionMeasurement], language: Language
) -> list[str]:
    """Say what raises and lowers the estimate, what was not known, and what each family accounts for.

    Parameters
    ----------
    explanation : sequence of Contribution
    regions : mapping of region name to RegionMeasurement
        Their T-scores tell how far a BMD is from the reference.
    language : {"en", "zh"}

    Returns
    -------
    list of str
        Empty without contributions.
    """
    ordered = sorted(explanation, key=lambda item: (-abs(item.contribution), item.feature))
    known = [item for item in ordered if not item.imputed]
    imputed = [item for item in ordered if item.imputed]
    told, rest = known[:SENTENCES_SHOWN], known[SENTENCES_SHOWN:]
    phrases = _PHRASES[language]
    sentences = [
        phrases.driver(item, _deviation(item, regions, phrases), most=_is_most(item, known)) for item in told
    ]
    if rest:
        sentences.append(phrases.further(len(rest), sum(item.contribution for item in rest)))
    if imputed:
        sentences.append(
            phrases.not_known([item.feature for item in imputed], sum(item.contribution for item in imputed))
        )
    return sentences + list(filter(None, [family_sentence(explanation, language)]))


def explanation_lead(language: Language) -> str:
    """Introduce the sentences: against whom, and what the numbers in brackets are."""
    return _PHRASES[language].LEAD


def main_drivers(
    explanation: Sequence[Contribution], language: Language, *, count: int
) -> tuple[list[str], list[str]]:
    """Name the `count` known inputs that raise the estimate most, and those that lower it most.

    Texture features are summed and told as one. What moves the hazard by less than `LEAST_DRIVER`, and what
    was filled in, is not named.
    """
    known = [item for item in explanation if not item.imputed]
    texture = math.fsum(item.contribution for item in known if _is_texture(item))
    phrases = _PHRASES[language]
    moved = [
        (item.contribution, phrases.within(phrases.subject(item))) for item in known if not _is_texture(item)
    ]
    moved.append((texture, TEXTURE_TOGETHER[LANGUAGES.index(language)]))
    told = sorted(
        ((contribution, name) for contribution, name in moved if abs(contribution) >= LEAST_DRIVER),
        key=lambda item: (-abs(item[0]), item[1]),
    )
    raising = [name for contribution, name in told if contribution > 0]
    lowering = [name for contribution, name in told if contribution < 0]
    return raising[:count], lowering[:count]


def _is_texture(item: Contribution) -> bool:
    return item.feature.startswith("texture.")


def family_sentence(explanation: Sequence[Contribution], language: Language) -> str | None:
    """Say what share each family has in the difference from the average; None if there is no difference."""
    shares = [item for item in family_shares(explanation) if item.share >= LEAST_SHARE]
    if not shares or not all(item.family in FAMILY_NAMES for item in shares):
        return None
    named = [(family_name(item.family, language), rounded(100.0 * item.share, 0)) for item in shares]
    return _PHRASES[language].families(named)


def _is_most(item: Contribution, known: Sequence[Contribution]) -> bool:
    """Whether it is the largest of at least two that point the same way."""
    same_way = [other for other in known if other.contribution * item.contribution > 0]
    return len(same_way) > 1 and same_way[0] is item


def _deviation(item: Contribution, regions: Mapping[str, RegionMeasurement], phrases: Phrases) -> str:
    """Where the value lies against the reference and the average, as far as known."""
    if item.value is None or item.feature == "male" or item.feature in YES_OR_NO:
        return ""
    average, unit, side = None, item.unit, 0
    if item.training_mean is not None:
        average, unit = input_text(item.feature, item.training_mean, item.unit)
        shown = float(input_text(item.feature, item.value, item.unit)[0])
        side = (shown > float(average)) - (shown < float(average))
    return phrases.deviation(_score(item, regions), average, side, unit)


def _score(item: Contribution, regions: Mapping[str, RegionMeasurement]) -> float | None:
    """T-score of the region whose BMD the input is, to the decimal shown."""
    region, _, quantity = item.feature.partition(".")
    if region not in REGIONS or quantity != "bmd_g_cm2" or region not in regions:
        return None
    score = regions[region].t_score
    return None if score is None else float(rounded(score, 1))
