"""PixelMed's SR validator, the only one that knows templates, finds nothing beyond its known false alarms."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom import Dataset
from report_support import make_analysis, make_source

from analysis.engine import analyze
from analysis.results import StudyAnalysis
from analysis.simulation.variants import simulate_variant
from dicom_node.config import load_analysis_config
from reports import ReportOptions, compose
from reports.options import ResultName

pytestmark = pytest.mark.pixelmed

# without these Java 17 gives up on the size of the template's XPath expressions (JAXP0801003)
VALIDATOR = (
    "java",
    "-Djdk.xml.xpathTotalOpLimit=0",
    "-Djdk.xml.xpathExprOpLimit=0",
    "-Djdk.xml.xpathExprGrpLimit=0",
    "-cp",
    "/usr/share/java/pixelmed.jar",
    "com.pixelmed.validate.DicomSRValidator",
)

PROGRESS = (
    "Found ComprehensiveSR IOD",
    "Found Root Template TID_1500 (MeasurementReport)",
    "Found Root Template TID_2000 (BasicDiagnosticImagingReport)",
    "Root Template Validation Complete",
    "IOD validation complete",
)

FALSE_ALARMS = (
    # CID 100 is extensible and has no code for DXA
    r"Error: .*Procedure reported.*Code \(241686001,SCT,\"Dual energy X-ray absorptiometry\"\) not found in "
    r"context group 100",
    # TID 4019 has had this row since 2021; the validator's edition has not
    r"Warning: .*TEXT \(122405,DCM,\"Algorithm Manufacturer\"\): Content Item not in template",
    # an extension of TID 2000: TID 1204 on a section in another language than the document's
    r"Warning: .*CONTAINER \(121072,DCM,\"Impressions\"\)/CODE \(121049,DCM,\"Language of Content Item and "
    r"Descendants\"\): Content Item not in template",
    # another: below the sentence that names the measurement report, the reference to it
    r"Warning: .*TEXT \(121065,DCM,\"Procedure Description\"\)/COMPOSITE \(126000,DCM,\"Imaging Measurement "
    r"Report\"\): Content Item not in template",
    # TID 1410 has qualitative evaluations by now; the validator's edition has not
    r"Warning: .*CONTAINER \(125007,DCM,\"Measurement Group\"\)/CODE \((CHANGE_SIGNIF|DXA_CATEGORY),"
    r"99RADIUSDXA,\"[^\"]+\"\): Content Item not in template",
    # extensions of TID 1410: which study a change is counted from
    r"Warning: .*CONTAINER \(125007,DCM,\"Measurement Group\"\)/(DATE \(PRIOR_DATE|UIDREF \(PRIOR_STUDY_UID),"
    r"99RADIUSDXA,\"[^\"]+\"\): Content Item not in template",
)


def complaints(document: Dataset, folder: Path) -> list[str]:
    path = folder / "document.dcm"
    document.save_as(path, enforce_file_format=True)
    run = subprocess.run([*VALIDATOR, str(path)], capture_output=True, text=True, check=False, timeout=280)
    lines = [line.strip() for line in (run.stdout + run.stderr).splitlines() if line.strip()]
    assert PROGRESS[-1] in lines, lines
    return [
        line
        for line in lines
        if line not in PROGRESS and not any(re.fullmatch(alarm, line) for alarm in FALSE_ALARMS)
    ]


def only(name: ResultName, analysis: StudyAnalysis, objects: Sequence[Dataset]) -> Dataset:
    (made,) = compose(analysis, objects, options=ReportOptions(results=(name,)))
    return made


@pytest.mark.slow
def test_the_measurements_keep_to_tid_1500(tmp_path: Path) -> None:
    assert complaints(only("measurements", make_analysis(), [make_source()]), tmp_path) == []


@pytest.mark.slow
def test_the_report_keeps_to_tid_2000(tmp_path: Path) -> None:
    assert complaints(only("report", make_analysis(), [make_source()]), tmp_path) == []


@pytest.mark.slow
def test_measurements_without_an_image_keep_to_tid_1500_as_well(tmp_path: Path) -> None:
    """Groups without outline are TID 1501."""
    study = simulate_variant("sr-only", 4)
    objects = list(study.objects.values())
    analysis = analyze(objects, config=load_analysis_config())
    assert complaints(only("measurements", analysis, objects), tmp_path) == []


@pytest.mark.slow
def test_the_validator_does_complain_about_a_code_outside_its_context_group(tmp_path: Path) -> None:
    document = only("report", make_analysis(), [make_source()])
    heading = next(item for item in document.ContentSequence if item.ValueType == "CONTAINER")
    heading.ConceptNameCodeSequence[0].CodeValue = "999999"
    assert complaints(document, tmp_path) != []
