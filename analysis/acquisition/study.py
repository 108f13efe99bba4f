"""From the objects of one study to the forearm image and the vendor's numbers, in every dialect."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic, lunar, pixels, vendor
from analysis.acquisition.accept import ForearmStudy, find_forearm
from analysis.acquisition.calibrated import check_density, density_map
from analysis.acquisition.clinical import unknown_findings
from analysis.acquisition.forearm import forearm_length
from analysis.acquisition.image import RadiusImage, VendorReport
from analysis.acquisition.page import scan_rectangle, without_frame
from analysis.acquisition.side import report_side, resolve_side
from analysis.acquisition.spacing import pixel_spacing
from analysis.config import ClinicalContext
from analysis.results import Calibration, Laterality, QualityFinding, SourceImage


def read_study(datasets: Sequence[Dataset], clinical: ClinicalContext) -> RadiusImage:
    """Find, check and decode the forearm image of one study, with the vendor's numbers beside it.

    Parameters
    ----------
    datasets : sequence of Dataset
        All objects of one study in any order; results of this node among them are ignored.
    clinical : ClinicalContext
        As merged by `clinical_context`; decides the forearm length.

    Raises
    ------
    NotApplicable
        The study is sound but holds no forearm DXA image.
    RejectedInput
        The study cannot be used; the text says why and what to do.
    """
    study = find_forearm(datasets)
    laterality, side_findings = resolve_side(study)
    numbers, vendor_findings = _vendor_report(study, laterality)
    values = pixels.stored_values(study.image)
    density, density_findings = density_map(study.image, values)
    uid = header.text(study.image, "SOPInstanceUID")
    scan = density if density is not None else pixels.display_grey(study.image, values)
    rectangle, page_findings = scan_rectangle(values, hologic.read_analysis(study.image), uid)
    row, column, rows, columns = without_frame(scan, rectangle)
    inside = slice(row, row + rows), slice(column, column + columns)
    if density is not None:
        check_density(study.image, density[inside])
    spacing = pixel_spacing(study.image)
    length, length_source, length_findings = forearm_length(clinical)
    return RadiusImage(
        source=_source_image(study.image, values.shape),
        study_instance_uid=header.text(study.image, "StudyInstanceUID"),
        pixels=scan[inside].copy(),
        density=density is not None,
        calibration=_calibration(density is not None, numbers),
        spacing_mm=spacing.mm,
        spacing_source=spacing.source,
        origin=(row, column),
        laterality=laterality,
        device=_device(study.image),
        vendor=numbers,
        forearm_length_mm=length,
        findings=(
            *side_findings,
            *unknown_findings(clinical),
            *spacing.findings,
            *length_findings,
            *density_findings,
            *page_findings,
            *vendor_findings,
        ),
        context={"forearm_length": length_source} if length_source else {},
    )


def _vendor_report(
    study: ForearmStudy, side: Laterality | None
) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """The vendor's numbers for this forearm: analysis text, Image Comments, and SRs of the same side."""
    reports: list[VendorReport] = []
    findings: list[QualityFinding] = []
    analysis = hologic.read_analysis(study.image)
    if analysis is not None:
        found, findings_of_table = hologic.vendor_report(analysis)
        findings.extend(findings_of_table)
        reports.extend([found] if found is not None else [])
    sides = {report_side(report) for report in study.reports}
    for report in study.reports:
        if len(sides) == 1 or (side is not None and report_side(report) is side):
            reports.extend(
                found for found in (lunar.structured_report(report), lunar.image_comments(report)) if found
            )
    in_image = lunar.image_comments(study.image)
    reports.extend([in_image] if in_image is not None else [])
    numbers, differences = vendor.merged(reports)
    findings.extend(differences)
    if numbers is not None:
        findings.extend(vendor.integrity_findings(numbers.regions))
    return numbers, tuple(findings)


def _calibration(density: bool, numbers: VendorReport | None) -> Calibration:
    if density:
        return Calibration.REAL_WORLD_VALUE_MAP
    return Calibration.VENDOR_TABLE if numbers is not None else Calibration.NONE


def _source_image(image: Dataset, shape: tuple[int, ...]) -> SourceImage:
    return SourceImage(
        sop_class_uid=header.text(image, "SOPClassUID"),
        sop_instance_uid=header.text(image, "SOPInstanceUID"),
        series_instance_uid=header.text(image, "SeriesInstanceUID"),
        rows=shape[0],
        columns=shape[1],
    )


def _device(image: Dataset) -> str:
    return " ".join(
        filter(None, (header.text(image, "Manufacturer"), header.text(image, "ManufacturerModelName")))
    )
