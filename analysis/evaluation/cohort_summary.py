"""Whose data these are: follow-up, outcomes, characteristics and missing values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from analysis.cohort.columns import (
    CAUSE,
    CENSORED,
    DEATH,
    ETHNICITY,
    FRACTURE,
    OSTEOPOROSIS,
    SCANNER,
    SIMULATED_SITE,
    TRUTH_PREFIX,
    FloatArray,
    FollowUp,
)
from analysis.evaluation.competing import cumulative_incidence
from analysis.evaluation.observed import BoolArray, CensoringSurvival
from analysis.evaluation.results import Characteristic, CohortSummary, HorizonCounts, Missing
from analysis.risk.predictors import PREDICTORS, family_of

MEASURED_SHOWN = ("one_third.bmd_g_cm2", "ultradistal.bmd_g_cm2", "morphometry.cortical_thickness_mm")
"""Measured predictors in the table of characteristics, besides the catalogue's."""
MOST_LEVELS = 8


class Cohort(Protocol):
    """What an evaluation needs of `analysis.cohort.table.CohortTable`."""

    @property
    def frame(self) -> Any: ...
    @property
    def follow_up(self) -> FollowUp: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    def true_risk(self, years: int) -> FloatArray | None: ...


def summarise_cohort(table: Cohort, horizons: Sequence[int]) -> CohortSummary:
    """The participants part of a report."""
    frame, follow_up = table.frame, table.follow_up
    fractured = follow_up.ending == FRACTURE
    simulated = is_simulated(table)
    sites = Counter(frame[CAUSE][fractured].dropna().astype(str)) if CAUSE in frame else Counter()
    return CohortSummary(
        simulated,
        _source(table, simulated=simulated),
        dict(table.manifest),
        len(frame),
        median_follow_up(follow_up),
        float(follow_up.years.sum()),
        tuple(_counts(follow_up, years) for years in horizons),
        dict(sorted(sites.items())),
        _characteristics(frame, fractured),
        _missing(frame, fractured),
    )


def is_simulated(table: Cohort) -> bool:
    """Whether the simulator made this cohort: it knows the truth, which no hospital does, or says so."""
    known = any(str(name).startswith(TRUTH_PREFIX) for name in table.frame)
    return known or bool(table.manifest.get(SIMULATED_SITE))


def median_follow_up(follow_up: FollowUp) -> float | None:
    """Median time to censoring by the reverse Kaplan-Meier estimate (Schemper & Smith 1996), years."""
    survival = CensoringSurvival(follow_up)
    times = np.unique(follow_up.years)
    beyond = survival.before(np.append(times[1:], np.inf)) <= 0.5
    return float(times[np.argmax(beyond)]) if beyond.any() else None


def _source(table: Cohort, *, simulated: bool) -> str:
    manifest = table.manifest
    if not simulated:
        return f"Site's own cohort ({manifest.get('source', 'table')})."
    words = [f"{key} {manifest[key]}" for key in ("population", "scanner", "seed") if key in manifest]
    measured = {"emulated": "; measurements drawn by the measurement emulator, not from images"}
    return (
        f"Simulated people and simulated fractures ({', '.join(words) or 'no manifest'})"
        f"{measured.get(str(manifest.get('measurement', '')), '')}."
    )


def _counts(follow_up: FollowUp, years: int) -> HorizonCounts:
    within = follow_up.years <= years
    return HorizonCounts(
        years,
        int((within & (follow_up.ending == FRACTURE)).sum()),
        int((within & (follow_up.ending == DEATH)).sum()),
        int(((follow_up.years < years) & (follow_up.ending == CENSORED)).sum()),
        cumulative_incidence(follow_up).at(years),
    )


def _characteristics(frame: Any, fractured: BoolArray) -> tuple[Characteristic, ...]:
    rows = []
    for name in (*PREDICTORS, *MEASURED_SHOWN, OSTEOPOROSIS):
        if name in frame and frame[name].notna().any():
            values = frame[name].to_numpy(np.float64, na_value=np.nan)
            rows.append(_numeric(name, values, fractured))
    for name in (ETHNICITY, SCANNER):
        if name in frame:
            rows += _levels(name, frame[name].astype(str).to_numpy(), fractured)
    return tuple(rows)


def _numeric(name: str, values: FloatArray, fractured: BoolArray) -> Characteristic:
    predictor = PREDICTORS.get(name)
    label, unit = (predictor.phrase, predictor.unit) if predictor else _measured_label(name)
    yes_no = predictor.kind == "binary" if predictor else name == OSTEOPOROSIS

    def describe(part: FloatArray) -> str:
        known = part[np.isfinite(part)]
        if not len(known):
            return "–"
        return f"{100 * known.mean():.1f} %" if yes_no else mean_and_deviation(known)

    if name == "male":
        label = "male sex"
    return Characteristic(label, "" if unit == "1" else unit, describe(values), describe(values[fractured]))


def mean_and_deviation(values: FloatArray) -> str:
    """``0.598 (0.072)``: two significant digits of the standard deviation, as many decimals of the mean."""
    deviation = float(values.std())
    decimals = 1 if deviation == 0.0 else max(0, 1 - int(np.floor(np.log10(deviation))))
    return f"{values.mean():,.{decimals}f} ({deviation:,.{decimals}f})"


def _measured_label(name: str) -> tuple[str, str]:
    return {
        "one_third.bmd_g_cm2": ("one-third radius BMD", "g/cm²"),
        "ultradistal.bmd_g_cm2": ("ultradistal radius BMD", "g/cm²"),
        "morphometry.cortical_thickness_mm": ("cortical thickness", "mm"),
        OSTEOPOROSIS: ("osteoporosis by central DXA", ""),
    }[name]


def _levels(name: str, words: Any, fractured: BoolArray) -> list[Characteristic]:
    common = [level for level, _ in Counter(words).most_common(MOST_LEVELS)]
    return [
        Characteristic(
            f"{name}: {level}",
            "",
            f"{100 * np.mean(words == level):.1f} %",
            f"{100 * np.mean(words[fractured] == level):.1f} %" if fractured.any() else "–",
        )
        for level in common
    ]


def _missing(frame: Any, fractured: BoolArray) -> tuple[Missing, ...]:
    rows = []
    for column in frame:
        name = str(column)
        try:
            family_of(name)
        except KeyError:
            continue
        absent = frame[column].isna().to_numpy()
        if absent.any():
            among = float(absent[fractured].mean()) if fractured.any() else 0.0
            rows.append(Missing(name, float(absent.mean()), among))
    return tuple(sorted(rows, key=lambda row: -row.share))
