"""Models as a training would write them, made from the shipped ones, and a site's own copy of these."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from analysis.risk import SHIPPED_MODELS
from analysis.risk.versions import list_versions


def copy_shipped_models(folder: Path) -> Path:
    """A site's own, writable directory of models."""
    return Path(shutil.copytree(SHIPPED_MODELS, folder))


def write_challenger(folder: Path, name: str, version: str, *, slope: float = 1.0) -> Path:
    """Write a directory with the shipped model of a name, steeper by `slope`, under another version."""
    folder.mkdir()
    entry = dict(next(item.entry for item in list_versions(SHIPPED_MODELS) if item.name == name))
    content = json.loads((SHIPPED_MODELS / str(entry["file"])).read_bytes()) | {"version": version}
    content["fracture"]["coefficients"] = [slope * beta for beta in content["fracture"]["coefficients"]]
    raw = json.dumps(content).encode()
    entry |= {"file": f"{name}-{version}.json", "sha256": hashlib.sha256(raw).hexdigest(), "version": version}
    (folder / str(entry["file"])).write_bytes(raw)
    named = {"file": entry["file"], "sha256": entry["sha256"]}
    (folder / "registry.json").write_text(json.dumps({"schema": "2", "models": [named]}))
    (folder / "versions.json").write_text(json.dumps({"schema": "2", "versions": [entry]}))
    return folder
