"""``dicom-node route``: which route a study takes, and why not an earlier one; the node need not run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, load_config

if TYPE_CHECKING:
    from rich.table import Table

    from dicom_node.workflow.facts import ObjectFacts, Sender
    from dicom_node.workflow.routing import RouteVerdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="DICOM files; those of one study are judged together",
    )
    parser.add_argument("--calling-ae", default="", metavar="AE", help="as if sent by this AE title")
    parser.add_argument(
        "--called-ae", default="", metavar="AE", help="as if sent to this AE title of the node"
    )
    parser.add_argument(
        "--address", default="", metavar="ADDRESS", help="as if sent from this network address"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of tables")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.tables import print_table
    from dicom_node.workflow.facts import Sender
    from dicom_node.workflow.routing import follow

    config = load_config(options)
    sender = Sender(options.calling_ae, options.called_ae, options.address)
    studies, unreadable = _studies(options.files, sender)
    verdicts = {uid: follow(config.routes, objects) for uid, objects in studies.items()}
    if options.json:
        print(json.dumps([_document(uid, of_study) for uid, of_study in verdicts.items()], indent=1))
    else:
        for uid, of_study in verdicts.items():
            print_table(_table(uid, of_study))
            print(_conclusion(of_study[-1]))
    return 1 if unreadable else 0


def _studies(files: list[Path], sender: Sender) -> tuple[Mapping[str, list[ObjectFacts]], bool]:
    """Return what rules may ask of each study's objects, and whether a file could not be read."""
    from pydicom import dcmread

    from dicom_node.workflow.facts import facts_of, read_header

    studies: dict[str, list[ObjectFacts]] = {}
    unreadable = False
    for file in files:
        try:
            dataset = dcmread(
                file, stop_before_pixels=True, specific_tags=["StudyInstanceUID", "SOPClassUID"]
            )
            uid, sop_class = str(dataset.StudyInstanceUID), str(dataset.SOPClassUID)
            syntax = str(dataset.file_meta.TransferSyntaxUID)
        except Exception as error:  # pydicom's readers raise many kinds; all mean the same here
            print(f"{file}: is no DICOM object of a study ({error})", file=sys.stderr)
            unreadable = True
            continue
        studies.setdefault(uid, []).append(facts_of(read_header(file, syntax), sop_class, sender))
    return studies, unreadable


def _table(uid: str, verdicts: list[RouteVerdict]) -> Table:
    from rich.table import Table

    table = Table(title=f"Routes for study {uid}")
    for heading in ("route", "condition", "found", "holds"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        decides = "decides" if verdict.matched else "no: " + _why_not(verdict)
        table.add_row(verdict.route.name, "", "", decides, style="bold" if verdict.matched else None)
        for item in verdict.conditions:
            holds = "no" if item.pattern is None else f"yes, {item.pattern}"
            table.add_row("", str(item.condition), ", ".join(item.found) or "nothing", holds)
    return table


def _why_not(verdict: RouteVerdict) -> str:
    if all(item.pattern is not None for item in verdict.conditions):
        return "each condition holds for some object, all of them for none"
    failed = [item.condition.attribute for item in verdict.conditions if item.pattern is None]
    return f"{', '.join(failed)} does not fit"


def _conclusion(verdict: RouteVerdict) -> str:
    route = verdict.route
    lines = [f"route {route.name!r} decides: {', '.join(route.action)}; priority {route.priority}"]
    if "analyse" in route.action:
        to = "every destination" if route.destinations is None else ", ".join(route.destinations) or "nobody"
        lines.append(f"  results to: {to}")
        lines += [f"  {name}: {path}" for name in ("guideline", "models") if (path := getattr(route, name))]
    if route.forward_to:
        lines.append(f"  originals to: {', '.join(route.forward_to)}")
    return "\n".join(lines)


def _document(uid: str, verdicts: list[RouteVerdict]) -> dict[str, Any]:
    route = verdicts[-1].route
    return {
        "study_instance_uid": uid,
        "route": route.name,
        "actions": list(route.action),
        "destinations": None if route.destinations is None else list(route.destinations),
        "forward_to": list(route.forward_to),
        "guideline": str(route.guideline or "") or None,
        "models": str(route.models or "") or None,
        "priority": route.priority,
        "verdicts": [
            {
                "route": verdict.route.name,
                "decides": verdict.matched,
                "conditions": [
                    {
                        "attribute": item.condition.attribute,
                        "patterns": list(item.condition.patterns),
                        "found": list(item.found),
                        "fits": item.pattern,
                    }
                    for item in verdict.conditions
                ],
            }
            for verdict in verdicts
        ],
    }
