"""T- and Z-scores from a reference file, and what a broken file is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import ConfigurationError
from analysis.measurement.reference import COLUMNS, ReferencePoint, load_reference

SHIPPED = Path(__file__).parents[3] / "conf" / "reference"
HEAD = (
    "# name: Test\n# source: made up for tests\n# policy: female\n# device: unstated\n"
    + ",".join(COLUMNS)
    + "\n"
)
CURVE = """radius,one_third,F,30,yes,1,0.70,0.06,test
radius,one_third,F,60,no,1,0.60,0.06,test
radius,one_third,F,80,no,1,0.50,0.08,test
"""

bmd_values = st.floats(0.05, 1.9)
points = st.builds(ReferencePoint, st.floats(-5, 5), st.floats(0.2, 1.2), st.floats(0.02, 0.15))


def write(directory: Path, content: str) -> Path:
    path = directory / "reference.csv"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.csv")), ids=lambda path: path.name)
def test_every_shipped_reference_loads_and_names_its_source(path: Path) -> None:
    curve = load_reference(path)
    assert curve.identity.name
    assert curve.identity.source
    for (bone, region, sex), point in curve.young_adult.items():
        low = point.median_g_cm2 - 2.5 * point.sd_g_cm2
        assert curve.t_score(region, point.median_g_cm2, sex, bone) == pytest.approx(0)
        assert curve.t_score(region, low, sex, bone) == pytest.approx(-2.5)


def test_the_default_reference_has_no_score_where_none_is_published() -> None:
    curve = load_reference(SHIPPED / "iscd-atlas-female.csv")
    assert curve.t_score("one_third", 0.544) == pytest.approx(-2.5)
    assert curve.t_score("ultradistal", 0.443) == pytest.approx(0)
    assert curve.t_score("mid", 0.5) is None
    assert curve.t_score("total", 0.5) is None
    assert curve.z_score("one_third", 0.544, 70.0, "F") is None


def test_the_chinese_reference_scores_radius_and_ulna_together_by_the_patients_own_sex() -> None:
    curve = load_reference(SHIPPED / "china-changchun-own-sex.csv")
    assert curve.t_score("one_third", 0.506, "F", "both") == pytest.approx(0)
    assert curve.t_score("one_third", 0.625 - 2.5 * 0.109, "M", "both") == pytest.approx(-2.5)
    assert curve.t_score("one_third", 0.506, None, "both") is None
    for bone, region in [("radius", "one_third"), ("ulna", "one_third"), ("both", "ultradistal")]:
        assert curve.t_score(region, 0.506, "F", bone) is None


def test_the_iscd_reference_scores_men_by_women() -> None:
    curve = load_reference(SHIPPED / "iscd-atlas-female.csv")
    assert curve.t_score("one_third", 0.544, "M") == curve.t_score("one_third", 0.544, "F")


@pytest.mark.parametrize(("device", "told"), [("Osteometer DTX-200", 0), ("Hologic Horizon", 1), ("", 1)])
def test_a_reference_from_another_device_is_remarked_on(device: str, told: int) -> None:
    findings = load_reference(SHIPPED / "china-changchun-own-sex.csv").device_findings(device)
    assert len(findings) == told
    assert not load_reference(SHIPPED / "iscd-atlas-female.csv").device_findings(device)


@given(points)
def test_the_median_scores_zero(point: ReferencePoint) -> None:
    assert point.score(point.median_g_cm2) == pytest.approx(0, abs=1e-9)


@given(points, bmd_values, bmd_values)
def test_more_bone_never_scores_lower(point: ReferencePoint, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert point.score(low) <= point.score(high)


@given(bmd_values, st.floats(1e-5, 1e-4))
def test_the_power_may_pass_through_zero(bmd: float, power: float) -> None:
    at_zero = ReferencePoint(0.0, 0.7, 0.06).score(bmd)
    assert ReferencePoint(power, 0.7, 0.06).score(bmd) == pytest.approx(at_zero, rel=1e-2, abs=1e-3)
    assert ReferencePoint(-power, 0.7, 0.06).score(bmd) == pytest.approx(at_zero, rel=1e-2, abs=1e-3)


@given(bmd_values)
def test_with_power_one_the_score_is_the_plain_distance_in_sds(bmd: float) -> None:
    assert ReferencePoint(1.0, 0.7, 0.06).score(bmd) == pytest.approx((bmd - 0.7) / 0.06)


def test_z_interpolates_mean_and_sd_between_ages(tmp_path: Path) -> None:
    curve = load_reference(write(tmp_path, HEAD + CURVE))
    assert curve.z_score("one_third", 0.60, 60.0, "F") == pytest.approx(0)
    assert curve.z_score("one_third", 0.55, 70.0, "F") == pytest.approx(0)
    assert curve.z_score("one_third", 0.55 - 0.07, 70.0, "F") == pytest.approx(-1)


@pytest.mark.parametrize(("age", "sex"), [(None, "F"), (70.0, None), (70.0, "M"), (29.9, "F"), (80.1, "F")])
def test_there_is_no_z_without_age_sex_and_a_curve_around_them(
    tmp_path: Path, age: float | None, sex: str | None
) -> None:
    assert load_reference(write(tmp_path, HEAD + CURVE)).z_score("one_third", 0.55, age, sex) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "header row"),
        ("# name: x\nregion,age\n", "header row"),
        (HEAD, "no young-adult row"),
        (HEAD + "radius,one_third,F,60,no,1,0.6,0.06,test\n", "no young-adult row"),
        (HEAD + CURVE + "radius,one_third,F,31,yes,1,0.7,0.06,test\n", "Line 9 .* second young-adult row"),
        (HEAD + CURVE + "radius,one_third,F,60,no,1,0.6,0.06,test\n", "Line 9 .* repeats age 60"),
        (HEAD + "radius,hip,F,30,yes,1,0.7,0.06,test\n", "Line 6 .* 'hip'"),
        (HEAD + "radius,one_third,W,30,yes,1,0.7,0.06,test\n", "use F or M"),
        (HEAD + "radius,one_third,F,30,maybe,1,0.7,0.06,test\n", "use yes or no"),
        (HEAD + "radius,one_third,F,30,yes,1,seven,0.06,test\n", "no number"),
        (HEAD + 'radius,one_third,F,30,yes,1,"0,7",0.06,test\n', "no number"),
        (HEAD + "radius,one_third,F,30,yes,1,nan,0.06,test\n", "out of range"),
        (HEAD + "radius,one_third,F,30,yes,1,694,60,test\n", "g/cm²"),
        (HEAD + "radius,one_third,F,,no,1,0.7,0.06,test\n", "no age_years"),
        (HEAD + "radius,one_third,F,30,yes,1,0.7,0.06,\n", "no source"),
        (HEAD + "radius,one_third,F,30,yes,1,0.7,0.06,a, b\n", "10 cells for 9 columns"),
        (HEAD + "wrist,one_third,F,30,yes,1,0.7,0.06,test\n", "names bone 'wrist'"),
        (HEAD.replace("female", "male") + CURVE, "use one of female, own_sex"),
        (HEAD.replace("# device: unstated\n", "") + CURVE, "# device"),
        (HEAD.replace("# source: made up for tests\n", "") + CURVE, "# source"),
    ],
)
def test_a_broken_file_is_told_line_and_cure(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_reference(write(tmp_path, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.csv"):
        load_reference(tmp_path / "absent.csv")
