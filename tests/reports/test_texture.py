"""Every texture feature has the code of its definition, and a wrong choice is refused before work begins."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from highdicom.sr import srread
from pydicom.sr.codedict import codes
from report_support import make_analysis, make_source

from analysis.errors import ConfigurationError
from analysis.measurement.texture.core_set import CORE
from analysis.measurement.texture.quantities import CATALOGUE
from reports.checks import check_results
from reports.options import DEFAULT_OPTIONS, ReportOptions
from reports.source import report_context
from reports.structured_report import measurement_report
from reports.texture import DENSITY_UNITS, LENGTH_UNITS, TEXTURE, check_texture_choice

PHANTOM = Path(__file__).parents[1] / "data" / "ibsi" / "digital_phantom_2d.csv"


def verified_codes() -> dict[str, set[str]]:
    """pyradiomics name -> IBSI codes under which our values agree with IBSI's digital phantom."""
    table: dict[str, set[str]] = {}
    with PHANTOM.open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            table.setdefault(row["pyradiomics_name"], set()).add(row["ibsi_code"])
    return table


def test_every_ibsi_code_is_one_that_the_digital_phantom_confirms() -> None:
    verified = verified_codes()
    coded_by_ibsi = {
        name.removeprefix("original_"): code.value
        for name, code in TEXTURE.items()
        if code.scheme_designator == "IBSI"
    }
    assert len(coded_by_ibsi) == 76
    assert [name for name, code in coded_by_ibsi.items() if code not in verified[name]] == []


def test_every_feature_whose_code_is_in_the_standard_is_coded_by_it() -> None:
    public = {code.value for code in codes.IBSI.concepts.values()}
    for name, verified in verified_codes().items():
        expected = "IBSI" if verified & public else "99RADIUSDXA"
        assert TEXTURE[f"original_{name}"].scheme_designator == expected, name


def test_the_core_set_and_the_families_outside_ibsi_all_have_a_code() -> None:
    assert set(TEXTURE) >= CORE | set(CATALOGUE)
    assert {name for name, quantity in CATALOGUE.items() if quantity.unit != "1"} == {
        name for name in {**DENSITY_UNITS, **LENGTH_UNITS} if name in CATALOGUE
    }


def test_no_two_features_share_a_code() -> None:
    assert len({(code.value, code.scheme_designator) for code in TEXTURE.values()}) == len(TEXTURE)


def test_the_default_choice_is_sound() -> None:
    check_texture_choice(DEFAULT_OPTIONS.texture)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (("original_glcm_Contrst",), "no code is known for original_glcm_Contrst"),
        (("wavelet-HH_glcm_Contrast",), "features of an unfiltered image"),
        (("variogram_slope", "variogram_slope"), "names a feature twice"),
    ],
)
def test_a_wrong_choice_is_refused_by_name(choice: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_texture_choice(choice)


def listed(**texture: float) -> dict[str, tuple[float, str]]:
    options = ReportOptions(texture=tuple(texture))
    context = report_context(make_analysis(texture=texture), [make_source()], options=options)
    buffer = io.BytesIO()
    document = measurement_report(context)
    check_results([document], context)
    document.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    groups = srread(buffer).content.get_planar_roi_measurement_groups()  # type: ignore[attr-defined]
    group = next(group for group in groups if group.finding_type.value == "ROI_UD")
    return {m.name.value: (float(m.value), m.unit.value) for m in group.get_measurements()}


def test_the_report_lists_what_the_site_chose_in_its_units_and_nothing_else() -> None:
    read = listed(original_firstorder_Mean=0.31, original_gldm_DependenceEntropy=4.2, variogram_range_mm=1.5)
    assert read["FCBV"] == (4.2, "1")
    assert read[TEXTURE["variogram_range_mm"].value] == (1.5, "mm")
    assert read[TEXTURE["original_firstorder_Mean"].value] == (0.31, "g/cm2")
    assert "TU9B" not in read


def test_every_feature_there_is_makes_a_valid_report() -> None:
    read = listed(**dict.fromkeys(TEXTURE, 1.25))
    assert {code.value for code in TEXTURE.values()} <= set(read)
