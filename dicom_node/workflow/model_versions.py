"""Which versions are in force, and which are older than others."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from analysis import __version__
from dicom_node.config import NodeConfig
from dicom_node.storage.selection import CURRENT, SelectedStudy, StudySelection

__all__ = ["VersionsInForce"]

_NUMBERS = re.compile(r"\d+(?:\.\d+)*(?:-n\d+)?")
"""Release, and how many patients a model was trained on: 0.3.0-n10285; what follows has no order."""


class VersionsInForce:
    """Versions of engine and models by which studies would be analysed now."""

    def __init__(self, config: NodeConfig) -> None:
        self._shared = config.analysis.models
        self._of_routes = frozenset(str(route.models) for route in config.routes if route.models)
        self._models: dict[str, frozenset[str]] = {}
        self.engine = __version__

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Versions of the active models, of all directories."""
        everywhere = ("", *sorted(self._of_routes))
        return tuple(sorted(frozenset[str]().union(*(self._active(folder) for folder in everywhere))))

    def changes_model(self, study: SelectedStudy) -> bool:
        """Tell whether a study's risk is by a model that is not in force, so that another would take over."""
        return study.model_version != "" and study.model_version not in self._active(study.models)

    def changes_engine(self, study: SelectedStudy) -> bool:
        """Tell whether a study was analysed by another version of the engine."""
        return study.engine_version not in ("", self.engine)

    def fits(self, selection: StudySelection, study: SelectedStudy) -> bool:
        """Judge a selection's conditions on versions."""
        if selection.model_older_than == CURRENT:
            if not self.changes_model(study):
                return False
        elif selection.model_older_than and not _is_older(study.model_version, selection.model_older_than):
            return False
        if selection.engine_older_than == CURRENT:
            return self.changes_engine(study)
        return not selection.engine_older_than or _is_older(study.engine_version, selection.engine_older_than)

    def _active(self, folder: str) -> frozenset[str]:
        if folder not in self._models:
            from analysis.risk.versions import list_versions

            held = list_versions(Path(folder) if folder else self._shared)
            self._models[folder] = frozenset(version.version for version in held if version.active)
        return self._models[folder]


def _is_older(version: str, than: str) -> bool:
    return _ordered(version) < _ordered(than)


def _ordered(version: str) -> tuple[int, ...]:
    found = _NUMBERS.match(version)
    return tuple(map(int, re.findall(r"\d+", found[0]))) if found else ()
