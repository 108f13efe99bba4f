"""compose(): from one StudyAnalysis to the DICOM objects a PACS stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.options import DEFAULT_OPTIONS, ReportOptions

if TYPE_CHECKING:
    from pydicom import Dataset

    from analysis.results import StudyAnalysis


def compose(
    analysis: StudyAnalysis,
    source: Sequence[Dataset],
    *,
    predecessors: Sequence[Dataset] = (),
    options: ReportOptions = DEFAULT_OPTIONS,
) -> list[Dataset]:
    """Write up one analysed study.

    Pure and deterministic: the same arguments give the same bytes. Dates come from the source study, UIDs
    from `StudyAnalysis.identity` and the options.

    Parameters
    ----------
    analysis : StudyAnalysis
        What the engine found. Anything but status ``analyzed`` yields no results.
    source : sequence of Dataset
        The study's datasets; the one named by `StudyAnalysis.source` must be among them. Not modified.
    predecessors : sequence of Dataset
        Structured Reports of the study's earlier analysis: each new report names the one it replaces
        (Predecessor Documents Sequence, PS3.3 C.17.2).
    options : ReportOptions

    Returns
    -------
    list of Dataset
        Summary page, measurement SR, heat map, report SR, in the order in which they should be sent (the
        summary is what every viewer can show). No heat map where the study reports numbers without an image.
        Each carries `file_meta` and is ready to write.

    Raises
    ------
    AnalysisError
        The source image is missing, or a result breaks a rule that viewers or validators rely on.
    """
    from analysis.results import Status

    if analysis.status is not Status.ANALYZED:
        return []

    from reports.checks import check_results
    from reports.heatmap import heat_map
    from reports.source import report_context
    from reports.structured_report import measurement_report
    from reports.summary import summary_page
    from reports.text_report import text_report

    context = report_context(analysis, source, predecessors=predecessors, options=options)
    pictures = [heat_map(context)] if context.evidence is not None else []
    results = [summary_page(context), measurement_report(context), *pictures, text_report(context)]
    check_results(results, context)
    return results
