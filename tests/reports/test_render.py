"""A report is read as text, page or table; whatever stands in it, the page stays a page."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO

import pytest
from pydicom import Dataset
from pydicom.sr.coding import Code
from report_support import make_analysis, make_source
from rich.console import Console

from reports.checks import content_items
from reports.render import as_html, as_tables, as_text
from reports.source import report_context
from reports.structured_report import measurement_report
from reports.text_report import text_report

HOSTILE = "<script>alert('x')</script>&\""


def measurements(**changes: object) -> Dataset:
    return measurement_report(report_context(make_analysis(), [make_source(**changes)]))


def words(**changes: object) -> Dataset:
    return text_report(report_context(make_analysis(), [make_source(**changes)]))


def in_terminal(document: Dataset, width: int = 120) -> str:
    file = StringIO()
    Console(file=file, width=width, color_system=None).print(as_tables(document))
    return file.getvalue()


class Outline(HTMLParser):
    """Collects which tags a page opens and closes, and what it says."""

    void = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("document", [measurements, words])
def test_the_page_is_whole_and_loads_nothing(document: Callable[[], Dataset]) -> None:
    page = as_html(document())
    outline = Outline(page)
    assert outline.open == []
    assert outline.tags.isdisjoint({"script", "img", "link", "iframe", "object"})
    assert not any(name in ("src", "onload") for name, _ in outline.attributes)
    assert all(value and value.startswith("#") for name, value in outline.attributes if name == "href")
    assert "http" not in page.replace("http-equiv", "")


def test_a_patient_s_name_cannot_run_a_script() -> None:
    page = as_html(measurements(PatientName=HOSTILE, StudyDescription=HOSTILE, PatientID=HOSTILE))
    outline = Outline(page)
    assert "script" not in outline.tags
    assert outline.said.count("<script>alert('x')</script>&\"") == 3


def test_nothing_in_the_tree_can_run_a_script() -> None:
    document = copy.deepcopy(words())

    def spoil(item: Dataset) -> None:
        if "TextValue" in item:
            item.TextValue = HOSTILE
        for name in item.get("ConceptNameCodeSequence", ()):
            name.CodeMeaning = HOSTILE
        for code in item.get("ConceptCodeSequence", ()):
            code.CodeMeaning = code.CodeValue = HOSTILE[:60]
        for child in item.get("ContentSequence", ()):
            spoil(child)

    spoil(document)
    for render in (as_html, as_text, in_terminal):
        rendered = render(document)
        assert ("<script" in rendered) is (render is not as_html)
    assert "script" not in Outline(as_html(document)).tags


def test_every_measurement_stands_in_a_table_with_unit_method_and_provenance() -> None:
    said = Outline(as_html(measurements())).said
    for expected in (
        "One-third radius region Shaft of Radius, Left",
        "BMD 1/3 0.5563 g/cm² Measured on calibrated pixels",
        "T-score -2.29 Computed from the reference curve of this node",
        "Fracture risk 10 y 2 19.87 % Prediction time horizon: 10 years",
        "radius-bmd-structure 1",
        "training data: simulated cohort of 4000 subjects",
        "For research use only",
        "Doe Jane",
        "2026-11-05 10:15:00",
    ):
        assert expected in said
    page = as_html(measurements())
    assert len(re.findall("<table>", page)) == 4


def test_no_number_of_the_document_is_left_out() -> None:
    document = measurements()
    numbers = [item for item in content_items(document) if item.ValueType == "NUM"]
    assert len(numbers) >= 30
    page, table = Outline(as_html(document)).said, in_terminal(document)
    for item in numbers:
        for rendered in (page, table, as_text(document)):
            assert item.ConceptNameCodeSequence[0].CodeMeaning in rendered
            assert str(item.MeasuredValueSequence[0].NumericValue) in rendered


def test_a_report_in_words_keeps_its_sentences_and_their_language() -> None:
    page = as_html(words())
    outline = Outline(page)
    assert "Confirm with DXA of hip and lumbar spine before any treatment decision." in outline.said
    assert 'lang="en"' in page


def test_names_of_other_scripts_follow_the_latin_one() -> None:
    document = measurements(PatientName="Wang^XiaoDong=王^小东")
    assert "Wang XiaoDong (王 小东)" in Outline(as_html(document)).said
    assert "Wang XiaoDong (王 小东)" in in_terminal(document)
    assert "王 小东" in Outline(as_html(measurements(PatientName="王^小东"))).said


def test_a_narrow_terminal_still_shows_every_word() -> None:
    narrow = re.sub(r"[\s│┃]+", "", in_terminal(measurements(), width=60))
    assert "Computedfromthereference" in narrow
    assert "…" not in narrow


def code(value: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value[:3]
    return item


def content(kind: str, name: Code | None, relationship: str = "CONTAINS", **values: object) -> Dataset:
    item = Dataset()
    item.ValueType, item.RelationshipType = kind, relationship
    if name is not None:
        item.ConceptNameCodeSequence = [code(name)]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def test_any_other_program_s_report_is_shown_whole() -> None:
    """Every value type, items without name, values that could not be measured, content by reference."""
    finding = Code("121071", "DCM", "Finding")
    by_reference = Dataset()
    by_reference.RelationshipType = "CONTAINS"
    by_reference.ReferencedContentItemIdentifier = [1, 2]
    missing = content("NUM", Code("1", "99X", "Length"), MeasuredValueSequence=[])
    missing.NumericValueQualifierCodeSequence = [code(Code("114009", "DCM", "Value out of range"))]
    section = content("CONTAINER", Code("2", "99X", "Anything"))
    section.ContentSequence = [
        content("PNAME", finding, PersonName="Roe^Richard"),
        content("DATE", finding, Date="20261105"),
        content("TIME", finding, Time="101500"),
        content("DATETIME", finding, DateTime="20261105101500"),
        content("TEXT", None, TextValue="without a name"),
        content("NUMBER", finding),
        missing,
        by_reference,
    ]
    document = content("CONTAINER", Code("3", "99X", "Other report"), ContentSequence=[section])
    for rendered in (as_text(document), Outline(as_html(document)).said, in_terminal(document)):
        for expected in (
            "Other report",
            "Anything",
            "Roe Richard",
            "2026-11-05",
            "10:15:00",
            "20261105101500",
            "without a name",
            "not measured (Value out of range)",
        ):
            assert expected in rendered


def test_an_empty_document_is_no_reason_to_fail() -> None:
    document = content("CONTAINER", Code("3", "99X", "Empty"))
    assert "Empty" in as_text(document)
    assert "Empty" in as_html(document)
    assert "Empty" in in_terminal(document)


def test_a_report_cannot_steer_the_terminal() -> None:
    document = measurements(StudyDescription="Forearm")
    document.StudyDescription = "\x1b[2JForearm\x07"
    for rendered in (as_text(document), in_terminal(document)):
        assert "\x1b" not in rendered
        assert "\x07" not in rendered
        assert "Forearm" in rendered
