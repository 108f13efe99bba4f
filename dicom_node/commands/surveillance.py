"""``dicom-node surveillance``: are the models still fit for what scanners send? Figures, alarms, export."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.surveillance import Figure
    from dicom_node.workflow.surveillance.view import SurveillanceView

KINDS = ("quality", "declined", "feature", "risk", "agreement", "outcome")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    formatter = parser.formatter_class
    run_ = actions.add_parser(
        "run", help="make all figures now, as the node does every night", formatter_class=formatter
    )
    run_.add_argument(
        "--background", action="store_true", help="at the lowest priority, and no longer than the node lives"
    )
    show = actions.add_parser(
        "show", help="alarms, and each scanner's newest figures", formatter_class=formatter
    )
    show.add_argument("--json", action="store_true", help="print one JSON object")
    export = actions.add_parser("export", help="write every figure of every month", formatter_class=formatter)
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="FILE.csv or FILE.json")
    for action in (show, export):
        action.add_argument("--scanner", metavar="NAME", help="only this scanner")
        action.add_argument("--kind", choices=KINDS, help="only figures of this kind")
    reference = actions.add_parser(
        "reference",
        help="add the training reference to models that were trained without one",
        formatter_class=formatter,
    )
    reference.add_argument(
        "--cohort", type=Path, required=True, metavar="PATH", help="the very cohort they were trained on"
    )
    reference.add_argument("--models", type=Path, required=True, metavar="DIR", help="their directory")
    for action in (run_, show, export):
        add_config_option(action)


def run(options: argparse.Namespace) -> int:
    # before numpy is imported: one thread, so that sums are always in one order
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    if options.action == "reference":
        return _reference(options)
    config = load_config(options)
    if options.action == "run":
        return _run(config, options)
    if options.action == "show":
        return _show(config, options)
    return _export(config, options)


def _run(config: NodeConfig, options: argparse.Namespace) -> int:
    if options.background:
        from dicom_node.workflow.lifeline import end_with_the_node

        os.nice(19)
        end_with_the_node()
    from dicom_node.workflow.surveillance.run import run_surveillance

    with open_journal(config) as journal:
        studies, figures = run_surveillance(journal, config)
        alarms = journal.surveillance_alarms(only_open=True)
    print(f"{figures} figures over {studies} studies; {len(alarms)} alarms are open")
    return 0


def _show(config: NodeConfig, options: argparse.Namespace) -> int:
    from dicom_node.workflow.surveillance.view import figure_document, surveillance_view

    with open_journal(config) as journal:
        view = surveillance_view(journal)
        figures = _chosen(journal.surveillance_figures(), options)
    if options.json:
        document = {
            "run": asdict(view.run) if view.run else None,
            "alarms": [asdict(alarm) for alarm in view.alarms],
            "figures": [figure_document(figure) for figure in figures],
        }
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return 0
    if view.run is None:
        print("surveillance has not run yet; run it with dicom-node surveillance run")
        return 0
    _show_alarms(view)
    _show_newest(figures)
    print(f"last run {view.run.started_at[:16]} UTC: {view.run.state} {view.run.reason}".rstrip())
    return 0


def _show_alarms(view: SurveillanceView) -> None:
    from rich.table import Table

    from dicom_node.tables import print_table
    from dicom_node.workflow.surveillance.wording import scanner_name

    if not view.open_alarms:
        print("no alarm is open")
        return
    table = Table("scanner", "month", "what", "since", title="open alarms", title_justify="left")
    for alarm in view.open_alarms:
        table.add_row(scanner_name(alarm.scanner), alarm.month, alarm.figure, alarm.raised_at[:10])
    print_table(table)


def _show_newest(figures: list[Figure]) -> None:
    """The newest judged month of each thing, else its newest."""
    from rich.table import Table

    from dicom_node.tables import print_table
    from dicom_node.workflow.surveillance.view import subject_label
    from dicom_node.workflow.surveillance.wording import scanner_name

    newest: dict[tuple[str, str, str], Figure] = {}
    for one in figures:  # by month
        key = one.scanner, one.kind, one.subject
        if one.judged or key not in newest or not newest[key].judged:
            newest[key] = one
    table = Table(
        "scanner", "kind", "what", "month", "figure", "", title="newest figures", title_justify="left"
    )
    for one in newest.values():
        verdict = "crossed" if one.crossed else "" if one.judged else "not judged"
        table.add_row(
            scanner_name(one.scanner), one.kind, subject_label(one), one.month, _figure(one), verdict
        )
    print_table(table)


def _figure(one: Figure) -> str:
    detail = one.detail
    if one.kind in ("feature", "risk"):
        psi = "–" if detail["psi"] is None else f"{detail['psi']:.2f}"
        return f"PSI {psi}, {detail['subjects']} patients"
    if one.kind == "outcome":
        if detail.get("ratio") is None:
            return f"{detail['subjects']} patients, {detail['fractures']} fractures"
        ratio = detail["ratio"]
        return (
            f"O:E {ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f}), "
            f"{detail['fractures']} fractures of {detail['subjects']}"
        )
    return f"{100 * detail['value']:.1f} % ({detail['count']} of {detail['total']})"


def _export(config: NodeConfig, options: argparse.Namespace) -> int:
    from dicom_node.workflow.surveillance.view import figure_document, figures_as_csv

    with open_journal(config) as journal:
        figures = _chosen(journal.surveillance_figures(), options)
    suffix = options.out.suffix.lower()
    if suffix == ".csv":
        text = figures_as_csv(figures)
    elif suffix == ".json":
        text = (
            json.dumps([figure_document(figure) for figure in figures], indent=1, ensure_ascii=False) + "\n"
        )
    else:
        raise ConfigurationError(f"--out {options.out}: must end in .csv or .json")
    options.out.write_text(text, encoding="utf-8", newline="")
    print(f"{len(figures)} figures written to {options.out}")
    return 0


def _chosen(figures: list[Figure], options: argparse.Namespace) -> list[Figure]:
    return [
        one for one in figures if options.scanner in (None, one.scanner) and options.kind in (None, one.kind)
    ]


def _reference(options: argparse.Namespace) -> int:
    try:
        from analysis.cohort.table import load_cohort
        from analysis.training.models import add_reference

        count = add_reference(options.models, load_cohort(options.cohort))
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"reading a cohort needs {error.name}: install the extra with "
            "pip install 'radius-dxa-node[training]'"
        ) from error
    print(f"{count} versions of {options.models} have a training reference")
    return 0
