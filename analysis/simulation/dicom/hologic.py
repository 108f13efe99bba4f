"""Hologic's way: a colour report page as Secondary Capture, the numbers in a private analysis text.

The grammar of the text and the attributes of the page follow what was seen of APEX files: Modality OT,
BodyPartExamined ARM, assignments ``Key = "value";`` behind an XML prologue in (0019,1000), tables whose order
of rows differs by site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from analysis.results import Laterality
from analysis.simulation.dicom.common import StudyHeader, finish, new_dataset
from analysis.simulation.vendor import VendorNumbers

PRIVATE_CREATOR = "HOLOGIC"
"""In front of (0019,1000); the creator real files have there is not known: assumption."""
LABELS = {"one_third": "1/3", "mid": "MID", "ultradistal": "UD", "total": "Total"}
ROW_ORDERS = (
    ("one_third", "mid", "ultradistal", "total"),
    ("ultradistal", "mid", "one_third", "total"),
)
"""Both were seen in real files."""
TABLE_HEADER = (
    "Region",
    "Area[cm<sup><small>2</small></sup>]",
    "BMC[(g)]",
    "BMD[g/cm<sup><small>2</small></sup>]",
    "T-score",
    "PR",
    "Z-score",
    "AM",
)


@dataclass(frozen=True, slots=True)
class ScanRectangle:
    """Where the scan lies in the page, pixels."""

    x: int
    y: int
    width: int
    height: int


def results_table(numbers: Mapping[str, VendorNumbers], order: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The printed table, header first; a score without reference is a blank cell, the total is bold."""
    rows: list[tuple[str, ...]] = [TABLE_HEADER]
    for name in order:
        row = numbers[name]
        cells = (
            LABELS[name],
            f"{row.area_cm2:.2f}",
            f"{row.bmc_g:.2f}",
            f"{row.bmd_g_cm2:.3f}",
            _cell(row.t_score, "{:.1f}"),
            _cell(row.percent_young, "{:.0f}"),
            _cell(row.z_score, "{:.1f}"),
            _cell(row.percent_age_matched, "{:.0f}"),
        )
        rows.append(tuple(f"<b>{cell}</b>" for cell in cells) if name == "total" else cells)
    return rows


def hologic_page(
    header: StudyHeader,
    page: NDArray[np.uint8],
    rectangle: ScanRectangle,
    spacing_mm: tuple[float, float],
    *,
    laterality: Laterality,
    table: list[tuple[str, ...]],
) -> Dataset:
    """Write a report page (rows, columns, 3) with its analysis text as a Secondary Capture object."""
    dataset = new_dataset(header, SecondaryCaptureImageStorage, "page", 1)
    dataset.Modality = "OT"
    dataset.ConversionType = "WSD"
    dataset.Manufacturer = "simulated Hologic"
    dataset.ManufacturerModelName = "simulated Horizon"
    dataset.StudyDescription = "DXA Forearm"
    dataset.SeriesDescription = "Forearm report"
    dataset.BodyPartExamined = "ARM"
    dataset.Laterality = str(laterality)
    dataset.PatientOrientation = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = page.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    pixels = page.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"
    dataset.PixelSpacing = [f"{side:.4f}" for side in spacing_mm]
    block = dataset.private_block(0x0019, PRIVATE_CREATOR, create=True)
    block.add_new(0x00, "LT", analysis_text(header, rectangle, laterality, table))
    return finish(dataset)


def analysis_text(
    header: StudyHeader, rectangle: ScanRectangle, laterality: Laterality, table: list[tuple[str, ...]]
) -> str:
    """The text at (0019,1000): an XML prologue, then assignments; lines end with CR LF."""
    fields = {
        "PatientName": header.patient_name,
        "PatientID": header.patient_id,
        "PatientSex": header.sex,
        "Height": f"{header.height_mm / 10:.1f} cm",
        "Weight": f"{header.weight_kg:.1f} kg",
        "DOB": f"{header.birth_date:%d %B %Y}",
        "Age": str(header.age_years),
        "ReferringPhysician": "SIMULATED",
        "ScanMode": f"a {laterality}.Forearm",
        "AnalDate": f"{header.study_date:%d %B %Y}",
        "AnalProtocol": "Forearm",
        "Institution": "Simulated Hospital",
        "Model": "simulated Horizon",
        "HologicSoftwareVer": "simulated 13.6",
        "PhysicianComment": "Simulated data, not a patient.",
        "ImageTitle1": "Forearm",
        "ImageXPos": str(rectangle.x),
        "ImageYPos": str(rectangle.y),
        "ImageXSize": str(rectangle.width),
        "ImageYSize": str(rectangle.height),
        "TableTitle1": "DXA Results Summary: Radius",
        "MAXROWS1": str(len(table)),
        "MAXCOLS1": str(len(TABLE_HEADER)),
    }
    prologue = "<HologicHeader1><Institution><Name>Simulated Hospital</Name></Institution></HologicHeader1>"
    lines = [prologue, *(f'{key} = "{value}";' for key, value in fields.items())]
    for row, cells in enumerate(table):
        lines += [f'ResultsTable1[ {row}][ {column}] = "{cell}";' for column, cell in enumerate(cells)]
    return "\r\n".join(lines)


def with_text_in_group_0021(dataset: Dataset, history: list[tuple[str, float, float | None]]) -> None:
    """Move the analysis text to (0021,xx01) of creator ``Hologic``, with decimal commas and a history table.

    The scan's rectangle is left out, as some pages do. Columns of the history are an assumption.

    Parameters
    ----------
    history : list of (date as printed, BMD of the one-third radius in g/cm², T-score)
    """
    block = dataset.private_block(0x0019, PRIVATE_CREATOR)
    lines = [
        _with_comma(line) if line.startswith("ResultsTable") else line
        for line in str(block[0x00].value).split("\r\n")
        if not line.startswith("Image")
    ]
    del dataset[0x0019, 0x0010], dataset[0x0019, 0x1000]
    table = [("Scan Date", "BMD[g/cm2]", "T-score")]
    table += [(when, f"{bmd:.3f}", _cell(score, "{:.1f}")) for when, bmd, score in history]
    lines += [
        'TableTitle2 = "Previous results: 1/3 Radius";',
        f'MAXROWS2 = "{len(table)}";',
        f'MAXCOLS2 = "{len(table[0])}";',
    ]
    for row, cells in enumerate(table):
        lines += [
            _with_comma(f'ResultsTable2[ {row}][ {column}] = "{cell}";') for column, cell in enumerate(cells)
        ]
    block = dataset.private_block(0x0021, "Hologic", create=True)
    block.add_new(0x01, "LT", "\r\n".join(lines))


def with_embedded_files(dataset: Dataset) -> None:
    """Embed what stands for the vendor's P and R files and a bitmap, as licensed scanners do."""
    block = dataset.private_block(0x0023, "Hologic", create=True)
    block.add_new(0x01, "LO", "PA00001A.P08")
    for offset, letter in ((0x02, "P"), (0x04, "R")):
        content = f"simulated {letter} file, opaque".encode().ljust(64, b"\0")
        block.add_new(offset, "OB", content)
        block.add_new(offset + 1, "UL", len(content))
    bitmap = b"BM" + (58).to_bytes(4, "little") + bytes(52)
    dataset.private_block(0x0029, PRIVATE_CREATOR, create=True).add_new(0x00, "OB", bitmap)


def _with_comma(assignment: str) -> str:
    return re.sub(r"(?<=\d)\.(?=\d)", ",", assignment)


def _cell(value: float | None, template: str) -> str:
    return " " if value is None else template.format(value)
