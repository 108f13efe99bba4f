"""The engine: from the DICOM objects of one study to everything we say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from analysis import __version__
from analysis.acquisition import NumbersOnly, RadiusImage, clinical_context, read_study
from analysis.acquisition.clinical_record import with_record
from analysis.acquisition.dates import study_date
from analysis.case import Case, Site
from analysis.conclusions import conclude
from analysis.config import AnalysisConfig, ClinicalContext, ClinicalRecord, ForearmPosition
from analysis.errors import NotApplicable, RejectedInput
from analysis.explanation import driver_map
from analysis.identity import analysis_identity
from analysis.measurement.measure import Measurements, measure
from analysis.measurement.regions import PlacedRegions, place_regions
from analysis.peripheral import without_own_scores, without_scores
from analysis.prior_images import CurrentScan, with_same_regions
from analysis.quality_control import scanner_findings
from analysis.quality_control.site_scale import site_calibrated
from analysis.reported import reported_analysis
from analysis.results import (
    ImageEvidence,
    Laterality,
    Polygon,
    PriorMeasurement,
    QualityFinding,
    RegionMeasurement,
    Severity,
    Status,
    StudyAnalysis,
)
from analysis.risk import RiskInputs, RiskPrediction, known_predictors
from analysis.segmentation import ForearmAnatomy, find_forearm
from analysis.segmentation.normalise import normalised

Pixel = TypeVar("Pixel", bound=np.generic)


def analyze(
    datasets: Sequence[Dataset],
    *,
    history: Sequence[PriorMeasurement] = (),
    priors: Sequence[Sequence[Dataset]] = (),
    clinical: ClinicalContext | None = None,
    record: ClinicalRecord | None = None,
    config: AnalysisConfig,
) -> StudyAnalysis:
    """Analyse one forearm DXA study. Pure and deterministic: no network, no database, no clock.

    Parameters
    ----------
    datasets : sequence of Dataset
        All objects of one study, in any order.
    history : sequence of PriorMeasurement
        Earlier studies of the same patient.
    priors : sequence of sequences of Dataset
        Objects of earlier studies of the same patient, as far as they are at hand: the latest one of the same
        side is registered, so that the change is that of one region.
    clinical : ClinicalContext, optional
        The site's entries; they win over DICOM headers.
    record : ClinicalRecord, optional
        What is recorded of the patient: it fills what neither entries nor headers say.
    config : AnalysisConfig

    Returns
    -------
    StudyAnalysis
        With status ``not_applicable`` or ``rejected`` and a reason if the study cannot be used.

    Raises
    ------
    ConfigurationError
        If a file that `config` names is missing or wrong.
    AnalysisError
        If the engine fails on a study it had accepted.
    """
    identity = analysis_identity(datasets, history, clinical, config, priors=priors, record=record)
    site = Site.of(config)
    context, provenance = clinical_context(datasets, clinical)
    day = next(filter(None, map(study_date, datasets)), None)
    context, provenance, findings = with_record(context, provenance, record, datasets, day)
    case = Case(identity, day, history, priors, context, provenance, findings)
    try:
        image = read_study(datasets, context)
        if isinstance(image, NumbersOnly):
            return reported_analysis(image, case, site)
        image, anatomy = _seen(image, datasets, day, site, entered=context.laterality is not None)
    except RejectedInput as refusal:
        return _refused(datasets, identity, refusal)
    return _measured_analysis(image, anatomy, case, site)


def _measured_analysis(image: RadiusImage, anatomy: ForearmAnatomy, case: Case, site: Site) -> StudyAnalysis:
    """Measure an image whose forearm was found, and conclude."""
    config, context = site.config, case.context
    placed = place_regions(
        anatomy, image.spacing_mm, image.forearm_length_mm, convention=config.roi_convention
    )
    measured = _measured(image, anatomy, placed, context, site)
    judged = without_scores(measured.regions) if image.peripheral else measured.regions
    past, method = with_same_regions(
        image.comparable_history(case.history),
        () if image.peripheral else case.priors,
        CurrentScan(image, anatomy, placed, case.day),
        lambda earlier, objects, day: _seen(earlier, objects, day, site),
    )
    inputs = RiskInputs(
        context.age_years,
        context.sex,
        judged,
        measured.morphometry,
        measured.texture,
        measured.density_distribution,
        measured.mechanics,
        known_predictors(context),
    )
    conclusions = conclude(image, measured.regions, past, inputs, case=case, site=site)
    seen = _described(image, anatomy, placed, measured, conclusions.prediction, case=case, site=site)
    told = conclusions.told_in(seen)
    return replace(told, quality=(*told.quality, *method)) if told.changes else told


def _described(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    measured: Measurements,
    prediction: RiskPrediction | None,
    *,
    case: Case,
    site: Site,
) -> StudyAnalysis:
    """What was read, seen and measured, on the source image's own grid."""
    bands = {} if image.peripheral else site.reference.bands(case.context.sex)
    others = {bone: _on_source_grid(regions, image.origin) for bone, regions in measured.other_bones.items()}
    return StudyAnalysis(
        study_instance_uid=image.study_instance_uid,
        status=Status.ANALYZED,
        reason="",
        identity=case.identity,
        engine_version=__version__,
        study_date=case.day,
        laterality=image.laterality,
        pixel_spacing_mm=image.spacing_mm,
        spacing_source=image.spacing_source,
        calibration=image.calibration,
        device=image.device,
        source=image.source,
        reference=site.reference.identity,
        reference_bands=MappingProxyType(bands),
        regions=_on_source_grid(measured.regions, image.origin),
        other_bones=MappingProxyType(others),
        morphometry=MappingProxyType(dict(measured.morphometry)),
        texture=MappingProxyType(dict(measured.texture)),
        density_distribution=MappingProxyType(dict(measured.density_distribution)),
        mechanics=MappingProxyType(dict(measured.mechanics)),
        uncertainty=MappingProxyType(dict(measured.uncertainty)),
        segmentation=anatomy.quality,
        quality=(
            *image.findings,
            *case.findings,
            *scanner_findings(site.devices, image.device, case.day),
            *anatomy.findings,
            *placed.findings,
            *measured.findings,
        ),
        context=MappingProxyType({**case.provenance, **image.context}),
        evidence=_evidence(image, anatomy, placed, measured, prediction),
    )


