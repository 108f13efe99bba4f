"""Earlier images of the same forearm: the current study's regions measured on them, for a change free of
placement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from analysis.acquisition import NumbersOnly, RadiusImage, read_study
from analysis.acquisition.dates import study_date
from analysis.config import ClinicalContext
from analysis.errors import RejectedInput
from analysis.measurement.regions import PlacedRegions
from analysis.measurement.registration import compare_same_region, register
from analysis.results import PriorMeasurement, QualityFinding, Severity
from analysis.segmentation import ForearmAnatomy

See = Callable[[RadiusImage, Sequence[Dataset], date], tuple[RadiusImage, ForearmAnatomy]]


@dataclass(frozen=True, slots=True, eq=False)
class CurrentScan:
    """What an earlier image is compared with."""

    image: RadiusImage
    anatomy: ForearmAnatomy
    placed: PlacedRegions
    day: date | None
    """None where the study bears no date: nothing then precedes it."""


def with_same_regions(
    history: Sequence[PriorMeasurement],
    priors: Sequence[Sequence[Dataset]],
    current: CurrentScan,
    see: See,
) -> tuple[tuple[PriorMeasurement, ...], tuple[QualityFinding, ...]]:
    """Replace the latest prior's numbers by what the current study's regions hold on its image.

    Parameters
    ----------
    history : sequence of PriorMeasurement
        Earlier measurements, each as it was placed then.
    priors : sequence of sequences of Dataset
        Objects of earlier studies; the latest one of the same side counts.
    see : callable
        How the engine sees an image: on the site's scale, with the forearm found.

    Returns
    -------
    history : tuple of PriorMeasurement
    findings : tuple of QualityFinding
        ``change_same_region`` or ``change_by_numbers``, which says why the images were not used.
    """
    latest = _latest(priors, current)
    known = [
        prior.study_date
        for prior in history
        if prior.laterality is current.image.laterality
        and current.day is not None
        and prior.study_date < current.day
    ]
    if latest is None or (known and latest.day < max(known)):
        return tuple(history), (_by_numbers("no image of the earlier study is at hand"),)
    refusal = _why_not(latest.image) or _why_not(current.image)
    if refusal or not isinstance(latest.image, RadiusImage):
        return tuple(history), (_by_numbers(refusal),)
    try:
        prior, anatomy = see(latest.image, latest.datasets, latest.day)
    except RejectedInput as error:
        return tuple(history), (_by_numbers(f"the earlier image cannot be measured ({error.code})"),)
    match = register(current.image, current.anatomy, prior, anatomy)
    if not match.trusted:
        why = (
            f"the outlines of the radius do not agree (mean distance {match.residual_mm:.2f} mm, overlap "
            f"{100 * match.overlap:.0f} %)"
        )
        return tuple(history), (_by_numbers(why),)
    regions = compare_same_region(match, current.placed, prior, anatomy)
    measured = PriorMeasurement(
        study_instance_uid=prior.study_instance_uid,
        study_date=latest.day,
        laterality=prior.laterality,
        device=prior.device,
        bmd_g_cm2={name: item.bmd_g_cm2 for name, item in regions.items() if item.bmd_g_cm2 is not None},
    )
    others = (prior for prior in history if prior.study_instance_uid != measured.study_instance_uid)
    return (*others, measured), (
        QualityFinding(
            "change_same_region",
            Severity.INFO,
            f"The change since {latest.day:%Y-%m-%d} compares the same regions: the two scans of the radius "
            "were registered by a rotation and a shift, after which their outlines lie "
            f"{match.residual_mm:.2f} mm apart on average and overlap by {100 * match.overlap:.1f} %.",
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    day: date
    image: RadiusImage | NumbersOnly
    datasets: Sequence[Dataset]


def _latest(priors: Sequence[Sequence[Dataset]], current: CurrentScan) -> _Earlier | None:
    """The latest earlier study of the same side that can be read; by its UID where two are of one day."""
    dated = [
        (day, str(next((d.StudyInstanceUID for d in datasets if "StudyInstanceUID" in d), "")), datasets)
        for datasets in priors
        if (day := next(filter(None, map(study_date, datasets)), None)) is not None
        and current.day is not None
        and day < current.day
    ]
    for day, _, datasets in sorted(dated, key=lambda item: item[:2], reverse=True):
        try:
            image = read_study(datasets, ClinicalContext(forearm_length_mm=current.image.forearm_length_mm))
        except RejectedInput:
            continue
        if image.laterality is current.image.laterality:
            return _Earlier(day, image, datasets)
    return None


def _why_not(image: RadiusImage | NumbersOnly) -> str:
    """Why an image cannot be registered, or an empty text."""
    if isinstance(image, NumbersOnly):
        return "the earlier study holds numbers without an image"
    if not image.density or image.spacing_mm is None:
        return "one of the two images is not calibrated"
    return ""


def _by_numbers(why: str) -> QualityFinding:
    return QualityFinding(
        "change_by_numbers",
        Severity.INFO,
        "The change compares two measurements, each with its regions as they were placed in its own scan: "
        f"{why}.",
    )
