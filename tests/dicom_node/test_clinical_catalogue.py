"""The catalogue of what may be told of patients: documented in full, checked wherever it comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.risk.predictors import PREDICTORS
from dicom_node.clinical_catalogue import CATALOGUE, checked, parsed
from dicom_node.clinical_entries import entries
from dicom_node.errors import ConfigurationError

DOCUMENT = Path(__file__).parents[2] / "docs" / "outcomes.md"


def test_the_documentation_lists_every_name_with_its_limits() -> None:
    table = {
        line.split("|")[1].strip(" `"): line
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| `")
    }
    for name, item in CATALOGUE.items():
        assert item.phrase in table[name]
        if item.kind in ("number", "count"):
            assert f"{item.limits[0]:g} to {item.limits[1]:g} {item.unit}".strip() in table[name]
        assert all(choice in table[name] for choice in item.choices)


def test_every_predictor_that_can_be_entered_can_be_told() -> None:
    assert set(PREDICTORS) - set(CATALOGUE) == {"age_years", "male", "bmi_kg_m2"} - set(CATALOGUE)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("weight_kg", " 61.5 ", 61.5),
        ("clinical.falls_past_year", "2", 2.0),
        ("clinical.prior_fracture", "YES", True),
        ("hip_fracture", "0", False),
        ("sex", "F", "F"),
        ("birth_date", "1950-12-31", "1950-12-31"),
        ("drugs_not_tolerated", "alendronate;zoledronate", ("alendronate", "zoledronate")),
    ],
)
def test_a_value_is_understood_and_fits_the_engine(name: str, text: str, value: object) -> None:
    assert parsed(name, text) == value
    if name != "birth_date":
        entries({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_kg", True),
        ("weight_kg", float("nan")),
        ("clinical.falls_past_year", 1.5),
        ("clinical.prior_fracture", 2),
        ("sex", "X"),
        ("birth_date", "31.12.1950"),
        ("current_drug", "aspirin"),
        ("shoe_size", 40),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        checked(name, value)
