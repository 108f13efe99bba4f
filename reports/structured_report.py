"""SR-1, the measurements: a Comprehensive SR along TID 1500 "Imaging Measurement Report".

Every measurement group is a planar ROI (TID 1410) with an outline on the analysed image: OHIF shows nothing
at all of a report that holds one group without. Only where a study has no image at all are there groups
without outline (TID 1501). The fracture risks therefore sit on the outline of the
analysed radius.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ComprehensiveSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DSdecimal

from analysis.errors import AnalysisError
from analysis.results import REGIONS, Polygon, RegionMeasurement, RiskEstimate
from reports import codes as coded
from reports.identity import MANUFACTURER, MANUFACTURER_MODEL_NAME, RESEARCH_STATEMENT, ResultKind, result_uid
from reports.instance import finish, report_arguments
from reports.numbers import decimals_of, rounded
from reports.regions_of_interest import convex_outline, finding_site, image_region, tracking_identifier
from reports.sentences import category_sentence, context_sentences, limit_sentences, provenance_sentences
from reports.source import ReportContext
from reports.texture import TEXTURE_REGION, coded_texture

GROUP_ORDER = ("one_third", *(region for region in REGIONS if region != "one_third"))
"""One-third first: it is the region a diagnosis may rest on (ISCD), and viewers open the first group."""

Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations


def measurement_report(context: ReportContext) -> ComprehensiveSR:
    """Write the measurements of one analysis as a Comprehensive SR.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        Root (126000, DCM), TID 1500. Numeric Value holds a readable number of decimals, Floating Point Value
        the number exactly as in the StudyAnalysis.
    """
    report = MeasurementReport(
        observation_context=observation_context(context),
        procedure_reported=coded.DXA_PROCEDURE,
        imaging_measurements=[
            *_region_groups(context),
            *_radius_group(context),
            *_other_bone_groups(context),
        ],
        title=coded.IMAGING_MEASUREMENT_REPORT,
    )
    report[0].ContentSequence.append(_qualitative_evaluations(context))
    separate_containers(report[0])
    document = ComprehensiveSR(
        evidence=[context.header],
        content=report,
        is_complete=True,
        coding_schemes=coded.CODING_SCHEMES,
        **report_arguments(context, ResultKind.MEASUREMENTS, coded.IMAGING_MEASUREMENT_REPORT),
    )
    finish(document, context)
    return document


def separate_containers(item: Dataset) -> None:
    """Mark every container SEPARATE: renderers drop the concept names of CONTINUOUS content."""
    if item.get("ValueType") == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence", ()):
        separate_containers(child)


def observation_context(context: ReportContext) -> ObservationContext:
    """Return the observer: this program in this version, the same for every study."""
    device = DeviceObserverIdentifyingAttributes(
        uid=result_uid(context.analysis.engine_version, MANUFACTURER_MODEL_NAME),
        name=MANUFACTURER_MODEL_NAME,
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER_MODEL_NAME,
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))


def _region_groups(context: ReportContext) -> list[Group]:
    analysis = context.analysis
    groups = []
    for region in GROUP_ORDER:
        measured = analysis.regions.get(region)
        if measured is None or not (measured.polygon or context.evidence is None):
            continue
        numbers = _region_numbers(region, measured)
        if region == TEXTURE_REGION:
            numbers += _texture_numbers(context)
        if numbers:
            name, site = coded.REGION_NAMES[region], coded.FINDING_SITES[region]
            finding = coded.REGION_FINDINGS[region]
            groups.append(
                _measurement_group(
                    context, name, measured.polygon, finding=finding, site=site, numbers=numbers
                )
            )
    return groups


def _other_bone_groups(context: ReportContext) -> list[Group]:
    """The ulna's regions, and radius and ulna together inside one outline around both."""
    radius, others = context.analysis.regions, context.analysis.other_bones
    groups = []
    for bone, regions in others.items():
        for region in GROUP_ORDER:
            ulna = others["ulna"][region].polygon if region in others.get("ulna", {}) else ()
            if region not in regions or region not in radius or not ulna or not radius[region].polygon:
                continue
            outline = convex_outline(radius[region].polygon, ulna) if bone == "both" else ulna
            finding, site = coded.OTHER_BONE_FINDINGS[bone][region], coded.OTHER_BONE_SITES[bone]
            name = finding.meaning.removesuffix(" region")
            if numbers := _region_numbers(region, regions[region], names=coded.OTHER_BONE_BMD[bone]):
                groups.append(
                    _measurement_group(context, name, outline, finding=finding, site=site, numbers=numbers)
                )
    return groups


