"""Key object selections: TID 2010, of objects that are in the study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.checks.breach import Breach
from reports.checks.evidence import CURRENT, check_evidence, listed_in
from reports.checks.relationships import check_relationships
from reports.checks.tree import Attributes, items_of, read_tree
from reports.source import ReportContext

OF_INTEREST = ("113000", "DCM")
"""PS3.16 CID 7010."""


def check_selection(
    selection: Attributes, results: Sequence[Attributes], context: ReportContext
) -> Iterator[Breach]:
    """Check a Key Object Selection against the results it is sent with."""
    root = read_tree(selection)
    if root.value_type != "CONTAINER" or root.concept != OF_INTEREST:
        yield Breach(f"have the title ({', '.join(OF_INTEREST)})", "PS3.16 TID 2010 row 1")
    named = [
        (item.get("MappingResource"), item.get("TemplateIdentifier"))
        for item in items_of(selection, "ContentTemplateSequence")
    ]
    if named != [("DCMR", "2010")]:
        yield Breach("name its template 2010 of DCMR", "PS3.3 C.17.6.2")
    yield from check_relationships(root)
    yield from check_evidence(root, context)
    known = {str(result.get("SOPInstanceUID")): str(result.get("SeriesInstanceUID")) for result in results}
    known[context.image.sop_instance_uid] = context.image.series_instance_uid
    for entry in listed_in(selection, CURRENT):
        if known.get(entry.instance) != entry.series:
            yield Breach(
                "select only what it is sent with, and the analysed image",
                "ours: no dead links",
            )
    if not any(item.value_type in ("IMAGE", "COMPOSITE") for item in root.children):
        yield Breach("select something", "PS3.16 TID 2010 row 7")
