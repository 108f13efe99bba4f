"""From the objects of one study to the forearm image and the vendor's numbers, in every dialect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic, pixels, vendor
from analysis.acquisition.accept import ForearmStudy, find_forearm
from analysis.acquisition.calibrated import check_density, density_map
from analysis.acquisition.clinical import unknown_findings
from analysis.acquisition.dates import study_date
from analysis.acquisition.dialect import recognise
from analysis.acquisition.forearm import forearm_length
from analysis.acquisition.image import NumbersOnly, RadiusImage, VendorReport
from analysis.acquisition.integrity import integrity_findings
from analysis.acquisition.lunar import structured_report
from analysis.acquisition.lunar_comments import image_comments
from analysis.acquisition.page import scan_rectangle, without_frame
from analysis.acquisition.peripheral import peripheral_finding
from analysis.acquisition.side import report_side, resolve_side
from analysis.acquisition.spacing import pixel_spacing
from analysis.config import ClinicalContext
from analysis.errors import RejectedInput
from analysis.results import Calibration, Laterality, QualityFinding, Severity, SourceImage


def read_study(datasets: Sequence[Dataset], clinical: ClinicalContext) -> RadiusImage | NumbersOnly:
    """Find, check and decode the forearm image of one study, with the vendor's numbers beside it.

    Parameters
    ----------
    datasets : sequence of Dataset
        All objects of one study in any order; results of this node among them are ignored.
    clinical : ClinicalContext
        As merged by `clinical_context`; decides the forearm length, and the side where the site entered it.

    Returns
    -------
    RadiusImage or NumbersOnly
        The latter where the study reports numbers but holds no image of the forearm.

    Raises
    ------
    NotApplicable
        The study is sound but holds no forearm DXA.
    RejectedInput
        The study cannot be used; the text says why and what to do.
    """
    study = find_forearm(datasets)
    entered = Laterality(clinical.laterality) if clinical.laterality is not None else None
    laterality, side_findings = resolve_side(study, entered)
    numbers, vendor_findings = _vendor_report(study, laterality)
    device = peripheral_finding((study.main_object, *study.reports))
    peripheral = device is not None
    findings = (
        recognise(study.main_object).finding(),
        *([device] if device is not None else []),
        *study.findings,
        *side_findings,
        *unknown_findings(clinical),
        *vendor_findings,
    )
    if study.image is None:
        return _numbers_only(study, laterality, numbers, peripheral=peripheral, findings=findings)
    return _radius_image(study.image, clinical, laterality, numbers, peripheral=peripheral, findings=findings)


def _radius_image(
    image: Dataset,
    clinical: ClinicalContext,
    laterality: Laterality | None,
    numbers: VendorReport | None,
    *,
    peripheral: bool,
    findings: tuple[QualityFinding, ...],
) -> RadiusImage:
    _refuse_page_of_both_arms(image, laterality)
    values = pixels.stored_values(image)
    density, density_findings = density_map(image, values)
    scan = density if density is not None else pixels.display_grey(image, values)
    rectangle, page_findings = scan_rectangle(
        values, hologic.read_analysis(image), header.text(image, "SOPInstanceUID")
    )
    row, column, rows, columns = without_frame(scan, rectangle)
    inside = slice(row, row + rows), slice(column, column + columns)
    if density is not None:
        check_density(image, density[inside])
    spacing = pixel_spacing(image)
    length, length_source, length_findings = forearm_length(clinical)
    return RadiusImage(
        source=_source(image, values.shape),
        study_instance_uid=header.text(image, "StudyInstanceUID"),
        pixels=scan[inside].copy(),
        density=density is not None,
        calibration=_calibration(density is not None, numbers),
        spacing_mm=spacing.mm,
        spacing_source=spacing.source,
        origin=(row, column),
        laterality=laterality,
        device=_device(image),
        vendor=numbers,
        forearm_length_mm=length,
        peripheral=peripheral,
        findings=(
            *findings,
            *spacing.findings,
            *length_findings,
            *density_findings,
            *page_findings,
            *pixels.loss_findings(image),
            *hologic.content_findings(image),
        ),
        context={"forearm_length": length_source} if length_source else {},
    )


def _numbers_only(
    study: ForearmStudy,
    laterality: Laterality | None,
    numbers: VendorReport | None,
    *,
    peripheral: bool,
    findings: tuple[QualityFinding, ...],
) -> NumbersOnly:
    report = study.main_object
    uid = header.text(report, "SOPInstanceUID")
    if numbers is None:
        reasons = " ".join(f.message for f in findings if f.severity is Severity.ERROR)
        raise RejectedInput(
            "vendor_numbers_ambiguous",
            f"The study holds no forearm image, and no number of report {uid} is certain. {reasons}",
        )
    return NumbersOnly(
        source=_source(report, (0, 0)),
        study_instance_uid=header.text(report, "StudyInstanceUID"),
        laterality=laterality,
        device=_device(report),
        vendor=numbers,
        peripheral=peripheral,
        findings=(
            QualityFinding(
                "numbers_without_image",
                Severity.WARNING,
                "The study holds no image of the forearm: the numbers are those of the densitometer's report "
                f"{uid}. Nothing was outlined or measured, neither texture nor shape; send the scan image "
                "too.",
            ),
            *findings,
            *(finding for item in study.reports for finding in hologic.content_findings(item)),
        ),
    )


def _vendor_report(
    study: ForearmStudy, side: Laterality | None
) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """The vendor's numbers for this forearm: the image's own, and those of reports of the same side."""
    image = (study.image,) if study.image is not None else ()
    day = next(filter(None, map(study_date, (*image, *study.reports))), None)
    reports: list[VendorReport] = []
    findings: list[QualityFinding] = []
    sides = {report_side(report) for report in study.reports}
    of_this_arm = [
        report
        for report in study.reports
        if len(sides) == 1 or (side is not None and report_side(report) in (side, None))
    ]
    for item in (*image, *of_this_arm):
        for found, remarks in _readings(item, side, day):
            findings.extend(remarks)
            reports.extend([found] if found is not None else [])
    numbers, differences = vendor.merged(reports)
    findings.extend(differences)
    if numbers is not None:
        findings.extend(integrity_findings(numbers))
    return numbers, tuple(dict.fromkeys(findings))


def _readings(
    item: Dataset, side: Laterality | None, day: date | None
) -> list[tuple[VendorReport | None, tuple[QualityFinding, ...]]]:
    """What every reader of a vendor's numbers finds in an object."""
    analysis = hologic.read_analysis(item)
    return [
        *([hologic.vendor_report(analysis, side, day)] if analysis is not None else []),
        structured_report(item, side, day),
        image_comments(item, side, day),
    ]


