"""The command line: ``dicom-node COMMAND``.

Each command is a module of `dicom_node.commands` with ``add_arguments(parser)`` and ``run(options) -> int``,
imported only when it is called: ``dicom-node --help`` must answer at once. A hyphen in a command's name is an
underscore in its module's.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

COMMANDS = {
    "serve": "run the node: receive, analyse, deliver",
    "analyze": "analyse DICOM files without network or database",
    "render": "show a Structured Report as table, text or page; write the numbers attached to our PDF",
    "worker": "analyse for a node on another machine, as part of its Dask cluster",
    "status": "show what the running node is doing: queues, destinations, oldest waiting item",
    "studies": "list received studies with their state and reason",
    "route": "say which route a study takes and why, file by file, before it is sent",
    "hold": "keep a study from being completed, analysed and delivered",
    "release": "let a held study go on",
    "complete": "count a study as complete now, whatever is missing",
    "send": "send DICOM files to a peer",
    "echo": "verify the connection to a peer or to every configured destination",
    "reprocess": "analyse received studies again",
    "jobs": "list what the node does periodically; run a job now, pause it, let it go on",
    "dead-letters": "list deliveries that were given up; send them again or discard them",
    "retrieve": "have the node fetch studies from a PACS: one, a patient's, or all of a range of dates",
    "retention": "release what [retention] lets go, or only say what that would be",
    "backup": "copy the journal beside the running node and check the copy",
    "journal": "check, mend, restore and rebuild the journal",
    "export-support": "write a de-identified ZIP of a study and its history for whoever helps you",
    "audit": "show or export the audit messages that the node keeps in files",
    "outcomes": "bring in fractures, deaths and ends of follow-up; check, list, export, withdraw",
    "context": "bring in clinical facts of patients, or enter them; check, list, export, withdraw",
    "fhir": "read outcomes and clinical facts from FHIR bundles, or from the server of [fhir]",
    "user": "make the console's users, change their roles and passwords, disable them",
    "console": "serve the console by hand; the node does it by itself",
    "conformance": "write the DICOM conformance statement of a configuration",
    "doctor": "check configuration, disk, ports, peers and models, and say what to do",
    "simulate": "write simulated forearm DXA studies with their truth",
    "simulate-cohort": "simulate a cohort with predictors, scans, repeat scans, fractures and its oracle",
    "train": "train risk models, the radiomics line, the deep line or the segmentation network",
    "evaluate": "evaluate risk models on a simulated or a site's own cohort: HTML, PDF and JSON",
    "models": "list, show, promote and roll back risk models, or have them computed in shadow",
    "learn": "train challengers on the site's own outcomes, now; say what there is to learn from",
    "simulate-site": "show on a simulated site how calibration drifts, is detected, and is repaired",
    "surveillance": "watch the models at work: figures by scanner and month, alarms, export",
    "calibrate": "fit a scanner's linear scale from scans of a phantom of known densities",
    "precision": "precision error and least significant change from repeated scans",
    "quality-control": "keep the log of phantom scans; say and draw whether a scanner is in control",
    "demo": "push the sample studies through a node and an embedded PACS, show what comes back",
}
"""Command name -> one-line summary, in the order ``--help`` shows them."""

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0 when everything asked for was done, 1 when something failed, 2 for wrong usage or configuration.
    """
    argv = list(sys.argv[1:] if arguments is None else arguments)
    parser = _build_parser(argv)
    options = parser.parse_args(argv)
    from dicom_node.config import LoggingSettings
    from dicom_node.observe import logs

    logs.configure(LoggingSettings(), verbose=options.verbose)
    return _run_command(options)


def _run_command(options: argparse.Namespace) -> int:
    from dicom_node.errors import ConfigurationError, NodeError

    command = _module_of(options.command)
    try:
        return int(command.run(options))
    except ConfigurationError as error:
        print(f"dicom-node {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    except NodeError as error:
        print(f"dicom-node {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_FAILED
    except BrokenPipeError:
        # the reader (e.g. `head`) has gone; keep Python from complaining when it flushes standard output
        sys.stdout = None
        return EXIT_OK


def _module_of(command: str) -> ModuleType:
    return importlib.import_module(f"dicom_node.commands.{command.replace('-', '_')}")


def _build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    from analysis import __version__

    parser = argparse.ArgumentParser(
        prog="dicom-node",
        description="The radius DXA node: analyses forearm DXA studies and answers with a Structured Report "
        "and heat maps. Research use only: the shipped risk model is trained on simulated data.",
    )
    parser.add_argument("--version", action="version", version=f"dicom-node {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every step to standard error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=_HelpFormatter,
        )
        if name in argv:  # import only the command that was asked for
            _module_of(name).add_arguments(subparser)
    return parser


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of an option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default else action.help
