"""``dicom-node dead-letters``: deliveries that were given up; send them again, or give them up for good."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, open_journal

if TYPE_CHECKING:
    from dicom_node.storage.connection import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--destination", metavar="NAME", help="only those for this destination")
    parser.add_argument("--study", metavar="UID", help="only those of this study")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--retry", action="store_true", help="send them again")
    what.add_argument(
        "--discard",
        action="store_true",
        help="give them up: nobody waits for them, and their files may go when retention says so",
    )
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    chosen = {"study_instance_uid": options.study, "destination": options.destination}
    with open_journal(load_config(options)) as journal:
        letters = [letter for letter in journal.dead_letters() if _matches(letter, options)]
        for letter in letters:
            print(f"{letter['destination']}: {letter['sop_instance_uid']}: {letter['reason']}")
        if options.retry:
            print(f"{journal.revive_deliveries(**chosen)} dead letters queued for delivery")
        elif options.discard:
            print(f"{journal.discard_deliveries(**chosen)} dead letters given up")
        else:
            print(f"{len(letters)} dead letters")
    return 0


def _matches(letter: Row, options: argparse.Namespace) -> bool:
    return (options.destination in (None, letter["destination"])) and (
        options.study in (None, letter["study_instance_uid"])
    )
