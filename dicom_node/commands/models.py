"""``dicom-node models``: which risk models a directory holds, which are active, and who changed that and
why."""

from __future__ import annotations

import argparse
import getpass
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
    shadow = actions.add_parser(
        "shadow",
        help="compute a version beside the active ones and keep what it says; nothing of it is sent",
        formatter_class=formatter,
    )
    end_shadow = actions.add_parser(
        "end-shadow", help="no longer compute the shadow of a model", formatter_class=formatter
    )
    copy = actions.add_parser(
        "copy", help="copy all models to a directory of the site's own", formatter_class=formatter
    )
    copy.add_argument("target", type=Path, metavar="DIR", help="must not be there yet")
    for action in (show, promote, rollback, shadow, end_shadow):
        action.add_argument("name", metavar="NAME", help="of the model, as 'models list' shows it")
    show.add_argument("version", nargs="?", metavar="VERSION", help="default: the active one")
    for action in (promote, shadow):
        action.add_argument("version", metavar="VERSION")
        action.add_argument(
            "--from",
            dest="source",
            type=Path,
            metavar="DIR",
            help="take the version over from this directory, written by 'dicom-node train risk'",
        )
    for action in (promote, rollback, shadow, end_shadow):
        action.add_argument("--reason", required=True, metavar="TEXT", help="kept in the history")
        action.add_argument("--by", metavar="NAME", help="who decides it; default: who is logged in")
    for action in (listing, show, promote, rollback, shadow, end_shadow, copy):
        action.add_argument(
            "--directory",
            type=Path,
            metavar="DIR",
            help="other models than the node's: a change of them is not journalled; default: [analysis] "
            "models of the configuration, else the shipped ones",
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
    elif options.action == "copy":
        _copy(directory, options.target)
    else:
        now = _changed(directory, options)
        print(
            f"{_DONE[options.action]}: {now.name} {now.version}; the node goes by it from the next study on"
        )
    return 0


_DONE = {
    "promote": "active",
    "rollback": "active again",
    "shadow": "in shadow",
    "end-shadow": "no longer in shadow",
}


def _changed(directory: Path, options: argparse.Namespace) -> Version:
    from contextlib import nullcontext

    from dicom_node.commands.options import load_config, open_journal
    from dicom_node.workflow import promotion

    decided = {"user": options.by or getpass.getuser(), "reason": options.reason}
    elsewhere = options.directory is not None
    with nullcontext() if elsewhere else open_journal(load_config(options)) as journal:
        subject = (directory, journal, options.name)
        if options.action in ("promote", "shadow"):
            change = promotion.promote_model if options.action == "promote" else promotion.shadow_model
            return change(*subject, options.version, source=options.source, **decided)
        undo = promotion.roll_back_model if options.action == "rollback" else promotion.end_shadow_of
        return undo(*subject, **decided)


def _copy(directory: Path, target: Path) -> None:
    import shutil

    from dicom_node.errors import ConfigurationError

    try:
        shutil.copytree(directory, target)
    except FileExistsError:
        raise ConfigurationError(f"{target} is there already; name a directory that is not") from None
    print(f"copied to {target}; set models = {json.dumps(str(target))} under [analysis] in node.toml")


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
            _place(version),
            version.name,
            version.version,
            _figure(figures.get("auc"), ".3f"),
            _figure(figures.get("observed_to_expected"), ".2f"),
            str(version.entry["sha256"])[:12],
        )
    console = Console()
    console.print(table)
    console.print(f"AUC and O:E by cross-validation on the training cohort. {RESEARCH_ONLY}")


def _place(version: Version) -> str:
    if version.active:
        return "active"
    return "in shadow" if version.in_shadow else ""


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
    about = {"name": version.name, "version": version.version, "active": version.active}
    return about | {"in_shadow": version.in_shadow} | dict(version.entry)


def _figure(value: float | None, style: str) -> str:
    return "–" if value is None else format(value, style)
