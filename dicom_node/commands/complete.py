"""``dicom-node complete``: count a study as complete now, whatever is missing."""

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
    def complete(journal: Journal, study: Study, by: str) -> str:
        uid = study.study_instance_uid
        if study.state != "receiving":
            raise ConfigurationError(
                f"study {uid} is complete ({study.state}); dicom-node reprocess analyses it again"
            )
        if uid in journal.holds():
            raise ConfigurationError(f"study {uid} is held; dicom-node release lets it go on first")
        journal.request_completion(uid, by=by, reason=options.reason)
        return f"study {uid} counts as complete now; an object that comes later opens it again"

    return intervene(options, complete)
