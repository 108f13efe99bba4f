"""compose(): from one StudyAnalysis to the DICOM objects a PACS stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from reports.options import DEFAULT_OPTIONS, EVERY_RESULT, ReportOptions, ResultName

if TYPE_CHECKING:
    from pydicom import Dataset

    from analysis.results import Revision, StudyAnalysis
    from reports.source import ReportContext

Writer = Callable[["ReportContext"], "Dataset | None"]

ON_THE_IMAGE: frozenset[ResultName] = frozenset({"driver_map", "density_map", "segmentation", "presentation"})
"""Results that a study without an image cannot have."""


def compose(
    analysis: StudyAnalysis,
    source: Sequence[Dataset],
    *,
    predecessors: Sequence[Dataset] = (),
    revisions: Sequence[Revision] = (),
    options: ReportOptions = DEFAULT_OPTIONS,
) -> list[Dataset]:
    """Write up one analysed study.

    Pure and deterministic: the same arguments give the same bytes. Dates come from the source study, UIDs
    from `StudyAnalysis.identity` and the options. What an object holds does not depend on which others are
    made with it, except that the report refers to the measurements and the key objects to both.

    Parameters
    ----------
    analysis : StudyAnalysis
        What the engine found.
    source : sequence of Dataset
        The study's datasets; the one named by `StudyAnalysis.source` must be among them. Not modified.
    predecessors : sequence of Dataset
        Structured Reports of the study's earlier analysis: each new report names the one it replaces
        (Predecessor Documents Sequence, PS3.3 C.17.2).
    revisions : sequence of Revision
        What changed since; the report in words and the document say it where they replace another.
    options : ReportOptions

    Returns
    -------
    list of Dataset
        The results that `options` names, in the order in which they should be sent (the summary is what
        every viewer can show); none that needs a picture where the study reports numbers without an image.
        For a study that was not analysed the refusal, where `options` wants one, else nothing. Each carries
        `file_meta` and is ready to write.

    Raises
    ------
    AnalysisError
        The source image is missing, or a result breaks a rule that viewers or validators rely on.
    """
    from analysis.results import Status

    if analysis.status is not Status.ANALYZED:
        return _refusal(analysis, source, predecessors, options)

    from reports.checks import check_outlined_regions, check_results
    from reports.key_objects import key_objects
    from reports.source import report_context

    context = report_context(
        analysis, source, predecessors=predecessors, revisions=revisions, options=options
    )
    check_outlined_regions(context)
    writers = _writers()
    written = (
        writers[name](context)
        for name in EVERY_RESULT
        if name in options.results
        and name in writers
        and (context.evidence is not None or name not in ON_THE_IMAGE)
    )
    results = [result for result in written if result is not None]
    if "key_objects" in options.results:
        results.append(key_objects(context, results))
    check_results(results, context)
    return results


def _refusal(
    analysis: StudyAnalysis,
    source: Sequence[Dataset],
    predecessors: Sequence[Dataset],
    options: ReportOptions,
) -> list[Dataset]:
    if options.refusals == "none":
        return []
    from reports.checks import check_results
    from reports.refusal import refusal

    results, context = refusal(analysis, source, predecessors=predecessors, options=options)
    if context is not None:
        check_results(results, context)
    return results


def _writers() -> Mapping[ResultName, Writer]:
    """Who writes what; the key objects name the others and come after them."""
    from reports.encapsulated_document import document
    from reports.heatmap import density_map, driver_map
    from reports.presentation import presentation
    from reports.segmentation import segmentation
    from reports.structured_report import measurement_report
    from reports.summary import summary_page
    from reports.text_report import text_report

    return {
        "summary": summary_page,
        "measurements": measurement_report,
        "driver_map": driver_map,
        "density_map": density_map,
        "report": text_report,
        "segmentation": segmentation,
        "presentation": presentation,
        "document": document,
    }
