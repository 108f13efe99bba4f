"""``dicom-node render`` shows a report, and says of anything else what it is and who shows it."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import UID, EncapsulatedPDFStorage, ExplicitVRLittleEndian, SegmentationStorage
from report_support import make_analysis, make_source

from dicom_node.cli import main
from reports.source import report_context
from reports.structured_report import measurement_report


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "SR.dcm"
    document = measurement_report(report_context(make_analysis(), [make_source()]))
    document.save_as(path, enforce_file_format=True)
    return path


def write_object(path: Path, sop_class: UID, **attributes: object) -> Path:
    dataset = FileDataset(str(path), {}, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "2.25.1"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = make_source().file_meta
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_pdf(path: Path, attachments: dict[str, bytes]) -> Path:
    pdf, file = pikepdf.new(), BytesIO()
    pdf.add_blank_page()
    for name, content in attachments.items():
        pdf.attachments[name] = content
    pdf.save(file)
    pages = file.getvalue()
    return write_object(
        path,
        EncapsulatedPDFStorage,
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=pages + bytes(len(pages) % 2),
    )


def test_a_table_is_what_a_terminal_gets(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(report)]) == 0
    shown = capsys.readouterr().out
    assert "One-third radius region" in shown
    assert "0.5563" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--as", "text"], "  Imaging Measurements\n"),
        (["--as", "html"], "<!DOCTYPE html>"),
        (["--as", "table"], "│ BMD 1/3"),
    ],
)
def test_the_form_is_the_user_s_choice(
    report: Path, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(report), *arguments]) == 0
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "expected"), [("page.html", "<!DOCTYPE html>"), ("page.txt", "│ BMD 1/3"), ("page", "│ BMD 1/3")]
)
def test_a_file_s_name_says_its_form(report: Path, name: str, expected: str) -> None:
    out = report.with_name(name)
    assert main(["render", str(report), "--out", str(out)]) == 0
    assert expected in out.read_text(encoding="utf-8")


def test_the_numbers_attached_to_a_document_are_written_out(tmp_path: Path) -> None:
    numbers = json.dumps({"texture": {"a": 1.5}}).encode()
    document = write_pdf(tmp_path / "doc.dcm", {"notes.txt": b"no", "analysis.json": numbers})
    out = tmp_path / "numbers.json"
    assert main(["render", str(document), "--attachment", str(out)]) == 0
    assert out.read_bytes() == numbers


@pytest.mark.parametrize(
    ("sop_class", "attributes", "said"),
    [
        (
            UID("1.2.840.10008.5.1.4.1.1.7"),
            {"PixelData": b"\0\0"},
            "Secondary Capture Image.*any DICOM viewer",
        ),
        (SegmentationStorage, {"PixelData": b"\0\0"}, "Segmentation Storage.*OHIF .*3D Slicer"),
        (UID("1.2.840.10008.5.1.4.1.1.11.1"), {}, "Grayscale Softcopy Presentation State.*Weasis"),
        (EncapsulatedPDFStorage, {"EncapsulatedDocument": b"%PDF-"}, "Encapsulated PDF.*--attachment"),
        (UID("1.2.3.4"), {}, "only Structured Reports"),
    ],
)
def test_what_is_no_report_is_named_with_who_shows_it(
    tmp_path: Path,
    sop_class: UID,
    attributes: dict[str, object],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "PixelData" in attributes:
        attributes = {**attributes, "BitsAllocated": 8}
    path = write_object(tmp_path / "other.dcm", sop_class, **attributes)
    assert main(["render", str(path)]) == 1
    error = capsys.readouterr().err
    assert str(path) in error
    assert re.search(said, error)


def test_what_is_no_dicom_file_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no DICOM")
    assert main(["render", str(text)]) == 1
    assert "is not a DICOM file" in capsys.readouterr().err
    assert main(["render", str(tmp_path / "absent.dcm")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_missing_attachment_is_told_with_its_cure(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "numbers.json"
    assert main(["render", str(report), "--attachment", str(out)]) == 1
    assert "holds no PDF document" in capsys.readouterr().err
    assert main(["render", str(write_pdf(tmp_path / "a.dcm", {})), "--attachment", str(out)]) == 1
    assert "no JSON file is attached" in capsys.readouterr().err
    broken = write_object(
        tmp_path / "b.dcm",
        EncapsulatedPDFStorage,
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=b"%PDF-1.7 torn",
    )
    assert main(["render", str(broken), "--attachment", str(out)]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_cannot_be_written_is_named(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(report), "--out", str(report.parent / "no" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err
