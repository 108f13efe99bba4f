"""A report that replaces another says so, and what changed, in the reader's language."""

from __future__ import annotations

import pypdfium2
import pytest
from pydicom import Dataset
from report_support import make_analysis, make_source

from analysis.results import Revision, StudyAnalysis
from analysis.wording.names import Language
from reports import ReportOptions, compose

REVISIONS = (
    Revision("engine", "0.5.0", "0.6.0"),
    Revision("model", "full 0.3.0", "full 0.4.0"),
    Revision("laterality", "R", "L"),
    Revision("context:height", None, "1630 mm (site entry)"),
    Revision("bmd_g_cm2:one_third", 0.7014, 0.6951),
    Revision("t_score:one_third", -1.04, -1.16),
    Revision("risk:5", 0.0812, 0.1034),
    Revision("risk_category", "moderate", "high"),
    Revision("diagnosis", None, "low_bone_mass"),
    Revision("quality"),
    Revision("other"),
)


def written(
    language: Language,
    *results: str,
    predecessors: list[Dataset] | None = None,
    analysis: StudyAnalysis | None = None,
) -> list[Dataset]:
    return compose(
        analysis or make_analysis(),
        [make_source()],
        predecessors=predecessors or [],
        revisions=REVISIONS,
        options=ReportOptions(results=results, language=language),  # type: ignore[arg-type]
    )


def texts(document: Dataset) -> list[str]:
    return [
        item.TextValue
        for section in document.ContentSequence
        for item in section.get("ContentSequence", ())
        if "TextValue" in item
    ]


def earlier(language: Language) -> list[Dataset]:
    return compose(
        make_analysis(identity="ee" * 32),
        [make_source()],
        options=ReportOptions(results=("report",), language=language),
    )


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            [
                "This report replaces an earlier one of the same study, because its result changed:",
                "Analysis engine: was 0.5.0, is now 0.6.0",
                "Risk model: was full 0.3.0, is now full 0.4.0",
                "Side: was right, is now left",
                "height: was none, is now 1630 mm (site entry)",
                "One-third radius: BMD: was 0.701 g/cm², is now 0.695 g/cm²",
                "One-third radius: T-score: was -1.0, is now -1.2",
                "Fracture risk within 5 years: was 8.1 %, is now 10.3 %",
                "Fracture risk category: was Moderate risk, is now High risk",
                "Densitometric category: was none, is now low bone mass (osteopenia)",
                "The quality findings changed; those of today are listed in this report.",
                "Other values changed; density, T-scores, categories and risk did not.",
            ],
        ),
        (
            "zh",
            [
                "本报告因结果有变更，取代同一检查的先前报告：",
                "分析引擎：原为0.5.0，现为0.6.0",
                "5年内骨折风险：原为8.1 %，现为10.3 %",
            ],
        ),
    ],
)
def test_the_report_in_words_says_what_changed(language: Language, expected: list[str]) -> None:
    (report,) = written(language, "report", predecessors=earlier(language))
    assert "PredecessorDocumentsSequence" in report
    said = texts(report)
    for sentence in expected:
        assert sentence in said


def test_a_report_that_replaces_none_says_nothing_of_it() -> None:
    (report,) = written("en", "report")
    assert "PredecessorDocumentsSequence" not in report
    assert not any("replaces" in sentence for sentence in texts(report))


@pytest.mark.parametrize(
    ("language", "heading", "sentence"),
    [("en", "What changed", "Risk model: was full 0.3.0"), ("zh", "变更内容", "full 0.3.0")],
)
def test_the_document_says_it_too(language: Language, heading: str, sentence: str) -> None:
    (document,) = written(language, "document", predecessors=earlier(language))
    with pypdfium2.PdfDocument(document.EncapsulatedDocument) as pages:
        said = "".join(page.get_textpage().get_text_bounded() for page in pages)
    said = " ".join(said.split())
    assert heading in said and sentence in said
