"""``dicom-node retention``: release now what ``[retention]`` lets go, or only say what that would be."""

from __future__ import annotations

import argparse

from dicom_node.commands.options import add_config_option, load_config, open_journal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be released")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.storage.archive import Archive
    from dicom_node.workflow.housekeeping import Retention

    config = load_config(options)
    with open_journal(config) as journal:
        retention = Retention(config.retention, Archive(config.node.data_dir), journal)
        plans = retention.plan()
        if not plans:
            print("every [retention] keep_..._days is 0: nothing is released for its age")
        for plan in plans:
            print(f"{plan.kind}: {plan.files} files, {plan.bytes / 1e6:.1f} MB may go")
        if not options.dry_run:
            released = 0
            while went := retention.run():
                released += went
            print(f"{released} files released")
    return 0
