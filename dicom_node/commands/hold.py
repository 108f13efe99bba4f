"""``dicom-node hold``: keep a study from being completed, analysed and delivered."""

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
    def hold(journal: Journal, study: Study, by: str) -> str:
        uid = study.study_instance_uid
        if not journal.hold_study(uid, by=by, reason=options.reason):
            known = journal.holds()[uid]
            raise ConfigurationError(
                f"study {uid} is held already, by {known.held_by} since {known.held_at[:19]}: {known.reason}"
            )
        return (
            f"study {uid} is held; what is under way ends, its results wait; dicom-node release lets it go on"
        )

    return intervene(options, hold)
