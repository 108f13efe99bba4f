"""Screening indices for low bone density in women: OST, OSTA, ORAI, SCORE.

They were made to choose who gets a DXA, not to predict fractures, and are given to women only.
"""

from __future__ import annotations

import numpy as np

from analysis.risk.comparators.people import CURRENT_OESTROGEN, BoolArray, People
from analysis.risk.comparators.scores import Comparator, Computed

POUNDS_PER_KG = 1 / 0.45359237
"""International avoirdupois pound, exact."""

_OESTROGEN_NOTE = "Oestrogen use is taken as no where it is unknown."


def _refused_women(people: People, *, youngest: float = 0.0) -> list[tuple[BoolArray, str]]:
    """Refusals common to the indices: men, unknown sex, age or weight."""
    male, age = people.column("male"), people.column("age_years")
    refused = [
        (np.isnan(male), "sex is unknown"),
        (male == 1, "published for women"),
        (np.isnan(age), "age is unknown"),
        (np.isnan(people.column("weight_kg")), "weight is unknown"),
    ]
    if youngest:
        refused.append((age < youngest, f"published for ages from {youngest:g}"))
    return refused


def _weight_minus_age(people: People) -> Computed:
    # truncated towards zero, as in the table of BMC Musculoskelet Disord 2008
    index = np.trunc(0.2 * (people.column("weight_kg") - people.column("age_years")))
    return Computed(index, _refused_women(people))


def _osta_class(index: float) -> str:
    if index > -1:
        return "low risk"
    return "medium risk" if index >= -4 else "high risk"


def _orai(people: People) -> Computed:
    age, weight = people.column("age_years"), people.column("weight_kg")
    points = np.select([age >= 75, age >= 65, age >= 55], [15.0, 9.0, 5.0], 0.0)
    points += np.select([weight < 60, weight < 70], [9.0, 3.0], 0.0)
    points += np.where(people.is_yes(CURRENT_OESTROGEN), 0.0, 2.0)
    return Computed(points, _refused_women(people, youngest=45))


def _score(people: People) -> Computed:
    age, weight = people.column("age_years"), people.column("weight_kg")
    black = np.array(["black" in word or "african" in word for word in people.ethnicity], np.bool_)
    points = np.where(black, 0.0, 5.0)
    points += np.where(people.is_yes("clinical.rheumatoid_arthritis"), 4.0, 0.0)
    points += np.where(people.is_yes("clinical.prior_fracture"), 4.0, 0.0)
    points += 3 * np.floor(age / 10)
    points += np.where(people.is_yes(CURRENT_OESTROGEN), 0.0, 1.0)
    points -= np.trunc(weight * POUNDS_PER_KG / 10)
    refused = _refused_women(people, youngest=45)
    refused.append((age >= 100, "published for two-digit ages"))
    refused.append((people.ethnicity == "", "ethnicity is unknown"))
    return Computed(points, refused)


OST = Comparator(
    "ost",
    "OST",
    "low bone density (choice of women for DXA)",
    "OST = trunc(0.2·(kg − years)); at risk below 2 (BMC Musculoskelet Disord 2008, Table 1)",
    "Women. Truncated towards zero.",
    _weight_minus_age,
    higher_is_riskier=False,
    category=lambda index: "at risk" if index < 2 else "not at risk",
)
OSTA = Comparator(
    "osta",
    "OSTA",
    "low bone density (choice of women for DXA)",
    "OSTA = 0.2·(kg − years): above −1 low, −1 to −4 medium, below −4 high (secondary sources)",
    "Women. Sources disagree on rounding or truncation: truncated towards zero here, so that it ranks "
    "exactly as OST does; only the classes differ.",
    _weight_minus_age,
    higher_is_riskier=False,
    category=_osta_class,
)
ORAI = Comparator(
    "orai",
    "ORAI",
    "low bone density (choice of women for DXA)",
    "ORAI: age 55–64 5, 65–74 9, from 75 15; below 60 kg 9, 60–69.9 kg 3; no oestrogen 2; test from 9",
    f"Women from 45 years. {_OESTROGEN_NOTE}",
    _orai,
    category=lambda points: "DXA advised" if points >= 9 else "DXA not advised",
)
SCORE = Comparator(
    "score",
    "SCORE",
    "low bone density (choice of women for DXA)",
    "SCORE: not Black 5; rheumatoid arthritis 4; each fragility fracture after 45 (wrist, hip, rib) 4, at "
    "most 12; 3 × first digit of age; never oestrogen 1; − trunc(pounds/10); test from 6",
    "Women; the youngest age, 45, is an assumption. Of prior fractures only whether there was any is known: "
    f"counted as one. {_OESTROGEN_NOTE}",
    _score,
    category=lambda points: "DXA advised" if points >= 6 else "DXA not advised",
)
