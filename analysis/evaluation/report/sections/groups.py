"""Tiers, subgroups, missing values and stability: for whom the figures hold."""

from __future__ import annotations

from functools import partial

from analysis.evaluation.report.document import Block, Paragraph, Picture, Section, Table
from analysis.evaluation.report.figures.groups import draw_subgroups, draw_tiers
from analysis.evaluation.report.wording import NOTHING, count, estimate, number, p_value, percent
from analysis.evaluation.results import Evaluation, Recalibration, SeedSpread, Subgroups, Tier

MOST_MISSING = 25
"""Rows of the table of missing values; the JSON has all."""


def tiers(evaluation: Evaluation) -> Section | None:
    """Competing-risk curves by tier of the reference."""
    model = evaluation.models[evaluation.reference]
    if not model.tiers:
        return None
    thresholds = " and ".join(f"{100 * value:.3g} %" for value in model.thresholds)
    return Section(
        "tiers",
        "Risk tiers",
        (
            Paragraph(
                f"Tiers of {model.name} begin at a 10-year risk of {thresholds}, fixed on training data "
                "before this cohort was seen."
            ),
            Picture(
                "Cumulative incidence by tier, fracture and death competing (Aalen-Johansen; 95 % bands).",
                "Competing-risk curves of fracture and death by tier.",
                partial(draw_tiers, model.tiers),
            ),
            Table(
                "Predicted and observed risk by tier",
                ("tier", "subjects", "predicted", "observed", "at risk after " + _times(model.tiers[0])),
                tuple(
                    (
                        tier.name,
                        count(tier.subjects),
                        f"{100 * tier.predicted:.1f} %",
                        percent(tier.observed),
                        " / ".join(count(n) for _, n in tier.at_risk),
                    )
                    for tier in model.tiers
                ),
                weights=(1, 1, 1, 1.8, 3.6),
            ),
        ),
    )


def subgroups(evaluation: Evaluation) -> Section | None:
    """The reference by sex, age, ethnicity, scanner and body mass index."""
    parts = evaluation.subgroups
    if not parts:
        return None
    return Section(
        "subgroups",
        "Subgroups and fairness",
        (
            Paragraph(
                f"The reference model ({evaluation.reference}) within groups, censoring weights estimated in "
                "each. A gap is the largest less the smallest AUC of a variable's groups, or the largest O:E "
                "over the smallest; its interval is the percentile interval of a bootstrap within groups. "
                "Gaps are never negative: beside each stands what equal groups of these sizes would show on "
                "average, and the P value of Cochran's test that the groups are equal. A model without "
                "calibration by group can be unfair at equal AUC."
            ),
            Picture(
                "AUC and O:E by group (fractures/subjects); dotted: 0.9 and 1.1.",
                "Forest plots of AUC and observed over expected by subgroup.",
                partial(draw_subgroups, parts),
            ),
            Table(
                "Figures by group",
                ("variable", "group", "subjects", "fractures", "AUC", "O:E", "slope"),
                tuple(
                    (
                        part.variable,
                        level.level,
                        count(level.subjects),
                        count(level.fractures),
                        estimate(level.auc),
                        estimate(level.observed_to_expected, 2),
                        estimate(level.slope, 2),
                    )
                    for part in parts
                    for level in part.levels
                ),
                "– : fewer than 10 fractures.",
                weights=(1.3, 1.5, 0.8, 0.8, 1.8, 1.6, 1.6),
                text_columns=frozenset({0, 1}),
            ),
            Table(
                "Gaps",
                ("variable", "AUC: gap", "by chance", "P equal", "O:E: ratio", "by chance", "P equal"),
                tuple(_gap_row(part) for part in parts),
                weights=(1.4, 1.9, 0.8, 0.8, 1.7, 0.8, 0.8),
            ),
        ),
    )


def missing(evaluation: Evaluation) -> Section:
    """Missing values by predictor."""
    rows = evaluation.cohort.missing
    unknown = [model for model in evaluation.models.values() if model.without_value or model.imputed]
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                "Missing values by predictor, most incomplete first",
                ("predictor", "everybody", "those who fractured"),
                tuple(
                    (row.name, f"{100 * row.share:.1f} %", f"{100 * row.share_fractured:.1f} %")
                    for row in rows[:MOST_MISSING]
                ),
                f"{len(rows) - MOST_MISSING} more predictors lack fewer values; the JSON lists all."
                if len(rows) > MOST_MISSING
                else "",
                weights=(3, 1, 1),
            )
        )
    else:
        blocks.append(Paragraph("No predictor in the table is missing for anybody."))
    if unknown:
        blocks.append(
            Table(
                "Subjects with imputed inputs or without a value",
                ("model", "imputed", "without a value"),
                tuple(
                    (
                        model.name,
                        NOTHING if model.imputed is None else count(model.imputed),
                        count(model.without_value),
                    )
                    for model in unknown
                ),
                "Imputation is part of a model and described in its card; – : not told by the model.",
                weights=(3, 1, 1),
            )
        )
    return Section("missing", "Missing values", tuple(blocks))


