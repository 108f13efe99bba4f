"""QFracture-2012: fracture risk over 1 to 18 years without bone density.

Copyright 2012 ClinRisk Ltd.; coefficients in ``data/qfracture2012.json`` under LGPL-3.0-or-later, see
``data/LICENCES.md``. risk = 1 − S(t)^exp(lp); Hippisley-Cox & Coupland, BMJ 2012;344:e3427.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.risk.comparators.people import QFRACTURE_PREFIX, BoolArray, FloatArray, People
from analysis.risk.comparators.scores import Comparator, Computed

Outcome = Literal["osteoporotic", "hip"]

YEARS = tuple(range(1, 19))
AGES, BODY_MASS_INDEX = (30, 100), (20.0, 40.0)
"""The published program answers with an error outside; so does this one."""
SEVERE_RENAL_ML_MIN = 30.0
"""``b_renal`` by eGFR: stage 4 or worse. Assumption; the program asks for a diagnosis."""
LIGHT_SMOKER = 2
"""Category of a current smoker of unknown amount: the lowest that smokes. Assumption."""
ALCOHOL_LIMITS = (1.0, 3.0, 7.0, 10.0)
"""Units a day from which categories 2, 3, 4, 5 begin (1–2, 3–6, 7–9, more). Assumption for fractions."""

ETHNICITY: Mapping[str, int] = {
    "": 1,
    "white": 1,
    "caucasian": 1,
    "indian": 2,
    "pakistani": 3,
    "bangladeshi": 4,
    "asian": 5,
    "other asian": 5,
    "japanese": 5,
    "korean": 5,
    "black caribbean": 6,
    "black african": 7,
    "black": 7,
    "chinese": 8,
}
"""Word -> category; unrecorded counts as white, as in the published score, any other word as 9."""
OTHER_ETHNICITY = 9

FACTORS: Mapping[str, str] = {
    "b_corticosteroids": "clinical.glucocorticoid_mg_d",
    "b_falls": "clinical.falls_past_year",
    "b_fracture4": "clinical.prior_fracture",
    "b_ra_sle": "clinical.rheumatoid_arthritis",
    "b_type1": "clinical.type1_diabetes",
    "b_type2": "clinical.type2_diabetes",
    "fh_osteoporosis": "clinical.parental_fracture",
}
"""QFracture's yes/no input -> predictor that stands for it."""

LICENCE = "QFracture-2012, copyright 2012 ClinRisk Ltd., LGPL-3.0-or-later."
DISCLAIMER = (
    "The initial version of this file, to be found at http://svn.clinrisk.co.uk/qfracture, faithfully "
    "implements QFracture-2012. We have released this code under the GNU Lesser General Public License to "
    "enable others to implement the algorithm faithfully. However, the nature of the GNU Lesser General "
    "Public License is such that we cannot prevent, for example, someone altering the coefficients. We "
    "stress, therefore, that it is the responsibility of the end user to check that the source that they "
    "receive produces the same results as the original code posted at http://svn.clinrisk.co.uk/qfracture. "
    "Inaccurate implementations of risk scores can lead to wrong patients being given the wrong treatment."
)
"""ClinRisk's own words, which must be displayed alongside every score; "this file" is their source."""

NOTE = (
    "Unknown or unasked conditions count as absent, as unticked boxes of the published program do. Of a "
    "smoker whose amount is unknown: light smoker. Age in completed years."
)


def _compute(outcome: Outcome) -> Callable[[People], Computed]:
    def compute(people: People) -> Computed:
        risk = np.full((people.size, len(YEARS)), np.nan)
        male, body = people.column("male"), people.body_mass_index
        age = np.floor(people.column("age_years"))
        refused = [
            (np.isnan(male), "sex is unknown"),
            (np.isnan(age), "age is unknown"),
            ((age < AGES[0]) | (age > AGES[1]), f"published for {AGES[0]} to {AGES[1]} years"),
            (np.isnan(body), "body mass index is unknown"),
            (
                (body < BODY_MASS_INDEX[0]) | (body > BODY_MASS_INDEX[1]),
                "published for a body mass index of {:g} to {:g} kg/m²".format(*BODY_MASS_INDEX),
            ),
        ]
        for sex, rows in (("female", male == 0), ("male", male == 1)):
            risk[rows] = _risk(_coefficients(f"{outcome}_{sex}"), people, rows)
        return Computed(risk[:, 9] * 100, refused, risk)

    return compute


