"""Models carry how their training cohort was distributed, and what they said of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.errors import ConfigurationError
from analysis.risk import SHIPPED_MODELS, load_models
from analysis.surveillance import distribution_of, read_reference, references_of, write_reference
from analysis.surveillance.reference import ReferenceSet


@pytest.fixture
def reference() -> ReferenceSet:
    rng = np.random.default_rng(2)
    return ReferenceSet(
        "ab" * 32,
        "simulated cohort of 500 subjects",
        {
            "age_years": distribution_of(rng.normal(60, 9, 500)),
            "male": distribution_of(rng.integers(0, 2, 500) * 1.0),
        },
        {"deployable": {10: distribution_of(rng.beta(2, 18, 500))}},
    )


def test_a_reference_comes_back_as_it_was_written(reference: ReferenceSet, tmp_path: Path) -> None:
    write_reference(reference, tmp_path / "reference.json")
    back = read_reference(tmp_path / "reference.json")
    assert back.cohort_sha256 == reference.cohort_sha256
    assert back.features.keys() == reference.features.keys()
    assert np.allclose(back.features["age_years"].values, reference.features["age_years"].values, rtol=1e-5)
    assert np.allclose(back.risks["deployable"][10].cumulative, reference.risks["deployable"][10].cumulative)


def test_the_same_reference_gives_the_same_bytes(reference: ReferenceSet, tmp_path: Path) -> None:
    write_reference(reference, tmp_path / "a.json")
    write_reference(read_reference(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_every_shipped_model_has_the_reference_of_the_cohort_it_was_trained_on() -> None:
    references = references_of(SHIPPED_MODELS)
    for model in load_models(SHIPPED_MODELS).models:
        found = references[model.identity.name, model.identity.version]
        entry = json.loads(
            (SHIPPED_MODELS / f"{model.identity.name}-{model.identity.version}.json").read_bytes()
        )
        assert found.cohort_sha256 == entry["provenance"]["cohort_sha256"]
        for feature in model.features:
            known = found.features[feature.name]
            assert known.values[[0, -1]] == pytest.approx(np.array(feature.training_range), rel=1e-5)
        assert found.risks[model.identity.name].keys() == {1, 3, 5, 10}


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "9"}', '{"schema": "1", "cohort_sha256": ""}'])
def test_a_damaged_reference_says_what_to_do(content: str, tmp_path: Path) -> None:
    (tmp_path / "reference.json").write_text(content)
    with pytest.raises(ConfigurationError, match="dicom-node surveillance reference"):
        read_reference(tmp_path / "reference.json")
