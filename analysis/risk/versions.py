"""Versions of risk models beside the active set: list, promote, roll back, with a history of who did what and
why.

``versions.json`` lists every version a directory holds; ``registry.json`` names the active ones;
``history.json`` records each change. The registry is replaced in one step, after every hash has been checked,
and holds nothing but files and hashes: promoting B over A and A over B again leaves the registry as it was,
byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.errors import ConfigurationError
from analysis.risk.model_file import SCHEMA, parse_model
from analysis.risk.registry import (
    REGISTRY_FILE,
    SHADOW_FILE,
    active_entries,
    json_object,
    read_bytes,
    verified_bytes,
)

VERSIONS_FILE = "versions.json"
HISTORY_FILE = "history.json"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one model in a directory.

    Attributes
    ----------
    name, version : str
    active : bool
        Whether the registry names it.
    entry : mapping
        ``file``, ``sha256``, ``training_data``, provenance and figures, as training wrote them.
    in_shadow : bool
        Whether it is computed beside the active ones, and told to nobody (`analysis.risk.shadow`).
    """

    name: str
    version: str
    active: bool
    entry: Mapping[str, Any]
    in_shadow: bool = False


def list_versions(directory: Path) -> tuple[Version, ...]:
    """Every version a directory holds: the active set in order of preference, then the others.

    Raises
    ------
    ConfigurationError
        If the directory holds no registry, or a list of versions that cannot be read.
    """
    active = active_entries(read_bytes(directory / REGISTRY_FILE))
    known = {str(entry["sha256"]): entry for entry in _entries(directory)}
    order = [str(entry["sha256"]) for entry in active]
    listed = [known.get(digest, entry) for digest, entry in zip(order, active, strict=True)]
    others = [entry for digest, entry in known.items() if digest not in order]
    shadow = {str(entry["sha256"]) for entry in shadow_entries(directory)}
    versions = [_version(entry, active=True, shadow=shadow) for entry in listed]
    return (*versions, *(_version(entry, active=False, shadow=shadow) for entry in others))


def shadow_entries(directory: Path) -> list[Mapping[str, Any]]:
    """Files and hashes of the models in shadow; none where `SHADOW_FILE` is absent."""
    path = directory / SHADOW_FILE
    return active_entries(read_bytes(path)) if path.exists() else []


def promote(
    directory: Path,
    name: str,
    version: str,
    reason: str,
    *,
    source: Path | None = None,
    user: str = "",
) -> Version:
    """Make a version the active one of its name; it leaves the shadow if it was there.

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
        Who decides it.

    Returns
    -------
    Version
        As it now is.

    Raises
    ------
    ConfigurationError
        If there is no such version, no reason, or a file was changed or is no model of this engine. Nothing
        is changed then.
    """
    require_reason(reason)
    home = source or directory
    chosen = find_version(list_versions(home), name, version, home)
    raw = verified_bytes(home, chosen.entry)
    parse_model(json_object(raw, str(chosen.entry["file"])), file=str(chosen.entry["file"]), sha256="")
    if source is not None and source != directory:
        chosen = Version(name, version, False, take_over(source, directory, chosen.entry))
    before = _active_of(directory, name)
    _activate(directory, chosen)
    record(
        directory,
        {
            "action": "promote",
            "model": name,
            "from": before.version if before else None,
            "to": version,
            "reason": reason,
            "user": user,
        },
    )
    leave_shadow(directory, str(chosen.entry["sha256"]))
    return Version(name, version, True, chosen.entry)


def rollback(directory: Path, name: str, reason: str, *, user: str = "") -> Version:
    """Make the version that was active before the present one was promoted active again.

    Raises
    ------
    ConfigurationError
        If the history holds no earlier version of the name, or its file was changed.
    """
    require_reason(reason)
    changes = [
        item
        for item in history(directory)
        if item["action"] == "promote" and item["model"] == name and item["from"]
    ]
    now = _active_of(directory, name)
    earlier = [item for item in changes if now is not None and item["to"] == now.version]
    if not earlier or now is None:
        raise ConfigurationError(
            f"risk model {name}: {HISTORY_FILE} holds no version before the active one; "
            "choose one with 'dicom-node models list' and promote it"
        )
    version = str(earlier[-1]["from"])
    chosen = find_version(list_versions(directory), name, version, directory)
    verified_bytes(directory, chosen.entry)
    _activate(directory, chosen)
    record(
        directory,
        {
            "action": "rollback",
            "model": name,
            "from": now.version,
            "to": version,
            "reason": reason,
            "user": user,
        },
    )
    leave_shadow(directory, str(chosen.entry["sha256"]))
    return Version(name, version, True, chosen.entry)


