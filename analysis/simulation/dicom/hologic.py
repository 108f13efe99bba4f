"""Hologic's way: a colour report page as Secondary Capture, the numbers in a private analysis text.

The grammar of the text and the attributes of the page follow what was seen of APEX files: Modality OT,
BodyPartExamined ARM, assignments ``Key = "value";`` behind an XML prologue in (0019,1000), tables whose order
of rows differs by site.
"""

from __future__ import annotations

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


def _cell(value: float | None, template: str) -> str:
    return " " if value is None else template.format(value)
