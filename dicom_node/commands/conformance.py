"""``dicom-node conformance``: the DICOM conformance statement of a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from dicom_node.commands.options import add_config_option, load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of printing it")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.conformance import conformance_statement

    text = conformance_statement(load_config(options))
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text, encoding="utf-8")
        print(f"conformance statement written to {options.out}")
    return 0