def _measured(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    context: ClinicalContext,
    site: Site,
) -> Measurements:
    """All measurements by the site's settings; of a peripheral densitometer without our own scores."""
    config = site.config
    measured = measure(
        image,
        anatomy,
        placed,
        site.reference,
        age_years=context.age_years,
        sex=context.sex,
        texture_families=config.texture_families,
        texture_engine=config.texture_engine,
        weight_kg=context.weight_kg,
        mechanics=config.mechanics,
        devices=site.devices,
    )
    return without_own_scores(measured) if image.peripheral else measured


def _seen(
    image: RadiusImage, datasets: Sequence[Dataset], day: date | None, site: Site, *, entered: bool = False
) -> tuple[RadiusImage, ForearmAnatomy]:
    """The image on the site's own scale, and where the forearm lies in it.

    Raises
    ------
    RejectedInput
        No forearm is found, or not the declared one.
    """
    anatomy = find_forearm(
        image.pixels,
        image.spacing_mm,
        method=site.config.segmentation,
        preprocessing=site.config.preprocessing,
        density=image.density,
    )
    check_side(anatomy, image.laterality, site.config.forearm_position, entered=entered)
    return site_calibrated(image, anatomy, datasets, site.devices, day), anatomy


def check_side(
    anatomy: ForearmAnatomy,
    declared: Laterality | None,
    position: ForearmPosition,
    *,
    entered: bool = False,
) -> None:
    """Compare the side that the picture shows with the declared one.

    Seen from above with the hand up and the palm down, the radius lies right of the ulna in a left arm and
    left of it in a right arm; palm up, the other way round. A rotated picture stays a rotation and keeps its
    side.

    Raises
    ------
    RejectedInput
        ``side_conflict``: a wrong side is never passed on.
    """
    if declared is None or position == "unchecked":
        return
    shows_left = anatomy.radius_is_right_of_ulna == (position == "palm_down")
    shown = Laterality.LEFT if shows_left else Laterality.RIGHT
    if shown is not declared:
        where = "right" if anatomy.radius_is_right_of_ulna else "left"
        lies = (
            f"{declared.name.lower()} forearm, the picture shows a {shown.name.lower()} one: with the hand "
            f"up the radius lies on the {where} of the ulna and forearms lie {position} at this site."
        )
        if entered:
            raise RejectedInput(
                "side_conflict",
                f"The site entered the {lies} Take the entry back or correct it, or set "
                "analysis.forearm_position if forearms lie differently.",
            )
        raise RejectedInput(
            "side_conflict",
            f"The header says {lies} Correct Image Laterality (0020,0062) or Laterality (0020,0060) at the "
            "scanner and send the study again, or set analysis.forearm_position if forearms lie differently.",
        )


