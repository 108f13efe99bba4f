"""The summary page: every number and caveat on one picture, nothing clipped, whoever it is about."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pypdfium2
import pytest
from report_support import make_analysis, make_source

from analysis.results import (
    QualityFinding,
    Recommendation,
    ReferenceBand,
    Severity,
    StudyAnalysis,
    TrendPoint,
)
from reports.drawing import wrapped
from reports.options import ReportOptions
from reports.page import Page
from reports.panels import SMALL
from reports.source import ReportContext, report_context
from reports.summary import HEIGHT, MARGIN, WIDTH, draw_summary_page, summary_page

LONG_NAMES = (
    "A" * 64 + "^" + "B" * 60,
    "Maria Anna^" + "de la Cruz y " * 5,
    "Wang^XiaoDong=" + "王" * 30 + "^小东=" + "ワン^シャオドン",
    "Hong^Gildong=洪^吉洞=홍^길동",
)


def context_of(analysis: StudyAnalysis | None = None, *, options: Any = None, **header: Any) -> ReportContext:
    options = options or ReportOptions()
    return report_context(analysis or make_analysis(), [make_source(**header)], options=options)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The PDF behind every picture that is drawn."""
    kept: list[bytes] = []
    original = Page.pdf

    def keeping(page: Page) -> bytes:
        kept.append(original(page))
        return kept[-1]

    monkeypatch.setattr(Page, "pdf", keeping)
    return kept


def texts(pdf: bytes) -> tuple[str, list[tuple[float, float, float, float]], tuple[float, float]]:
    """All text of the first page, its boxes (left, bottom, right, top) and the page's size."""
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0]
        text = page.get_textpage()
        boxes = [text.get_rect(index) for index in range(text.count_rects())]
        return text.get_text_range().replace("\r\n", " "), boxes, page.get_size()


def said(pages: list[bytes], context: ReportContext) -> str:
    draw_summary_page(context)
    return " ".join(texts(pages[-1])[0].split())


def test_the_page_shows_a_reader_the_numbers_the_risk_the_advice_and_the_limits(pages: list[bytes]) -> None:
    text = said(pages, context_of())
    for expected in (
        "AI - RESEARCH USE ONLY - NOT FOR DIAGNOSIS",
        "Left forearm DXA",
        "Doe, Jane",
        "4711",
        "1958-03-14",
        "0.556 ± 0.004",
        "-2.3",
        "3.89",
        "7.00",
        "-3.7 %*",
        "19.9 (13.9–26.8)",
        "Moderate risk",
        "simulated cohort of 4000 subjects",
        "ISCD 2023 Official Positions",
        "Confirm with DXA of hip and lumbar spine",
        "Warning: Forearm length 242 mm",
        "analysis 5e5e5e5e5e5e",
        "series 1, image 1",
    ):
        assert expected in text, expected


def test_every_warning_stands_on_the_page_however_many_there_are(pages: list[bytes]) -> None:
    warnings = tuple(
        QualityFinding(f"w{number}", Severity.WARNING, f"Doubt number {number} " + "with its reason " * 12)
        for number in range(12)
    )
    text = said(pages, context_of(make_analysis(quality=warnings)))
    assert all(f"Doubt number {number} " in text for number in range(12))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", LONG_NAMES)
def test_nothing_is_clipped_whatever_the_name_and_the_language(
    pages: list[bytes], name: str, language: str
) -> None:
    context = context_of(PatientName=name, options=ReportOptions(language=language))  # type: ignore[arg-type]
    picture = draw_summary_page(context)
    _, boxes, (width, height) = texts(pages[-1])
    assert len(boxes) > 50
    assert min(box[0] for box in boxes) >= MARGIN - 2
    assert max(box[2] for box in boxes) <= width - MARGIN + 4
    assert min(box[1] for box in boxes) >= 0
    assert max(box[3] for box in boxes) <= height
    assert picture.size == (WIDTH, HEIGHT)


def advice(*kinds: str) -> tuple[Recommendation, ...]:
    return tuple(
        Recommendation(kind, f"{kind} sentence {number} " + "of many words " * 14, "a source")
        for number, kind in enumerate(kinds)
    )


