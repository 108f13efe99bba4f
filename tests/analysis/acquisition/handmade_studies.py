"""Small handmade studies in each dialect, as a scanner would send them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

ROWS, COLUMNS = 120, 80

ANALYSIS_TEXT = """<?xml version="1.0"?><HologicHeader1><Institution><Name>Clinic</Name></Institution>
PatientName = "Doe, Jane";
PatientSex = "F";
Height = "165.0 cm";
Weight = "62.5 kg";
Age = "67";
ScanMode = "a L.Forearm";
TableTitle1 = "Results Summary:";
{table}
ImageXPos = 20;
ImageYPos = "30";
ImageXSize = 80;
ImageYSize = 120;
"""

HEADER = ["Region", "Area[cm<sup><small>2</small></sup>]", "BMC[(g)]", "BMD[g/cm<sup><small>2</small></sup>]"]
HEADER += ["T - score", "PR<br>(Peak Reference)", "Z - score", "AM"]
HOLOGIC_ROWS = [
    ["1/3", "2.90", "1.74", "0.600", "-1.6", "87", "0.3", "103"],
    ["MID", "5.10", "2.55", "0.500", "-1.9", "85", " ", " "],
    ["UD", "3.80", "1.33", "0.350", "-1.8", "80", "0.1", "101"],
    ["Total", "11.80", "5.62", "0.476", "-2.0", "84", "0.2", "102"],
]


def calibrated_image(**changes: Any) -> Dataset:
    """DX For Presentation with a map to g/cm2 (0.0001 per stored value); None removes an attribute."""
    ds = _image("1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.1", "DX")
    ds.ImageLaterality, ds.BodyPartExamined = "L", "FOREARM"
    ds.PixelSpacing = ds.ImagerPixelSpacing = [0.6, 0.5]
    values = np.arange(ROWS * COLUMNS, dtype=np.uint16).reshape(ROWS, COLUMNS)
    _set_pixels(ds, values, bits=16)
    ds.RealWorldValueMappingSequence = Sequence([density_item(0, 65535, slope=0.0001)])
    return _changed(ds, changes)


def hologic_page(rows: list[list[str]] | None = None, **changes: Any) -> Dataset:
    """RGB report page with the analysis text; the scan is a grey ramp at row 30, column 20."""
    ds = _image("1.2.840.10008.5.1.4.1.1.7", "1.2.3.2", "OT")
    ds.Manufacturer, ds.ManufacturerModelName = "HOLOGIC", "Discovery W"
    ds.BodyPartExamined, ds.Laterality, ds.ConversionType = "ARM", "L", "WSD"
    page = np.full((200, 220, 3), 255, dtype=np.uint8)
    page[30 : 30 + ROWS, 20 : 20 + COLUMNS] = np.linspace(10, 200, ROWS, dtype=np.uint8)[:, None, None]
    page[30:90, 120:200] = (255, 200, 60)  # the coloured bands of the reference chart
    _set_pixels(ds, page, bits=8)
    text = ANALYSIS_TEXT.format(table=table_text([HEADER, *(rows or HOLOGIC_ROWS)]))
    block = ds.private_block(0x0019, "HOLOGIC", create=True)
    block.add_new(0x00, "UN", changes.pop("analysis_text", text).replace("\n", "\r\n").encode())
    return _changed(ds, changes)


def lunar_study(t_score: str = "-1,9", **changes: Any) -> list[Dataset]:
    """8-bit CR without spacing, site only in ProtocolName, and an Enhanced SR with decimal commas."""
    ds = _image("1.2.840.10008.5.1.4.1.1.1", "1.2.3.3", "CR")
    ds.Manufacturer, ds.ManufacturerModelName = "GE Healthcare", "Lunar iDXA"
    ds.BodyPartExamined, ds.Laterality, ds.ProtocolName = "", "", "Right Forearm"
    ds.ExposedArea = [40, 72]
    _set_pixels(ds, np.arange(ROWS * COLUMNS, dtype=np.uint32).reshape(ROWS, COLUMNS) % 240, bits=8)
    region = container("Radius 33%", [num("BMD", "0.701"), num("BMC", "1.90"), num("AREA", "2.71")])
    region.ContentSequence.append(text_item("T-Score", t_score))
    region.ContentSequence.append(text_item("Z-Score", "0,4"))
    both = container("Both Total", [num("BMD", "0.555")])
    trend = container("Trend Radius 33%", [container("Radius 33%", [num("BMD", "0.999")])])
    report = _base("1.2.840.10008.5.1.4.1.1.88.22", "1.2.3.4", "SR")
    report.ValueType, report.ConceptNameCodeSequence = "CONTAINER", Sequence([concept("Densitometry")])
    report.ContentSequence = Sequence([container("Right Forearm", [region, both, trend])])
    return [_changed(ds, changes), report]


def density_item(
    first: int,
    last: int,
    *,
    slope: float | None = None,
    table: list[float] | None = None,
    unit: str = "g/cm2",
) -> Dataset:
    item = Dataset()
    item.add_new("RealWorldValueFirstValueMapped", "US", first)
    item.add_new("RealWorldValueLastValueMapped", "US", last)
    if slope is not None:
        item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 0.0
    if table is not None:
        item.RealWorldValueLUTData = table
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = Sequence([code])
    return item


def table_text(rows: list[list[str]], number: int = 1) -> str:
    return "\n".join(
        f'ResultsTable{number}[ {row}][ {column}] = "{cell}";'
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    )


def container(title: str, content: list[Dataset]) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "CONTAINER"
    item.ConceptNameCodeSequence, item.ContentSequence = Sequence([concept(title)]), Sequence(content)
    return item


def num(name: str, value: str) -> Dataset:
    item, measured = Dataset(), Dataset()
    measured.NumericValue = value
    item.ValueType, item.ConceptNameCodeSequence = "NUM", Sequence([concept(name)])
    item.MeasuredValueSequence = Sequence([measured])
    return item


def text_item(name: str, value: str) -> Dataset:
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence, item.TextValue = "TEXT", Sequence([concept(name)]), value
    return item


def concept(meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99LUNAR", meaning
    return code


def _base(sop_class: str, uid: str, modality: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", f"{uid}.1"
    ds.Modality, ds.StudyDate, ds.PatientBirthDate, ds.PatientSex = modality, "20260301", "19590301", "F"
    return ds


def _image(sop_class: str, uid: str, modality: str) -> Dataset:
    ds = _base(sop_class, uid, modality)
    ds.PatientSize, ds.PatientWeight = "1.65", "62"
    return ds


def _set_pixels(ds: Dataset, values: np.ndarray[Any, Any], bits: int) -> None:
    ds.Rows, ds.Columns = values.shape[:2]
    ds.SamplesPerPixel = 3 if values.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation = bits - 1, 0
    ds.PixelData = values.astype(np.uint8 if bits == 8 else np.uint16).tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"


def _changed(ds: Dataset, changes: dict[str, Any]) -> Dataset:
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        elif keyword == "TransferSyntaxUID":
            ds.file_meta.TransferSyntaxUID = value
        else:
            setattr(ds, keyword, value)
    return ds
