"""Which object of a study is the forearm DXA image, on the evidence of all its declarations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EncapsulatedPDFStorage,
    SecondaryCaptureImageStorage,
)

from analysis.acquisition import header, hologic, lunar, lunar_comments
from analysis.acquisition.calibrated import has_density_map, mapped_units, with_separate_map
from analysis.acquisition.declarations import (
    FOREARM,
    Declaration,
    names_densitometry,
    object_declarations,
    sites_named,
    study_declarations,
)
from analysis.acquisition.functional_groups import flattened
from analysis.acquisition.peripheral import PERIPHERAL
from analysis.errors import NotApplicable, RejectedInput
from analysis.results import Laterality, QualityFinding, Severity

OWN_MODEL_NAME = "Radius DXA Node"
"""Manufacturer's Model Name of everything this project writes: never input again (law 4 of the house)."""


PARAMETRIC_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.30"


@dataclass(frozen=True, slots=True)
class ForearmStudy:
    """What a study holds of the one forearm it is about.

    Attributes
    ----------
    image : Dataset or None
        The forearm image, enhanced ones flattened and with the density map another object may bring; ``None``
        if the study reports numbers without an image.
    reports : tuple of Dataset
        Structured Reports and documents with densitometry of the forearm, oldest first.
    findings : tuple of QualityFinding
    """

    image: Dataset | None
    reports: tuple[Dataset, ...]
    findings: tuple[QualityFinding, ...] = ()

    @property
    def main_object(self) -> Dataset:
        """The image, else the latest report."""
        return self.image if self.image is not None else self.reports[-1]


def find_forearm(datasets: Sequence[Dataset]) -> ForearmStudy:
    """Choose the forearm DXA image of one study, or its reports where it has no image.

    An image is taken if its SOP class and modality can hold a DXA scan, its declarations (body part,
    protocol, series and step description, anatomic region, vendor scan mode, else the study's description
    and its SRs) name the forearm and no other site, and something says that it is densitometry and not a
    radiograph.

    Raises
    ------
    NotApplicable
        Sound, but no forearm DXA: another body part, a radiograph, a photograph, a document whose numbers
        nobody can read.
    RejectedInput
        ``two_forearm_images``, ``body_part_conflict``, ``missing_uid``, ``illegal_uid`` or
        ``several_studies``.
    """
    objects = _foreign_objects(datasets)
    reports = tuple(item for item in objects if _is_forearm_report(item))
    images = [flattened(item) for item in objects if _may_hold_a_scan(item)]
    forearms = [image for image in images if _site(image, objects) == FOREARM]
    scans = [image for image in forearms if _is_densitometry(image, objects, reports)]
    if len(scans) > 1:
        raise RejectedInput("two_forearm_images", _two_images_message(scans))
    if not scans and not reports:
        raise _why_not(objects, images, forearms)
    findings = _document_findings(objects, reports)
    ordered = tuple(sorted(reports, key=_content_time))
    if not scans:
        return ForearmStudy(None, ordered, findings)
    image, map_findings = with_separate_map(scans[0], objects)
    return ForearmStudy(image, ordered, (*map_findings, *findings))


_IMAGE_CLASSES = {
    str(DigitalXRayImageStorageForPresentation),
    str(ComputedRadiographyImageStorage),
    str(SecondaryCaptureImageStorage),
    "1.2.840.10008.5.1.4.1.1.7.2",  # Multi-frame Grayscale Byte Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.3",  # Multi-frame Grayscale Word Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.4",  # Multi-frame True Color Secondary Capture
    PARAMETRIC_MAP_STORAGE,
}
_SR_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
}
_REPORT_CLASSES = _SR_CLASSES | {str(EncapsulatedPDFStorage)}
_MODALITIES = {"BMD", "BD", "OT", "CR", "DX", "RG", "SC", ""}
"""Modalities under which densitometers export images; BD is not a DICOM term but is sent."""

_DENSITOMETER = re.compile(
    r"hologic|lunar|prodigy|idxa|encore|\bdpx|osteosys|norland|medilink|stratos", re.IGNORECASE
)


