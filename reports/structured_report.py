"""SR-1, the measurements: TID 1500 "Imaging Measurement Report".

Every measurement group is a planar ROI (TID 1410) with an outline on the analysed image: OHIF shows nothing
at all of a report that holds one group without. Only where a study has no image at all are there groups
without outline (TID 1501). The fracture risks therefore sit on the outline of the
analysed radius.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from analysis.results import (
    REGIONS,
    RegionChange,
    RegionMeasurement,
    RiskEstimate,
    StudyAnalysis,
)
from reports import codes as coded
from reports import content
from reports.content import HAS_CONCEPT_MOD, Item
from reports.identity import MANUFACTURER, MANUFACTURER_MODEL_NAME, ResultKind
from reports.qualitative import densitometric_category, qualitative_evaluations
from reports.sentences import context_sentences, provenance_sentences
from reports.source import ReportContext
from reports.sr_document import source_evidence, structured_report
from reports.templates import (
    algorithm_identification,
    device_observer,
    finding_site,
    image_library,
    language_of_content,
    measurement_group,
    model_identification,
)
from reports.texture import TEXTURE_REGION, check_texture_choice, coded_texture

TEMPLATE = "1500"

DIAGNOSTIC_REGION = "one_third"
"""The only region of the forearm that a diagnosis may rest on (ISCD)."""

OUTLINED = (DIAGNOSTIC_REGION, "ultradistal", "mid")
"""Regions that are drawn: viewers print numbers beside every outline, and over each other where outlines
share an edge, as the total does with the others."""

GROUP_ORDER = (DIAGNOSTIC_REGION, *(region for region in REGIONS if region != DIAGNOSTIC_REGION))
"""Viewers open the first group."""


def measurement_report(context: ReportContext) -> Dataset:
    """Write the measurements of one analysis.

    Returns
    -------
    Dataset
        Root (126000, DCM), TID 1500. Numeric Value holds a readable number of decimals, Floating Point Value
        the number exactly as in the StudyAnalysis.
    """
    check_texture_choice(context.options.texture)
    groups = [*_region_groups(context), *_radius_group(context)]
    children = [
        language_of_content(context.language),
        *device_observer(context),
        content.code(codes.DCM.ProcedureReported, coded.DXA_PROCEDURE, HAS_CONCEPT_MOD),
        *([image_library(context)] if context.evidence is not None else []),
        content.container(codes.DCM.ImagingMeasurements, groups),
        qualitative_evaluations(context),
    ]
    return structured_report(
        context,
        ResultKind.MEASUREMENTS,
        title=coded.IMAGING_MEASUREMENT_REPORT,
        template=TEMPLATE,
        children=children,
        evidence=[source_evidence(context)],
    )


def _region_groups(context: ReportContext) -> list[Item]:
    analysis = context.analysis
    engine = _engine_algorithm(context)
    changes = {change.region: change for change in analysis.changes}
    groups = []
    for region in GROUP_ORDER:
        measured = analysis.regions.get(region)
        if measured is None or not _has_group(region, measured, context):
            continue
        texture = _texture_numbers(context) if region == TEXTURE_REGION else []
        change = _change_items(changes[region]) if region in changes else []
        numbers = _region_numbers(region, measured, texture=texture, change=change)
        if region == DIAGNOSTIC_REGION and numbers:
            numbers += densitometric_category(analysis)
        if numbers:
            groups.append(
                measurement_group(
                    coded.REGION_NAMES[region],
                    measured.polygon,
                    context,
                    finding=coded.REGION_FINDINGS[region],
                    site=coded.FINDING_SITES[region],
                    children=[*engine, *numbers],
                )
            )
    return groups


def _has_group(region: str, measured: RegionMeasurement, context: ReportContext) -> bool:
    """Whether a region of the radius has an outline of its own; without an image, a group of its own."""
    return context.evidence is None or (region in OUTLINED and bool(measured.polygon))


def _other_bone_numbers(context: ReportContext) -> list[Item]:
    """Regions of the ulna, and of radius and ulna together, each number with its region as Finding Site.

    They have no outlines: beside the ulna OHIF would print them over those of the one-third radius.
    """
    return [
        item
        for bone, regions in context.analysis.other_bones.items()
        for region in GROUP_ORDER
        if region in regions
        for item in _region_numbers(
            region,
            regions[region],
            names=coded.OTHER_BONE_BMD[bone],
            site=coded.OTHER_BONE_FINDINGS[bone][region],
        )
    ]


def _radius_group(context: ReportContext) -> list[Item]:
    """Risks, morphometry, mechanics, and whatever was measured without an outline of its own."""
    analysis = context.analysis
    changes = {change.region: change for change in analysis.changes}
    numbers = (
        _risk_numbers(analysis.risk, context_sentences(analysis, context.language)) if analysis.risk else []
    )
    numbers += _coded_numbers(analysis.morphometry, coded.MORPHOMETRY)
    numbers += _coded_numbers(analysis.mechanics, coded.MECHANICS)
    for region in GROUP_ORDER:
        measured = analysis.regions.get(region)
        if measured is not None and not _has_group(region, measured, context):
            site = coded.REGION_FINDINGS[region]
            change = _change_numbers(changes[region], site) if region in changes else []
            numbers += _region_numbers(region, measured, site=site, change=change)
    numbers += _other_bone_numbers(context)
    if analysis.risk:
        numbers += _risk_interval_numbers(analysis.risk)
    numbers += _uncertainty_numbers(analysis)
    numbers += _outline_numbers(context)
    if context.evidence is None and not numbers:
        return []
    group = measurement_group(
        "Analysed radius",
        context.evidence.radius_outline if context.evidence is not None else (),
        context,
        finding=coded.RADIUS_FINDING,
        site=coded.RADIUS,
        children=[*_engine_algorithm(context), *numbers],
    )
    return [group]


def _region_numbers(
    region: str,
    measured: RegionMeasurement,
    *,
    names: Mapping[str, Code] = coded.REGION_BMD,
    site: Code | None = None,
    texture: Sequence[Item] = (),
    change: Sequence[Item] = (),
) -> list[Item]:
    """BMD, T, Z, first texture, area (OHIF prints the first five), then BMC, texture, change, uncertainty.

    Parameters
    ----------
    names : mapping of region to the concept name of its BMD
    site : Code, optional
        Finding site of every number, where it is not that of the group.
    texture : sequence of Item
        Where there is none, BMC is among the first five.
    """
    of_bmd = coded.BMD_METHODS[measured.bmd_source] if measured.bmd_source else None
    of_score = coded.SCORE_METHODS[measured.score_source] if measured.score_source else None
    place = [finding_site(site)] if site is not None else []
    equivalent = [content.code(coded.EQUIVALENT_MEANING, coded.BMD, HAS_CONCEPT_MOD)]

    def number(
        name: Code, value: float | None, unit: Code, method: Code | None, extra: Sequence[Item] = ()
    ) -> list[Item]:
        if value is None:
            return []
        said = [content.code(codes.SCT.MeasurementMethod, method, HAS_CONCEPT_MOD)] if method else []
        return [content.number(name, value, unit, children=[*said, *extra, *place])]

    return [
        *number(names[region], measured.bmd_g_cm2, coded.G_PER_CM2, of_bmd, equivalent),
        *number(coded.T_SCORE, measured.t_score, coded.T_SCORE_UNIT, of_score),
        *number(coded.Z_SCORE, measured.z_score, coded.Z_SCORE_UNIT, of_score),
        *texture[:1],
        *number(coded.AREA, measured.area_cm2, coded.CM2, of_bmd),
        *number(coded.BMC, measured.bmc_g, coded.GRAM, of_bmd),
        *texture[1:],
        *change,
        *number(coded.BMD_UNCERTAINTY, measured.bmd_uncertainty_g_cm2, coded.G_PER_CM2, None),
    ]


def _texture_numbers(context: ReportContext) -> list[Item]:
    calibrated = context.evidence is not None and context.evidence.density_g_cm2 is not None
    listed = coded_texture(context.analysis.texture, context.options.texture, calibrated=calibrated)
    return [content.number(concept, value, unit) for concept, value, unit in listed]


def _change_items(change: RegionChange) -> list[Item]:
    """Change since the compared study, what change would be significant, and whether this one is."""
    return [
        *_change_numbers(change),
        content.day(coded.PRIOR_STUDY_DATE, change.prior_date),
        # priors of a printed history or a site's table come without a UID
        *(
            [content.uid_reference(coded.PRIOR_STUDY_UID, change.prior_study_instance_uid)]
            if UID(change.prior_study_instance_uid).is_valid
            else []
        ),
    ]


def _change_numbers(change: RegionChange, site: Code | None = None) -> list[Item]:
    place = [finding_site(site)] if site is not None else []
    least = change.least_significant_change_percent
    rows = (
        (coded.BMD_CHANGE, change.change_g_cm2, coded.G_PER_CM2),
        (coded.BMD_CHANGE_PERCENT, change.change_percent, coded.PERCENT),
        (coded.LEAST_SIGNIFICANT_CHANGE, least, coded.PERCENT),
    )
    return [
        *(
            content.number(name, value, unit, children=place)
            for name, value, unit in rows
            if value is not None
        ),
        content.code(coded.CHANGE_SIGNIFICANCE, coded.SIGNIFICANCES[change.significant], children=place),
    ]


def _coded_numbers(
    values: Mapping[str, float | None], concepts: Mapping[str, tuple[Code, Code]]
) -> list[Item]:
    return [
        content.number(concept, value, unit)
        for key, (concept, unit) in concepts.items()
        if (value := values.get(key)) is not None
    ]


def _uncertainty_numbers(analysis: StudyAnalysis) -> list[Item]:
    """One standard deviation of every shape and strength that has one."""
    concepts = {**coded.MORPHOMETRY, **coded.MECHANICS}
    values = {**analysis.morphometry, **analysis.mechanics}
    return [
        content.number(
            coded.UNCERTAINTY,
            analysis.uncertainty[key],
            unit,
            children=[content.code(coded.MEASURED_QUANTITY, concept, HAS_CONCEPT_MOD)],
        )
        for key, (concept, unit) in concepts.items()
        if key in analysis.uncertainty and values.get(key) is not None
    ]


def _risk_numbers(risk: RiskEstimate, inputs: Sequence[str]) -> list[Item]:
    model = model_identification(risk.model, inputs)
    return [
        content.number(
            coded.FRACTURE_RISK[year],
            100.0 * risk.horizons[year].probability,
            coded.PERCENT,
            children=[*model, _horizon(year)],
        )
        for year in sorted(risk.horizons)
    ]


def _risk_interval_numbers(risk: RiskEstimate) -> list[Item]:
    """The 90 % intervals as numbers of their own: viewers do not show what stands below a number."""
    numbers = []
    for year in sorted(risk.horizons):
        low, high = risk.horizons[year].interval
        for name, value in ((coded.RISK_LOW[year], low), (coded.RISK_HIGH[year], high)):
            numbers.append(content.number(name, 100.0 * value, coded.PERCENT, children=[_horizon(year)]))
    return numbers


def _horizon(year: int) -> Item:
    return content.code(coded.HORIZON, coded.HORIZON_VALUES[year], HAS_CONCEPT_MOD)


def _outline_numbers(context: ReportContext) -> list[Item]:
    """How far the outlines can be trusted, with the network that drew them."""
    found = context.analysis.segmentation
    if found is None:
        return []
    network = model_identification(found.model) if found.model is not None else []
    numbers = [content.number(coded.OUTLINE_CONFIDENCE, 100.0 * found.score, coded.PERCENT, children=network)]
    if found.agreement is not None:
        numbers.append(content.number(coded.OUTLINE_AGREEMENT, found.agreement, coded.UNITLESS))
    return numbers


def _engine_algorithm(context: ReportContext) -> list[Item]:
    return algorithm_identification(
        MANUFACTURER_MODEL_NAME,
        context.analysis.engine_version,
        manufacturer=MANUFACTURER,
        parameters=provenance_sentences(context.analysis, context.language),
    )
