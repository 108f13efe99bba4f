"""What a new result says otherwise than the one before is named; who computed it is no difference."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from report_support import make_analysis

from analysis.results import Revision
from analysis.revision import revisions, same_content
from analysis.serialization import to_json_object


@pytest.fixture
def before() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(to_json_object(make_analysis())))
    return document


@pytest.fixture
def after(before: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(before)


def test_another_version_that_finds_the_same_changes_nothing(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    after["engine_version"], after["identity"] = "9.0.0", "ff" * 32
    after["risk"]["model"]["version"] = "9.9"
    after["results"] = [{"path": "elsewhere"}]
    after["explanation_text"] = {"en": ["said in other words"]}
    assert same_content(before, after)
    assert revisions(before, after) == ()


def test_causes_come_first_then_the_numbers(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["engine_version"] = "9.0.0"
    after["risk"]["model"]["version"] = "9.9"
    after["risk"]["horizons"]["5"]["probability"] = 0.5
    after["regions"]["one_third"]["bmd_g_cm2"] = 0.7
    after["context"]["age"] = "70.0 y (site entry)"
    found = revisions(before, after)
    assert [item.subject for item in found] == [
        "engine",
        "model",
        "context:age",
        "bmd_g_cm2:one_third",
        "risk:5",
    ]
    assert found[-1] == Revision("risk:5", before["risk"]["horizons"]["5"]["probability"], 0.5)
    assert str(found[1].after).endswith("9.9")


def test_what_comes_or_goes_has_no_value_on_one_side(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["risk"] = {"horizons": {"5": None}, "category": None, "model": None}
    subjects = {item.subject: item.after for item in revisions(before, after)}
    assert subjects["risk:5"] is None and subjects["risk_category"] is None and subjects["model"] is None


def test_a_change_that_no_reader_acts_on_is_told_in_general(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    after["engine_version"] = "9.0.0"
    after["morphometry"]["cortical_thickness_mm"] = 99.0
    assert [item.subject for item in revisions(before, after)] == ["engine", "other"]


def test_other_quality_findings_are_told_without_their_texts(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    after["quality"] = [{"code": "motion", "severity": "warning", "message": "blurred"}]
    assert Revision("quality") in revisions(before, after)