def _measurement_group(
    context: ReportContext,
    name: str,
    polygon: Polygon,
    *,
    finding: Code,
    site: Code,
    numbers: Sequence[Measurement] | None,
) -> Group:
    """TID 1410 with an outline; where there is no image to draw on, TID 1501 with none."""
    if context.evidence is None:
        return MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking_identifier(name, context),
            finding_type=finding,
            finding_sites=[finding_site(site, context.analysis.laterality)],
            algorithm_id=_engine_algorithm(context),
            measurements=numbers,
        )
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking_identifier(name, context),
        referenced_region=image_region(polygon, context),
        finding_type=finding,
        finding_sites=[finding_site(site, context.analysis.laterality)],
        algorithm_id=_engine_algorithm(context),
        measurements=numbers,
    )


def _radius_group(context: ReportContext) -> list[Group]:
    """Risks, morphometry, mechanics, and whatever was measured on a region that could not be outlined."""
    analysis = context.analysis
    numbers = _risk_numbers(analysis.risk, context_sentences(analysis)) if analysis.risk else []
    numbers += _coded_numbers(analysis.morphometry, coded.MORPHOMETRY)
    numbers += _coded_numbers(analysis.mechanics, coded.MECHANICS)
    grouped = {
        region
        for region, measured in analysis.regions.items()
        if measured.polygon or context.evidence is None
    }
    for region in GROUP_ORDER:
        if region in analysis.regions and region not in grouped:
            site = coded.REGION_FINDINGS[region]
            numbers += _region_numbers(region, analysis.regions[region], site=site)
    if analysis.risk:
        numbers += _risk_interval_numbers(analysis.risk)
    if context.evidence is None and not numbers:
        return []
    outline = context.evidence.radius_outline if context.evidence is not None else ()
    group = _measurement_group(
        context,
        "Analysed radius",
        outline,
        finding=coded.RADIUS_FINDING,
        site=coded.RADIUS,
        numbers=numbers or None,
    )
    return [group]


def _region_numbers(
    region: str,
    measured: RegionMeasurement,
    *,
    names: Mapping[str, Code] = coded.REGION_BMD,
    site: Code | None = None,
) -> list[Measurement]:
    """BMD, T, Z, area, BMC in this order (OHIF prints the first five), then the uncertainty.

    Parameters
    ----------
    names : mapping of region to the concept name of its BMD
    site : Code, optional
        Finding site of every number, where it is not that of the group.
    """
    of_bmd = coded.BMD_METHODS[measured.bmd_source] if measured.bmd_source else None
    of_score = coded.SCORE_METHODS[measured.score_source] if measured.score_source else None
    rows: tuple[tuple[Code, float | None, Code, Code | None], ...] = (
        (names[region], measured.bmd_g_cm2, coded.G_PER_CM2, of_bmd),
        (coded.T_SCORE, measured.t_score, coded.T_SCORE_UNIT, of_score),
        (coded.Z_SCORE, measured.z_score, coded.Z_SCORE_UNIT, of_score),
        (coded.AREA, measured.area_cm2, coded.CM2, of_bmd),
        (coded.BMC, measured.bmc_g, coded.GRAM, of_bmd),
        (coded.BMD_UNCERTAINTY, measured.bmd_uncertainty_g_cm2, coded.G_PER_CM2, None),
    )
    return [
        _number(
            name,
            value,
            unit,
            method=method,
            equivalent=coded.BMD if name == names[region] else None,
            site=site,
        )
        for name, value, unit, method in rows
        if value is not None
    ]


def _texture_numbers(context: ReportContext) -> list[Measurement]:
    return [
        _number(concept, value, coded.UNITLESS) for concept, value in coded_texture(context.analysis.texture)
    ]


