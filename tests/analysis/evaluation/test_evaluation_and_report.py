"""A whole evaluation: what it holds, what it refuses, and what the report says."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas", reason="needs the training extra")

from simulated import cohort_table, predictions_of, simulate

from analysis.errors import ConfigurationError
from analysis.evaluation import Evaluation, Predictions, Settings, evaluate, to_json
from analysis.evaluation.report import write_report
from analysis.evaluation.report.compose import compose
from analysis.evaluation.report.document import Picture
from analysis.evaluation.report.html import as_html
from analysis.evaluation.report.pdf import as_pdf
from analysis.evaluation.report.wording import gap, number, percent, share
from analysis.evaluation.subgroups import grouping_variables

PEOPLE = simulate(1500, 21)
TABLE = cohort_table(PEOPLE)
PREDICTIONS = predictions_of(PEOPLE)
QUICK = Settings(horizons=(5, 10), resamples=20, recalibrate=True)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(TABLE, PREDICTIONS, reference="full", settings=QUICK)


def test_figures_of_a_simulated_cohort_are_held_against_the_oracle(evaluation: Evaluation) -> None:
    assert evaluation.cohort.simulated
    found = evaluation.models["full"].horizons[10]
    assert found.oracle is not None and found.auc is not None and found.coverage is not None
    assert found.oracle.ratio.value == pytest.approx(found.auc.value / found.oracle.auc.value)
    assert 0.9 < found.oracle.ratio.value < 1.02
    assert [c.threshold for c in found.classifications] == [0.10, 0.20]


def test_a_comparator_is_measured_on_those_it_knows_and_compared_on_common_ground(
    evaluation: Evaluation,
) -> None:
    comparator = evaluation.models["OSTA"]
    assert comparator.subjects + comparator.without_value == 1500
    assert comparator.horizons[10].calibration is None
    against = next(part for part in evaluation.comparisons if part.second == "OSTA" and part.years == 10)
    assert against.subjects == comparator.subjects
    assert against.brier is None
    for part in evaluation.comparisons:
        assert part.auc_p_holm >= part.auc.p_value
        assert not part.power.claim or (part.power.power >= 0.8 and part.auc.excludes_zero)


def test_subgroups_of_every_variable_add_up_to_everybody(evaluation: Evaluation) -> None:
    assert [part.variable for part in evaluation.subgroups] == [
        "sex",
        "age",
        "ethnicity",
        "scanner",
        "body mass index",
    ]
    for part in evaluation.subgroups:
        assert sum(level.subjects for level in part.levels) == 1500
        assert part.auc_gap is None or part.auc_gap.estimate.value >= 0.0
    assert set(grouping_variables(TABLE.frame)["age"]) == {"< 65 years", "65–75 years", "≥ 75 years"}


def test_recalibration_mends_a_model_that_is_wrong_by_a_factor() -> None:
    first = PREDICTIONS["full"]
    assert first.risk is not None
    halved = replace(first, risk=first.risk / 2, interval=None)
    settings = Settings(horizons=(10,), resamples=2, recalibrate=True)
    fitted = evaluate(TABLE, {"full": halved}, reference="full", settings=settings).recalibration
    assert fitted is not None
    assert fitted.before[10].observed_to_expected.low > 1.5
    assert fitted.after[10].observed_to_expected.value == pytest.approx(1.0, abs=0.03)


def test_the_same_seed_gives_the_same_json_without_anybodys_own_values(evaluation: Evaluation) -> None:
    again = evaluate(TABLE, PREDICTIONS, reference="full", settings=QUICK)
    assert to_json(evaluation) == to_json(again)
    document = json.loads(to_json(evaluation))
    assert document["schema"] == "1"
    assert "influence" not in to_json(evaluation)
    assert document["models"]["OSTA"]["horizons"]["10"]["calibration"] is None


def test_every_item_of_the_checklist_is_answered(evaluation: Evaluation) -> None:
    anchors = {section.anchor for section in compose(evaluation).sections}
    numbers = {re.sub(r"[a-z]", "", item.number) for item in evaluation.checklist}
    assert numbers == {str(number_) for number_ in range(1, 28)}
    for item in evaluation.checklist:
        assert item.answer
        assert item.anchor in anchors if item.status == "reported" else not item.anchor


def test_a_sites_report_leaves_to_the_site_what_only_the_site_knows() -> None:
    table = cohort_table(PEOPLE, with_truth=False)
    settings = Settings(horizons=(10,), resamples=2)
    own = evaluate(table, PREDICTIONS, reference="full", settings=settings)
    assert not own.cohort.simulated
    assert compose(own).banner.startswith("Site's own cohort")
    ethics = next(item for item in own.checklist if item.number == "17")
    assert ethics.status == "to be completed"
    assert own.models["full"].horizons[10].oracle is None


def test_a_section_reads_the_same_on_screen_and_on_paper(evaluation: Evaluation) -> None:
    pytest.importorskip("reportlab", reason="needs the training extra")
    whole = compose(evaluation)
    chosen = [part for part in whole.sections if part.anchor in ("missing", "limits", "methods", "checklist")]
    document = replace(whole, sections=tuple(chosen))
    pdf, pages = as_pdf(document)
    html = as_html(document, pages)
    assert pdf.startswith(b"%PDF")
    assert list(pages) == [part.anchor for part in chosen] and pages["checklist"] <= 2
    assert "Simulated data" in html and "research use only" in html
    assert f"section {len(chosen) - 1}</a>, p. {pages['methods']}" in html


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_report_is_three_files_that_say_what_the_data_are(evaluation: Evaluation, tmp_path: Path) -> None:
    pytest.importorskip("reportlab", reason="needs the training extra")
    files = write_report(evaluation, tmp_path / "report")
    html = files.html.read_text(encoding="utf-8")
    assert html.count("<figure>") == html.count("data:image/svg+xml") >= 10
    assert "src=" not in re.sub(r'src="data:', "", html)
    assert files.pdf.read_bytes().startswith(b"%PDF")
    assert json.loads(files.json.read_text(encoding="utf-8"))["reference"] == "full"


def test_every_figure_says_in_words_what_it_shows(evaluation: Evaluation) -> None:
    pictures = [b for s in compose(evaluation).sections for b in s.blocks if isinstance(b, Picture)]
    assert len({picture.alternative for picture in pictures}) == len(pictures)


def test_without_reportlab_the_cure_is_named(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)
    with pytest.raises(ConfigurationError, match="radius-dxa-node\\[training\\]"):
        write_report(evaluation, tmp_path)


def test_what_cannot_be_evaluated_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigurationError, match="not among the models"):
        evaluate(TABLE, PREDICTIONS, reference="best")
    with pytest.raises(ConfigurationError, match="1500"):
        evaluate(TABLE, {"full": Predictions("full", np.full((3, 4), 0.1))}, reference="full")
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        Predictions("full", np.full((3, 4), 1.1))
    with pytest.raises(ConfigurationError, match="probabilities"):
        evaluate(TABLE, PREDICTIONS, reference="OSTA")
    with pytest.raises(ConfigurationError, match="horizons"):
        evaluate(TABLE, PREDICTIONS, reference="full", settings=Settings(horizons=(2,)))


def test_figures_have_true_minus_signs_and_no_negative_zero(evaluation: Evaluation) -> None:
    assert (number(-0.0001), number(-1.5, 1), share(0.9999)) == ("0.000", "−1.5", "> 99 %")
    part = evaluation.comparisons[0]
    assert gap(part.auc).startswith(("+", "−", "0"))
    assert percent(None) == "–"