def history(directory: Path) -> list[Mapping[str, Any]]:
    """Changes of the active set and of the shadow, oldest first: ``time`` (UTC), ``action``, ``model``,
    ``from``, ``to``, ``reason``, ``user``."""
    path = directory / HISTORY_FILE
    if not path.exists():
        return []
    changes = json_object(read_bytes(path), HISTORY_FILE).get("changes", [])
    return list(changes)


def _entries(directory: Path) -> list[Mapping[str, Any]]:
    path = directory / VERSIONS_FILE
    if not path.exists():
        return []
    entries = json_object(read_bytes(path), VERSIONS_FILE).get("versions")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and {"name", "version", "file", "sha256"} <= entry.keys() for entry in entries
    ):
        raise ConfigurationError(
            f"risk models {VERSIONS_FILE}: needs a list of name, version, file and sha256; restore it"
        )
    return entries


def leave_shadow(directory: Path, sha256: str) -> None:
    """Take a model out of the shadow, if it is there."""
    write_shadow(directory, [entry for entry in shadow_entries(directory) if entry["sha256"] != sha256])


def write_shadow(directory: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Replace the shadow's list in one step; without entries there is none."""
    if entries:
        replace_file(directory / SHADOW_FILE, {"schema": SCHEMA, "models": [*map(registered, entries)]})
    else:
        (directory / SHADOW_FILE).unlink(missing_ok=True)


def registered(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a registry says of a version: files and hashes."""
    return {key: entry[key] for key in ("file", "sha256", "weights") if entry.get(key)}


def _version(entry: Mapping[str, Any], *, active: bool, shadow: Collection[str]) -> Version:
    file = str(entry.get("file", ""))
    name, version = str(entry.get("name", file)), str(entry.get("version", ""))
    return Version(name, version, active, entry, in_shadow=str(entry.get("sha256", "")) in shadow)


def find_version(versions: Sequence[Version], name: str, version: str, directory: Path) -> Version:
    for candidate in versions:
        if (candidate.name, candidate.version) == (name, version):
            return candidate
    held = ", ".join(f"{v.name} {v.version}" for v in versions) or "none"
    raise ConfigurationError(f"risk model {name} {version}: {directory} does not hold it; it holds {held}")


def _active_of(directory: Path, name: str) -> Version | None:
    return next((v for v in list_versions(directory) if v.active and v.name == name), None)


def _activate(directory: Path, chosen: Version) -> None:
    """Replace the registry: the same order, the name's entry exchanged, a new name last."""
    entry = registered(chosen.entry)
    names = [version.name for version in list_versions(directory) if version.active]
    active = [
        entry if version.name == chosen.name else registered(version.entry)
        for version in list_versions(directory)
        if version.active
    ]
    if chosen.name not in names:
        active.append(entry)
    replace_file(directory / REGISTRY_FILE, {"schema": SCHEMA, "models": active})


def take_over(source: Path, directory: Path, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Copy a version's files, under names of their own, and list it; return its entry."""
    taken = dict(entry)
    version = str(entry["version"])
    for item in (entry, *entry.get("weights", [])):
        _write(directory / str(item["file"]), verified_bytes(source, item))
    for key in ("evaluation", "card", "reference"):
        path = source / str(entry.get(key, ""))
        if entry.get(key) and path.is_file():
            taken[key] = f"{path.stem.removesuffix('-' + version)}-{version}{path.suffix}"
            _write(directory / str(taken[key]), path.read_bytes())
    others = [item for item in _entries(directory) if item["sha256"] != entry["sha256"]]
    replace_file(directory / VERSIONS_FILE, {"schema": SCHEMA, "versions": [*others, taken]})
    return taken


def record(directory: Path, what: Mapping[str, str | None]) -> None:
    change = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **what,
        "registry_sha256": hashlib.sha256(read_bytes(directory / REGISTRY_FILE)).hexdigest(),
    }
    replace_file(directory / HISTORY_FILE, {"changes": [*history(directory), change]})


def require_reason(reason: str) -> None:
    if not reason.strip():
        raise ConfigurationError("risk models: a change of the active set needs a reason; give --reason")


def replace_file(path: Path, content: Mapping[str, Any]) -> None:
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items()]
    _write(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def _write(path: Path, raw: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, synchronised, then renamed."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
            temporary.write(raw)
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(temporary.name).chmod(0o644)
        Path(temporary.name).replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"risk models: {path} cannot be written ({error.strerror}); use a directory that the node may "
            "write, set 'models' in node.toml"
        ) from error
