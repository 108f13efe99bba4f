"""Change since the last study of the same forearm."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measurement.longitudinal import changes, least_significant_change_percent, trend
from analysis.quality_control.devices import CrossCalibration, Device, Devices, Precision
from analysis.results import Laterality, PriorMeasurement, RegionMeasurement

TODAY = date(2026, 3, 1)
NOW = {"one_third": RegionMeasurement(bmd_g_cm2=0.60), "total": RegionMeasurement(bmd_g_cm2=0.50)}


def prior(
    when: date = date(2024, 3, 1),
    side: Laterality | None = Laterality.LEFT,
    device: str = "A",
    bmd: float = 0.62,
    uid: str = "1",
) -> PriorMeasurement:
    return PriorMeasurement(uid, when, side, device, {"one_third": bmd, "total": 0.50})


def test_a_loss_beyond_the_least_significant_change_is_significant() -> None:
    found, findings = changes(NOW, Laterality.LEFT, "A", TODAY, [prior()])
    change = {change.region: change for change in found}["one_third"]
    assert change.change_percent == pytest.approx(-100 * 0.02 / 0.62)
    assert change.least_significant_change_percent == pytest.approx(2.77 * 0.55)
    assert change.significant is True
    assert change.years == pytest.approx(2.0, abs=0.01)
    assert change.percent_per_year == pytest.approx(change.change_percent / change.years)
    assert [finding.code for finding in findings] == ["lsc_published"]


def test_a_change_within_it_is_not() -> None:
    found, _ = changes(NOW, Laterality.LEFT, "A", TODAY, [prior(bmd=0.605)])
    assert found[0].significant is False


def test_a_region_without_known_precision_gets_no_verdict() -> None:
    assert least_significant_change_percent("total") is None
    found, _ = changes(NOW, Laterality.LEFT, "A", TODAY, [prior()])
    assert {change.region: change.significant for change in found}["total"] is None


@pytest.mark.parametrize(("before", "now"), [("A", "B"), ("", "")])
def test_another_or_an_unnamed_machine_takes_the_verdict_away_and_is_flagged(before: str, now: str) -> None:
    found, findings = changes(NOW, Laterality.LEFT, now, TODAY, [prior(device=before)])
    assert [change.significant for change in found] == [None, None]
    assert [finding.code for finding in findings] == ["machine_changed"]


@given(st.lists(st.tuples(st.integers(-900, 900), st.sampled_from([*Laterality, None])), max_size=6))
def test_the_most_recent_earlier_study_of_the_same_side_is_the_comparison(
    history: list[tuple[int, Laterality | None]],
) -> None:
    priors = [prior(TODAY + timedelta(days), side, uid=str(i)) for i, (days, side) in enumerate(history)]
    found, _ = changes(NOW, Laterality.LEFT, "A", TODAY, priors)
    eligible = [p for p in priors if p.laterality is Laterality.LEFT and p.study_date < TODAY]
    if eligible:
        assert {change.prior_date for change in found} == {max(p.study_date for p in eligible)}
    else:
        assert found == ()


@pytest.mark.parametrize(("side", "day"), [(None, TODAY), (Laterality.LEFT, None)])
def test_an_unknown_side_or_date_is_not_compared(side: Laterality | None, day: date | None) -> None:
    found, findings = changes(NOW, side, "A", day, [prior()])
    assert found == ()
    assert [finding.code for finding in findings] == ["prior_not_comparable"]
    assert changes(NOW, side, "A", day, []) == ((), ())


def test_a_short_interval_is_not_turned_into_a_yearly_rate() -> None:
    found, _ = changes(NOW, Laterality.LEFT, "A", TODAY, [prior(TODAY - timedelta(days=90))])
    assert found[0].percent_per_year is None
    assert found[0].change_percent is not None


def test_a_region_measured_only_once_has_no_change() -> None:
    absent = {"one_third": RegionMeasurement(), "ultradistal": RegionMeasurement(bmd_g_cm2=0.4)}
    assert changes(absent, Laterality.LEFT, "A", TODAY, [prior()]) == ((), ())


SITE = Devices(
    path=Path("devices.toml"),
    entries=(
        Device(name="B", precision={"one_third": Precision(0.005, 0.8, 30, date(2025, 1, 1), "15 patients")}),
    ),
    equations=(
        CrossCalibration("A", "B", ("one_third",), 0.95, 0.02, 0.009, 40, date(2025, 1, 1), "40 patients"),
    ),
)


def test_the_sites_own_precision_replaces_the_published_one() -> None:
    found, findings = changes(NOW, Laterality.LEFT, "B", TODAY, [prior(device="B")], devices=SITE)
    assert found[0].least_significant_change_percent == pytest.approx(2.77 * 0.8)
    assert found[0].significant is True
    assert [finding.code for finding in findings] == ["lsc_site"]
    assert "15 patients" in findings[0].message


def test_a_prior_of_another_machine_is_converted_and_its_error_counted() -> None:
    found, findings = changes(NOW, Laterality.LEFT, "B", TODAY, [prior(device="A")], devices=SITE)
    change = {change.region: change for change in found}["one_third"]
    converted, error = 0.95 * 0.62 + 0.02, 0.009 * math.sqrt(1 + 1 / 40)
    assert change.change_g_cm2 == pytest.approx(0.60 - converted)
    assert change.least_significant_change_percent == pytest.approx(
        math.hypot(2.77 * 0.8, 1.96 * 100 * error / converted)
    )
    assert change.significant is False
    assert [finding.code for finding in findings] == ["machine_changed", "cross_calibrated", "lsc_site"]
    assert "cross-calibration of total" in findings[0].message
    assert "40 patients" in findings[1].message


def test_a_large_loss_is_significant_even_across_machines() -> None:
    found, _ = changes(NOW, Laterality.LEFT, "B", TODAY, [prior(device="A", bmd=0.70)], devices=SITE)
    assert {change.region: change.significant for change in found} == {"one_third": True, "total": None}


@pytest.mark.parametrize(("before", "now"), [("B", "A"), ("", "B"), ("A", ""), ("C", "B")])
def test_without_an_equation_in_this_direction_no_change_is_significant(before: str, now: str) -> None:
    found, findings = changes(NOW, Laterality.LEFT, now, TODAY, [prior(device=before, bmd=0.9)], devices=SITE)
    assert [change.significant for change in found] == [None, None]
    assert [finding.code for finding in findings] == ["machine_changed"]


def test_the_trend_holds_every_study_of_this_side_oldest_first_and_this_one_last() -> None:
    history = [
        PriorMeasurement("2.25.2", date(2024, 5, 1), Laterality.LEFT, "Maker A", {"one_third": 0.62}),
        PriorMeasurement("2.25.1", date(2022, 5, 1), Laterality.LEFT, "Maker A", {"one_third": 0.64}),
        PriorMeasurement("2.25.3", date(2023, 5, 1), Laterality.RIGHT, "Maker A", {"one_third": 0.70}),
        PriorMeasurement("2.25.4", date(2021, 5, 1), Laterality.LEFT, "Maker B", {"one_third": 0.81}),
    ]
    now = {"one_third": RegionMeasurement(bmd_g_cm2=0.60)}
    points = trend(now, Laterality.LEFT, "Maker A", date(2026, 5, 1), history)
    assert [point.study_date.year for point in points] == [2021, 2022, 2024, 2026]
    assert [point.comparable for point in points] == [False, True, True, True]
    assert points[-1].bmd_g_cm2 == {"one_third": 0.60}


def test_a_first_study_has_no_trend() -> None:
    now = {"one_third": RegionMeasurement(bmd_g_cm2=0.60)}
    assert trend(now, Laterality.LEFT, "Maker A", date(2026, 5, 1), []) == ()
    later = [PriorMeasurement("2.25.2", date(2027, 5, 1), Laterality.LEFT, "Maker A", {"one_third": 0.62})]
    assert trend(now, Laterality.LEFT, "Maker A", date(2026, 5, 1), later) == ()
