"""The TRIPOD+AI checklist, each item answered for this report, and the risk of bias after PROBAST+AI."""

from __future__ import annotations

import tomllib
from pathlib import Path

from analysis.evaluation.results import ChecklistItem, CohortSummary, Limit, ModelEvaluation

CHECKLIST_FILE = Path(__file__).parent / "tripod_ai.toml"
REPORTED, NOT_APPLICABLE, SITE = "reported", "not applicable", "to be completed"


def fill_checklist(cohort: CohortSummary, *, recalibrated: bool) -> tuple[ChecklistItem, ...]:
    """Every item with its answer for this cohort: where it is reported, or why it does not apply.

    What only the people behind a study can know (ethics, funding, recruitment) is "to be completed" for a
    site's cohort, never invented.
    """
    kind = "simulated" if cohort.simulated else "site"
    entries = tomllib.loads(CHECKLIST_FILE.read_text(encoding="utf-8"))["items"]
    return tuple(_answered(entry, kind, recalibrated=recalibrated) for entry in entries)


def _answered(entry: dict[str, str], kind: str, *, recalibrated: bool) -> ChecklistItem:
    status, _, answer = entry[kind if kind in entry else "both"].partition(": ")
    if entry["number"] in ("12f", "24") and not recalibrated:
        status, answer = NOT_APPLICABLE, "no recalibration was asked for (--recalibrate)."
    return ChecklistItem(
        entry["number"],
        entry["section"],
        entry["topic"],
        entry["asks"],
        status,
        answer[:1].upper() + answer[1:],
        entry["anchor"] if status == REPORTED else "",
    )


def judge_limits(cohort: CohortSummary, reference: ModelEvaluation) -> tuple[Limit, ...]:
    """Risk of bias by the four domains of PROBAST+AI (Moons et al. 2025, BMJ 388:e082505)."""
    last = max(reference.horizons)
    fractures = reference.horizons[last].fractures
    lost = next(counts for counts in cohort.horizons if counts.years == last).lost / max(cohort.subjects, 1)
    worst = max(cohort.missing, key=lambda row: row.share, default=None)
    return (
        _participants(cohort),
        Limit(
            "Predictors",
            "low" if worst is None or worst.share < 0.05 else "unclear",
            "Predictors precede the outcome by design of the table. "
            + (
                "No predictor is missing."
                if worst is None
                else f"The most incomplete, {worst.name}, lacks {100 * worst.share:.0f} % of its values."
            ),
        ),
        Limit(
            "Outcome",
            "low" if cohort.simulated else "unclear",
            "Fracture, death and end of follow-up are known exactly in a simulation."
            if cohort.simulated
            else "How fractures were ascertained, and by whom, is not in the table: the site must say.",
        ),
        Limit(
            "Analysis",
            "low" if fractures >= 100 and lost < 0.5 else "high",
            f"{fractures} fractures within {last} years (at least 100 are advised for an external evaluation,"
            f" Collins et al. 2016, Stat Med 35:214); {100 * lost:.0f} % lost before {last} years. Censoring "
            "weights assume that loss does not depend on risk.",
        ),
    )


def _participants(cohort: CohortSummary) -> Limit:
    if cohort.simulated:
        return Limit(
            "Participants and data",
            "high",
            "Simulated people: parameters come from publications where these exist and from assumptions "
            "elsewhere. Absolute figures are properties of the simulator and say nothing about patients.",
        )
    return Limit(
        "Participants and data",
        "unclear",
        "The table does not say how these people were chosen. People who were referred for a scan differ "
        "from the population; the site must state setting, dates and exclusions.",
    )
