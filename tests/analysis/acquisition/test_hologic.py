"""Hologic's analysis text, in every way sites print it."""

from __future__ import annotations

import random
from datetime import date

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
from analysis.errors import RejectedInput
from analysis.results import Calibration, Laterality

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
def test_no_text_breaks_the_parser_or_becomes_a_number(text: str) -> None:
    report, _ = vendor_report(parse_analysis(text, "test"))
    assert report is None


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


@given(
    texts=st.lists(st.sampled_from(["0.600", "0.601", "0.700", " "]), min_size=1, max_size=4),
    shuffled=st.randoms(use_true_random=False),
)
def test_a_number_is_read_only_if_exactly_one_cell_says_so(texts: list[str], shuffled: random.Random) -> None:
    """One cell assigned once or repeated alike is read; assigned two texts it is absent and reported."""
    lines = table_text([HEADER, ["1/3", "2.90", "1.74", texts[0], "-1.6", "", "", ""]]).split("\n")
    lines += [f'ResultsTable1[ 1][ 3] = "{text}";' for text in texts[1:]]
    shuffled.shuffle(lines)
    report, findings = vendor_report(parse_analysis("\n".join(lines), "test"))
    assert report is not None
    unanimous = len({text.strip() for text in texts}) == 1
    expected = float(texts[0]) if unanimous and texts[0].strip() else None
    assert report.regions["one_third"].bmd_g_cm2 == expected
    assert [finding.code for finding in findings] == ([] if unanimous else ["vendor_table_ambiguous"])
    assert report.regions["one_third"].t_score == -1.6


def test_two_columns_of_one_name_are_none() -> None:
    header = ["Region", "BMD", "BMD", "T-score"]
    assert printed_table([header, ["1/3", "0.600", "0.700", "-1.6"]]) == {}


@given(st.data())
def test_a_text_cut_anywhere_gives_whole_numbers_or_none(data: st.DataObject) -> None:
    whole = ANALYSIS_TEXT.format(table=table_text([HEADER, *HOLOGIC_ROWS]))
    cut = data.draw(st.integers(0, len(whole)))
    report, _ = vendor_report(parse_analysis(whole[:cut], "test"))
    complete, _ = vendor_report(parse_analysis(whole, "test"))
    assert complete is not None
    for name, region in (report.regions if report is not None else {}).items():
        for quantity in ("bmd_g_cm2", "bmc_g", "area_cm2", "t_score", "z_score"):
            assert getattr(region, quantity) in (None, getattr(complete.regions[name], quantity))


def test_a_truncated_text_is_reported() -> None:
    whole = table_text([HEADER, *HOLOGIC_ROWS])
    inside_a_value = whole[: whole.index('"0.350"') + 4]
    too_few_rows = 'MAXROWS1 = "5";\n' + table_text([HEADER, *HOLOGIC_ROWS[:3]])
    for text in (inside_a_value, too_few_rows):
        _, findings = vendor_report(parse_analysis(text, "test"))
        assert [finding.code for finding in findings] == ["vendor_text_truncated"]
    _, findings = vendor_report(parse_analysis('MAXROWS1 = "5";\n' + whole, "test"))
    assert findings == ()


LETTERS = st.sampled_from(
    ['ResultsTable1[ 0][ 0] = "', "Region", '";', "\r\n", "BMD", "[", "]", "=", "<b>", "0,6", "1/3"]
)


@given(st.lists(LETTERS | st.text(max_size=5), max_size=60).map("".join))
def test_no_shuffled_grammar_breaks_the_reader(text: str) -> None:
    report, findings = vendor_report(parse_analysis(text, "test"))
    assert all(finding.message for finding in findings)
    assert report is None or all(region in NAMES for region in report.regions)


@given(st.binary(max_size=600), st.sampled_from(["LT", "UN", "OB"]))
def test_no_bytes_in_the_private_element_break_the_reader(content: bytes, vr: str) -> None:
    page = hologic_page(analysis_text="none")
    block = page.private_block(0x0021, "Hologic", create=True)
    block.add_new(0x01, vr, content if vr != "LT" else content.decode("latin-1"))
    analysis = read_analysis(page)
    assert analysis is None or vendor_report(analysis)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "gb18030", "utf-16", "utf-16-le"])
