"""The side of the forearm: agreement, silence and conflict."""

from __future__ import annotations

import pytest
from handmade_studies import calibrated_image, hologic_page, lunar_study
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition.accept import ForearmStudy, find_forearm
from analysis.acquisition.declarations import Declaration, side_named
from analysis.acquisition.side import resolve_side
from analysis.errors import RejectedInput
from analysis.results import Laterality

ATTRIBUTES = {
    "ImageLaterality": ("L", "R"),
    "Laterality": ("L", "R"),
    "ProtocolName": ("Left Forearm", "Right Forearm"),
    "SeriesDescription": ("L.Forearm", "R.Forearm"),
    "StudyDescription": ("DXA forearm, left", "DXA forearm, right"),
}


@given(st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), st.booleans()))
def test_declared_sides_must_agree_and_nothing_is_guessed(is_left: dict[str, bool]) -> None:
    values = {keyword: ATTRIBUTES[keyword][0 if left else 1] for keyword, left in is_left.items()}
    study = ForearmStudy(calibrated_image(**{"ImageLaterality": None} | values), ())
    if len(set(is_left.values())) > 1:
        with pytest.raises(RejectedInput) as refused:
            resolve_side(study)
        assert refused.value.code == "side_conflict"
        assert all(value in str(refused.value) for value in values.values())
    elif is_left:
        expected = Laterality.LEFT if set(is_left.values()) == {True} else Laterality.RIGHT
        assert resolve_side(study) == (expected, ())
    else:
        side, findings = resolve_side(study)
        assert side is None
        assert [finding.code for finding in findings] == ["laterality_undeclared"]


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("a R.Forearm", Laterality.RIGHT),
        ("a L.Forearm", Laterality.LEFT),
        ("Unterarm links", Laterality.LEFT),
        ("左前臂", Laterality.LEFT),
        ("FOREARM_RT", Laterality.RIGHT),
        ("Both forearms, left and right", None),
        ("Forearm", None),
        ("Radius 33%", None),
        ("L1-L4", None),
    ],
)
def test_sides_are_read_from_text(text: str, side: Laterality | None) -> None:
    assert side_named(Declaration("ProtocolName", text)) is side


def test_the_side_of_another_site_is_not_the_arms() -> None:
    image = calibrated_image(ImageLaterality="R", StudyDescription="DXA left hip")
    assert resolve_side(ForearmStudy(image, ()))[0] is Laterality.RIGHT


def test_the_scan_mode_of_the_hologic_text_conflicts_with_the_tag() -> None:
    with pytest.raises(RejectedInput, match=r"L\.Forearm"):
        resolve_side(find_forearm([hologic_page(Laterality="R")]))


def test_a_lunar_report_of_the_other_arm_conflicts() -> None:
    with pytest.raises(RejectedInput, match="Structured Report"):
        resolve_side(find_forearm(lunar_study(ProtocolName="Left Forearm")))


def test_the_side_of_a_lunar_image_comes_from_its_report_if_it_says_nothing() -> None:
    study = find_forearm(lunar_study(ProtocolName="Forearm"))
    assert resolve_side(study)[0] is Laterality.RIGHT


def test_the_sites_entry_corrects_what_the_study_declares_and_says_so() -> None:
    study = find_forearm([hologic_page(Laterality="R")])
    side, findings = resolve_side(study, Laterality.LEFT)
    assert side is Laterality.LEFT
    assert [finding.code for finding in findings] == ["laterality_corrected"]
    assert "Laterality (0020,0060) = 'R'" in findings[0].message


def test_an_entry_that_the_study_confirms_needs_no_finding() -> None:
    study = find_forearm(lunar_study())
    declared, _ = resolve_side(study)
    assert resolve_side(study, declared) == (declared, ())
