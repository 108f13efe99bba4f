"""``dicom-node release``: let a held study go on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dicom_node.commands.intervention import add_intervention_arguments, intervene
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.storage.journal import Journal
    from dicom_node.storage.records import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_intervention_arguments(parser)


def run(options: argparse.Namespace) -> int:
    def release(journal: Journal, study: Study, by: str) -> str:
        uid = study.study_instance_uid
        if not journal.release_study(uid, by=by, reason=options.reason):
            raise ConfigurationError(f"study {uid} is not held; dicom-node studies shows which are")
        return f"study {uid} goes on"

    return intervene(options, release)
