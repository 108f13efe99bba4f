"""The printed report: two pages that an archive can keep (PDF/A-3b), with the whole analysis inside.

No validator of PDF/A-3 can be had from the package registries, so the structure that ISO 19005-3 asks for is
tested here clause by clause; PDFBox Preflight, which knows part 1, must find nothing but what part 3 allows.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from fontTools.ttLib import TTFont
from PIL import ImageCms
from report_support import make_analysis, make_source

from analysis.results import Recommendation, StudyAnalysis
from analysis.serialization import to_json_object
from reports.document import document_pages
from reports.options import ReportOptions
from reports.source import ReportContext, report_context


def context_of(analysis: StudyAnalysis | None = None, *, options: Any = None, **header: Any) -> ReportContext:
    source = [make_source(**header)]
    return report_context(analysis or make_analysis(), source, options=options or ReportOptions())


@pytest.fixture(scope="module", params=["en", "zh"])
def document(request: pytest.FixtureRequest) -> Iterator[pikepdf.Pdf]:
    context = context_of(PatientName="Wang^XiaoDong=王^小东", options=ReportOptions(language=request.param))
    with pikepdf.Pdf.open(io.BytesIO(document_pages(context))) as pdf:
        yield pdf


def texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def fonts(document: pikepdf.Pdf) -> list[pikepdf.Object]:
    return [
        item
        for item in document.objects
        if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == pikepdf.Name.Font
    ]


def operators(document: pikepdf.Pdf) -> list[tuple[list[Any], str]]:
    return [
        (list(operands), str(operator))
        for page in document.pages
        for operands, operator in pikepdf.parse_content_stream(page)
    ]


def test_the_file_begins_as_6_1_2_asks_and_is_neither_encrypted_nor_damaged(document: pikepdf.Pdf) -> None:
    pdf = document_pages(context_of())
    assert pdf.startswith(b"%PDF-1.7\n%")
    assert all(byte > 127 for byte in pdf.splitlines()[1][1:5])
    assert not document.is_encrypted
    assert "/ID" in document.trailer  # 6.1.3
    assert document.check_pdf_syntax() == []


def test_xmp_identifies_the_part_and_agrees_with_the_information_dictionary(document: pikepdf.Pdf) -> None:
    metadata = document.open_metadata()
    assert metadata["pdfaid:part"] == "3"
    assert metadata["pdfaid:conformance"] == "B"
    assert metadata.pdfa_status == "3B"
    assert metadata["dc:title"] == str(document.docinfo["/Title"])
    assert metadata["pdf:Producer"] == str(document.docinfo["/Producer"])
    assert metadata["xmp:CreatorTool"] == str(document.docinfo["/Creator"])
    assert set(document.docinfo.keys()) == {"/Title", "/Producer", "/Creator"}
    assert "/Filter" not in document.Root.Metadata  # 6.6.2.1 of part 1, kept: readable without a decoder


def test_colours_have_an_output_intent_with_an_rgb_profile(document: pikepdf.Pdf) -> None:
    (intent,) = document.Root.OutputIntents
    assert intent.S == pikepdf.Name.GTS_PDFA1
    assert intent.DestOutputProfile.N == 3
    profile = ImageCms.ImageCmsProfile(io.BytesIO(intent.DestOutputProfile.read_bytes()))
    assert profile.profile.xcolor_space.strip() == "RGB"
    assert profile.profile.device_class == "mntr"
    used = {operator for _, operator in operators(document)}
    assert used.isdisjoint({"k", "K", "cs", "CS", "sc", "scn", "gs", "sh"})
    images = [
        item
        for item in document.objects
        if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == pikepdf.Name.Image
    ]
    assert images
    # grey is as defined as colour where there is an output intent (ISO 19005-3, 6.2.4.3)
    assert all(image.ColorSpace in (pikepdf.Name.DeviceRGB, pikepdf.Name.DeviceGray) for image in images)


def test_nothing_is_transparent_no_script_runs_and_nothing_lies_outside(document: pikepdf.Pdf) -> None:
    forbidden = {"/SMask", "/CA", "/ca", "/BM", "/JS", "/AA", "/OpenAction", "/Launch", "/F", "/LZWDecode"}
    for item in document.objects:
        if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
            names = set(item.keys())
            attached = item.get("/Type") == pikepdf.Name.Filespec
            assert names.isdisjoint(forbidden - ({"/F"} if attached else set()))
    assert "/AcroForm" not in document.Root


def test_every_font_is_embedded_symbolic_truetype_with_one_character_map(document: pikepdf.Pdf) -> None:
    found = fonts(document)
    assert {str(font.Subtype) for font in found} == {"/TrueType"}
    for font in found:
        assert "/Encoding" not in font  # 6.2.11.6: a symbolic font has none
        assert int(font.FontDescriptor.Flags) & 4
        embedded = TTFont(io.BytesIO(font.FontDescriptor.FontFile2.read_bytes()))
        assert len(embedded["cmap"].tables) == 1


def test_the_widths_told_are_those_of_the_embedded_glyphs(document: pikepdf.Pdf) -> None:
    for font in fonts(document):
        embedded = TTFont(io.BytesIO(font.FontDescriptor.FontFile2.read_bytes()))
        scale = 1000 / embedded["head"].unitsPerEm
        character_map = embedded["cmap"].tables[0].cmap
        for code, told in enumerate(font.Widths, int(font.FirstChar)):
            if code in character_map:
                width = embedded["hmtx"][character_map[code]][0] * scale
                assert float(told) == pytest.approx(width, abs=1.0)  # 6.2.11.5


def test_no_text_shows_a_missing_glyph(document: pikepdf.Pdf) -> None:
    for page in document.pages:
        maps = {}
        for name, font in page.Resources.Font.items():
            embedded = TTFont(io.BytesIO(font.FontDescriptor.FontFile2.read_bytes()))
            order = embedded.getGlyphOrder()
            maps[name] = {code: order.index(glyph) for code, glyph in embedded["cmap"].tables[0].cmap.items()}
        current = ""
        for operands, operator in pikepdf.parse_content_stream(page):
            if str(operator) == "Tf":
                current = str(operands[0])
            elif str(operator) == "Tj":
                assert all(maps[current].get(code, 0) for code in bytes(operands[0]))  # 6.2.11.8


PART_3_ALLOWS = {
    "1.4.7",  # embedded files, named in the catalogue (6.8)
    "1.2.9",  # embedded files, by their specification
    "2.1.6",  # ICC profiles of version 4
    "7.11.2",  # another part than 1
}
"""Error codes of PDFBox Preflight."""


@pytest.mark.preflight
@pytest.mark.parametrize("language", ["en", "zh"])
def test_pdfbox_finds_nothing_but_what_part_3_allows_beyond_part_1(tmp_path: Path, language: str) -> None:
    options = ReportOptions(language=language)  # type: ignore[arg-type]
    context = context_of(PatientName="Wang^XiaoDong=王^小东", options=options)
    path = tmp_path / "report.pdf"
    path.write_bytes(document_pages(context))
    validator = ("java", "-cp", "/usr/share/java/*", "org.apache.pdfbox.preflight.Validator_A1b")
    said = subprocess.run([*validator, path], capture_output=True, text=True, check=False).stdout
    found = re.findall(r"^([0-9.]+) : ", said, re.MULTILINE)
    assert "is not a valid PDF/A-1b file" in said, said
    assert set(found) == PART_3_ALLOWS, said


def test_the_whole_analysis_is_attached_as_json_and_related_to_the_document(document: pikepdf.Pdf) -> None:
    (specification,) = document.Root.AF  # 6.8
    assert specification.AFRelationship == pikepdf.Name.Data
    assert specification.F == specification.UF == "analysis.json"
    assert str(specification.Desc)
    attached = document.attachments["analysis.json"].get_file()
    assert attached.mime_type == "application/json"
    assert json.loads(attached.read_bytes()) == json.loads(json.dumps(to_json_object(make_analysis())))


def test_the_same_analysis_gives_the_same_bytes() -> None:
    assert document_pages(context_of()) == document_pages(context_of())


def test_two_pages_of_a4_say_who_what_and_how() -> None:
    pdf = document_pages(context_of())
    first, second = texts(pdf)
    with pypdfium2.PdfDocument(pdf) as document:
        assert all(page.get_size() == pytest.approx((595.28, 841.89), abs=0.1) for page in document)
    for expected in (
        "Doe, Jane",
        "0.556 ± 0.004",
        "19.9 (13.9–26.8)",
        "Confirm with DXA",
        "RESEARCH USE ONLY",
    ):
        assert expected in first, expected
    for expected in (
        "Calibration: Real World Value Mapping",
        "5e" * 32,
        "ab" * 32,
        "cortical thickness 2.61",
    ):
        assert expected in second.replace(" ", "") or expected in second, expected
    assert "RESEARCH USE ONLY" in second


def test_what_two_pages_cannot_hold_goes_on_a_third_and_is_not_cut() -> None:
    advice = tuple(
        Recommendation("treatment", f"Sentence {number}: " + "advice of many words " * 20, "a source")
        for number in range(60)
    )
    pages = texts(document_pages(context_of(make_analysis(recommendations=advice))))
    assert len(pages) > 2
    assert all(f"Sentence {number}:" in " ".join(pages[1:]) for number in range(60))


def test_the_patient_can_be_kept_off_the_pages() -> None:
    options = ReportOptions(patient_on_summary=False)
    plain = document_pages(context_of(options=options))
    assert plain == document_pages(context_of(options=options, PatientName="Roe^Richard", PatientID="99"))
    assert "Doe" not in " ".join(texts(plain))


def test_a_study_without_an_image_or_a_risk_has_its_document_too() -> None:
    from test_numbers_without_image import document_source, numbers_only

    pages = texts(document_pages(report_context(numbers_only(risk=None), [document_source()])))
    assert len(pages) == 2
    assert "No image: nothing was outlined or measured" in pages[1]


def test_without_an_outline_the_picture_stands_alone() -> None:
    bare = replace(make_analysis(), regions={}, laterality=None, pixel_spacing_mm=None)
    assert "No region was measured" in texts(document_pages(context_of(bare)))[0]
