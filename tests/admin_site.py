"""A site for the administrator's pages: two destinations, models of its own, something of everything."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from node_support import write_config
from web_support import add_users

from analysis.risk import SHIPPED_MODELS
from dicom_node.config import NodeConfig
from dicom_node.network.peers import Peer

NEWER = "9.9.9-site"
"""A version of the model "full" that nobody has promoted."""


def admin_config(folder: Path, *, extra: str = "") -> NodeConfig:
    """Return the configuration of a site whose journal is there, with a user for each role."""
    models = own_models(folder / "models")
    peer = Peer("PACS", "127.0.0.1", 1)
    path = write_config(folder, destinations=[("pacs", peer), ("archive", peer)], extra=extra)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[analysis]\n", f'[analysis]\nmodels = "{models}"\n'), encoding="utf-8")
    config = NodeConfig.load(path)
    add_users(config)
    return config


def own_models(directory: Path) -> Path:
    """Copy the shipped models and add `NEWER`."""
    shutil.copytree(SHIPPED_MODELS, directory)
    listed = json.loads((directory / "versions.json").read_text())
    first = next(item for item in listed["versions"] if item["name"] == "full")
    content = json.loads((directory / first["file"]).read_text())
    raw = json.dumps(content | {"version": NEWER}).encode()
    (directory / "full-site.json").write_bytes(raw)
    listed["versions"].append(
        first
        | {
            "version": NEWER,
            "file": "full-site.json",
            "sha256": hashlib.sha256(raw).hexdigest(),
            "training_data": "123 patients of this site",
        }
    )
    (directory / "versions.json").write_text(json.dumps(listed))
    return directory
