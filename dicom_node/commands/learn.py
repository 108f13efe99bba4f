"""``dicom-node learn``: train challengers on the site's own outcomes, and what came of it.

Training needs the ``training`` extra; the node itself never imports it.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, at_least, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.learning import LearningRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    formatter = parser.formatter_class
    run_ = actions.add_parser(
        "run", help="train, compare with the models in force, put in shadow", formatter_class=formatter
    )
    run_.add_argument(
        "--dry-run", action="store_true", help="only say what there is to learn from; nothing is trained"
    )
    run_.add_argument("--by", metavar="NAME", help="who starts it; default: who is logged in")
    run_.add_argument(
        "--background", action="store_true", help="at the lowest priority, and no longer than the node lives"
    )
    status = actions.add_parser("status", help="the newest runs", formatter_class=formatter)
    status.add_argument("--limit", type=at_least(1), default=10, metavar="N", help="how many runs")
    for action in (run_, status):
        action.add_argument("--json", action="store_true", help="print one JSON object")
        add_config_option(action)


def run(options: argparse.Namespace) -> int:
    # before numpy is imported: one thread, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    config = load_config(options)
    if options.action == "status":
        return _status(config, options)
    if options.background:
        _step_back()
    try:
        return _learn(config, options)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"learning needs {error.name}: install the extra with pip install 'radius-dxa-node[training]'"
        ) from error


def _learn(config: NodeConfig, options: argparse.Namespace) -> int:
    from dicom_node.storage.connection import utc_now
    from dicom_node.workflow.learning.run import Learning

    with open_journal(config) as journal:
        learning = Learning(
            journal,
            config.learning,
            config.analysis.models,
            config.node.data_dir / "learning",
            today=lambda: utc_now().date(),
        )
        if options.dry_run:
            _print(learning.preview(), options)
            return 0
        done = learning.run(options.by or getpass.getuser(), progress=lambda step: print(step, flush=True))
    _print(_document(done), options)
    return 0


def _step_back() -> None:
    """Work when nobody else does, and end with the node."""
    from dicom_node.workflow.lifeline import end_with_the_node

    os.nice(19)
    end_with_the_node()


def _status(config: NodeConfig, options: argparse.Namespace) -> int:
    from rich.table import Table

    from dicom_node.tables import print_table

    with open_journal(config) as journal:
        runs = journal.learning_runs(options.limit)
        learnt_from = next((item.last_outcome_id for item in runs if item.state in ("done", "declined")), 0)
        new = journal.new_fractures(learnt_from)
    if options.json:
        print(json.dumps({"new_fractures": new, "runs": [_document(item) for item in runs]}, indent=2))
        return 0
    table = Table("run", "started", "by", "state", "fractures", "challengers in shadow or reason")
    for item in runs:
        training = item.figures.get("training", {})
        table.add_row(
            str(item.id), item.started_at[:16], item.started_by, item.state,
            str(training.get("fractures", "–")), "\n".join(map(_line, _challenges(item))) or item.reason,
        )  # fmt: skip
    print_table(table)
    least = config.learning.minimum_new_fractures
    by_itself = f"the next run starts by itself from {least} on" if config.learning.enabled else "not enabled"
    print(f"{new} fractures told since the last run; {by_itself}")
    return 0


def _challenges(item: LearningRun) -> list[dict[str, Any]]:
    return list(item.figures.get("challenges", []))


def _line(challenge: dict[str, Any]) -> str:
    before, after = challenge["champion_figures"], challenge["challenger_figures"]
    return (
        f"{challenge['name']} {challenge['challenger']} ({challenge['kind']}): at {challenge['years']} years "
        f"O:E {_ratio(before)} → {_ratio(after)}, AUC {before['auc']['value']:.3f} → "
        f"{after['auc']['value']:.3f}"
    )


def _ratio(figures: dict[str, Any]) -> str:
    ratio = figures["observed_to_expected"]
    return f"{ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _document(item: LearningRun) -> dict[str, Any]:
    return {
        "run": item.id,
        "state": item.state,
        "reason": item.reason,
        "started_by": item.started_by,
        "started_at": item.started_at,
        "finished_at": item.finished_at,
        **item.figures,
    }


def _print(document: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(document, indent=2))
        return
    for part in ("training", "held_out"):
        if part in document:
            count = document[part]
            print(
                f"{part.replace('_', ' ')}: {count['patients']} patients, {count['fractures']} fractures, "
                f"{count['deaths']} deaths before one"
            )
    for reason, patients in document.get("left_out", {}).items():
        print(f"left out: {patients} patients, {reason}")
    for challenge in document.get("challenges", []):
        print(f"in shadow: {_line(challenge)}")
    for name, reason in document.get("declined", {}).items():
        print(f"no challenger: {name}, {reason}")
