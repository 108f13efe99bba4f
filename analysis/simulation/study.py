"""Simulated studies: a phantom, written the way a kind of scanner writes, with its truth.

`simulate_study(flavour, seed)` gives the DICOM objects and the truth of one study; `write_study` stores them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from analysis.simulation.dicom.calibrated import SPINE_REGION, Site, calibrated_image, forearm_site
from analysis.simulation.dicom.common import StudyHeader
from analysis.simulation.dicom.hologic import ROW_ORDERS, hologic_page, results_table
from analysis.simulation.dicom.lunar import lunar_image, lunar_report
from analysis.simulation.dicom.page import draw_page
from analysis.simulation.phantom import Phantom, render
from analysis.simulation.spine import SPACING_MM as SPINE_SPACING_MM
from analysis.simulation.spine import spine_density
from analysis.simulation.subject import Subject, draw_subject
from analysis.simulation.truth import Truth
from analysis.simulation.vendor import VendorNumbers, vendor_numbers
from analysis.simulation.view import Acquisition, Artefact, draw_acquisition

Flavour = Literal["calibrated", "hologic", "lunar"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
FIRST_STUDY_DATE = date(2023, 1, 9)

_SPACING_MM: Mapping[Flavour, tuple[float, float]] = {
    "calibrated": (0.3, 0.5),
    "hologic": (0.42, 0.43),  # X of real forearm scans: 0.42–0.43 mm
    "lunar": (0.3, 0.4),
}


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedStudy:
    """One study.

    Attributes
    ----------
    objects : mapping of file name to Dataset
        With file meta, ready to be saved.
    truth : dict
        Ready for JSON; points are (column, row) on the image as stored, lengths mm, densities g/cm².
    masks : mapping of "radius" and "ulna" to ndarray of bool
        On the full pixel grid of the stored image; empty for what is no forearm.
    """

    objects: Mapping[str, Dataset]
    truth: Mapping[str, Any]
    masks: Mapping[str, NDArray[np.bool_]]


def simulate_study(
    flavour: Flavour,
    seed: int,
    *,
    subject: Subject | None = None,
    acquisition: Acquisition | None = None,
    artefact: Artefact | None = None,
    header: StudyHeader | None = None,
) -> SimulatedStudy:
    """Simulate one study; the same arguments give the same bytes.

    Parameters
    ----------
    flavour : {"calibrated", "hologic", "lunar"}
    seed : int
    subject, acquisition, header : optional
        Drawn from `seed` where not given: any adult, either side, either way up, any tilt within ±10°.
    artefact : {"metal", "motion", "crop"}, optional
        Of a drawn acquisition.
    """
    rng = np.random.default_rng([seed, FLAVOURS.index(flavour), 0])
    subject = subject or draw_subject(rng)
    low, high = _SPACING_MM[flavour]
    acquisition = acquisition or draw_acquisition(
        rng, artefact=artefact, spacing_mm=float(rng.uniform(low, high))
    )
    header = header or study_header(f"{flavour}-{seed}", subject, seed)
    phantom = render(subject, acquisition, seed)
    if flavour == "calibrated":
        return _calibrated(header, phantom, seed)
    numbers = vendor_numbers(subject, phantom.truth.regions, np.random.default_rng([seed, 5]))
    return (_hologic if flavour == "hologic" else _lunar)(header, phantom, seed, numbers)


def simulate_spine(seed: int, *, header: StudyHeader | None = None) -> SimulatedStudy:
    """Simulate an AP spine as a calibrated DX image: a sound study that is not ours to analyse."""
    if header is None:
        header = study_header(f"spine-{seed}", draw_subject(np.random.default_rng(seed)), seed)
    site = Site("LSPINE", SPINE_REGION, "DXA AP Spine", "U", ("L", "F"))
    image = calibrated_image(header, spine_density(seed), SPINE_SPACING_MM, site)
    truth = {
        "schema": "1",
        "synthetic": "simulated phantom, not a patient",
        "flavour": "calibrated",
        "seed": seed,
        "expected_status": "not_applicable",
        "study_instance_uid": header.study_instance_uid,
        "image_sop_instance_uid": str(image.SOPInstanceUID),
        "rows": int(image.Rows),
        "columns": int(image.Columns),
        "pixel_spacing_mm": list(SPINE_SPACING_MM),
        "laterality": None,
    }
    return SimulatedStudy({"image.dcm": image}, truth, {})


def study_header(
    key: str,
    subject: Subject,
    seed: int,
    *,
    patient_name: str = "SIMULATED^Patient",
    patient_id: str | None = None,
    study_date: date | None = None,
) -> StudyHeader:
    """Patient and study of a subject; the dates follow from `seed`, never from a clock."""
    study_date = study_date or FIRST_STUDY_DATE + timedelta(days=seed * 37 % 700)
    return StudyHeader(
        key=key,
        patient_name=patient_name,
        patient_id=patient_id or f"SIM-{key}",
        birth_date=study_date - timedelta(days=round(subject.age_years * 365.25)),
        sex=subject.sex,
        height_mm=round(subject.height_mm),
        weight_kg=round(subject.weight_kg, 1),
        study_date=study_date,
    )


def write_study(study: SimulatedStudy, directory: Path) -> list[Path]:
    """Write objects, ``truth.json`` and the masks as ``NAME_mask.png`` into `directory` (made if absent).

    Returns
    -------
    list of Path
        The DICOM files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, dataset in study.objects.items():
        paths.append(directory / name)
        dataset.save_as(paths[-1], enforce_file_format=True)
    text = json.dumps(study.truth, indent=1, ensure_ascii=False)
    (directory / "truth.json").write_text(text + "\n", encoding="utf-8")
    for name, mask in study.masks.items():
        picture = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
        picture.save(directory / f"{name}_mask.png", optimize=True)
    return paths