def _foreign_objects(datasets: Sequence[Dataset]) -> list[Dataset]:
    """The study's objects without our own results and repeats, in order of SOP Instance UID."""
    unique: dict[str, Dataset] = {}
    for dataset in datasets:
        _check_uids(dataset)
        if header.text(dataset, "ManufacturerModelName") != OWN_MODEL_NAME:
            unique.setdefault(header.text(dataset, "SOPInstanceUID"), dataset)
    if len({header.text(dataset, "StudyInstanceUID") for dataset in unique.values()}) > 1:
        raise RejectedInput(
            "several_studies", "The objects belong to more than one study; analyse one study at a time."
        )
    return [unique[uid] for uid in sorted(unique)]


def _check_uids(dataset: Dataset) -> None:
    """Refuse absent and illegal UIDs: results are named by them, in DICOM and on disk."""
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        uid = "\\".join(header.texts(dataset, keyword))
        if not uid:
            raise RejectedInput(
                "missing_uid",
                f"An object of the study has no {header.label(keyword)}, which every DICOM object must "
                "have; send it again from the scanner.",
            )
        if len(uid) > 64 or _LEGAL_UID.fullmatch(uid) is None:
            raise RejectedInput(
                "illegal_uid",
                f"{header.label(keyword)} of an object is {uid[:64]!a}, which is not a legal UID (PS3.5 9.1: "
                "digits and dots, no leading zeros, at most 64 characters); have the sender correct it.",
            )


_LEGAL_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*", re.ASCII)


def _may_hold_a_scan(item: Dataset) -> bool:
    return header.text(item, "SOPClassUID") in _IMAGE_CLASSES and header.text(item, "Modality") in _MODALITIES


def _site(image: Dataset, objects: Sequence[Dataset]) -> str | None:
    """The one body site of an image; ``None`` if nothing names one."""
    named = {declaration: sites_named(declaration) for declaration in object_declarations(image)}
    decisive = {declaration: sites for declaration, sites in named.items() if len(sites) == 1}
    if not decisive:
        named = {
            declaration: sites_named(declaration)
            for item in objects
            for declaration in _weak_declarations(item)
        }
        decisive = {declaration: sites for declaration, sites in named.items() if len(sites) == 1}
        agreed = {site for sites in decisive.values() for site in sites}
        return agreed.pop() if len(agreed) == 1 else None
    found = {site for sites in decisive.values() for site in sites}
    if FOREARM in found and len(found) > 1:
        raise RejectedInput(
            "body_part_conflict",
            f"Image {_uid(image)} names the forearm and another site: {_listed(decisive)}. "
            "Correct the wrong attribute at the scanner or the PACS and send the study again.",
        )
    return FOREARM if FOREARM in found else "/".join(sorted(found))


def _weak_declarations(item: Dataset) -> tuple[Declaration, ...]:
    """What speaks for the whole study: its description, and the SRs beside the image."""
    own = object_declarations(item) if header.text(item, "SOPClassUID") in _REPORT_CLASSES else ()
    return (*study_declarations(item), *own)


def _is_densitometry(image: Dataset, objects: Sequence[Dataset], reports: Sequence[Dataset]) -> bool:
    """Whether something says that the image is a DXA scan: a plain radiograph of a wrist is not."""
    machine = f"{header.text(image, 'Manufacturer')} {header.text(image, 'ManufacturerModelName')}"
    said = (*object_declarations(image), *study_declarations(image))
    return (
        header.text(image, "Modality") in {"BMD", "BD"}
        or has_density_map(with_separate_map(image, objects)[0])
        or hologic.read_analysis(image) is not None
        or (_DENSITOMETER.search(machine) or PERIPHERAL.search(machine)) is not None
        or any(names_densitometry(declaration) for declaration in said)
        or bool(reports)
    )


def _is_forearm_report(item: Dataset) -> bool:
    """True for a document that holds densitometry of the radius: a radiologist's report on a wrist does not.

    An encapsulated PDF counts if its header carries the vendor's results beside the PDF.
    """
    if header.text(item, "SOPClassUID") not in _REPORT_CLASSES:
        return False
    declared = (*object_declarations(item), *study_declarations(item))
    return any(FOREARM in sites_named(declaration) for declaration in declared) and holds_numbers(item)


