"""Structured Reports: the rules of the document, then those of its templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydicom.uid import UID

from reports.checks.breach import Breach
from reports.checks.evidence import check_evidence
from reports.checks.measures import check_measurements
from reports.checks.outlines import check_outlines
from reports.checks.relationships import check_relationships
from reports.checks.rows import (
    ALGORITHM,
    ALGORITHM_NAME,
    ALGORITHM_VERSION,
    DEVICE,
    DIAGNOSTIC_REPORT,
    GROUP_WITHOUT_IMAGE,
    IMAGE_LIBRARY,
    IMAGE_LIBRARY_ENTRY_ROWS,
    IMAGE_LIBRARY_GROUP,
    IMAGE_LIBRARY_GROUP_ROWS,
    IMAGE_LIBRARY_ROW,
    IMAGE_LIBRARY_ROWS,
    IMAGING_MEASUREMENTS,
    LANGUAGE,
    LATERALITY,
    MEASUREMENT_GROUP,
    MEASUREMENT_REPORT,
    OBSERVER_TYPE,
    ORIGINAL_SOURCE,
    PLANAR_GROUP,
    TRACKING_UID,
    Row,
)
from reports.checks.tree import Attributes, Item, items_of, read_tree
from reports.codes import MODALITIES, SCHEME
from reports.identity import ResultKind
from reports.source import ReportContext

TITLES = {
    ResultKind.MEASUREMENTS: (("126000", "DCM"), "1500"),
    ResultKind.REPORT: (("18748-4", "LN"), "2000"),
    ResultKind.REFUSAL_REPORT: (("NOT_ANALYSED", SCHEME), "2000"),
}
"""Kind -> document title and root template. OHIF draws outlines of the first only, words of the other."""


def check_document(document: Attributes, kind: ResultKind, context: ReportContext) -> Iterator[Breach]:
    """Check a Structured Report of one kind."""
    root = read_tree(document)
    yield from _check_general(document)
    yield from _check_root(root, kind)
    yield from check_relationships(root)
    yield from _check_values(root)
    yield from check_measurements(root)
    yield from check_outlines(root, context)
    yield from check_evidence(root, context)
    for item in root.walk():
        if item.named(ALGORITHM_NAME) or item.named(ALGORITHM_VERSION):
            yield from _breaches(ALGORITHM, item)
    if kind is ResultKind.MEASUREMENTS:
        yield from _breaches(MEASUREMENT_REPORT, root)
        if context.evidence is not None:
            yield from _check_image_library(root, context)
        yield from _check_groups(root, context)
    else:
        yield from _breaches(DIAGNOSTIC_REPORT, root)
        yield from _check_sections(root)


def _breaches(rows: Iterable[Row], item: Item) -> Iterator[Breach]:
    for row in rows:
        yield from row.breaches(item)


def _check_general(document: Attributes) -> Iterator[Breach]:
    """SR Document General: finished, unverified, dated, and no successor of itself."""
    if (document.get("CompletionFlag"), document.get("VerificationFlag")) != (
        "COMPLETE",
        "UNVERIFIED",
    ):
        yield Breach("be complete and not verified by anyone", "PS3.3 C.17.2")
    if not document.get("ContentDate") or not document.get("ContentTime"):
        yield Breach("have a content date and time", "PS3.3 C.17.2")
    for predecessor in items_of(document, "PredecessorDocumentsSequence"):
        for series in items_of(predecessor, "ReferencedSeriesSequence"):
            for instance in items_of(series, "ReferencedSOPSequence"):
                if instance.get("ReferencedSOPInstanceUID") == document.get("SOPInstanceUID"):
                    yield Breach("not replace itself", "PS3.3 C.17.2.2")


def _check_root(root: Item, kind: ResultKind) -> Iterator[Breach]:
    title, template = TITLES[kind]
    if root.value_type != "CONTAINER" or root.concept != title:
        yield Breach(f"have the title ({', '.join(title)})", "PS3.16 CID 7021, CID 7000")
    named = [
        (item.get("MappingResource"), item.get("TemplateIdentifier"))
        for item in items_of(root.dataset, "ContentTemplateSequence")
    ]
    if named != [("DCMR", template)]:
        yield Breach(f"name its template {template} of DCMR", "PS3.3 C.18.8")
    observers = root.named(OBSERVER_TYPE)
    if any(item.code != DEVICE for item in observers):
        yield Breach("be observed by a device", "PS3.16 TID 1002")
    for item in root.named(LANGUAGE):
        if item.code[1] != "RFC5646":
            yield Breach("name its language by RFC 5646", "PS3.16 CID 5000")


def _check_values(root: Item) -> Iterator[Breach]:
    """Every item has the value its type asks for, and containers are SEPARATE."""
    for item in root.walk():
        dataset = item.dataset
        if (
            item is not root
            and not item.concept[0]
            and item.value_type not in ("IMAGE", "SCOORD", "COMPOSITE")
        ):
            yield Breach(f"name every {item.value_type or 'content'} item", "PS3.3 C.17.3")
        if item.value_type == "CONTAINER":
            if dataset.get("ContinuityOfContent") != "SEPARATE":
                yield Breach(
                    "have SEPARATE containers",
                    "PS3.3 C.18.8; viewers drop the names of others",
                )
            if not item.children:
                yield Breach(f"leave out {item.title!r} or fill it", "PS3.3 C.17.3")
        elif item.value_type == "TEXT" and not str(dataset.get("TextValue") or "").strip():
            yield Breach(f"say something in {item.title!r}", "PS3.3 C.18.2")
        elif item.value_type == "CODE" and not item.code[0]:
            yield Breach(f"have a code in {item.title!r}", "PS3.3 C.18.3")
        elif item.value_type == "UIDREF" and not UID(dataset.get("UID") or "").is_valid:
            yield Breach(f"have a legal UID in {item.title!r}", "PS3.3 C.18.5")


def _check_image_library(root: Item, context: ReportContext) -> Iterator[Breach]:
    """The analysed image is listed, with its modality where PS3.16 CID 29 has a code for it."""
    coded_modality = str(context.header.get("Modality")) in MODALITIES
    yield from IMAGE_LIBRARY_ROW.breaches(root)
    for library in root.named(IMAGE_LIBRARY):
        yield from _breaches(IMAGE_LIBRARY_ROWS, library)
        for group in library.named(IMAGE_LIBRARY_GROUP):
            yield from _breaches(IMAGE_LIBRARY_GROUP_ROWS, group)
            for image in group.named(ORIGINAL_SOURCE) if coded_modality else ():
                yield from _breaches(IMAGE_LIBRARY_ENTRY_ROWS, image)


def _check_groups(root: Item, context: ReportContext) -> Iterator[Breach]:
    groups = [item for item in root.walk() if item.concept == MEASUREMENT_GROUP]
    for group in groups:
        yield from _breaches(PLANAR_GROUP if context.evidence is not None else GROUP_WITHOUT_IMAGE, group)
        yield from _check_side(group, context)
    for container in root.named(IMAGING_MEASUREMENTS):
        if any(child.concept != MEASUREMENT_GROUP for child in container.children):
            yield Breach(
                "hold only measurement groups in Imaging Measurements",
                "PS3.16 TID 1500 row 7 to 9",
            )
    tracked = [str(child.dataset.get("UID")) for group in groups for child in group.named(TRACKING_UID)]
    if len(set(tracked)) != len(tracked):
        yield Breach(
            "have a tracking UID of its own in every measurement group",
            "PS3.16 TID 4108; OHIF merges",
        )
    number = next(
        (child for group in groups for child in group.children if child.value_type == "NUM"),
        None,
    )
    if groups and number is None:
        yield Breach("measure something in its measurement groups", "PS3.16 TID 1500 row 6")


def _check_side(group: Item, context: ReportContext) -> Iterator[Breach]:
    """The side is said where it is known, and nowhere else."""
    sides = [child.code for item in group.walk() for child in item.named(LATERALITY)]
    side = context.analysis.laterality
    expected = {"L": ("7771000", "SCT"), "R": ("24028007", "SCT")}.get(side.value if side else "")
    if any(code != expected for code in sides) or (expected is not None and not sides):
        yield Breach(
            "say the side of the analysed forearm in every measurement group",
            "PS3.16 TID 1410, CID 244",
        )


def _check_sections(root: Item) -> Iterator[Breach]:
    """TID 2000 row 6: headed sections that hold words."""
    sections = [child for child in root.children if child.value_type == "CONTAINER"]
    if not sections:
        yield Breach("have at least one section", "PS3.16 TID 2000 row 6")
    for section in sections:
        if not any(item.value_type == "TEXT" for item in section.walk()):
            yield Breach(
                f"say something in words in {section.title!r}",
                "PS3.16 TID 2000 row 7 to 9",
            )
