"""One measurement report by our own content items against highdicom's classes, interleaved, one thread.

    python benchmarks/structured_report.py

Three regions of 102 IBSI measurements each, TID 1500 with planar ROI groups: the same content, built and
written to memory. Both documents are read back first and must hold the same content tree, but for what
`BY_DESIGN` names. Times are processor times, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import highdicom
import numpy as np
import pydicom
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from analysis.results import ImageEvidence, Laterality, Polygon, SourceImage, Status, StudyAnalysis
from reports import codes as coded
from reports import content
from reports.content import HAS_CONCEPT_MOD
from reports.identity import MANUFACTURER, MANUFACTURER_MODEL_NAME, ResultKind, result_uid
from reports.instance import instance_arguments
from reports.options import DEFAULT_OPTIONS
from reports.regions_of_interest import closed_polyline, tracking_text, tracking_uid
from reports.source import ReportContext, normalised_header
from reports.sr_document import source_evidence, structured_report
from reports.templates import (
    algorithm_identification,
    device_observer,
    language_of_content,
    measurement_group,
)

REGIONS = ("ultradistal", "mid", "one_third")
MEASUREMENTS_PER_REGION = 102
FEATURES = list(codes.IBSI.concepts.values())[:MEASUREMENTS_PER_REGION]
VERSION = "1.0"
BAR = 0.35
"""Our time over highdicom's must not be more."""

BY_DESIGN = (
    "containers are SEPARATE, highdicom's CONTINUOUS",
    "the image of an outline is called (111040, DCM, Original Source), highdicom's (260753009, SCT, Source)",
    "Numeric Value is rounded to be read, highdicom's is not; Floating Point Value is equal",
)

Values = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default 15)")
    rounds = parser.parse_args().rounds
    context, values = made_up_study()
    print(section(compare(context, values, rounds), rounds))


def compare(context: ReportContext, values: Values, rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each round, by writer, after both have shown that they write the same content."""
    writers: dict[str, Callable[[], bytes]] = {
        "highdicom's classes": lambda: written(by_highdicom(context, values)),
        "own content items": lambda: written(by_content_items(context, values)),
        "own, decoded once before": lambda: written(decoded(by_content_items(context, values))),
    }
    trees = [list(content_tree(dcmread(BytesIO(write())))) for write in writers.values()]
    assert trees[0] == trees[1] == trees[2], "the documents say different things"
    times: dict[str, list[float]] = {name: [] for name in writers}
    for _ in range(rounds):
        for name, write in writers.items():
            begun = time.process_time()
            write()
            times[name].append(time.process_time() - begun)
    return times


def section(times: dict[str, list[float]], rounds: int) -> str:
    """The section for docs/performance.md."""
    base = statistics.median(times["highdicom's classes"])
    lines = [
        "## A measurement report of 3 × 102 IBSI measurements",
        "",
        f"Made by `python benchmarks/structured_report.py` on {datetime.now(UTC).date()}, "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"pydicom {pydicom.__version__}, "
        f"highdicom {highdicom.__version__}. Built and written to memory, {rounds} interleaved rounds, "
        f"processor time; both files are read back and hold the same content ({'; '.join(BY_DESIGN)}).",
        "",
        "| writer | median ms | best ms | over highdicom (median) | bar |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in times.items():
        median = statistics.median(seconds)
        bar = f"≤ {BAR}" if name != "highdicom's classes" else ""
        lines.append(
            f"| {name} | {1e3 * median:.1f} | {1e3 * min(seconds):.1f} | {median / base:.3f} | {bar} |"
        )
    return "\n".join(lines)


def made_up_study() -> tuple[ReportContext, Values]:
    """A header, an empty picture, and a number for every feature of every region."""
    source = SourceImage(ComputedRadiographyImageStorage, "2.25.3", "2.25.2", 300, 200)
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = source.sop_class_uid, source.sop_instance_uid
    header.StudyInstanceUID, header.SeriesInstanceUID = "2.25.1", source.series_instance_uid
    header.Modality, header.PatientName, header.PatientID = "CR", "Doe^Jane", "4711"
    header.AcquisitionDate, header.AcquisitionTime = "20261105", "101731"
    nothing = np.zeros((300, 200), dtype=np.float32)
    evidence = ImageEvidence(nothing, nothing > 0, nothing > 0, (), None, None, "", hand_up=True)
    analysis = StudyAnalysis(
        "2.25.1", Status.ANALYZED, "", "5e" * 32, VERSION, laterality=Laterality.LEFT, source=source
    )
    draw = np.random.default_rng(5)
    values = {region: draw.lognormal(size=MEASUREMENTS_PER_REGION).tolist() for region in REGIONS}
    context = ReportContext(analysis, source, evidence, normalised_header(header), (), DEFAULT_OPTIONS)
    return context, values


def by_content_items(context: ReportContext, values: Values) -> Dataset:
    """As the reports are written."""
    engine = algorithm_identification(MANUFACTURER_MODEL_NAME, VERSION, manufacturer=MANUFACTURER)
    groups = [
        measurement_group(
            region,
            outline(region),
            context,
            finding=coded.REGION_FINDINGS[region],
            site=coded.FINDING_SITES[region],
            children=[
                *engine,
                *(
                    content.number(feature, value, coded.UNITLESS)
                    for feature, value in zip(FEATURES, values[region], strict=True)
                ),
            ],
        )
        for region in REGIONS
    ]
    return structured_report(
        context,
        ResultKind.MEASUREMENTS,
        title=coded.IMAGING_MEASUREMENT_REPORT,
        template="1500",
        children=[
            language_of_content("en"),
            *device_observer(context),
            content.code(codes.DCM.ProcedureReported, coded.DXA_PROCEDURE, HAS_CONCEPT_MOD),
            content.container(codes.DCM.ImagingMeasurements, groups),
        ],
        evidence=[source_evidence(context)],
    )


def by_highdicom(context: ReportContext, values: Values) -> Dataset:
    """The same content as highdicom's guide builds it."""
    image = SourceImageForRegion(context.image.sop_class_uid, context.image.sop_instance_uid)
    groups = [
        PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uid=tracking_uid(region, context), identifier=tracking_text(region)
            ),
            referenced_region=ImageRegion(
                GraphicTypeValues.POLYLINE, closed_polyline(outline(region)), image
            ),
            finding_type=coded.REGION_FINDINGS[region],
            finding_sites=[FindingSite(coded.FINDING_SITES[region], laterality=codes.SCT.Left)],
            algorithm_id=AlgorithmIdentification(
                name=MANUFACTURER_MODEL_NAME, version=VERSION, manufacturer=MANUFACTURER
            ),
            measurements=[
                Measurement(feature, value, coded.UNITLESS)
                for feature, value in zip(FEATURES, values[region], strict=True)
            ],
        )
        for region in REGIONS
    ]
    device = DeviceObserverIdentifyingAttributes(
        uid=result_uid(VERSION, MANUFACTURER_MODEL_NAME),
        name=f"{MANUFACTURER_MODEL_NAME} {VERSION}",
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER_MODEL_NAME,
    )
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=coded.DXA_PROCEDURE,
        imaging_measurements=groups,
        title=coded.IMAGING_MEASUREMENT_REPORT,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept.from_code(coded.LANGUAGES["en"])
        ),
    )
    return ComprehensiveSR(
        evidence=[context.header],
        content=report,
        is_complete=True,
        **instance_arguments(context, ResultKind.MEASUREMENTS),
    )