def _calibrated(header: StudyHeader, phantom: Phantom, seed: int) -> SimulatedStudy:
    truth = phantom.truth
    site = forearm_site(truth.laterality.value, truth.hand_up)
    image = calibrated_image(header, phantom.density_g_cm2, phantom.spacing_mm, site)
    content = study_truth("calibrated", header, image, phantom, seed)
    return SimulatedStudy({"image.dcm": image}, content, _masks(truth))


def _hologic(
    header: StudyHeader, phantom: Phantom, seed: int, numbers: Mapping[str, VendorNumbers]
) -> SimulatedStudy:
    truth = phantom.truth
    table = results_table(numbers, ROW_ORDERS[seed % len(ROW_ORDERS)])
    page, rectangle = draw_page(
        header, display_image(phantom, white_g_cm2=1.05, gamma=0.8), truth.laterality, table
    )
    image = hologic_page(
        header, page, rectangle, phantom.spacing_mm, laterality=truth.laterality, table=table
    )
    content = study_truth("hologic", header, image, phantom, seed, origin=(rectangle.x, rectangle.y))
    content["scan_rectangle"] = asdict(rectangle)
    content["vendor"] = {name: asdict(row) for name, row in numbers.items()}
    after = (page.shape[0] - rectangle.y - rectangle.height, page.shape[1] - rectangle.x - rectangle.width)
    margins = ((rectangle.y, after[0]), (rectangle.x, after[1]))
    on_page = {name: np.pad(mask, margins) for name, mask in _masks(truth).items()}
    return SimulatedStudy({"report_page.dcm": image}, content, on_page)


def _lunar(
    header: StudyHeader, phantom: Phantom, seed: int, numbers: Mapping[str, VendorNumbers]
) -> SimulatedStudy:
    truth, (row_mm, column_mm) = phantom.truth, phantom.spacing_mm
    rows, columns = phantom.density_g_cm2.shape
    display = display_image(phantom, white_g_cm2=1.15, gamma=0.65)
    image = lunar_image(header, display, (columns * column_mm, rows * row_mm), truth.laterality)
    report = lunar_report(header, image, numbers, truth.laterality)
    content = study_truth("lunar", header, image, phantom, seed)
    content["vendor"] = {name: asdict(row) for name, row in numbers.items() if name != "mid"}
    return SimulatedStudy({"IMG00000.dcm": image, "STR00000.dcm": report}, content, _masks(truth))


