"""Models in shadow: computed beside the active ones for every study, told to nobody.

A challenger shows there on the site's own patients what it would have said, until a person promotes it or
ends its shadow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS, ModelIdentity
from analysis.risk.registry import SHADOW_FILE, load_models, verified_bytes
from analysis.risk.versions import (
    Version,
    find_version,
    list_versions,
    record,
    require_reason,
    shadow_entries,
    take_over,
    write_shadow,
)


@dataclass(frozen=True, slots=True)
class ShadowRisk:
    """What one model in shadow says of one study: probabilities of a fracture by horizon in years."""

    model: ModelIdentity
    horizons: Mapping[int, float]


def shadow_risks(directory: Path, known: Mapping[str, float]) -> tuple[ShadowRisk, ...]:
    """Risks by every model in shadow that what is known allows.

    Parameters
    ----------
    directory : Path
        The node's models.
    known : mapping of str to float
        Values by the names of features, `analysis.results.StudyAnalysis.model_inputs`.

    Raises
    ------
    ConfigurationError
        If a file of the shadow is missing or was changed.
    """
    if not (directory / SHADOW_FILE).exists():
        return ()
    risks = []
    for model in load_models(directory, SHADOW_FILE).models:
        values = np.array([[known.get(feature.name, np.nan) for feature in model.features]])
        if model.usable(values)[0]:
            by_horizon = dict(zip(HORIZONS_YEARS, map(float, model.risk(values)[0]), strict=True))
            risks.append(ShadowRisk(model.identity, by_horizon))
    return tuple(risks)


def put_in_shadow(
    directory: Path, name: str, version: str, reason: str, *, source: Path | None = None, user: str = ""
) -> Version:
    """Have a version computed in shadow, in place of another one of its name.

    Parameters
    ----------
    directory : Path
        The node's models.
    name, version : str
    reason : str
        Kept in the history, as is `user`.
    source : Path, optional
        Another directory written by training, from which the version is taken over first.
    user : str
        Who or what decides it.

    Raises
    ------
    ConfigurationError
        If there is no such version, it is the active one, there is no reason, or a file was changed. Nothing
        is changed then.
    """
    require_reason(reason)
    home = source or directory
    chosen = find_version(list_versions(home), name, version, home)
    verified_bytes(home, chosen.entry)
    held = {str(item.entry["sha256"]): item for item in list_versions(directory)}
    known = held.get(str(chosen.entry["sha256"]))
    if known is not None and known.active:
        raise ConfigurationError(f"risk model {name} {version} is the active one; it needs no shadow")
    entry = take_over(source, directory, chosen.entry) if source and source != directory else chosen.entry
    others = [item for item in shadow_entries(directory) if held[str(item["sha256"])].name != name]
    write_shadow(directory, [*others, entry])
    record(
        directory,
        {"action": "shadow", "model": name, "from": None, "to": version, "reason": reason, "user": user},
    )
    return Version(name, version, False, entry, in_shadow=True)


def end_shadow(directory: Path, name: str, reason: str, *, user: str = "") -> Version:
    """Have the shadow model of a name no longer computed; its version stays.

    Raises
    ------
    ConfigurationError
        If none of that name is in shadow, or there is no reason.
    """
    require_reason(reason)
    versions = list_versions(directory)
    chosen = next((item for item in versions if item.in_shadow and item.name == name), None)
    if chosen is None:
        names = ", ".join(item.name for item in versions if item.in_shadow) or "none"
        raise ConfigurationError(f"risk model {name}: not in shadow; in shadow: {names}")
    write_shadow(
        directory, [item for item in shadow_entries(directory) if item["sha256"] != chosen.entry["sha256"]]
    )
    record(
        directory,
        {
            "action": "end shadow",
            "model": name,
            "from": chosen.version,
            "to": None,
            "reason": reason,
            "user": user,
        },
    )
    return Version(name, chosen.version, chosen.active, chosen.entry)
