"""The same simulated scan written in the other ways in which studies arrive.

`simulate_study` writes the three plain ways; a variant takes one of its studies and rewrites its objects:
as Parametric Map, with the density map in an object of its own, with the results in another place, or without
the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any, Literal, get_args

import numpy as np

from analysis.results import Laterality
from analysis.simulation.dicom.common import StudyHeader
from analysis.simulation.dicom.document import encapsulated_pdf
from analysis.simulation.dicom.hologic import with_embedded_files, with_text_in_group_0021
from analysis.simulation.dicom.lunar_comments import Course, new_comments, old_comments, trend_containers
from analysis.simulation.dicom.parametric_map import parametric_map, separate_mapping
from analysis.simulation.study import Flavour, SimulatedStudy, simulate_study, study_header
from analysis.simulation.subject import draw_subject
from analysis.simulation.vendor import VendorNumbers, earlier
from analysis.simulation.view import Artefact

Variant = Literal[
    "parametric-map",
    "separate-map",
    "hologic-history",
    "lunar-comments",
    "lunar-old-comments",
    "sr-only",
    "pdf",
]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

YEARS_BEFORE = (4, 2)
"""Ages of the earlier examinations that a vendor's history lists."""


def simulate_variant(variant: Variant, seed: int, *, artefact: Artefact | None = None) -> SimulatedStudy:
    """Simulate one study of any adult; the same arguments give the same bytes.

    Its truth says ``expected_status``, and ``vendor_history`` where the vendor lists earlier examinations.
    Where there is no image there are no masks, and no truth about pixels.
    """
    base, rewrite = _VARIANTS[variant]
    subject = draw_subject(np.random.default_rng([seed, 10 + VARIANTS.index(variant), 0]))
    header = study_header(f"{variant}-{seed}", subject, seed)
    study = simulate_study(base, seed, subject=subject, artefact=artefact, header=header)
    rewritten = rewrite(study, header)
    return replace(rewritten, truth={**rewritten.truth, "flavour": variant})


def _parametric_map(study: SimulatedStudy, header: StudyHeader) -> SimulatedStudy:
    image = parametric_map(header, study.objects["image.dcm"])
    truth = {**study.truth, "image_sop_instance_uid": str(image.SOPInstanceUID)}
    return replace(study, objects={"map.dcm": image}, truth=truth)


def _separate_map(study: SimulatedStudy, header: StudyHeader) -> SimulatedStudy:
    image = study.objects["image.dcm"]
    mapping = separate_mapping(header, image)
    return replace(study, objects={"image.dcm": image, "mapping.dcm": mapping})


def _hologic_history(study: SimulatedStudy, header: StudyHeader) -> SimulatedStudy:
    course = _course(study, header)
    image = study.objects["report_page.dcm"]
    rows = [(when, numbers["one_third"]) for when, numbers in course[:-1]]
    with_text_in_group_0021(image, [(f"{when:%d %B %Y}", row.bmd_g_cm2, row.t_score) for when, row in rows])
    with_embedded_files(image)
    truth = {**study.truth, "vendor_history": _history(course, ("one_third",), scored=True)}
    del truth["scan_rectangle"]  # not declared: it must be found in the page
    return replace(study, truth=truth)


def _lunar_comments(
    write: Callable[[Course, Laterality], str], *, scored: bool
) -> Callable[[SimulatedStudy, StudyHeader], SimulatedStudy]:
    def rewrite(study: SimulatedStudy, header: StudyHeader) -> SimulatedStudy:
        course = _course(study, header)
        image = study.objects["IMG00000.dcm"]
        image.ImageComments = write(course, Laterality(study.truth["laterality"]))
        names = tuple(study.truth["vendor"])
        truth = {**study.truth, "vendor_history": _history(course, names, scored=scored)}
        return replace(study, objects={"IMG00000.dcm": image}, truth=truth)

    return rewrite


def _sr_only(study: SimulatedStudy, header: StudyHeader) -> SimulatedStudy:
    course = _course(study, header)
    report = study.objects["STR00000.dcm"]
    report.ContentSequence[0].ContentSequence.extend(trend_containers(course))
    history = _history(course, tuple(study.truth["vendor"]), scored=False)
    truth = {**_without_pixels(study.truth), "vendor": study.truth["vendor"], "vendor_history": history}
    return SimulatedStudy({"STR00000.dcm": report}, truth, {})


def _pdf(study: SimulatedStudy, header: StudyHeader) -> SimulatedStudy:
    laterality = Laterality(study.truth["laterality"])
    numbers = study.truth["vendor"].items()
    lines = ["Simulated DXA report, not a patient"]
    lines += [f"Radius {name.replace('_', ' ')}: BMD {row['bmd_g_cm2']:.3f} g/cm2" for name, row in numbers]
    document = encapsulated_pdf(header, lines, laterality)
    truth = {**_without_pixels(study.truth), "expected_status": "not_applicable"}
    return SimulatedStudy({"report.dcm": document}, truth, {})


_VARIANTS: Mapping[Variant, tuple[Flavour, Callable[[SimulatedStudy, StudyHeader], SimulatedStudy]]] = {
    "parametric-map": ("calibrated", _parametric_map),
    "separate-map": ("calibrated", _separate_map),
    "hologic-history": ("hologic", _hologic_history),
    "lunar-comments": ("lunar", _lunar_comments(new_comments, scored=False)),
    "lunar-old-comments": ("lunar", _lunar_comments(old_comments, scored=True)),
    "sr-only": ("lunar", _sr_only),
    "pdf": ("lunar", _pdf),
}

_TRUTH_WITHOUT_PIXELS = (
    "schema",
    "synthetic",
    "seed",
    "expected_status",
    "study_instance_uid",
    "laterality",
    "forearm_length_mm",
    "subject",
)


def _without_pixels(truth: Mapping[str, Any]) -> dict[str, Any]:
    return {key: truth[key] for key in _TRUTH_WITHOUT_PIXELS}


def _course(study: SimulatedStudy, header: StudyHeader) -> Course:
    """The vendor's examinations of this forearm, oldest first."""
    now = {name: VendorNumbers(**row) for name, row in study.truth["vendor"].items()}
    past = [
        (header.study_date - timedelta(days=round(365.25 * years)), earlier(now, years))
        for years in YEARS_BEFORE
    ]
    return [*past, (header.study_date, now)]


def _history(course: Course, names: tuple[str, ...], *, scored: bool) -> list[dict[str, Any]]:
    return [
        _prior(when, name, numbers[name], scored=scored) for when, numbers in course[:-1] for name in names
    ]


def _prior(when: date, name: str, numbers: VendorNumbers, *, scored: bool) -> dict[str, Any]:
    row = asdict(numbers)
    return {
        "date": when.isoformat(),
        "region": name,
        "bmd_g_cm2": row["bmd_g_cm2"],
        "t_score": row["t_score"] if scored else None,
    }
