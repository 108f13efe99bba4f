"""Key Object Selection: what to look at first, PS3.16 TID 2010."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom import Dataset
from pydicom.sr.codedict import codes

from reports import content
from reports.content import Item, set_content
from reports.identity import SERIES, ResultKind
from reports.instance import finish, instance_arguments
from reports.language import translated
from reports.sentences import research_statement
from reports.source import ReportContext
from reports.templates import device_observer, language_of_content

TEMPLATE = "2010"

SHOWN_FIRST = (ResultKind.SUMMARY, ResultKind.MEASUREMENTS, ResultKind.REPORT)
"""The results worth opening, in this order; the analysed image comes after them."""


def key_objects(context: ReportContext, results: Sequence[Dataset]) -> Dataset:
    """Name the results to look at first, and the image they are about.

    Parameters
    ----------
    context : ReportContext
    results : sequence of Dataset
        The other results of this set; the UID of the selection depends on which are named.

    Returns
    -------
    highdicom.ko.KeyObjectSelectionDocument
        Titled (113000, DCM, "Of Interest"), PS3.16 CID 7010.
    """
    named = [_named(results, kind) for kind in SHOWN_FIRST]
    listed = [*filter(None, named), context.header]
    uids = "|".join(str(instance.SOPInstanceUID) for instance in listed)
    arguments = instance_arguments(context, ResultKind.KEY_OBJECTS)
    arguments["sop_instance_uid"] = context.uid(f"instance:{uids}", ResultKind.KEY_OBJECTS)
    selection = KeyObjectSelectionDocument(
        evidence=listed, content=KeyObjectSelection(codes.DCM.OfInterest, listed), **arguments
    )
    finish(selection, context)
    set_content(selection, codes.DCM.OfInterest, TEMPLATE, _content(context, listed))
    return selection


def _content(context: ReportContext, listed: Sequence[Dataset]) -> list[Item]:
    said = " ".join(
        (
            translated("Look at these first: the summary page, then the reports.", context.language),
            research_statement(context.language),
        )
    )
    return [
        language_of_content(context.language),
        *device_observer(context),
        content.text(codes.DCM.KeyObjectDescription, said),
        *(_reference(instance) for instance in listed),
    ]


def _reference(instance: Dataset) -> Item:
    refer = content.image if "Rows" in instance else content.composite
    return refer(None, instance.SOPClassUID, instance.SOPInstanceUID)


def _named(results: Sequence[Dataset], kind: ResultKind) -> Dataset | None:
    return next((item for item in results if item.SeriesNumber == SERIES[kind].number), None)