def _coded_numbers(
    values: Mapping[str, float | None], concepts: Mapping[str, tuple[Code, Code]]
) -> list[Measurement]:
    return [
        _number(concept, value, unit)
        for key, (concept, unit) in concepts.items()
        if (value := values.get(key)) is not None
    ]


def _risk_numbers(risk: RiskEstimate, inputs: Sequence[str]) -> list[Measurement]:
    return [
        _number(
            coded.FRACTURE_RISK[year],
            100.0 * risk.horizons[year].probability,
            coded.PERCENT,
            modifiers=[(coded.HORIZON, coded.HORIZON_VALUES[year])],
            algorithm=_model_algorithm(risk, inputs),
        )
        for year in sorted(risk.horizons)
    ]


def _risk_interval_numbers(risk: RiskEstimate) -> list[Measurement]:
    """The 90 % intervals as numbers of their own: highdicom's measurement properties cannot hold a %."""
    numbers = []
    for year in sorted(risk.horizons):
        horizon = [(coded.HORIZON, coded.HORIZON_VALUES[year])]
        low, high = risk.horizons[year].interval
        for name, value in ((coded.RISK_LOW[year], low), (coded.RISK_HIGH[year], high)):
            numbers.append(_number(name, 100.0 * value, coded.PERCENT, modifiers=horizon))
    return numbers


def _number(
    name: Code,
    value: float,
    unit: Code,
    *,
    method: Code | None = None,
    equivalent: Code | None = None,
    site: Code | None = None,
    modifiers: Iterable[tuple[Code, Code]] = (),
    algorithm: AlgorithmIdentification | None = None,
) -> Measurement:
    if not math.isfinite(value):
        raise AnalysisError(
            f"{name.meaning} is {value}: a number that could not be measured must be absent, with a quality "
            "finding; report this defect of the engine"
        )
    measurement = Measurement(name, float(value), unit, method=method, algorithm_id=algorithm)
    item = measurement[0]
    # one decimal more than people are shown; highdicom keeps the exact number in Floating Point Value
    readable = rounded(value, decimals_of(unit, value) + 1)
    item.MeasuredValueSequence[0].NumericValue = DSdecimal(readable)
    extra = list(modifiers)
    if equivalent is not None:
        extra.append((coded.EQUIVALENT_MEANING, equivalent))
    if site is not None:
        extra.append((codes.SCT.FindingSite, site))
    if extra and "ContentSequence" not in item:
        item.ContentSequence = ContentSequence()
    for concept, code in extra:
        item.ContentSequence.append(CodeContentItem(concept, code, RelationshipTypeValues.HAS_CONCEPT_MOD))
    return measurement


def _engine_algorithm(context: ReportContext) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=MANUFACTURER_MODEL_NAME,
        version=context.analysis.engine_version,
        manufacturer=MANUFACTURER,
        parameters=provenance_sentences(context.analysis),
    )


def _model_algorithm(risk: RiskEstimate, inputs: Sequence[str]) -> AlgorithmIdentification:
    model = risk.model
    return AlgorithmIdentification(
        name=model.name,
        version=model.version,
        family=codes.cid7162.ArtificialIntelligence,
        parameters=[f"sha256: {model.sha256}", f"training data: {model.training_data}", *inputs],
    )


def _qualitative_evaluations(context: ReportContext) -> ContainerContentItem:
    """TID 1500 row 12. OHIF does not show it, so that the report SR and the summary page say it again."""
    contains = RelationshipTypeValues.CONTAINS
    container = ContainerContentItem(coded.QUALITATIVE_EVALUATIONS, relationship_type=contains)
    items: list[ContentItem] = [TextContentItem(coded.RESEARCH_USE_ONLY, RESEARCH_STATEMENT, contains)]
    risk = context.analysis.risk
    if risk is not None:
        items.append(CodeContentItem(coded.RISK_CATEGORY, coded.RISK_CATEGORIES[risk.category], contains))
        items.append(TextContentItem(coded.RISK_CATEGORY, category_sentence(risk), contains))
    items += [TextContentItem(coded.LIMITS, text, contains) for text in limit_sentences(context.analysis)]
    container.ContentSequence = ContentSequence(items)
    return container
