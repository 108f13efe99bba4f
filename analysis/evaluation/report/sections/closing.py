"""Secondary measures, limits, methods and the checklist."""

from __future__ import annotations

from analysis.evaluation.reclassification import CAUTION
from analysis.evaluation.report.document import Block, Paragraph, Reference, Section, Table
from analysis.evaluation.report.sections.performance import display_name
from analysis.evaluation.report.wording import gap, percent
from analysis.evaluation.results import Comparison, Evaluation

SOURCES = (
    "AUC and its tests: DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837); censoring and competing "
    "risks: Blanche, Dartigues & Jacqmin-Gadda 2013 (Stat Med 32:5381). C-index: Uno et al. 2011 (Stat Med "
    "30:1105), with competing risks Wolbers et al. 2014 (Biostatistics 15:526). Brier score: Graf et al. "
    "1999 (Stat Med 18:2529); scaled: Kattan & Gerds 2018 (Diagn Progn Res 2:7). Calibration: van Geloven et "
    "al. 2022 (BMJ 377:e069249); ICI: Austin & Steyerberg 2019 (Stat Med 38:4051). Net benefit: Vickers & "
    "Elkin 2006 (Med Decis Making 26:565), Vickers et al. 2008 (BMC Med Inform Decis Mak 8:53). Choice of "
    "measures: Van Calster et al. 2025 (Lancet Digit Health). Reporting: TRIPOD+AI, Collins et al. 2024 (BMJ "
    "385:e078378); PROBAST+AI, Moons et al. 2025 (BMJ 388:e082505)."
)


def secondary(evaluation: Evaluation) -> Section:
    """Classification and reclassification, labelled as what they are."""
    rows = [
        (
            display_name(model),
            f"{100 * found.threshold:.3g} %",
            f"{100 * found.positive_share:.1f} %",
            *(
                percent(value)
                for value in (
                    found.sensitivity,
                    found.specificity,
                    found.positive_predictive_value,
                    found.negative_predictive_value,
                    found.accuracy,
                    found.f1,
                )
            ),
        )
        for model in evaluation.models.values()
        for horizon in model.horizons.values()
        for found in horizon.classifications
    ]
    blocks: list[Block] = [
        Paragraph(
            "Secondary. The figures of this section hang on a threshold, and most are improper: a worse "
            "model can have better ones (Van Calster et al. 2025). They are shown because published systems "
            "report them. Precision is the PPV, recall the sensitivity.",
            "warning",
        )
    ]
    if rows:
        blocks.append(
            Table(
                "Classification of the 10-year outcome at the tiers' thresholds",
                (
                    "model",
                    "threshold",
                    "positive",
                    "sensitivity (recall)",
                    "specificity",
                    "PPV (precision)",
                    "NPV",
                    "accuracy",
                    "F1",
                ),
                tuple(rows),
                weights=(1.4, 1.15, 1.0, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4),
            )
        )
    moved = [part for part in evaluation.comparisons if part.reclassification is not None]
    if moved:
        blocks.append(
            Table(
                "Reclassification by the first model against the second",
                ("first against second", "NRI, fractured", "NRI, others", "NRI", "NRI(>0)", "IDI"),
                tuple(_reclassified(part) for part in moved),
                CAUTION,
                weights=(1.6, 2, 2, 2, 2, 2),
            )
        )
    return Section("secondary", "Secondary measures", tuple(blocks))


def limits(evaluation: Evaluation) -> Section:
    """Risk of bias by domain, and what these figures cannot say."""
    return Section(
        "limits",
        "Limits",
        (
            Table(
                "Risk of bias by the domains of PROBAST+AI, judged by rule from the table alone",
                ("domain", "risk of bias", "why"),
                tuple((limit.domain, limit.judgement, limit.why) for limit in evaluation.limits),
                "A reviewer who knows how the data came about must judge again.",
                weights=(1.3, 0.8, 5),
                text_columns=frozenset({0, 1, 2}),
            ),
            Paragraph(
                "No figure here claims clinical validity. The models are trained on simulated data; before "
                "any use a site must evaluate them on its own patients with dated fractures, recalibrate, "
                "and have the result reviewed. In use, a person checks outlines and inputs; the engine "
                "refuses or flags poor scans, names absent inputs and falls back to a smaller model. The "
                "next step of research is an evaluation on patients."
            ),
        ),
    )


def methods(evaluation: Evaluation) -> Section:
    """Outcome, weights, measures and their sources."""
    return Section(
        "methods",
        "Methods",
        (
            Paragraph(
                "What is predicted: the first fracture of wrist, hip, spine or humerus after a forearm scan, "
                "in the presence of competing death (prognostic; research use only, by researchers; no place "
                "in a care pathway is claimed). Models are fixed before this cohort is seen; the comparators "
                "are published elsewhere."
            ),
            Paragraph(
                "Outcome by a horizon: fractured within it, or known not to have, which includes death "
                "before a fracture. Subjects lost before the horizon are represented by the others through "
                "inverse probability of censoring weights (Kaplan-Meier estimate of staying under "
                "observation, events before censorings at ties), in every measure alike; the weights are "
                "taken as known in variances. Incidences are Aalen-Johansen estimates with Dinse and "
                "Larson's variance."
            ),
            Paragraph(
                "Intervals are two-sided 95 %: DeLong's for AUC (logit scale), infinitesimal jackknife for "
                "the C-index, sandwich for calibration, influence functions for net benefit, Brier score and "
                "shares, bootstrap within groups for gaps. Subgroups, measures and thresholds are fixed by "
                "the software, not chosen after the fact. The main measures are AUC, calibration, net "
                "benefit and the distribution of risks."
            ),
            Paragraph(SOURCES, "note"),
            Paragraph(
                f"Made on {evaluation.made_on} by dicom-node {evaluation.version}, JSON schema "
                f"{evaluation.schema}. The JSON beside this file holds every figure.",
                "note",
            ),
        ),
    )


def checklist(evaluation: Evaluation) -> Section:
    """TRIPOD+AI item by item."""
    entries = evaluation.checklist
    tally = {status: sum(entry.status == status for entry in entries) for status in _STATUSES}
    return Section(
        "checklist",
        "TRIPOD+AI checklist",
        (
            Paragraph(
                f"27 items with {len(entries)} sub-items, paraphrased from Collins et al. 2024 (CC BY 4.0): "
                + ", ".join(f"{number} {status}" for status, number in tally.items() if number)
                + "."
            ),
            Table(
                "Items",
                ("item", "topic", "asks for", "status", "answer", "where"),
                tuple(
                    (
                        entry.number,
                        entry.topic,
                        entry.asks,
                        entry.status,
                        entry.answer,
                        Reference(entry.anchor) if entry.anchor else "",
                    )
                    for entry in entries
                ),
                weights=(0.55, 1.35, 2.9, 1.15, 3.2, 0.95),
                text_columns=frozenset(range(6)),
            ),
        ),
    )


_STATUSES = ("reported", "not applicable", "to be completed")


def _reclassified(part: Comparison) -> tuple[str, ...]:
    moved = part.reclassification
    if moved is None:
        return ()
    figures = (moved.nri_events, moved.nri_non_events, moved.nri, moved.continuous_nri, moved.idi)
    return (f"{part.first} against {part.second}", *(gap(figure, 3) for figure in figures))
