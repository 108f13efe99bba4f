"""A report as Encapsulated PDF: one page of text, made by hand so that its bytes never change."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import EncapsulatedPDFStorage

from analysis.results import Laterality
from analysis.simulation.dicom.common import StudyHeader, finish, new_dataset


def encapsulated_pdf(header: StudyHeader, lines: Sequence[str], laterality: Laterality) -> Dataset:
    """Write lines of Latin text as an Encapsulated PDF object."""
    side = "Left" if laterality is Laterality.LEFT else "Right"
    dataset = new_dataset(header, EncapsulatedPDFStorage, "document", 1)
    dataset.Modality = "DOC"
    dataset.ConversionType = "WSD"
    dataset.Manufacturer = "simulated densitometer"
    dataset.ManufacturerModelName = "simulated report printer"
    dataset.StudyDescription = "DXA Forearm"
    dataset.SeriesDescription = dataset.DocumentTitle = f"DXA report {side} Forearm"
    dataset.Laterality = str(laterality)
    dataset.AcquisitionDateTime = f"{dataset.StudyDate}{dataset.StudyTime}"
    dataset.BurnedInAnnotation = "YES"
    dataset.ConceptNameCodeSequence = DicomSequence()
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    content = pdf_page(lines)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return finish(dataset)


def pdf_page(lines: Sequence[str]) -> bytes:
    """One A4 page in Helvetica (ISO 32000-1): catalogue, page tree, page, font, content, cross references."""
    shown = "".join(f"({_escaped(line)}) Tj T* " for line in lines)
    stream = f"BT /F1 12 Tf 16 TL 50 790 Td {shown}ET".encode("latin-1")
    bodies = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        b" /Resources << /Font << /F1 4 0 R >> >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    )
    page, offsets = b"%PDF-1.4\n", []
    for count, body in enumerate(bodies, 1):
        offsets.append(len(page))
        page += b"%d 0 obj\n%s\nendobj\n" % (count, body)
    references = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(bodies) + 1
    return page + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, references, size, len(page))
    )


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
