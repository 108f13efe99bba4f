"""``dicom-node export-support``: a ZIP for whoever helps, without any patient's identity."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, at_least, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.storage.journal import Journal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--study", action="append", metavar="UID", help="Study Instance UID; may be repeated")
    which.add_argument("--last", type=at_least(1), metavar="N", help="the N studies received last")
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP", help="the file to write")
    parser.add_argument("--without-pixels", action="store_true", help="leave every picture out")
    parser.add_argument(
        "--log",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a log file, besides that of [logging] file; may be repeated",
    )
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.storage.archive import Archive
    from dicom_node.support.export import export_support

    config = load_config(options)
    logs = [*options.log, *filter(None, [config.logging.file])]
    for log in logs:
        if not log.is_file():
            raise ConfigurationError(f"--log {log}: no such file")
    with open_journal(config) as journal:
        export = export_support(
            Archive(config.node.data_dir),
            journal,
            _chosen(journal, options),
            options.out,
            with_pixels=not options.without_pixels,
            logs=logs,
        )
    print(f"{options.out}: {export.objects} objects")
    for sentence in export.left_out:
        print(f"left out: {sentence}")
    for sentence in export.risks:
        print(sentence)
    return 0


def _chosen(journal: Journal, options: argparse.Namespace) -> list[str]:
    if options.last:
        return [row["study_instance_uid"] for row in journal.list_studies()[-options.last :]]
    for uid in options.study:
        if journal.study(uid) is None:
            raise ConfigurationError(
                f"study {uid!r} was never received; dicom-node studies lists those that were"
            )
    return list(options.study)
