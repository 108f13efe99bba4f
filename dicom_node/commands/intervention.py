"""What ``hold``, ``release`` and ``complete`` share: whose decision it is, and about which study."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.storage.journal import Journal
    from dicom_node.storage.records import Study

__all__ = ["add_intervention_arguments", "intervene"]


def add_intervention_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study, ``--reason``, ``--by`` and ``--config``."""
    parser.add_argument("study", metavar="STUDY", help="Study Instance UID, see dicom-node studies")
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="why; it is journalled, so no patient data"
    )
    parser.add_argument(
        "--by", metavar="NAME", help="whose decision it is; default: the user who is logged in"
    )
    add_config_option(parser)


def intervene(options: argparse.Namespace, act: Callable[[Journal, Study, str], str]) -> int:
    """Let `act` change the journal beside a running node; print what it says was done.

    Parameters
    ----------
    act : callable
        Takes journal, study and the name of who decides; returns a sentence. Raises `ConfigurationError` if
        nothing is to be done.
    """
    from dicom_node.storage.archive import is_locked

    config = load_config(options)
    with open_journal(config) as journal:
        study = journal.study(options.study)
        if study is None:
            raise ConfigurationError(
                f"study {options.study!r} was never received; dicom-node studies lists those that were"
            )
        print(act(journal, study, options.by or getpass.getuser()))
    if not is_locked(config.node.data_dir):
        print("the node is not running; it heeds this when it is started with dicom-node serve")
    return 0
