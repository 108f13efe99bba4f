"""What validators overlook is found before a result leaves: every rule is broken once on purpose."""

from __future__ import annotations

import ast
import copy
import re
import sys
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from document_mutations import DOCUMENT_MUTATIONS
from object_mutations import OBJECT_MUTATIONS
from pydicom import Dataset, dcmread
from report_support import make_analysis, make_source
from result_spoiling import KEYS, NUMBERS, OUTLINES, PICTURE, REPORT, SUMMARY

from analysis.errors import AnalysisError
from analysis.results import Laterality
from reports import compose
from reports.checks import breach, breaches, check_results
from reports.checks.breach import Breach
from reports.checks.measures import is_ucum
from reports.checks.tree import read_result
from reports.encapsulated_document import encapsulated_document
from reports.options import DEFAULT_OPTIONS, ReportOptions, ResultName
from reports.presentation import presentation
from reports.source import ReportContext, report_context

MUTATIONS = DOCUMENT_MUTATIONS | OBJECT_MUTATIONS


@cache
def sound_results() -> dict[str, Dataset]:
    """The results as a reader of their files has them, by the first word of their description."""
    results: dict[str, Dataset] = {}
    made = compose(make_analysis(), [make_source()])
    if not any(result.Modality == "DOC" for result in made):
        made.append(encapsulated_document(b"%PDF-1.7\n%%EOF\n", context_of()))
    for result in made:
        file = BytesIO()
        result.save_as(file, enforce_file_format=True)
        file.seek(0)
        results[result.SeriesDescription.partition(" - ")[0]] = dcmread(file)
    return results


def result_named(name: str) -> Dataset:
    return copy.deepcopy(sound_results()[name])


def colour_context() -> ReportContext:
    page = make_source(SamplesPerPixel=3, PhotometricInterpretation="RGB")
    return report_context(make_analysis(), [page])


def colour_state_without_profile() -> Dataset:
    state = presentation(colour_context())
    del state.ICCProfile
    return state


def context_of(**changes: Any) -> ReportContext:
    return report_context(make_analysis(**changes), [make_source()])


def test_sound_results_pass() -> None:
    check_results(list(sound_results().values()), context_of())


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_rule_is_named_with_its_place_and_cure(mutation: str) -> None:
    name, spoil, rule = MUTATIONS[mutation]
    result = result_named(name)
    spoil(result)
    others = [other for key, other in sound_results().items() if key != name] if name == KEYS else []
    with pytest.raises(AnalysisError, match=rule) as caught:
        check_results([*others, result], context_of())
    assert "report this defect" in str(caught.value)
    assert re.search(r"\((PS3\.|TID |ISO |ours)", str(caught.value))


def test_every_rule_is_broken_by_some_mutation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place that finds a breach is reached, so that no rule can rot unnoticed."""
    reached = set()
    build = Breach.__init__

    def record(self: Breach, must: str, section: str) -> None:
        caller = sys._getframe(1)
        reached.add((Path(caller.f_code.co_filename).name, caller.f_lineno))
        build(self, must, section)

    monkeypatch.setattr(Breach, "__init__", record)
    results = {name: read_result(result) for name, result in sound_results().items()}
    context = context_of()
    for name, spoil, _ in MUTATIONS.values():
        result = result_named(name)
        spoil(result)
        list(breaches(read_result(result), [*results.values()], context))
    list(breaches(read_result(colour_state_without_profile()), [], colour_context()))
    missed = [
        f"{path.name}:{call.lineno}"
        for path in Path(breach.__file__).parent.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Yield)
        and isinstance(call.value, ast.Call)
        and getattr(call.value.func, "id", "") == "Breach"
        and not any(
            file == path.name and call.lineno <= line <= (call.end_lineno or 0) for file, line in reached
        )
    ]
    assert missed == []


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID"])
def test_results_that_share_a_uid_are_refused(keyword: str) -> None:
    first, second = result_named(SUMMARY), result_named(PICTURE)
    setattr(second, keyword, first[keyword].value)
    with pytest.raises(AnalysisError, match=f"distinct {keyword}s"):
        check_results([first, second], context_of())


def test_burned_in_annotation_follows_the_site_s_choice() -> None:
    options = replace(DEFAULT_OPTIONS, patient_on_summary=False)
    anonymous = report_context(make_analysis(), [make_source()], options=options)
    with pytest.raises(AnalysisError, match="Burned In Annotation NO"):
        check_results([result_named(SUMMARY)], anonymous)


def test_a_class_that_the_site_has_not_chosen_is_refused() -> None:
    enhanced = report_context(make_analysis(), [make_source()], options=ReportOptions(sr_class="enhanced"))
    with pytest.raises(AnalysisError, match="be a Enhanced SR Storage"):
        check_results([result_named(REPORT)], enhanced)


def test_outlines_on_a_page_in_colour_are_of_the_colour_class_and_bring_its_profile() -> None:
    with pytest.raises(AnalysisError, match="be a Color Softcopy Presentation State"):
        check_results([result_named(OUTLINES)], colour_context())
    with pytest.raises(AnalysisError, match="have a colour profile"):
        check_results([colour_state_without_profile()], colour_context())


def test_a_side_is_not_said_where_none_is_known() -> None:
    with pytest.raises(AnalysisError, match="the side of the analysed forearm"):
        check_results([result_named(NUMBERS)], context_of(laterality=None))
    with pytest.raises(AnalysisError, match="the side of the analysed forearm"):
        check_results([result_named(NUMBERS)], context_of(laterality=Laterality.RIGHT))


@pytest.mark.parametrize("result", ["measurements", "presentation", "segmentation"])
def test_an_outline_beyond_the_image_stops_compose_itself(result: ResultName) -> None:
    analysis = make_analysis()
    outside = replace(analysis.regions["mid"], polygon=((0, 0), (250, 0), (250, 50)))
    analysis = replace(analysis, regions={**analysis.regions, "mid": outside})
    with pytest.raises(AnalysisError, match="outlines within the image"):
        compose(analysis, [make_source()], options=ReportOptions(results=(result,)))


@pytest.mark.parametrize(
    "unit",
    ["1", "%", "a", "g", "g/cm2", "mm", "mm2", "mm4", "deg", "10*-6", "N/mm", "{T-score}", "mm{mean}", "/mm"],
)
def test_units_of_ucum_are_known(unit: str) -> None:
    assert is_ucum(unit)


@pytest.mark.parametrize(
    "unit", ["", "gram", "g/cm²", "g//cm2", "T-score", "mm^2", "2", "{T-score", "µm", "g/"]
)
def test_what_is_no_ucum_is_refused(unit: str) -> None:
    assert not is_ucum(unit)
