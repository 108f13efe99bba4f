"""What is in a report, and in which order."""

from __future__ import annotations

from analysis.evaluation.report.document import Document
from analysis.evaluation.report.sections.closing import checklist, limits, methods, secondary
from analysis.evaluation.report.sections.groups import missing, recalibration, stability, subgroups, tiers
from analysis.evaluation.report.sections.overview import cohort, summary
from analysis.evaluation.report.sections.performance import (
    calibration,
    comparisons,
    discrimination,
    distribution,
    usefulness,
)
from analysis.evaluation.results import Evaluation

BANNERS = {
    True: "Simulated data (simulated people, simulated fractures) · research use only",
    False: "Site's own cohort · models trained on simulated data · research use only",
}


def compose(evaluation: Evaluation) -> Document:
    """The report of an evaluation; parts without content are left out."""
    parts = (
        summary,
        cohort,
        discrimination,
        comparisons,
        calibration,
        usefulness,
        distribution,
        tiers,
        subgroups,
        missing,
        stability,
        recalibration,
        secondary,
        limits,
        methods,
        checklist,
    )
    sections = [part(evaluation) for part in parts]
    return Document(
        "Evaluation of fracture risk models",
        f"{evaluation.reference} and {len(evaluation.models) - 1} others on "
        f"{evaluation.cohort.subjects:,} subjects · {evaluation.made_on} · dicom-node {evaluation.version}",
        BANNERS[evaluation.cohort.simulated],
        tuple(section for section in sections if section is not None),
    )
