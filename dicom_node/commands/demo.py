"""``dicom-node demo``: the whole way on one machine, shown as it happens."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from dicom_node.demonstration import DemoStudy
    from dicom_node.embedded_pacs import EmbeddedPacs

ANSWER_SECONDS = 150.0
SHOWN_ADVICE = {"diagnosis", "treatment"}
"""Kinds of recommendation the terminal shows; the report holds all of them with their sources."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("demo_output"), metavar="DIR", help="where everything is kept"
    )
    parser.add_argument(
        "--studies",
        type=Path,
        default=Path(__file__).parents[2] / "sample_studies",
        metavar="DIR",
        help="folder with one folder of DICOM files per study",
    )


def run(options: argparse.Namespace) -> int:
    from dicom_node import demonstration
    from dicom_node.config import LoggingSettings
    from dicom_node.embedded_pacs import EmbeddedPacs
    from dicom_node.observe import logs
    from dicom_node.tables import standard_output

    logs.configure(LoggingSettings(level="warning"), verbose=options.verbose)  # the PACS is no node to watch
    console = standard_output()
    started = time.monotonic()
    demos = _demo_studies(options.studies)
    demonstration.prepare_folder(options.out)
    console.print(f"Starting an embedded PACS and the node; everything is kept in {options.out}/")
    with (
        EmbeddedPacs(options.out / "pacs_data", demonstration.PACS_AE_TITLE) as pacs,
        demonstration.running_node(options.out, pacs.port) as node,
    ):
        console.print(f"Node {node} is ready and sends its results to {pacs.ae_title}@127.0.0.1:{pacs.port}")
        for demo in demos:
            demonstration.push(demo, node)
            console.print(f"  pushed {demo.name}: {len(demo.study.paths)} object(s), acknowledged")
        _wait_with_progress(demos, options.out, pacs, console)
        for demo in demos:
            demonstration.save_results(demo, options.out, pacs)
    _show(demos, console)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s.")
    return 1 if any(demo.state == "failed" for demo in demos) else 0


def _demo_studies(folder: Path) -> list[DemoStudy]:
    from dicom_node.demonstration import DemoStudy
    from dicom_node.dicom_files import read_studies
    from dicom_node.errors import ConfigurationError

    studies, unreadable = read_studies([folder])
    if not studies or unreadable:
        raise ConfigurationError(
            f"--studies = {str(folder)!r}: must hold DICOM files only, one folder per study; "
            f"found {len(studies)} studies and {len(unreadable)} unreadable files"
        )
    demos = [DemoStudy(study.paths[0].parent.name, study) for study in studies]
    return sorted(demos, key=lambda demo: demo.name)


def _wait_with_progress(demos: list[DemoStudy], out: Path, pacs: EmbeddedPacs, console: Console) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from dicom_node import demonstration

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("waiting for answers", total=len(demos))
        for demo in demonstration.wait(demos, out, pacs, ANSWER_SECONDS):
            progress.advance(task)
            progress.console.print(f"  {demo.name}: {_outcome(demo)}")


def _outcome(demo: DemoStudy) -> str:
    if demo.seconds_to_report is not None:
        return f"report stored at the PACS {demo.seconds_to_report:.1f} s after the quiet time"
    return f"{demo.state}: {demo.reason}"


def _show(demos: list[DemoStudy], console: Console) -> None:
    from dicom_node.tables import analyses_table

    documents = [demo.document for demo in demos if demo.document is not None]
    console.print(analyses_table(documents, {demo.uid: demo.name for demo in demos}))
    for demo in demos:
        console.print(f"\n[bold]{demo.name}[/bold]: {_outcome(demo)}")
        for item in (demo.document or {}).get("recommendations", []):
            if item["kind"] in SHOWN_ADVICE and not item["text"].startswith("Not evaluated"):
                console.print(f"  {item['kind']}: {item['text']}", markup=False)
        if demo.saved:
            names = ", ".join(path.name for path in demo.saved)
            console.print(f"  {demo.saved[0].parent}/: {names}", markup=False)
