"""Hologic's analysis text, in every way sites print it."""

from __future__ import annotations

import pytest
from handmade_studies import ANALYSIS_TEXT, HEADER, HOLOGIC_ROWS, hologic_page, table_text
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition import VendorRegion, read_study
from analysis.acquisition.hologic import read_analysis, vendor_report
from analysis.acquisition.hologic_text import parse_analysis
from analysis.acquisition.image import VendorReport
from analysis.acquisition.integrity import integrity_findings
from analysis.acquisition.vendor import region_of
from analysis.config import ClinicalContext
from analysis.results import Calibration

NAMES = ("one_third", "mid", "ultradistal", "total")
PRINTED = st.decimals(min_value="0.1", max_value="1.5", places=3)


def printed_table(rows: list[list[str]], **fields: str) -> dict[str, VendorRegion]:
    text = table_text(rows) + "".join(f'\n{key} = "{value}";' for key, value in fields.items())
    report, findings = vendor_report(parse_analysis(text, "test"))
    assert not findings
    return dict(report.regions) if report is not None else {}


def printed_integrity(rows: list[list[str]]) -> list[str]:
    return [finding.code for finding in integrity_findings(VendorReport("test", printed_table(rows)))]


@given(
    bmd=st.tuples(*[PRINTED] * 4),
    order=st.permutations(range(4)),
    columns=st.permutations(range(len(HEADER))),
    comma=st.booleans(),
    tag=st.sampled_from(["{}", "<b>{}</b>", " {} ", "<font color=red>{}</font>", "{}<br>", "&nbsp;{}"]),
    prefix=st.sampled_from(["", "R_", "Radius ", "R "]),
)
def test_numbers_are_read_whatever_the_order_the_decimal_sign_and_the_markup(
    *, bmd: tuple[object, ...], order: list[int], columns: list[int], comma: bool, tag: str, prefix: str
) -> None:
    rows = [[*HOLOGIC_ROWS[i][:3], str(bmd[i]), *HOLOGIC_ROWS[i][4:]] for i in range(4)]
    for row in rows:
        row[1:] = [tag.format(cell.replace(".", ",") if comma else cell) for cell in row[1:]]
        row[0] = tag.format(prefix + row[0])
    table = [HEADER, *(rows[i] for i in order)]
    regions = printed_table([[row[column] for column in columns] for row in table])
    assert {name: region.bmd_g_cm2 for name, region in regions.items()} == {
        name: float(str(value)) for name, value in zip(NAMES, bmd, strict=True)
    }
    assert regions["one_third"].t_score == -1.6
    assert regions["one_third"].area_cm2 == 2.9


def test_a_blank_cell_is_missing_not_zero() -> None:
    regions = printed_table([HEADER, ["MID", " ", "", "0.500", " ", " ", "&nbsp;", " "]])
    assert regions == {"mid": VendorRegion(bmd_g_cm2=0.5)}


def test_bmd_above_ten_was_printed_in_milligrams() -> None:
    assert (
        printed_table([HEADER, ["1/3", "2.9", "1.74", "600", "-1.6", "", "", ""]])["one_third"].bmd_g_cm2
        == 0.6
    )


@pytest.mark.parametrize("label", ["U_1/3", "Ulna UD", "R+U Total", "RU13TOT", "Both Total", "L1", "Net", ""])
def test_the_ulna_and_unknown_labels_are_never_taken_for_the_radius(label: str) -> None:
    assert region_of(label) is None


def test_a_table_of_the_ulna_is_passed_over() -> None:
    assert printed_table([HEADER, *HOLOGIC_ROWS], TableTitle1="Ulna") == {}


def test_a_history_table_that_names_no_region_gives_no_numbers_and_says_so() -> None:
    table = [["Scan Date", "Age", "BMD", "T-score"], ["01.02.2020", "61", "0.650", "-0.7"]]
    report, findings = vendor_report(parse_analysis(table_text(table), "test"))
    assert report is None
    assert [finding.code for finding in findings] == ["vendor_history_unassigned"]


def test_a_region_printed_twice_with_different_numbers_is_left_out() -> None:
    second = [["1/3", "2.90", "1.74", "0.777", "", "", "", ""]]
    report, findings = vendor_report(parse_analysis(table_text([HEADER, *HOLOGIC_ROWS, *second]), "test"))
    assert report is not None
    assert set(report.regions) == {"mid", "ultradistal", "total"}
    assert [finding.code for finding in findings] == ["vendor_table_ambiguous"]


@given(st.text(max_size=400))
def test_no_text_breaks_the_parser(text: str) -> None:
    vendor_report(parse_analysis(text, "test"))


def test_a_hostile_text_is_read_in_a_moment() -> None:
    assert parse_analysis('a="' * 80_000, "test").fields == {}


def test_code_in_the_text_stays_text() -> None:
    analysis = parse_analysis("ScanMode = \"__import__('os').abort()\"; ImageXPos = 12;", "test")
    assert analysis.scan_modes == ("__import__('os').abort()",)
    assert analysis.fields["ImageXPos"] == "12"


@pytest.mark.parametrize("creator", ["HOLOGIC", "Hologic", "anything"])
@pytest.mark.parametrize("group", [0x0019, 0x0021])
def test_the_text_is_found_by_its_grammar_under_any_creator(creator: str, group: int) -> None:
    page = hologic_page(analysis_text="no assignment here")
    block = page.private_block(group, creator, create=True)
    block.add_new(0x01, "LT", ANALYSIS_TEXT.format(table=table_text([HEADER, *HOLOGIC_ROWS])))
    analysis = read_analysis(page)
    assert analysis is not None
    assert analysis.scan_modes == ("a L.Forearm",)
    assert f"({group:04X},1" in analysis.location


def test_a_report_page_gives_the_scan_and_the_vendors_numbers() -> None:
    image = read_study([hologic_page()], ClinicalContext())
    assert image.origin == (30, 20)
    assert image.pixels.shape == (120, 80)
    assert (round(float(image.pixels.min()), 4), round(float(image.pixels.max()), 4)) == (
        round(10 / 255, 4),
        round(200 / 255, 4),
    )
    assert image.calibration is Calibration.VENDOR_TABLE
    assert not image.density
    assert image.vendor is not None
    assert image.vendor.regions["one_third"] == VendorRegion(0.6, 1.74, 2.9, -1.6, 0.3, 87, 103)
    assert image.vendor.source == "Hologic Image Analysis Data (0019,1000)"


def test_consistent_numbers_pass_the_integrity_test() -> None:
    assert printed_integrity([HEADER, *HOLOGIC_ROWS]) == []


def test_a_total_that_is_not_the_sum_is_reported() -> None:
    rows = [*HOLOGIC_ROWS[:3], ["Total", "12.80", "6.10", "0.476", "", "", "", ""]]
    assert printed_integrity([HEADER, *rows]) == ["vendor_total_inconsistent", "vendor_total_inconsistent"]


def test_a_bmd_that_is_not_bmc_over_area_is_reported() -> None:
    row = ["1/3", "2.90", "1.74", "0.660", "", "", "", ""]
    assert printed_integrity([HEADER, row]) == ["vendor_bmd_inconsistent"]