def test_warnings_of_harm_come_first_and_neither_they_nor_limits_are_left_out(pages: list[bytes]) -> None:
    given = advice(*["lifestyle"] * 12, *["safety"] * 5, *["limits"] * 4)
    text = said(pages, context_of(make_analysis(recommendations=given)))
    assert all(f"safety sentence {number} " in text for number in range(12, 17))
    assert all(f"limits sentence {number} " in text for number in range(17, 21))
    assert text.index("safety sentence 12 ") < text.index("Quality and limits")
    assert "lifestyle sentence 11 " not in text
    assert re.search(r"… and \d+ more in the report and the PDF", text)


def test_advice_names_its_guideline_and_what_was_not_known(pages: list[bytes]) -> None:
    given = Recommendation(
        "treatment",
        "Do this.",
        "Table 1",
        guideline="BHOF 2022",
        strength="B",
        inputs_missing=("eGFR",),
    )
    text = said(pages, context_of(make_analysis(recommendations=(given,))))
    assert "Do this. [BHOF 2022; B; not known: eGFR]" in text


def test_plain_text_is_large_enough_to_be_read_at_half_size() -> None:
    context = context_of()
    from reports.page import SCREEN

    assert SMALL * SCREEN.size >= 24
    assert wrapped("x", SMALL * SCREEN.size, 100)
    assert context.options.patient_on_summary


def test_the_patient_can_be_kept_off_the_page() -> None:
    options = ReportOptions(patient_on_summary=False)
    plain = summary_page(context_of(options=options))
    other = summary_page(context_of(options=options, PatientName="Roe^Richard", PatientID="99"))
    assert plain.PixelData == other.PixelData
    assert plain.BurnedInAnnotation == "NO"
    assert summary_page(context_of()).BurnedInAnnotation == "YES"


def trend(*, comparable: bool) -> dict[str, Any]:
    return {
        "trend": tuple(
            TrendPoint(date(year, 11, 1), {"one_third": bmd}, "Phantom 1", comparable or year > 2020)
            for year, bmd in ((2019, 0.601), (2024, 0.5777), (2026, 0.5563))
        ),
        "reference_bands": {"one_third": ReferenceBand(0.694, 0.06)},
    }


def test_with_an_earlier_study_the_page_plots_the_density_over_time(pages: list[bytes]) -> None:
    text = said(pages, context_of(make_analysis(**trend(comparable=True))))
    assert "BMD (g/cm²) over time" in text
    assert "-2.5 SD" in text
    assert "least significant change around the prior" in text
    assert "not comparable" not in text
    assert "not comparable" in said(pages, context_of(make_analysis(**trend(comparable=False))))


def test_a_measurement_of_another_machine_is_not_joined_to_the_others() -> None:
    joined, open_marks = (
        np.asarray(draw_summary_page(context_of(make_analysis(**trend(comparable=comparable))))).astype(int)
        for comparable in (True, False)
    )
    assert np.abs(joined - open_marks).max() > 0


def test_without_an_earlier_study_the_position_among_young_adults_is_shown(pages: list[bytes]) -> None:
    text = said(pages, context_of(make_analysis(changes=())))
    assert "Position against young adults (T-score); no earlier study" in text
    assert "Ultradistal radius -1.7" in text


def test_without_t_scores_the_page_says_that_the_position_is_not_known(pages: list[bytes]) -> None:
    unscored = {name: replace(found, t_score=None) for name, found in make_analysis().regions.items()}
    assert "the position among young adults is not known" in said(
        pages, context_of(make_analysis(regions=unscored))
    )


def test_without_a_risk_the_page_says_so(pages: list[bytes]) -> None:
    text = said(pages, context_of(make_analysis(risk=None, explanation=())))
    assert "No fracture risk was computed; the quality findings say why." in text
    assert "Moderate" not in text


def test_the_thresholds_of_the_tiers_are_drawn_where_they_are_known() -> None:
    analysis = make_analysis()
    assert analysis.risk is not None
    tiered = replace(analysis, risk=replace(analysis.risk, moderate_from=0.1, high_from=0.25))
    plain, marked = (np.asarray(draw_summary_page(context_of(found))) for found in (analysis, tiered))
    assert not np.array_equal(plain, marked)


def test_a_study_without_an_image_fills_the_page_without_a_picture(pages: list[bytes]) -> None:
    from test_numbers_without_image import document_source, numbers_only

    context = report_context(numbers_only(), [document_source()])
    picture = draw_summary_page(context)
    assert "0.612" in texts(pages[-1])[0]
    assert picture.width == WIDTH
    assert picture.height < HEIGHT


def test_the_same_analysis_gives_the_same_pixels() -> None:
    assert summary_page(context_of()).PixelData == summary_page(context_of()).PixelData
