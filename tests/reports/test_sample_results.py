"""The sample studies, analysed by the real engine and written up: the SR says what the engine said."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset, dcmread

from analysis.config import AnalysisConfig
from analysis.engine import analyze
from analysis.results import StudyAnalysis
from reports import codes as coded
from reports import compose
from reports.engine_text import engine_text
from reports.heatmap import PANEL_HEIGHT, PANEL_TOP
from reports.identity import SERIES, ResultKind

ROOT = Path(__file__).parents[2]
CONFIG = AnalysisConfig(
    ROOT / "conf/reference/iscd-atlas-female.csv",
    ROOT / "conf/guidelines/aace-2020.toml",
    ROOT / "analysis/risk/models",
)
SAMPLES = ("01-calibrated-low-risk", "02-calibrated-high-risk", "04-hologic", "05-lunar")


@cache
def analysed(sample: str) -> tuple[StudyAnalysis, list[Dataset]]:
    datasets = [dcmread(path) for path in sorted((ROOT / "sample_studies" / sample).glob("*.dcm"))]
    analysis = analyze(datasets, config=CONFIG)
    return analysis, compose(analysis, datasets)


def one(results: list[Dataset], kind: ResultKind) -> Dataset:
    return next(result for result in results if result.SeriesNumber == SERIES[kind].number)


def numbers(document: Dataset) -> dict[tuple[str, str], float]:
    groups: Any = ComprehensiveSR.from_dataset(document).content.get_planar_roi_measurement_groups()
    return {
        (group.finding_type.value, measurement.name.value): float(measurement.value)
        for group in groups
        for measurement in group.get_measurements()
    }


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_bmd_score_and_risk_reads_back_from_the_sr(sample: str) -> None:
    analysis, results = analysed(sample)
    read = numbers(one(results, ResultKind.MEASUREMENTS))
    assert analysis.risk is not None
    for region, measured in analysis.regions.items():
        finding = (
            coded.RADIUS_FINDING if region == "total" and measured.polygon else coded.REGION_FINDINGS[region]
        )
        group = finding.value
        assert read.get((group, coded.REGION_BMD[region].value)) == measured.bmd_g_cm2
        assert read.get((group, coded.T_SCORE.value)) == measured.t_score
        assert read.get((group, coded.Z_SCORE.value)) == measured.z_score
    for year, estimate in analysis.risk.horizons.items():
        risk = read[coded.RADIUS_FINDING.value, coded.FRACTURE_RISK[year].value]
        assert risk == pytest.approx(100 * estimate.probability)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_shape_the_engine_measures_has_a_code_in_the_sr(sample: str) -> None:
    analysis, results = analysed(sample)
    read = numbers(one(results, ResultKind.MEASUREMENTS))
    for name, value in analysis.morphometry.items():
        concept, _ = coded.MORPHOMETRY[name]
        assert read.get((coded.RADIUS_FINDING.value, concept.value)) == value


def test_nothing_printed_on_a_report_page_around_the_scan_reaches_the_heat_map() -> None:
    analysis, results = analysed("04-hologic")
    page = dcmread(next((ROOT / "sample_studies" / "04-hologic").glob("*.dcm")))
    assert analysis.evidence is not None
    rows, columns = np.nonzero(analysis.evidence.display)
    scan = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    pixels = np.full_like(page.pixel_array, 128)
    pixels[scan] = page.pixel_array[scan]
    page.PixelData = pixels.tobytes()
    overprinted = compose(analyze([page], config=CONFIG), [page])
    clean = one(results, ResultKind.DRIVER_MAP)
    assert clean.BurnedInAnnotation == "NO"
    pictures = (one(results, ResultKind.DRIVER_MAP), one(overprinted, ResultKind.DRIVER_MAP))
    assert pictures[0].pixel_array.shape == pictures[1].pixel_array.shape
    panels = [picture.pixel_array[int(PANEL_TOP) : int(PANEL_TOP + PANEL_HEIGHT)] for picture in pictures]
    assert (panels[0] == panels[1]).all()  # below them stands the analysis' identity, which differs


def test_the_spine_study_gets_no_results() -> None:
    analysis, results = analysed("06-spine-to-decline")
    assert analysis.status == "not_applicable"
    assert results == []


@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_the_engine_says_of_them_stays_english_in_a_chinese_report(sample: str) -> None:
    analysis, _ = analysed(sample)
    assert analysis.risk is not None
    assert analysis.evidence is not None
    said = [finding.message for finding in analysis.quality]
    said += [analysis.risk.category_rule, analysis.risk.model.training_data, analysis.evidence.driver_note]
    said += [*analysis.context.values(), analysis.spacing_source]
    said += [name.replace("_", " ") for name in analysis.context]
    for advice in analysis.recommendations:
        assert advice.text_zh
        said += [*advice.inputs_used, *advice.inputs_missing]
    assert len(analysis.assumptions_zh) == len(analysis.assumptions)
    assert [text for text in said if text and engine_text(text, "zh") == text] == []