def _refused(datasets: Sequence[Dataset], identity: str, refusal: RejectedInput) -> StudyAnalysis:
    declined = isinstance(refusal, NotApplicable)
    return StudyAnalysis(
        study_instance_uid=next((str(d.StudyInstanceUID) for d in datasets if "StudyInstanceUID" in d), ""),
        status=Status.NOT_APPLICABLE if declined else Status.REJECTED,
        reason=str(refusal),
        identity=identity,
        engine_version=__version__,
        quality=(QualityFinding(refusal.code, Severity.INFO if declined else Severity.ERROR, str(refusal)),),
    )


def _on_source_grid(
    regions: Mapping[str, RegionMeasurement], origin: tuple[int, int]
) -> Mapping[str, RegionMeasurement]:
    return MappingProxyType(
        {name: replace(region, polygon=_shifted(region.polygon, origin)) for name, region in regions.items()}
    )


def _shifted(polygon: Polygon, origin: tuple[int, int]) -> Polygon:
    return tuple((column + origin[1], row + origin[0]) for column, row in polygon)


def _evidence(
    image: RadiusImage,
    anatomy: ForearmAnatomy,
    placed: PlacedRegions,
    measured: Measurements,
    prediction: RiskPrediction | None,
) -> ImageEvidence:
    """What a report draws, on the source image's own grid; outside the scan everything is empty."""
    drivers, note = (
        driver_map(prediction, image, placed.masks) if prediction else (None, "No risk was estimated.")
    )
    display = normalised(image.pixels).astype(np.float32)
    return ImageEvidence(
        display=_on_page(display, image),
        radius_mask=_on_page(anatomy.radius_mask, image),
        ulna_mask=_on_page(anatomy.ulna_mask, image),
        radius_outline=_shifted(anatomy.radius_outline, image.origin),
        density_g_cm2=_on_page(image.pixels, image) if image.density else None,
        driver_map=None if drivers is None else _on_page(drivers, image),
        driver_note=note,
        hand_up=anatomy.hand_up,
        segmentation_uncertainty=(
            None if anatomy.uncertainty is None else _on_page(anatomy.uncertainty, image)
        ),
        strain_map=None if measured.strain_map is None else _on_page(measured.strain_map, image),
    )


def _on_page(scan: NDArray[Pixel], image: RadiusImage) -> NDArray[Pixel]:
    page = np.zeros((image.source.rows, image.source.columns), scan.dtype)
    row, column = image.origin
    page[row : row + scan.shape[0], column : column + scan.shape[1]] = scan
    return page
