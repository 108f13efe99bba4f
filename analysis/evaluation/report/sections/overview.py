"""Summary and cohort."""

from __future__ import annotations

from functools import partial

from analysis.evaluation.report.document import Paragraph, Picture, Section, Table
from analysis.evaluation.report.figures.groups import draw_radar
from analysis.evaluation.report.wording import NOTHING, count, estimate, number, percent
from analysis.evaluation.results import CohortSummary, Evaluation, HorizonEvaluation

SIMULATED_WARNING = (
    "Simulated people and simulated fractures. Absolute figures are properties of the simulator and say "
    "nothing about patients; only ratios to what can be known and paired differences carry over to a "
    "question about methods. Research use only."
)
SITE_WARNING = (
    "The site's own cohort. The models were trained on simulated data: whatever is read here, they are for "
    "research use only until evaluated prospectively and approved."
)


def summary(evaluation: Evaluation) -> Section:
    """What was evaluated on whom, the reference model's figures, and a picture of several models."""
    reference = evaluation.models[evaluation.reference]
    return Section(
        "summary",
        "Summary",
        (
            Paragraph(
                "Evaluation of prediction models for a first fracture of wrist, hip, spine or humerus "
                f"within {_listed([str(years) for years in evaluation.horizons])} years of a forearm "
                f"densitometry. {evaluation.cohort.source} {count(evaluation.cohort.subjects)} subjects; "
                f"reference model: {evaluation.reference}; {len(evaluation.models) - 1} other models and "
                "comparators."
            ),
            Paragraph(SIMULATED_WARNING if evaluation.cohort.simulated else SITE_WARNING, "warning"),
            Table(
                f"The reference model ({evaluation.reference}) at a glance",
                _glance_header(evaluation),
                tuple(_glance(found, evaluation) for found in reference.horizons.values()),
                "95 % intervals in brackets. O:E is observed over expected, ideally 1; slope ideally 1; "
                "scaled Brier is 0 without and 100 % with perfect prediction."
                + (_oracle_note if evaluation.cohort.simulated else ""),
                weights=(0.6, 0.9, 1.7, 1.7, 1.6, 1.8, 2.0)
                if evaluation.cohort.simulated
                else (0.6, 0.9, 1.7, 1.7, 1.8, 2.0),
            ),
            Paragraph(_claims(evaluation)),
            Picture(
                "Several models on six measures at the longest horizon, each scaled so that the rim is "
                "better. The measures are not independent; the chart is for orientation, the tables are for "
                "judgement.",
                "Radar chart of AUC, C-index, scaled Brier score, O:E, slope and net benefit of several "
                "models.",
                partial(draw_radar, evaluation),
            ),
        ),
    )


_oracle_note = (
    " The oracle is the true risk that only the simulator knows: no model's AUC is higher in expectation."
)


def cohort(evaluation: Evaluation) -> Section:
    """Follow-up, outcomes and characteristics."""
    people = evaluation.cohort
    follow_up = (
        "more than half were followed to the end"
        if people.median_follow_up is None
        else f"median follow-up {number(people.median_follow_up, 1)} years (reverse Kaplan-Meier)"
    )
    return Section(
        "cohort",
        "Cohort",
        (
            Paragraph(
                f"{people.source} {count(people.subjects)} subjects, {count(round(people.person_years))} "
                f"person-years, {follow_up}."
                + (f" First fractures by site: {_sites(people)}." if people.sites else "")
            ),
            Table(
                "Outcomes by horizon",
                ("years", "fractures", "deaths before", "lost before", "cumulative incidence"),
                tuple(
                    (
                        str(row.years),
                        count(row.fractures),
                        count(row.deaths),
                        count(row.lost),
                        percent(row.incidence, 2),
                    )
                    for row in people.horizons
                ),
                "Cumulative incidence of a fracture with competing death by Aalen and Johansen; 95 % "
                "intervals.",
            ),
            Table(
                "Characteristics: mean (SD) or share",
                ("", "unit", "everybody", "those who fractured"),
                tuple((row.name, row.unit, row.everybody, row.fractured) for row in people.characteristics),
                weights=(3, 1, 1.6, 1.6),
                text_columns=frozenset({0, 1}),
            ),
        ),
    )


def _glance_header(evaluation: Evaluation) -> tuple[str, ...]:
    oracle = ("share of the oracle's AUC",) if evaluation.cohort.simulated else ()
    return ("years", "fractures", "AUC", *oracle, "O:E", "slope", "scaled Brier")


def _glance(found: HorizonEvaluation, evaluation: Evaluation) -> tuple[str, ...]:
    calibration = found.calibration
    oracle = (
        (estimate(found.oracle.ratio) if found.oracle else NOTHING,) if evaluation.cohort.simulated else ()
    )
    return (
        str(found.years),
        count(found.fractures),
        estimate(found.auc),
        *oracle,
        estimate(calibration.observed_to_expected if calibration else None, 2),
        estimate(calibration.slope if calibration else None, 2),
        percent(found.brier.scaled if found.brier else None),
    )


def _claims(evaluation: Evaluation) -> str:
    last = max(evaluation.horizons)
    at_last = [part for part in evaluation.comparisons if part.years == last]
    allowed = [part for part in at_last if part.power.claim]
    if not at_last:
        return "No other model was compared."
    better = [f"{part.first} over {part.second}" for part in allowed if part.auc.value > 0]
    worse = [f"{part.second} over {part.first}" for part in allowed if part.auc.value < 0]
    words = [
        f"{len(at_last)} paired comparisons of the AUC at {last} years; a difference is claimed only where "
        "its interval excludes 0, the power is at least 80 % and it survives Holm's correction."
    ]
    words.append(
        f"By that rule, a higher AUC is shown for {_listed(better + worse)}."
        if better or worse
        else "By that rule no difference is shown."
    )
    return " ".join(words)


def _sites(people: CohortSummary) -> str:
    return ", ".join(f"{site} {count(number_)}" for site, number_ in people.sites.items())


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
