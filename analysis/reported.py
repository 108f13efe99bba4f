"""Studies that report numbers without an image: what the densitometer says, judged by the same rules."""

from __future__ import annotations

from types import MappingProxyType

from analysis import __version__
from analysis.acquisition import NumbersOnly
from analysis.case import Case, Site
from analysis.conclusions import conclude
from analysis.measurement.densitometry import order_findings
from analysis.peripheral import without_scores
from analysis.quality_control import scanner_findings
from analysis.results import REGIONS, Calibration, RegionMeasurement, Status, StudyAnalysis
from analysis.risk import RiskInputs, known_predictors


def reported_analysis(study: NumbersOnly, case: Case, site: Site) -> StudyAnalysis:
    """Everything that can be said of vendor numbers alone.

    Nothing is drawn or measured: there is no evidence, no morphometry, no texture. T- and Z-scores are the
    vendor's; a risk model runs if they are all it needs.
    """
    regions = {name: region.measurement() for name, region in study.vendor.regions.items()}
    judged = without_scores(regions) if study.peripheral else regions
    context = case.context
    conclusions = conclude(
        study,
        regions,
        study.comparable_history(case.history),
        RiskInputs(context.age_years, context.sex, judged, predictors=known_predictors(context)),
        case=case,
        site=site,
    )
    every_region = {name: regions.get(name, RegionMeasurement()) for name in REGIONS}
    reported = StudyAnalysis(
        study_instance_uid=study.study_instance_uid,
        status=Status.ANALYZED,
        reason="",
        identity=case.identity,
        engine_version=__version__,
        study_date=case.day,
        laterality=study.laterality,
        calibration=Calibration.VENDOR_TABLE,
        device=study.device,
        source=study.source,
        regions=MappingProxyType(regions),
        quality=(
            *study.findings,
            *case.findings,
            *scanner_findings(site.devices, study.device, case.day),
            *order_findings(every_region),
        ),
        context=MappingProxyType(dict(case.provenance)),
    )
    return conclusions.told_in(reported)