def stability(evaluation: Evaluation) -> Section | None:
    """Coverage of the risk interval, spread over seeds, optimism."""
    blocks: list[Block] = []
    coverage = [
        (
            model.name,
            str(found.years),
            f"{100 * found.coverage.nominal:.0f} %",
            percent(found.coverage.actual),
            f"{100 * min(found.coverage.by_tenth):.0f}–{100 * max(found.coverage.by_tenth):.0f} %",
        )
        for model in evaluation.models.values()
        for found in model.horizons.values()
        if found.coverage is not None
    ]
    if coverage:
        blocks.append(
            Table(
                "Coverage of the true risk by the risk interval",
                ("model", "years", "nominal", "actual", "by tenth of risk"),
                tuple(coverage),
                "The true risk is known to the simulator only.",
                weights=(1.6, 0.7, 1, 2, 1.5),
            )
        )
    if evaluation.seeds:
        blocks.append(
            Table(
                "The same training with other seeds",
                ("model", "seeds", "AUC: range", "AUC: SD", "O:E: range", "SD of one subject's risk"),
                tuple(_seed_row(part) for part in evaluation.seeds),
                f"At {max(evaluation.horizons)} years.",
            )
        )
    if evaluation.optimism:
        blocks.append(
            Table(
                "Optimism by bootstrap (Harrell)",
                ("figure", "apparent", "optimism (SD)", "corrected"),
                tuple(
                    (
                        name.replace("_", " "),
                        number(part.apparent, 4),
                        f"{number(part.optimism, 4)} ({number(part.standard_deviation, 4)})",
                        number(part.corrected, 4),
                    )
                    for name, part in evaluation.optimism.items()
                ),
            )
        )
    return Section("stability", "Uncertainty and stability", tuple(blocks)) if blocks else None


def recalibration(evaluation: Evaluation) -> Section | None:
    """Intercepts and slopes fitted to this cohort, and what they change."""
    fitted = evaluation.recalibration
    if fitted is None:
        return None
    return Section(
        "recalibration",
        "Recalibration to this cohort",
        (
            Paragraph(
                f"logit(new risk) = intercept + slope · logit(risk of {fitted.model}), fitted to this cohort "
                "by horizon. Figures after recalibration come from five-fold cross-fitting: nobody's outcome "
                "is used for their own risk. Risks are kept from falling with the horizon."
            ),
            Table(
                "Before and after",
                ("years", "intercept", "slope", "O:E before", "O:E after", "slope before", "slope after"),
                tuple(_recalibration_row(fitted, years) for years in fitted.intercepts),
                weights=(0.6, 0.9, 0.8, 1.6, 1.6, 1.6, 1.6),
            ),
        ),
    )


def _times(tier: Tier) -> str:
    return " / ".join(f"{time:g}" for time, _ in tier.at_risk) + " years"


def _gap_row(part: Subgroups) -> tuple[str, ...]:
    row: list[str] = [part.variable]
    for found, digits in ((part.auc_gap, 3), (part.observed_to_expected_gap, 2)):
        if found is None:
            row += [NOTHING] * 3
        else:
            row += [estimate(found.estimate, digits), number(found.by_chance, digits), p_value(found.p_equal)]
    return tuple(row)


def _seed_row(part: SeedSpread) -> tuple[str, ...]:
    mean = sum(part.auc) / len(part.auc)
    deviation = (sum((value - mean) ** 2 for value in part.auc) / (len(part.auc) - 1)) ** 0.5
    ratios = part.observed_to_expected
    return (
        part.name,
        str(len(part.auc)),
        f"{number(min(part.auc), 4)}–{number(max(part.auc), 4)}",
        number(deviation, 4),
        f"{number(min(ratios))}–{number(max(ratios))}",
        f"{100 * part.risk_standard_deviation:.2f} %",
    )


def _recalibration_row(fitted: Recalibration, years: int) -> tuple[str, ...]:
    before, after = fitted.before[years], fitted.after[years]
    return (
        str(years),
        number(fitted.intercepts[years]),
        number(fitted.slopes[years]),
        estimate(before.observed_to_expected, 2),
        estimate(after.observed_to_expected, 2),
        estimate(before.slope, 2),
        estimate(after.slope, 2),
    )
