"""What peripheral densitometers must not be used for: T-scores of another device's reference, and categories.

Every place that compares a T-score with a threshold (risk models, guideline rules) is given regions without
scores, so that no setting and no rule table can make a WHO category of a peripheral device's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from analysis.measurement.measure import Measurements
from analysis.results import BmdSource, RegionMeasurement

Regions = Mapping[str, RegionMeasurement]


def without_own_scores(measured: Measurements) -> Measurements:
    """Measurements whose T and Z are the vendor's own or absent: our reference belongs to central devices."""
    return replace(
        measured,
        regions=_vendor_scored(measured.regions),
        other_bones={bone: _vendor_scored(regions) for bone, regions in measured.other_bones.items()},
    )


def without_scores(regions: Regions) -> dict[str, RegionMeasurement]:
    """Regions as models and rules may see them: no T and no Z."""
    return {name: _unscored(region) for name, region in regions.items()}


def _vendor_scored(regions: Regions) -> dict[str, RegionMeasurement]:
    return {
        name: region if region.score_source is BmdSource.VENDOR else _unscored(region)
        for name, region in regions.items()
    }


def _unscored(region: RegionMeasurement) -> RegionMeasurement:
    return replace(region, t_score=None, z_score=None, score_source=None)
