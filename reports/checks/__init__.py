"""Rules that external validators do not check and that viewers rely on.

dciodvfy knows no templates, PixelMed's validator misses absent mandatory rows, and OHIF shows a black screen
for a whole report if one group lacks an outline or a tracking identifier. Every result is checked against
these rules before anyone sees it; each names the section of the standard that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom import Dataset

from reports.checks.breach import Breach
from reports.checks.coding import check_codes
from reports.checks.documents import check_document
from reports.checks.encapsulated import check_encapsulated
from reports.checks.headers import check_header, kind_of
from reports.checks.outlines import check_polygon
from reports.checks.pictures import check_picture
from reports.checks.presentations import check_presentation
from reports.checks.segmentations import check_segmentation
from reports.checks.selections import check_selection
from reports.checks.tree import Attributes, content_items, read_result
from reports.regions_of_interest import closed_polyline
from reports.source import ReportContext

__all__ = ["check_outlined_regions", "check_results", "content_items"]


def check_results(results: Sequence[Dataset], context: ReportContext) -> None:
    """Check finished results.

    Raises
    ------
    AnalysisError
        Naming the result, the rule it breaks, where the rule is written and what to do. Results are made by
        us: a failure is a defect of this program or of the analysis it was given, never of the patient's
        study.
    """
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        uids = [str(result.get(keyword)) for result in results]
        if len(set(uids)) != len(uids):
            raise Breach(f"have distinct {keyword}s", "PS3.5 9.1").error("the results")
    read = [read_result(result) for result in results]
    for result in read:
        for breach in breaches(result, read, context):
            raise breach.error(str(result.get("SeriesDescription") or "a result without description"))


def check_outlined_regions(context: ReportContext) -> None:
    """Check the outlines before anything is drawn: libraries complain of a wrong one in words of their own.

    Raises
    ------
    AnalysisError
        Naming the region and the rule.
    """
    for name, region in context.analysis.regions.items():
        if context.evidence is not None and region.polygon:
            for breach in check_polygon(closed_polyline(region.polygon).ravel().tolist(), context):
                raise breach.error(f"the region {name}")


def breaches(result: Attributes, results: Sequence[Attributes], context: ReportContext) -> Iterator[Breach]:
    """Yield every rule that one of `results` breaks."""
    yield from check_header(result, context)
    yield from check_codes(result)
    kind = kind_of(result)
    if kind is None:
        return
    match result.get("Modality"):
        case "SR":
            yield from check_document(result, kind, context)
        case "OT":
            yield from check_picture(result, kind, context)
        case "SEG":
            yield from check_segmentation(result, context)
        case "PR":
            yield from check_presentation(result, context)
        case "DOC":
            yield from check_encapsulated(result, context)
        case "KO":
            yield from check_selection(result, results, context)
