"""``dicom-node console``: the administrators' pages and the REST API, beside a node."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, existing_journal, load_config
from dicom_node.workflow.lifeline import end_with_the_node

if TYPE_CHECKING:
    from dicom_node.config import LoggingSettings

NICENESS = 5
"""Beside a node, pages come after receiving."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the console. The node starts it by itself ([console] enabled); by hand it is for a node that "
        "runs with enabled = false, or to look at the journal of a node that does not run."
    )
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    end_with_the_node()
    from dicom_node.console_process import lent_socket, listen
    from dicom_node.observe import logs

    config = load_config(options)
    existing_journal(config)
    listening = lent_socket()
    if listening is not None:
        os.nice(NICENESS)
    else:
        listening = listen(config.console)
        host, port = listening.getsockname()[:2]
        print(f"console: http://{host}:{port}{config.console.root_path}/", flush=True)
    logs.configure(_own_file(config.logging), verbose=options.verbose)
    from dicom_node.web.server import serve

    serve(config, listening)
    return 0


def _own_file(settings: LoggingSettings) -> LoggingSettings:
    """Two processes must not turn over the same log file."""
    if settings.file is None:
        return settings
    return replace(settings, file=settings.file.with_stem(f"{settings.file.stem}-console"))
