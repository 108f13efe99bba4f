"""What a person decides about risk models: promote, roll back, put in shadow, end a shadow.

One operation each for console, REST API and command line. A running node reads the registry anew for every
study, so that a decision holds from the next analysis on; no study is analysed again by itself.
"""

from __future__ import annotations

from pathlib import Path

from analysis.risk import SHIPPED_MODELS
from analysis.risk.shadow import end_shadow, put_in_shadow
from analysis.risk.versions import Version, history, promote, rollback
from dicom_node.errors import ConfigurationError
from dicom_node.storage.journal import Journal

__all__ = ["end_shadow_of", "promote_model", "require_own_models", "roll_back_model", "shadow_model"]


def promote_model(
    directory: Path,
    journal: Journal | None,
    name: str,
    version: str,
    *,
    user: str,
    reason: str,
    source: Path | None = None,
) -> Version:
    """Make a version the active one of its name; see `analysis.risk.versions.promote`.

    Parameters
    ----------
    directory : Path
        ``[analysis] models``.
    journal : Journal or None
        The node's; None for a directory that no node uses.
    source : Path, optional
        Another directory from which the version is taken over first.
    """
    require_own_models(directory)
    now = promote(directory, name, version, reason, source=source, user=user)
    _note(journal, directory, "model.promote")
    return now


def roll_back_model(
    directory: Path, journal: Journal | None, name: str, *, user: str, reason: str
) -> Version:
    """Make the version that was active before active again; see `analysis.risk.versions.rollback`."""
    require_own_models(directory)
    now = rollback(directory, name, reason, user=user)
    _note(journal, directory, "model.rollback")
    return now


def shadow_model(
    directory: Path,
    journal: Journal | None,
    name: str,
    version: str,
    *,
    user: str,
    reason: str,
    source: Path | None = None,
) -> Version:
    """Have a version computed in shadow; see `analysis.risk.shadow.put_in_shadow`."""
    require_own_models(directory)
    now = put_in_shadow(directory, name, version, reason, source=source, user=user)
    _note(journal, directory, "model.shadow")
    return now


def end_shadow_of(directory: Path, journal: Journal | None, name: str, *, user: str, reason: str) -> Version:
    """Have the shadow model of a name no longer computed; see `analysis.risk.shadow.end_shadow`."""
    require_own_models(directory)
    now = end_shadow(directory, name, reason, user=user)
    _note(journal, directory, "model.end_shadow")
    return now


def require_own_models(directory: Path) -> None:
    """Refuse to change the shipped models: the next upgrade would bring them back.

    Raises
    ------
    ConfigurationError
        With the cure.
    """
    if directory.resolve() == SHIPPED_MODELS.resolve():
        raise ConfigurationError(
            "the shipped models are never changed: make a copy with 'dicom-node models copy DIR' and set "
            "[analysis] models to it"
        )


def _note(journal: Journal | None, directory: Path, action: str) -> None:
    if journal is None:
        return
    change = history(directory)[-1]
    detail = f"{change['from'] or '-'} -> {change['to'] or '-'}"
    journal.note_change(change["user"], action, change["model"], change["reason"], detail)