def _masks(truth: Truth) -> dict[str, NDArray[np.bool_]]:
    return {"radius": truth.radius_mask, "ulna": truth.ulna_mask}


def display_image(phantom: Phantom, *, white_g_cm2: float, gamma: float) -> NDArray[np.float64]:
    """The picture a densitometer shows, 0–1: bone, a little soft tissue, the vendor's window and gamma."""
    shown = phantom.density_g_cm2.astype(np.float64) + 0.03 * phantom.soft_tissue_g_cm2
    return np.clip(shown / white_g_cm2, 0, 1) ** gamma


def study_truth(
    flavour: str,
    header: StudyHeader,
    image: Dataset,
    phantom: Phantom,
    seed: int,
    *,
    origin: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    """What ``truth.json`` says; `origin` is the (column, row) of the scan within the stored image."""
    truth, subject = phantom.truth, phantom.subject
    return {
        "schema": "1",
        "synthetic": "simulated phantom, not a patient",
        "flavour": flavour,
        "seed": seed,
        "expected_status": "analyzed",
        "study_instance_uid": header.study_instance_uid,
        "image_sop_instance_uid": str(image.SOPInstanceUID),
        "rows": int(image.Rows),
        "columns": int(image.Columns),
        "pixel_spacing_mm": [round(side, 4) for side in phantom.spacing_mm],
        "laterality": truth.laterality.value,
        "hand_up": truth.hand_up,
        "artefact": phantom.acquisition.artefact,
        "forearm_length_mm": round(truth.forearm_length_mm, 2),
        "landmarks": _landmarks(truth, origin),
        "regions": _regions(truth, origin),
        "morphometry": {
            "cortical_thickness_mm": round(truth.cortical_thickness_mm, 4),
            "shaft_diameter_mm": round(truth.shaft_diameter_mm, 4),
            "medullary_width_mm": round(truth.medullary_width_mm, 4),
        },
        "microstructure": {
            **_rounded(asdict(truth.microstructure)),
            "trabecular_thickness_mm": round(truth.microstructure.trabecular_thickness_mm, 5),
            "trabecular_spacing_mm": round(truth.microstructure.trabecular_spacing_mm, 5),
            "correlation_length_mm": round(truth.correlation_length_mm, 5),
        },
        "subject": _rounded(asdict(subject)),
        "acquisition": _rounded(asdict(phantom.acquisition)),
        "radius_mask": "radius_mask.png",
        "ulna_mask": "ulna_mask.png",
    }


def _landmarks(truth: Truth, origin: tuple[int, int]) -> dict[str, list[float]]:
    return {
        "end_plate": _point(truth.end_plate, origin),
        "ulnar_styloid": _point(truth.ulnar_styloid, origin),
        "axis_direction": [round(component, 5) for component in truth.axis_direction],
    }


def _regions(truth: Truth, origin: tuple[int, int]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "bmd_g_cm2": round(region.bmd_g_cm2, 5),
            "bmc_g": round(region.bmc_g, 5),
            "area_cm2": round(region.area_cm2, 5),
            "polygon": [_point(point, origin) for point in truth.polygons[name]],
        }
        for name, region in truth.regions.items()
    }


def _point(point: tuple[float, float], origin: tuple[int, int]) -> list[float]:
    return [round(point[0] + origin[0], 2), round(point[1] + origin[1], 2)]


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to five decimals, so that the last bit of a processor never shows in a file."""
    return {
        key: _rounded(value)
        if isinstance(value, Mapping)
        else round(value, 5)
        if isinstance(value, float)
        else value
        for key, value in values.items()
    }
