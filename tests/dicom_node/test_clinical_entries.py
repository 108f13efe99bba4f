"""A site's entries for one patient: read whole or refused with the cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicom_node.clinical_entries import read_entries
from dicom_node.errors import ConfigurationError


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_fields_answers_and_predictors_are_read_from_one_object(tmp_path: Path) -> None:
    content = {
        "sex": "F",
        "weight_kg": 61,
        "clinical.prior_fracture": True,
        "clinical.glucocorticoid_mg_d": 5,
        "balance_gait.gait_speed_m_s": 0.9,
        "turnover.ctx_ng_l": None,
    }
    context = read_entries(written(tmp_path / "entries.json", content))
    assert (context.sex, context.weight_kg) == ("F", 61.0)
    assert context.prior_fragility_fracture is True
    assert context.glucocorticoids is True
    assert context.predictors == {"clinical.glucocorticoid_mg_d": 5.0, "balance_gait.gait_speed_m_s": 0.9}


def test_entries_for_the_advice_are_read_with_words_and_lists(tmp_path: Path) -> None:
    content = {
        "menopause": "postmenopausal",
        "serum_creatinine_umol_l": 88,
        "hypocalcaemia": False,
        "current_drug": "none",
        "drugs_not_tolerated": ["alendronate", "risedronate"],
        "frax_hip_percent": None,
    }
    assert read_entries(written(tmp_path / "entries.json", content)).advice == {
        "menopause": "postmenopausal",
        "serum_creatinine_umol_l": 88.0,
        "hypocalcaemia": False,
        "current_drug": "none",
        "drugs_not_tolerated": ("alendronate", "risedronate"),
    }


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ([1], "one JSON object"),
        ({"sex": "X"}, '"F" or "M"'),
        ({"weight_kg": "heavy"}, "must be a number"),
        ({"weight_kg": -3}, "must be positive"),
        ({"current_smoker": 7}, "true or false"),
        ({"clinical.shoe_size": 42}, "no predictor"),
        ({"turnover.ctx_ng_l": 1e9}, "outside"),
        ({"menopause": "maybe"}, "one of premenopausal, postmenopausal"),
        ({"serum_creatinine_umol_l": 0.9}, "outside 15 to 2000"),
        ({"frax_hip_percent": True}, "must be a number"),
        ({"hypocalcaemia": "no"}, "true or false"),
        ({"drugs_not_tolerated": "alendronate"}, "a list of"),
    ],
)
def test_what_cannot_be_is_refused_with_file_and_rule(tmp_path: Path, content: object, rule: str) -> None:
    path = written(tmp_path / "entries.json", content)
    with pytest.raises(ConfigurationError, match=rule) as error:
        read_entries(path)
    assert "entries.json" in str(error.value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "entries.json"
    path.write_text("falls: 2")
    with pytest.raises(ConfigurationError, match=r"entries\.json"):
        read_entries(path)
