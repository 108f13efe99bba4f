"""The registry as an administrator sees it: lines, provenance, figures, card, evaluation report."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from analysis.risk import SHIPPED_MODELS
from analysis.risk.versions import list_versions, promote
from dicom_node.errors import OperationRefusedError
from dicom_node.workflow.model_reports import evaluation_report, find_figure, model_card, report_figures
from dicom_node.workflow.model_view import changes_of, model_detail, model_lines

NEWER = "9.9.9-site"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped models and a newer version of the first, which nobody has promoted."""
    directory = tmp_path / "models"
    shutil.copytree(SHIPPED_MODELS, directory)
    listed = json.loads((directory / "versions.json").read_text())
    first = listed["versions"][0]
    content = json.loads((directory / first["file"]).read_text())
    raw = json.dumps(content | {"version": NEWER}).encode()
    (directory / "full-site.json").write_bytes(raw)
    newer = first | {
        "version": NEWER,
        "file": "full-site.json",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "training_data": "123 patients of this site",
    }
    listed["versions"].append(newer)
    (directory / "versions.json").write_text(json.dumps(listed))
    return directory


@pytest.fixture
def shipped_version() -> str:
    return list_versions(SHIPPED_MODELS)[0].version


def test_models_stand_in_the_order_of_preference_with_champion_and_others(models: Path) -> None:
    lines = model_lines(models)
    assert [(line.name, line.rank) for line in lines][:2] == [("full", 1), ("clinical-bmd-texture", 2)]
    first = lines[0]
    assert first.champion is not None
    assert "calibrated images" in first.purpose
    assert [item.version for item in first.others] == [NEWER]
    assert first.rolls_back_to == ""


def test_after_a_promotion_the_line_says_what_a_roll_back_would_bring(
    models: Path, shipped_version: str
) -> None:
    promote(models, "full", NEWER, "better on our patients", user="anna")
    line = model_lines(models)[0]
    assert line.champion is not None
    assert (line.champion.version, line.rolls_back_to) == (NEWER, shipped_version)
    (change,) = changes_of(models)
    assert (change.user, change.before, change.after, change.reason) == (
        "anna",
        shipped_version,
        NEWER,
        "better on our patients",
    )


def test_a_version_tells_its_provenance_figures_and_rivals(models: Path, shipped_version: str) -> None:
    detail = model_detail(models, "full", shipped_version)
    assert detail.trouble == ""
    assert [item.years for item in detail.figures] == [1, 3, 5, 10]
    assert detail.figures[-1].auc == pytest.approx(0.793, abs=0.001)
    assert "cox" in detail.rivals
    assert detail.cohort["population"] == "china-clinic"
    assert detail.settings["folds"] == "5"
    assert model_card(models, detail.version).startswith("# Model card")


def test_a_file_that_was_changed_is_told(models: Path) -> None:
    (models / "full-site.json").write_text("{}")
    assert "full-site.json" in model_detail(models, "full", NEWER).trouble


def test_an_unknown_version_is_refused(models: Path) -> None:
    with pytest.raises(OperationRefusedError, match="not held"):
        model_detail(models, "full", "0")


def test_the_figures_of_an_evaluation_report_are_taken_out_of_it(models: Path) -> None:
    folder = models / "reports" / f"full-{NEWER}"
    folder.mkdir(parents=True)
    picture = base64.b64encode(SVG).decode()
    (folder / "evaluation.html").write_text(
        '<p>text</p><figure><img width="9" alt="Curves &amp; bars" '
        f'src="data:image/svg+xml;base64,{picture}">'
        "<figcaption><b>Figure 7.</b> ROC curves.\nAll models.</figcaption></figure>"
        '<figure><img alt="a stranger" src="https://example.org/x.png"><figcaption>Not ours</figcaption>'
        "</figure>"
    )
    version = next(item for item in list_versions(models) if item.version == NEWER)
    report = evaluation_report(models, version)
    assert report is not None
    assert report.pdf is None
    (figure,) = report_figures(report)
    assert (figure.caption, figure.alternative, figure.content) == (
        "ROC curves. All models.",
        "Curves & bars",
        SVG,
    )
    with pytest.raises(OperationRefusedError, match="no figure 2"):
        find_figure(report, 2)


def test_an_entry_cannot_name_files_outside_of_its_directory(models: Path) -> None:
    (models.parent / "evaluation.html").write_text("secret")
    (models.parent / "card.md").write_text("secret")
    listed = json.loads((models / "versions.json").read_text())
    listed["versions"][-1] |= {"report": "..", "card": "../card.md"}
    (models / "versions.json").write_text(json.dumps(listed))
    detail = model_detail(models, "full", NEWER)
    assert (detail.report, detail.has_card) == (None, False)
    assert model_card(models, detail.version) == ""


def test_a_challenger_stands_beside_its_champion_on_held_out_patients(models: Path) -> None:
    def side(value: float) -> dict[str, object]:
        estimate = {"value": value, "low": value - 0.1, "high": value + 0.1}
        return {"observed_to_expected": estimate, "slope": None, "auc": estimate, "brier": estimate}

    listed = json.loads((models / "versions.json").read_text())
    listed["versions"][-1]["held_out"] = {
        "champion": "a",
        "challenger": NEWER,
        "kind": "recalibrated",
        "years": 5,
        "held_out_subjects": 120,
        "held_out_fractures": 21,
        "champion_figures": side(1.6),
        "challenger_figures": side(1.0),
    }
    (models / "versions.json").write_text(json.dumps(listed))
    found = model_detail(models, "full", NEWER).held_out
    assert found is not None
    champion, challenger = found.figures["observed_to_expected"]
    assert champion is not None
    assert challenger is not None
    assert (champion.value, challenger.value, found.figures["slope"]) == (1.6, 1.0, (None, None))
