"""What the study and the site know of the patient, each value with where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Literal, TypeVar

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic
from analysis.acquisition.accept import OWN_MODEL_NAME
from analysis.acquisition.dates import dicom_date, study_date
from analysis.advice.entries import ENTRIES, written_entry
from analysis.config import ClinicalContext
from analysis.results import Laterality, QualityFinding, Severity
from analysis.risk.predictors import PREDICTORS

Value = TypeVar("Value")
Sex = Literal["F", "M"]


def clinical_context(
    datasets: Sequence[Dataset], site: ClinicalContext | None
) -> tuple[ClinicalContext, Mapping[str, str]]:
    """Merge site entries with DICOM attributes and, last, Hologic's analysis text.

    Parameters
    ----------
    datasets : sequence of Dataset
        Objects of one study; our own results among them are passed over.
    site : ClinicalContext or None
        The site's entries; each one that is not ``None`` wins.

    Returns
    -------
    context : ClinicalContext
        A value on which the study's objects disagree is unknown.
    provenance : Mapping[str, str]
        ``name -> value (where from)`` of every known value.
    """
    entered = site or ClinicalContext()
    provenance = {
        shown_name(field.name): _entry_text(field.name, getattr(entered, field.name))
        for field in fields(entered)
        if field.name not in ("predictors", "advice") and getattr(entered, field.name) is not None
    }
    provenance |= {
        PREDICTORS[name].phrase: f"{shown_predictor(name, value)} (site entry)"
        for name, value in entered.predictors.items()
    }
    provenance |= {
        ENTRIES[name].phrase: f"{written_entry(name, value)} (site entry)"
        for name, value in entered.advice.items()
    }
    objects = [item for item in datasets if header.text(item, "ManufacturerModelName") != OWN_MODEL_NAME]
    context = entered
    if context.age_years is None and (age := _age(objects)) is not None:
        context = replace(context, age_years=age[0])
        provenance["age"] = f"{age[0]:.1f} y ({age[1]})"
    sex: tuple[Sex, str] | None = _first_agreed(objects, _SEX_SOURCES)
    if context.sex is None and sex is not None:
        context = replace(context, sex=sex[0])
        provenance["sex"] = f"{sex[0]} ({sex[1]})"
    if context.height_mm is None and (height := _first_agreed(objects, _HEIGHT_SOURCES)) is not None:
        context = replace(context, height_mm=height[0])
        provenance["height"] = f"{height[0]:.0f} mm ({height[1]})"
    if context.weight_kg is None and (weight := _first_agreed(objects, _WEIGHT_SOURCES)) is not None:
        context = replace(context, weight_kg=weight[0])
        provenance["weight"] = f"{weight[0]:.1f} kg ({weight[1]})"
    return context, provenance


def unknown_findings(context: ClinicalContext) -> tuple[QualityFinding, ...]:
    """``age_unknown`` and ``sex_unknown`` where they hold."""
    findings = []
    if context.age_years is None:
        findings.append(
            QualityFinding(
                "age_unknown",
                Severity.WARNING,
                "The age is absent or contradictory; send Patient's Birth Date (0010,0030) or Patient's "
                "Age (0010,1010).",
            )
        )
    if context.sex is None:
        findings.append(
            QualityFinding(
                "sex_unknown",
                Severity.WARNING,
                "The sex is absent, contradictory or neither F nor M; send Patient's Sex (0010,0040).",
            )
        )
    return tuple(findings)


DAYS_PER_YEAR = 365.25

_PLAUSIBLE_AGE_YEARS = (0.0, 120.0)
_PLAUSIBLE_HEIGHT_MM = (800.0, 2500.0)
_PLAUSIBLE_WEIGHT_KG = (15.0, 400.0)
_AGE_UNIT_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / DAYS_PER_YEAR, "D": 1 / DAYS_PER_YEAR}


def _first_agreed(
    objects: Sequence[Dataset], sources: Iterable[tuple[str, Callable[[Dataset], Value | None]]]
) -> tuple[Value, str] | None:
    """Value and source of the first source that any object has; ``None`` if the objects disagree on it."""
    for source, read in sources:
        found = {value for item in objects if (value := read(item)) is not None}
        if found:
            return (found.pop(), source) if len(found) == 1 else None
    return None


def _age(objects: Sequence[Dataset]) -> tuple[float, str] | None:
    """Age on the first day of the study by birth date, else as written."""
    births = {
        born for item in objects if (born := dicom_date(header.text(item, "PatientBirthDate"))) is not None
    }
    if len(births) > 1:
        return None
    days = [day for item in objects if (day := study_date(item)) is not None]
    if births and days:
        years = _within((min(days) - births.pop()).days / DAYS_PER_YEAR, _PLAUSIBLE_AGE_YEARS)
        return (years, header.name("PatientBirthDate")) if years is not None else None
    return _first_agreed(objects, _WRITTEN_AGE_SOURCES)


def _patient_age(dataset: Dataset) -> float | None:
    match = re.fullmatch(r"(\d{1,3})([YMWD])", header.text(dataset, "PatientAge").upper())
    return _within(int(match[1]) * _AGE_UNIT_YEARS[match[2]], _PLAUSIBLE_AGE_YEARS) if match else None


def _patient_sex(dataset: Dataset) -> Sex | None:
    return _sex(header.text(dataset, "PatientSex"))


def _sex(value: str) -> Sex | None:
    match value.strip().upper():
        case "F" | "FEMALE":
            return "F"
        case "M" | "MALE":
            return "M"
        case _:
            return None


def _patient_size(dataset: Dataset) -> float | None:
    metres = header.number(dataset, "PatientSize")
    return _within(metres * 1000, _PLAUSIBLE_HEIGHT_MM) if metres is not None else None


def _patient_weight(dataset: Dataset) -> float | None:
    return _within(header.number(dataset, "PatientWeight"), _PLAUSIBLE_WEIGHT_KG)


def _hologic(key: str) -> Callable[[Dataset], str]:
    def read(dataset: Dataset) -> str:
        analysis = hologic.read_analysis(dataset)
        return analysis.fields.get(key, "") if analysis is not None else ""

    return read


def _hologic_quantity(
    key: str, unit_factors: Mapping[str, float], plausible: tuple[float, float]
) -> Callable[[Dataset], float | None]:
    """Reader of ``Height = "165.0 cm"`` and its like; a number without unit is in the first unit."""

    def read(dataset: Dataset) -> float | None:
        match = re.fullmatch(r"([\d.,]+)\s*([a-z]*)\.?", _hologic(key)(dataset).lower())
        if match is None:
            return None
        value = header.as_number(match[1])
        factor = unit_factors.get(match[2] or next(iter(unit_factors)))
        return _within(value * factor, plausible) if value is not None and factor is not None else None

    return read


_TEXT = "Hologic analysis text"
_WRITTEN_AGE_SOURCES: tuple[tuple[str, Callable[[Dataset], float | None]], ...] = (
    (header.name("PatientAge"), _patient_age),
    (_TEXT, _hologic_quantity("Age", {"y": 1.0, "years": 1.0}, _PLAUSIBLE_AGE_YEARS)),
)
_SEX_SOURCES: tuple[tuple[str, Callable[[Dataset], Sex | None]], ...] = (
    (header.name("PatientSex"), _patient_sex),
    (_TEXT, lambda dataset: _sex(_hologic("PatientSex")(dataset))),
)
_HEIGHT_SOURCES: tuple[tuple[str, Callable[[Dataset], float | None]], ...] = (
    (header.name("PatientSize"), _patient_size),
    (_TEXT, _hologic_quantity("Height", {"cm": 10.0, "in": 25.4, "mm": 1.0}, _PLAUSIBLE_HEIGHT_MM)),
)
_WEIGHT_SOURCES: tuple[tuple[str, Callable[[Dataset], float | None]], ...] = (
    (header.name("PatientWeight"), _patient_weight),
    (
        _TEXT,
        _hologic_quantity("Weight", {"kg": 1.0, "lb": 0.45359237, "lbs": 0.45359237}, _PLAUSIBLE_WEIGHT_KG),
    ),
)


def _within(value: float | None, limits: tuple[float, float]) -> float | None:
    return value if value is not None and limits[0] < value < limits[1] else None


def shown_name(field_name: str) -> str:
    """``age_years`` → ``age``: the shown value carries its unit."""
    if field_name == "laterality":
        return "side"
    return re.sub(r"_(?:years|mm|kg)$", "", field_name)


def _entry_text(name: str, value: float | str | bool) -> str:
    return f"{shown_field(name, value)} (site entry)"


def shown_field(name: str, value: float | str | bool) -> str:
    """A field of `ClinicalContext` as provenance shows it, e.g. ``1620.0 mm``, ``yes``, ``left``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "laterality":
        return Laterality(str(value)).name.lower()
    units = {"age_years": " y", "height_mm": " mm", "weight_kg": " kg", "forearm_length_mm": " mm"}
    return f"{value}{units.get(name, '')}"


def shown_predictor(name: str, value: float) -> str:
    """A predictor as provenance shows it, e.g. ``5 mg/d``, ``yes``."""
    predictor = PREDICTORS[name]
    if predictor.kind == "binary":
        return "yes" if value else "no"
    return f"{value:g}" + ("" if predictor.unit == "1" else f" {predictor.unit}")