def test_numbers_are_read_whatever_the_character_set(encoding: str) -> None:
    page = hologic_page(analysis_text="none")
    text = ANALYSIS_TEXT.format(table=table_text([HEADER, *HOLOGIC_ROWS])).replace("Jane", "Zo\u00eb")
    block = page.private_block(0x0021, "Hologic", create=True)
    block.add_new(0x01, "UN", text.encode(encoding))
    analysis = read_analysis(page)
    assert analysis is not None
    report, _ = vendor_report(analysis)
    assert report is not None
    assert report.regions["one_third"].bmd_g_cm2 == 0.6


RIGHT_ROWS = [["1/3", "2.80", "1.40", "0.500", "-3.0", "", "", ""]]


def both_arms(**fields: str) -> str:
    tables = table_text([HEADER, *HOLOGIC_ROWS]) + "\n" + table_text([HEADER, *RIGHT_ROWS], number=2)
    return tables + "".join(f'\n{key} = "{value}";' for key, value in fields.items())


@pytest.mark.parametrize(
    "fields",
    [
        {"ScanMode": "a L.Forearm", "ScanMode2": "a R.Forearm"},
        {"TableTitle1": "Results Left Forearm", "TableTitle2": "Results Right Forearm"},
    ],
)
def test_of_two_scans_on_one_page_each_arm_gets_its_own_table(fields: dict[str, str]) -> None:
    analysis = parse_analysis(both_arms(**fields), "test")
    for side, bmd in ((Laterality.LEFT, 0.6), (Laterality.RIGHT, 0.5)):
        report, findings = vendor_report(analysis, side)
        assert report is not None
        assert report.regions["one_third"].bmd_g_cm2 == bmd
        assert findings == ()
    report, findings = vendor_report(analysis)
    assert report is None
    assert [finding.code for finding in findings] == ["vendor_table_ambiguous"]


def test_a_page_of_both_arms_is_analysed_only_where_its_rectangle_is_this_arms() -> None:
    tables = both_arms(ScanMode2="a R.Forearm")
    text = ANALYSIS_TEXT.format(table=tables)
    image = read_study([hologic_page(analysis_text=text)], ClinicalContext())
    assert (image.laterality, image.origin) == (Laterality.LEFT, (30, 20))
    assert image.vendor is not None
    assert image.vendor.regions["one_third"].bmd_g_cm2 == 0.6
    for page in (
        hologic_page(analysis_text=text, Laterality="R"),
        hologic_page(analysis_text=text, Laterality=""),
    ):
        with pytest.raises(RejectedInput) as refused:
            read_study([page], ClinicalContext())
        assert refused.value.code == "two_scans_on_page"


HISTORY = [
    ["Scan Date", "Age", "BMD", "T-score"],
    ["01.02.2020", "61", "0,650", "-0,7"],
    ["05.02.2022", "63", "0,640", "-0,9"],
]


def test_the_history_table_gives_priors_of_the_region_in_its_title() -> None:
    text = table_text([HEADER, *HOLOGIC_ROWS]) + "\n" + table_text(HISTORY, number=2)
    text += '\nTableTitle2 = "Previous results: 1/3 Radius";'
    report, findings = vendor_report(parse_analysis(text, "test"))
    assert report is not None
    assert [
        (prior.day.isoformat(), prior.region, prior.bmd_g_cm2, prior.t_score) for prior in report.history
    ] == [
        ("2020-02-01", "one_third", 0.65, -0.7),
        ("2022-02-05", "one_third", 0.64, -0.9),
    ]
    assert report.regions["one_third"].bmd_g_cm2 == 0.6
    assert [finding.code for finding in findings] == ["vendor_history"]


def test_the_studys_own_row_in_the_history_is_no_prior() -> None:
    text = table_text(HISTORY, number=2) + '\nTableTitle2 = "1/3 Radius";'
    report, _ = vendor_report(parse_analysis(text, "test"), day=date(2022, 2, 5))
    assert report is not None
    assert [prior.day.year for prior in report.history] == [2020]


def test_a_bmd_in_milligrams_is_said_to_be_one() -> None:
    rows = [[*row[:3], row[3].replace("0.", ""), *row[4:]] for row in HOLOGIC_ROWS]
    page = hologic_page(rows)
    image = read_study([page], ClinicalContext())
    assert image.vendor is not None
    assert image.vendor.regions["one_third"].bmd_g_cm2 == 0.6
    assert "vendor_bmd_in_milligrams" in {finding.code for finding in image.findings}