def _risk(model: Mapping[str, Any], people: People, rows: BoolArray) -> FloatArray:
    """Risk between 0 and 1 of the people at `rows`, one column for every year of `YEARS`."""
    predictor = _continuous(model, people, rows)
    for levels, category in (
        ("alcohol", _alcohol(people)),
        ("ethnicity_1based", _ethnicity(people)),
        ("smoke", _smoking(people)),
    ):
        predictor += np.array(model[levels])[category[rows]]
    for name, beta in model["beta"].items():
        if name not in model["centre"]:
            predictor += beta * _factor(people, name)[rows]
    survivor = np.array(model["survivor_by_year"])[list(YEARS)]
    return np.asarray(1 - survivor[None, :] ** np.exp(predictor)[:, None])


def _continuous(model: Mapping[str, Any], people: People, rows: BoolArray) -> FloatArray:
    """Fractional polynomials of age/10 (completed years) and BMI/10, centred and weighted."""
    age = np.floor(people.column("age_years")[rows]) / 10
    body = people.body_mass_index[rows] / 10
    total = np.zeros(len(age))
    for name, formula in model["transforms"].items():
        variable = age if name.startswith("age") else body
        total += model["beta"][name] * (TRANSFORMS[formula](variable) - model["centre"][name])
    return total


TRANSFORMS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "dage": lambda x: x,
    "pow(dage,0.5)": lambda x: x**0.5,
    "pow(dage,2)": lambda x: x**2,
    "pow(dage,3)": lambda x: x**3,
    "pow(dage,3)*log(dage)": lambda x: x**3 * np.log(x),
    "pow(dbmi,-0.5)": lambda x: x**-0.5,
    "pow(dbmi,-1)": lambda x: x**-1.0,
    "pow(dbmi,-2)": lambda x: x**-2.0,
}
"""The program's terms; spelt out, so that no text of a data file is ever run."""


def _factor(people: People, name: str) -> FloatArray:
    """1 where a yes/no input of QFracture holds: its own column first, then the predictor for it."""
    own = people.column(QFRACTURE_PREFIX + name)
    if name == "b_renal":
        known: BoolArray = np.asarray(people.column("clinical.egfr_ml_min") < SEVERE_RENAL_ML_MIN, np.bool_)
    else:
        known = people.is_yes(FACTORS.get(name, ""))
    return np.where(np.isnan(own), known, own > 0).astype(np.float64)


def _alcohol(people: People) -> NDArray[np.int_]:
    units = people.column("clinical.alcohol_units_d")
    category = np.where(units > 0, 1 + np.searchsorted(ALCOHOL_LIMITS, units, side="right"), 0)
    return _category(people, "alcohol_cat6", category, 0, 5)


def _smoking(people: People) -> NDArray[np.int_]:
    smokes = np.where(people.is_yes("clinical.current_smoker"), LIGHT_SMOKER, 0)
    return _category(people, "smoke_cat", smokes, 0, 4)


def _ethnicity(people: People) -> NDArray[np.int_]:
    words, inverse = np.unique(people.ethnicity.astype(str), return_inverse=True)
    category = np.array([ETHNICITY.get(str(word), OTHER_ETHNICITY) for word in words])[inverse]
    return _category(people, "ethrisk", category, 1, 9)


def _category(people: People, name: str, derived: NDArray[np.int_], low: int, high: int) -> NDArray[np.int_]:
    """QFracture's own category where the site has it; one outside its range counts as not given."""
    own = people.column(QFRACTURE_PREFIX + name)
    usable = (own >= low) & (own <= high)
    return np.where(usable, own, derived).astype(np.int_)


@cache
def _coefficients(name: str) -> dict[str, Any]:
    path = resources.files("analysis.risk.comparators") / "data" / "qfracture2012.json"
    model: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["models"][name]
    return model


def _comparator(outcome: Outcome, title: str, predicts: str) -> Comparator:
    return Comparator(
        f"qfracture2012-{outcome}",
        title,
        predicts,
        "ClinRisk Ltd. 2012; Hippisley-Cox & Coupland, BMJ 2012;344:e3427",
        NOTE,
        _compute(outcome),
        horizons=YEARS,
        licence=LICENCE,
        disclaimer=DISCLAIMER,
    )


QFRACTURE = (
    _comparator("osteoporotic", "QFracture-2012", "osteoporotic fracture"),
    _comparator("hip", "QFracture-2012, hip", "hip fracture"),
)