def _refuse_page_of_both_arms(image: Dataset, side: Laterality | None) -> None:
    """A page of two scans declares one rectangle, which is the first scan's (assumption)."""
    analysis = hologic.read_analysis(image)
    if analysis is None or not hologic.reports_both_arms(analysis):
        return
    if side is None or analysis.scan_rectangle is None or hologic.first_arm(analysis) is not side:
        raise RejectedInput(
            "two_scans_on_page",
            f"Report page {header.text(image, 'SOPInstanceUID')} shows both forearms "
            f"({' and '.join(analysis.scan_modes)}), and where the scan of the study's side lies is not "
            "declared; have the scanner send each forearm as a report of its own.",
        )


def _calibration(density: bool, numbers: VendorReport | None) -> Calibration:
    if density:
        return Calibration.REAL_WORLD_VALUE_MAP
    return Calibration.VENDOR_TABLE if numbers is not None else Calibration.NONE


def _source(item: Dataset, shape: tuple[int, ...]) -> SourceImage:
    return SourceImage(
        sop_class_uid=header.text(item, "SOPClassUID"),
        sop_instance_uid=header.text(item, "SOPInstanceUID"),
        series_instance_uid=header.text(item, "SeriesInstanceUID"),
        rows=shape[0],
        columns=shape[1],
    )


def _device(item: Dataset) -> str:
    return " ".join(
        filter(None, (header.text(item, "Manufacturer"), header.text(item, "ManufacturerModelName")))
    )
