"""``dicom-node models``: which risk models a directory holds, which are active, and who changed that and
why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.risk.versions import Version

RESEARCH_ONLY = "Simulated training data unless a site trained them itself; research use only."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    formatter = parser.formatter_class
    listing = actions.add_parser(
        "list", help="every version, the active ones first", formatter_class=formatter
    )
    show = actions.add_parser(
        "show", help="provenance, figures, hashes and history of one model", formatter_class=formatter
    )
    promote = actions.add_parser("promote", help="make a version the active one", formatter_class=formatter)
    rollback = actions.add_parser(
        "rollback", help="make the version before the active one active again", formatter_class=formatter
    )
    for action in (show, promote, rollback):
        action.add_argument("name", metavar="NAME", help="of the model, as 'models list' shows it")
    show.add_argument("version", nargs="?", metavar="VERSION", help="default: the active one")
    promote.add_argument("version", metavar="VERSION")
    promote.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DIR",
        help="take the version over from this directory, written by 'dicom-node train risk'",
    )
    for action in (promote, rollback):
        action.add_argument("--reason", required=True, metavar="TEXT", help="kept in the history")
    for action in (listing, show, promote, rollback):
        action.add_argument(
            "--directory",
            type=Path,
            metavar="DIR",
            help="the node's models; default: [analysis] models of the configuration, else the shipped ones",
        )
        action.add_argument(
            "--config", type=Path, metavar="FILE", help="node.toml whose [analysis] models to use"
        )
    for action in (listing, show):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    from analysis.risk import versions
    from dicom_node.config import load_analysis_config

    directory = options.directory or load_analysis_config(options.config).models
    if options.action == "list":
        held = versions.list_versions(directory)
        _list(held, directory, as_json=options.json)
        damaged = list(_damaged(held, directory))
        print("\n".join(damaged), end="\n" if damaged else "", file=sys.stderr)
        return 1 if damaged else 0
    elif options.action == "show":
        _show(directory, options)
    elif options.action == "promote":
        now = versions.promote(
            directory, options.name, options.version, options.reason, source=options.source
        )
        print(f"active: {now.name} {now.version}; the node uses it from the next study on")
    else:
        now = versions.rollback(directory, options.name, options.reason)
        print(f"active again: {now.name} {now.version}")
    return 0


def _list(versions: tuple[Version, ...], directory: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_document(version) for version in versions], indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Column, Table

    # names and versions must be there in full: 'models promote' wants them
    table = Table(
        "",
        Column("model", overflow="fold"),
        Column("version", overflow="fold"),
        "AUC 10 y",
        "O:E 10 y",
        "SHA-256",
        title=str(directory),
    )
    for version in versions:
        figures = version.entry.get("cross_validated", {}).get("10", {})
        table.add_row(
            "active" if version.active else "",
            version.name,
            version.version,
            _figure(figures.get("auc"), ".3f"),
            _figure(figures.get("observed_to_expected"), ".2f"),
            str(version.entry["sha256"])[:12],
        )
    console = Console()
    console.print(table)
    console.print(f"AUC and O:E by cross-validation on the training cohort. {RESEARCH_ONLY}")


def _damaged(held: tuple[Version, ...], directory: Path) -> Iterator[str]:
    """Why a file cannot be used, with the cure: it is missing, or not what was registered."""
    from analysis.risk.registry import verified_bytes
    from dicom_node.errors import ConfigurationError

    for version in held:
        try:
            verified_bytes(directory, version.entry)
        except ConfigurationError as error:
            yield f"dicom-node models: {error}"


def _show(directory: Path, options: argparse.Namespace) -> None:
    from analysis.risk import versions
    from dicom_node.errors import ConfigurationError

    held = versions.list_versions(directory)
    chosen = next(
        (
            version
            for version in held
            if version.name == options.name
            and (version.version == options.version if options.version else version.active)
        ),
        None,
    )
    if chosen is None:
        names = ", ".join(dict.fromkeys(f"{version.name} {version.version}" for version in held))
        raise ConfigurationError(
            f"{directory} holds no {options.name} {options.version or ''}".rstrip() + f"; it holds {names}"
        )
    changes = [change for change in versions.history(directory) if change["model"] == chosen.name]
    document = {**_document(chosen), "history": changes, "remark": RESEARCH_ONLY}
    if options.json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for key, value in document.items():
        if isinstance(value, list | dict):
            print(f"{key}:")
            items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
            for name, item in items:
                print(f"  {name}: {json.dumps(item, ensure_ascii=False)}")
        else:
            print(f"{key}: {value}")


def _document(version: Version) -> dict[str, Any]:
    return {"name": version.name, "version": version.version, "active": version.active} | dict(version.entry)


def _figure(value: float | None, style: str) -> str:
    return "–" if value is None else format(value, style)