def holds_numbers(item: Dataset) -> bool:
    """Whether an object holds the vendor's results of either radius in any dialect."""
    analysis = hologic.read_analysis(item)
    return any(
        (hologic.vendor_report(analysis, arm)[0] if analysis is not None else None)
        or lunar.structured_report(item, arm)[0]
        or lunar_comments.image_comments(item, arm)[0]
        for arm in Laterality
    )


def _document_findings(objects: Sequence[Dataset], reports: Sequence[Dataset]) -> tuple[QualityFinding, ...]:
    unread = [
        item
        for item in objects
        if header.text(item, "SOPClassUID") == EncapsulatedPDFStorage and item not in reports
    ]
    return tuple(
        QualityFinding(
            "document_not_read",
            Severity.INFO,
            f"The study also holds a PDF document ({_uid(item)}); what is printed in it is not read.",
        )
        for item in unread
    )


def _why_not(
    objects: Sequence[Dataset],
    images: Sequence[Dataset],
    forearms: Sequence[Dataset],
) -> NotApplicable:
    """The most telling reason why a study holds no forearm DXA image."""
    sites = sorted({site for image in images if (site := _site(image, objects)) is not None})
    if not objects:
        code = "own_results"
    elif forearms:
        code = "not_densitometry"
    elif sites:
        code = "other_body_part"
    elif any(header.text(item, "SOPClassUID") == DigitalXRayImageStorageForProcessing for item in objects):
        code = "for_processing"
    elif any(header.text(item, "SOPClassUID") == EncapsulatedPDFStorage for item in objects):
        code = "document_only"
    else:
        code = "body_part_undeclared" if images else "other_modality"
    message = _REASONS[code].format(
        uid=_uid(forearms[0]) if forearms else "",
        sites=", ".join(sites).replace("other", "another body part"),
        declared=_listed(_said(images)),
        modalities=", ".join(sorted({header.text(item, "Modality") or "unknown" for item in objects})),
        maps=_maps(forearms[0]) if forearms else "",
    )
    return NotApplicable(code, message)


_REASONS = {
    "own_results": "The study holds nothing but results of this node.",
    "not_densitometry": "Image {uid} shows a forearm, but nothing says that it is bone densitometry: "
    "Modality {modalities}, {maps}, no densitometer named.",
    "other_body_part": "The study shows {sites}, not the forearm: {declared}.",
    "for_processing": "The study holds a raw image (DX For Processing); have the scanner send its image "
    "For Presentation.",
    "document_only": "The study holds a PDF document but neither a scan image nor a Structured Report: "
    "numbers printed in a PDF are not read. Have the scanner send the image, or its results as Structured "
    "Report.",
    "body_part_undeclared": "No attribute of the study says which body part it shows; fill in Body Part "
    "Examined (0018,0015) with FOREARM or ARM.",
    "other_modality": "The study holds no DXA image (Modality {modalities}).",
}
"""What the administrator reads, by `NotApplicable` code."""


def _said(images: Sequence[Dataset]) -> list[Declaration]:
    """What the images and their study are called, each declaration once."""
    named = [said for image in images for said in (*object_declarations(image), *study_declarations(image))]
    return list(dict.fromkeys(named))


def _maps(image: Dataset) -> str:
    units = ", ".join(mapped_units(image))
    return f"its Real World Value Mapping is to {units}, not to UCUM g/cm2" if units else "no density map"


def _two_images_message(scans: Sequence[Dataset]) -> str:
    named = "; ".join(f"{_uid(scan)} ({_listed(object_declarations(scan))})" for scan in scans)
    return (
        f"The study holds {len(scans)} forearm images and one is expected: {named}. "
        "Send each forearm as a study of its own."
    )


def _listed(declarations: Sequence[Declaration] | dict[Declaration, frozenset[str]]) -> str:
    return ", ".join(str(declaration) for declaration in declarations) or "nothing declared"


def _uid(dataset: Dataset) -> str:
    return header.text(dataset, "SOPInstanceUID")


def _content_time(report: Dataset) -> tuple[str, str, str]:
    return header.text(report, "ContentDate"), header.text(report, "ContentTime"), _uid(report)
