"""The plots of a study's page: they add up, keep their scale, and leave out what is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results import Contribution, ReferenceBand
from dicom_node.web.plots.axes import round_steps
from dicom_node.web.plots.longitudinal import longitudinal
from dicom_node.web.plots.waterfall import LARGEST_SHOWN, InputWords, waterfall
from dicom_node.workflow.study_view.numbers import AnalysisNumbers, numbers_of

WORDS = InputWords("not known", "yes", "no", "male", "female")
OTHERS = "{count} further inputs"


def contributions(*amounts: float) -> list[Contribution]:
    return [Contribution(f"texture.f{number}", 1.0, amount) for number, amount in enumerate(amounts)]


def document(*bmd: float, comparable: bool = True) -> AnalysisNumbers:
    trend = [
        {
            "study_date": f"{2020 + year}-06-01",
            "bmd_g_cm2": {"one_third": value},
            "device": "A",
            "comparable": comparable or year > 0,
        }
        for year, value in enumerate(bmd)
    ]
    change = {
        "region": "one_third",
        "prior_study_instance_uid": "1.2",
        "prior_date": "2020-06-01",
        "years": 1.0,
        "change_g_cm2": -0.02,
        "change_percent": -3.0,
        "percent_per_year": -3.0,
        "least_significant_change_percent": 2.0,
        "significant": True,
    }
    bands = {"one_third": ReferenceBand(0.694, 0.060)}
    return numbers_of({"trend": trend, "changes": [change]}, bands)


@given(st.lists(st.floats(-3, 3).map(lambda number: round(number, 3)), min_size=1, max_size=40))
def test_a_waterfall_ends_at_the_sum_of_all_inputs(amounts: list[float]) -> None:
    plot = waterfall(contributions(*amounts), "en", others=OTHERS, words=WORDS)
    assert plot is not None
    assert len(plot.bars) == min(len(amounts), LARGEST_SHOWN + (len(amounts) > LARGEST_SHOWN))
    assert float(plot.total_text) == pytest.approx(sum(amounts), abs=0.0051)
    assert plot.bars[-1].joint == plot.total
    for bar in plot.bars:
        assert plot.left <= bar.x <= bar.x + bar.width <= plot.right + 1.01


def test_small_contributions_look_small() -> None:
    plot = waterfall(contributions(0.02), "en", others=OTHERS, words=WORDS)
    assert plot is not None
    assert plot.bars[0].width < 0.1 * (plot.right - plot.left)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Contribution("male", 0.0, 0.1), "female"),
        (Contribution("clinical.current_smoker", 1.0, 0.1), "yes"),
        (Contribution("age_years", 61.2, 0.1, unit="a"), "61.2 y"),
        (Contribution("one_third.bmd_g_cm2", 0.5123, 0.1, unit="g/cm2"), "0.512 g/cm²"),
        (Contribution("weight_kg", 70.0, 0.1, unit="kg", imputed=True), "not known"),
    ],
)
def test_inputs_are_said_as_people_say_them(item: Contribution, said: str) -> None:
    plot = waterfall([item], "en", others=OTHERS, words=WORDS)
    assert plot is not None
    assert plot.bars[0].value == said


def test_no_explanation_no_waterfall() -> None:
    assert waterfall([], "en", others=OTHERS, words=WORDS) is None


def test_a_course_shows_reference_and_least_significant_change() -> None:
    plot = longitudinal(document(0.66, 0.64), "one_third")
    assert plot is not None
    assert [study.bmd for study in plot.studies] == ["0.660", "0.640"]
    assert plot.studies[1].y > plot.studies[0].y  # less bone lies lower
    assert [level.deviations for level in plot.levels] == [0.0, -1.0, -2.5]
    assert plot.band is not None
    assert plot.band.y + plot.band.height < plot.studies[1].y  # the change is significant
    assert plot.band.x == plot.studies[0].x


def test_another_machine_is_not_joined() -> None:
    plot = longitudinal(document(0.66, 0.64, comparable=False), "one_third")
    assert plot is not None
    assert plot.path == ""
    assert [study.comparable for study in plot.studies] == [False, True]


def test_one_measurement_is_no_course() -> None:
    assert longitudinal(document(0.66), "one_third") is None
    assert longitudinal(document(0.66, 0.64), "mid") is None


def test_without_the_study_s_own_reference_none_is_drawn() -> None:
    plot = longitudinal(replace(document(0.66, 0.64), reference_bands={}), "one_third")
    assert plot is not None
    assert plot.levels == ()


@given(st.floats(-100, 100), st.floats(0.001, 1000))
def test_marks_are_round_and_inside(low: float, span: float) -> None:
    steps = round_steps(low, low + span)
    assert len(steps) <= 6
    assert all(low - 1e-6 <= step <= low + span + 1e-6 for step in steps)
