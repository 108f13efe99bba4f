"""Risk models, for programs."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from analysis.risk.versions import Version
from dicom_node.web.api.bodies import Reason
from dicom_node.web.context import Administrator, ConfigDep, JournalDep, Viewer
from dicom_node.workflow import promotion
from dicom_node.workflow.model_view import RegistryChange, changes_of, model_detail, model_lines

__all__ = ["router"]

router = APIRouter(prefix="/models", tags=["models"])


class ModelVersion(BaseModel):
    """One version of one risk model."""

    name: str
    version: str
    active: bool = Field(description="Whether it is in force.")
    in_shadow: bool = Field(description="Computed beside the active one, never sent.")
    training_data: str
    sha256: str


class ModelFigures(BaseModel):
    """How good it was on patients it was not fitted to."""

    years: int
    fractures: int
    auc: float | None
    observed_to_expected: float | None
    calibration_slope: float | None
    brier: float | None


class ModelVersionDetail(ModelVersion):
    """Everything known of a version."""

    trouble: str = Field(description="Why its file cannot be used; empty if it is what was registered.")
    figures: list[ModelFigures]
    cohort: dict[str, str]
    settings: dict[str, str]
    has_card: bool
    has_report: bool


class ModelChange(BaseModel):
    """One change of what is in force or in shadow."""

    at: str
    action: str
    model: str
    before: str
    after: str
    reason: str
    user: str


class Promotion(BaseModel):
    """Which version is meant, and why."""

    version: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=500)


@router.get("")
def list_versions(user: Viewer, config: ConfigDep) -> list[ModelVersion]:
    """List every version of every model, in the order of preference."""
    return [_version(item) for line in model_lines(config.analysis.models) for item in line.versions]


@router.get("/changes")
def list_changes(user: Viewer, config: ConfigDep) -> list[ModelChange]:
    """List what was promoted, rolled back or put in shadow, newest first."""
    return [_change(item) for item in changes_of(config.analysis.models)]


@router.get("/{name}/{version}")
def show(user: Viewer, config: ConfigDep, name: str, version: str) -> ModelVersionDetail:
    """Tell everything that is known of one version."""
    found = model_detail(config.analysis.models, name, version)
    return ModelVersionDetail(
        **_version(found.version).model_dump(),
        trouble=found.trouble,
        figures=[
            ModelFigures(
                years=item.years,
                fractures=item.fractures,
                auc=item.auc,
                observed_to_expected=item.observed_to_expected,
                calibration_slope=item.calibration_slope,
                brier=item.brier,
            )
            for item in found.figures
        ],
        cohort=dict(found.cohort),
        settings=dict(found.settings),
        has_card=found.has_card,
        has_report=found.report is not None,
    )


@router.post("/{name}/promote")
def promote(
    user: Administrator, config: ConfigDep, journal: JournalDep, name: str, wanted: Promotion
) -> ModelVersion:
    """Make a version the active one, from the next study on; nothing is reprocessed."""
    directory = config.analysis.models
    return _version(
        promotion.promote_model(
            directory, journal, name, wanted.version, user=user.name, reason=wanted.reason
        )
    )


@router.post("/{name}/rollback")
def roll_back(
    user: Administrator, config: ConfigDep, journal: JournalDep, name: str, why: Reason
) -> ModelVersion:
    """Make the version before the active one active again; nothing is reprocessed."""
    directory = config.analysis.models
    return _version(promotion.roll_back_model(directory, journal, name, user=user.name, reason=why.reason))


@router.post("/{name}/shadow")
def put_in_shadow(
    user: Administrator, config: ConfigDep, journal: JournalDep, name: str, wanted: Promotion
) -> ModelVersion:
    """Have a version computed for every study and told to nobody."""
    directory = config.analysis.models
    return _version(
        promotion.shadow_model(directory, journal, name, wanted.version, user=user.name, reason=wanted.reason)
    )


@router.post("/{name}/end-shadow")
def end_shadow(
    user: Administrator, config: ConfigDep, journal: JournalDep, name: str, why: Reason
) -> ModelVersion:
    """Have the shadow model of a name no longer computed."""
    directory = config.analysis.models
    return _version(promotion.end_shadow_of(directory, journal, name, user=user.name, reason=why.reason))


def _version(item: Version) -> ModelVersion:
    return ModelVersion(
        name=item.name,
        version=item.version,
        active=item.active,
        in_shadow=item.in_shadow,
        training_data=str(item.entry.get("training_data", "")),
        sha256=str(item.entry.get("sha256", "")),
    )


def _change(item: RegistryChange) -> ModelChange:
    return ModelChange(
        at=item.at,
        action=item.action,
        model=item.model,
        before=item.before,
        after=item.after,
        reason=item.reason,
        user=item.user,
    )
