"""``dicom-node doctor``: check everything the node needs, and say what to do."""

from __future__ import annotations

import argparse

from dicom_node.commands.options import add_config_option, load_config
from dicom_node.errors import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.diagnosis import Level, diagnose

    try:
        config = load_config(options)
    except ConfigurationError as error:
        print(f"fail  configuration: {error}")
        return 1
    healthy = True
    for finding in diagnose(config):
        print(f"{finding.level:<5} {finding.subject}: {finding.message}", flush=True)
        healthy = healthy and finding.level is not Level.FAIL
    return 0 if healthy else 1
