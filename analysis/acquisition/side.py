"""Which forearm it is: every declaration must agree; a conflict is a refusal, silence stays silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from analysis.acquisition import header
from analysis.acquisition.accept import ForearmStudy
from analysis.acquisition.declarations import (
    FOREARM,
    Declaration,
    object_declarations,
    side_named,
    sites_named,
    study_declarations,
)
from analysis.errors import RejectedInput
from analysis.results import Laterality, QualityFinding, Severity


def resolve_side(
    study: ForearmStudy, entered: Laterality | None = None
) -> tuple[Laterality | None, tuple[QualityFinding, ...]]:
    """The declared side of the forearm; the site's own entry, if there is one, corrects what objects say.

    Counts ImageLaterality, Laterality, the anatomic region's modifier, every text that names the forearm or
    no site at all, and the study's SRs if all of them are of one side.

    Returns
    -------
    Laterality or None
        ``None`` if nothing declares a side (finding ``laterality_undeclared``); never guessed from pixels.
    findings : tuple of QualityFinding
        ``laterality_corrected`` where an entry contradicts an object.

    Raises
    ------
    RejectedInput
        ``side_conflict`` if two declarations disagree; the text shows each with its value.
    """
    declared = [*_report_sides(study.reports)]
    if study.image is not None:
        declared = [*_coded_sides(study.image), *_text_sides(study.image), *declared]
    sides = {side for _, side in declared}
    if entered is not None:
        return entered, _corrected(entered, declared)
    if len(sides) > 1:
        raise RejectedInput(
            "side_conflict",
            "The study declares both sides: "
            + ", ".join(f"{declaration} says {side.name.lower()}" for declaration, side in declared)
            + ". Correct the wrong attribute at the scanner or the PACS and send the study again.",
        )
    if sides:
        return sides.pop(), ()
    return None, (
        QualityFinding(
            "laterality_undeclared",
            Severity.WARNING,
            "No attribute declares the side of the forearm; fill in Image Laterality (0020,0062) or "
            "Laterality (0020,0060) at the scanner.",
        ),
    )


def _corrected(
    entered: Laterality, declared: Sequence[tuple[Declaration, Laterality]]
) -> tuple[QualityFinding, ...]:
    wrong = [str(declaration) for declaration, side in declared if side is not entered]
    if not wrong:
        return ()
    return (
        QualityFinding(
            "laterality_corrected",
            Severity.WARNING,
            f"The site entered the {entered.name.lower()} forearm, although the study declares the other "
            f"side ({', '.join(wrong)}); correct it at the scanner and the PACS too.",
        ),
    )


def report_side(report: Dataset) -> Laterality | None:
    """The side an SR declares; ``None`` if it declares none or both."""
    sides = {side for _, side in (*_coded_sides(report), *_text_sides(report))}
    return sides.pop() if len(sides) == 1 else None


_LATERALITY_VALUES = {"L": Laterality.LEFT, "R": Laterality.RIGHT}

_LATERALITY_CODES = {
    "7771000": Laterality.LEFT,  # SNOMED CT, CID 244
    "24028007": Laterality.RIGHT,
    "G-A101": Laterality.LEFT,  # SNOMED RT, retired but still sent
    "G-A100": Laterality.RIGHT,
}


def _coded_sides(dataset: Dataset) -> Iterator[tuple[Declaration, Laterality]]:
    for keyword in ("ImageLaterality", "Laterality"):
        value = header.text(dataset, keyword)
        if value.upper() in _LATERALITY_VALUES:
            yield Declaration(header.label(keyword), value), _LATERALITY_VALUES[value.upper()]
    for region in header.items(dataset, "AnatomicRegionSequence"):
        for modifier in header.items(region, "AnatomicRegionModifierSequence"):
            value = header.text(modifier, "CodeValue")
            if value in _LATERALITY_CODES:
                yield (
                    Declaration(header.label("AnatomicRegionModifierSequence"), value),
                    _LATERALITY_CODES[value],
                )


def _text_sides(dataset: Dataset) -> Iterator[tuple[Declaration, Laterality]]:
    for declaration in (*object_declarations(dataset), *study_declarations(dataset)):
        side = side_named(declaration)
        if side is not None and sites_named(declaration) <= {FOREARM}:  # "left hip" says nothing of the arm
            yield declaration, side


def _report_sides(reports: Sequence[Dataset]) -> Iterator[tuple[Declaration, Laterality]]:
    """Sides of the SRs, unless the study reports both forearms beside one image."""
    sides = {header.text(report, "SOPInstanceUID"): report_side(report) for report in reports}
    if len(set(sides.values()) - {None}) == 1:
        for uid, side in sides.items():
            if side is not None:
                yield Declaration("Structured Report", uid), side