def outline(region: str) -> Polygon:
    """A polygon of 60 points, as a region has after its edges were followed."""
    angles = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    row = 60.0 + 70.0 * REGIONS.index(region)
    return tuple((float(100 + 20 * np.cos(a)), float(row + 30 * np.sin(a))) for a in angles)


def written(document: Dataset) -> bytes:
    """The file, in memory."""
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    document.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def decoded(document: Dataset) -> Dataset:
    """The document after everything in it was looked at, as the checks of `reports.checks` do."""
    for _ in content_tree(document):
        pass
    return document


def content_tree(item: Dataset, depth: int = 0) -> Iterator[tuple[Any, ...]]:
    """Every content item in order: depth, relationship, type, name and value, but for `BY_DESIGN`."""
    name = _codes(item, "ConceptNameCodeSequence")
    if name == [("260753009", "SCT", "Source")]:
        name = [("111040", "DCM", "Original Source")]
    measured = item.get("MeasuredValueSequence", [Dataset()])[0]
    yield (
        depth,
        item.get("RelationshipType"),
        item.ValueType,
        name,
        _codes(item, "ConceptCodeSequence"),
        item.get("TextValue") or item.get("UID"),
        measured.get("FloatingPointValue"),
        _codes(measured, "MeasurementUnitsCodeSequence"),
        [reference.ReferencedSOPInstanceUID for reference in item.get("ReferencedSOPSequence", ())],
        item.get("GraphicType"),
        list(item.get("GraphicData", ())),
        [template.TemplateIdentifier for template in item.get("ContentTemplateSequence", ())],
    )
    for child in item.get("ContentSequence", ()):
        yield from content_tree(child, depth + 1)


def _codes(item: Dataset, keyword: str) -> list[tuple[str, str, str]]:
    return [(code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) for code in item.get(keyword, ())]


if __name__ == "__main__":
    main()
