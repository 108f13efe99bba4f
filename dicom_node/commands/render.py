"""``dicom-node render``: a Structured Report as text, page or table; the numbers attached to our PDF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import ConfigurationError, NodeError

if TYPE_CHECKING:
    from pydicom import Dataset

FORMATS = ("table", "text", "html")
PAGE_SUFFIXES = (".html", ".htm")
FILE_WIDTH = 120
"""Columns of tables that are written to a file."""

VIEWERS = {
    "1.2.840.10008.5.1.4.1.1.66.4": "OHIF (after loading it onto the source image) and 3D Slicer show it",
    "1.2.840.10008.5.1.4.1.1.11.1": "Weasis applies it to the source image; OHIF 3.12 does not",
}
"""SOP class that is no picture -> who shows it (docs/viewers.md)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show a DICOM Structured Report, ours or any other: measurement groups as tables with unit, method "
        "and provenance, everything else as headed text. Needs no network and no configuration."
    )
    parser.add_argument("file", type=Path, metavar="SR.dcm", help="the DICOM file")
    parser.add_argument(
        "--as",
        dest="form",
        choices=FORMATS,
        help="table for a terminal, text with every content item, or html: one self-contained page; "
        "default: html where --out ends in .html, else table",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write here instead of standard output")
    parser.add_argument(
        "--attachment",
        type=Path,
        metavar="FILE.json",
        help="of an Encapsulated PDF of ours: write the machine-readable numbers attached to it",
    )


def run(options: argparse.Namespace) -> int:
    dataset = _read(options.file)
    if options.attachment is not None:
        _write(options.attachment, _attachment(dataset, options.file))
        return 0
    _require_report(dataset, options.file)
    rendered = _rendered(dataset, _form(options), width=FILE_WIDTH if options.out else None)
    if options.out is not None:
        _write(options.out, rendered.encode())
    elif rendered:
        print(rendered, end="")
    return 0


def _form(options: argparse.Namespace) -> str:
    if options.form is None and options.out is not None and options.out.suffix.lower() in PAGE_SUFFIXES:
        return "html"
    return options.form or "table"


def _read(path: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        return dcmread(path)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file; name a DICOM file") from None
    except InvalidDicomError:
        raise NodeError(
            f"{path}: is not a DICOM file (it lacks the preamble of PS3.10 7.1); export it from the PACS as "
            "a DICOM file"
        ) from None
    except OSError as error:
        raise NodeError(f"{path}: cannot be read ({error}); name a readable DICOM file") from None


def _require_report(dataset: Dataset, path: Path) -> None:
    if dataset.get("ValueType") == "CONTAINER" and "ConceptNameCodeSequence" in dataset:
        return
    uid = dataset.get("SOPClassUID")
    name = uid.name if uid else "an object without SOP class"
    raise NodeError(f"{path}: is no Structured Report but {name}; {_viewer(dataset)}")


def _viewer(dataset: Dataset) -> str:
    if "EncapsulatedDocument" in dataset:
        return (
            "a viewer of PDF documents shows it, and --attachment FILE.json writes the numbers attached to it"
        )
    if "PixelData" in dataset and dataset.SOPClassUID not in VIEWERS:
        return "any DICOM viewer shows it, e.g. OHIF or Weasis"
    return VIEWERS.get(
        str(dataset.get("SOPClassUID")), "this command renders only Structured Reports: name one of those"
    )


def _rendered(dataset: Dataset, form: str, *, width: int | None) -> str:
    """Return the text; a table for a terminal is printed in its colours instead."""
    from reports.render import as_html, as_tables, as_text

    if form == "html":
        return as_html(dataset)
    if form == "text":
        return as_text(dataset)
    from io import StringIO

    from rich.console import Console

    from dicom_node.tables import standard_output

    if width is None:
        standard_output().print(as_tables(dataset))
        return ""
    file = StringIO()
    Console(file=file, width=width, highlight=False).print(as_tables(dataset))
    return file.getvalue()


def _attachment(dataset: Dataset, path: Path) -> bytes:
    """Return the JSON file embedded in an Encapsulated PDF."""
    if (
        "EncapsulatedDocument" not in dataset
        or dataset.get("MIMETypeOfEncapsulatedDocument") != "application/pdf"
    ):
        raise NodeError(
            f"{path}: holds no PDF document, so nothing is attached to it; name the Encapsulated PDF of the "
            "study's results (series 907)"
        )
    from io import BytesIO

    import pikepdf

    try:
        with pikepdf.open(BytesIO(dataset.EncapsulatedDocument)) as pdf:
            for name, attached in pdf.attachments.items():
                if name.lower().endswith(".json"):
                    return attached.get_file().read_bytes()
    except pikepdf.PdfError as error:
        raise NodeError(f"{path}: its PDF document cannot be read ({error}); fetch it again") from None
    raise NodeError(f"{path}: no JSON file is attached to its PDF document; only documents of ours carry one")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error}); name a file that can") from None
