"""What console, REST API and command line show of surveillance: one card per scanner."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicom_node.storage.journal import Journal
from dicom_node.storage.surveillance import Alarm, Figure, SurveillanceRun
from dicom_node.workflow.surveillance.wording import scanner_name, subject_name

__all__ = [
    "ScannerCard",
    "SurveillanceView",
    "figure_document",
    "figures_as_csv",
    "subject_label",
    "surveillance_view",
]

CSV_COLUMNS = (
    "scanner",
    "month",
    "kind",
    "subject",
    "judged",
    "crossed",
    "count",
    "total",
    "value",
    "low",
    "high",
    "limit",
    "subjects",
    "known",
    "known_in_training",
    "psi",
    "psi_by_chance",
    "ks",
    "p_value",
    "fractures",
    "deaths",
    "unfollowed",
    "waiting",
    "observed",
    "expected",
    "ratio",
    "ratio_low",
    "ratio_high",
    "auc",
    "auc_low",
    "auc_high",
    "c_index",
)


@dataclass(frozen=True, slots=True)
class ScannerCard:
    """The figures of one scanner.

    Attributes
    ----------
    scanner : str
        Empty: all scanners together.
    figures : mapping of str to mapping of str to sequence of Figure
        Kind -> subject -> figures by month.
    alarms : sequence of Alarm
        Open ones.
    """

    scanner: str
    figures: Mapping[str, Mapping[str, Sequence[Figure]]]
    alarms: Sequence[Alarm]

    @property
    def name(self) -> str:
        return scanner_name(self.scanner)

    def of(self, kind: str) -> Mapping[str, Sequence[Figure]]:
        """Return the figures of one kind, by subject; empty if there are none."""
        return self.figures.get(kind, {})


@dataclass(frozen=True, slots=True)
class SurveillanceView:
    """What there is to show.

    Attributes
    ----------
    months : tuple of str
        Every month that has a figure, oldest first.
    run : SurveillanceRun or None
        The newest run.
    """

    months: tuple[str, ...]
    cards: tuple[ScannerCard, ...]
    alarms: tuple[Alarm, ...]
    run: SurveillanceRun | None

    @property
    def open_alarms(self) -> tuple[Alarm, ...]:
        return tuple(alarm for alarm in self.alarms if alarm.open)

    @property
    def past_alarms(self) -> tuple[Alarm, ...]:
        return tuple(alarm for alarm in self.alarms if not alarm.open)


def surveillance_view(journal: Journal, *, alarms: int = 100) -> SurveillanceView:
    """Gather what is shown: all scanners, with the last `alarms` alarms."""
    by_scanner: dict[str, dict[str, dict[str, list[Figure]]]] = {}
    months = set()
    for figure in journal.surveillance_figures():
        kinds = by_scanner.setdefault(figure.scanner, {})
        kinds.setdefault(figure.kind, {}).setdefault(figure.subject, []).append(figure)
        months.add(figure.month)
    raised = journal.surveillance_alarms(limit=alarms)
    cards = tuple(
        ScannerCard(
            scanner, kinds, tuple(alarm for alarm in raised if alarm.scanner == scanner and alarm.open)
        )
        for scanner, kinds in sorted(by_scanner.items(), key=lambda item: (item[0] == "", item[0]))
    )
    runs = journal.surveillance_runs(1)
    return SurveillanceView(tuple(sorted(months)), cards, tuple(raised), runs[0] if runs else None)


def figures_as_csv(figures: Sequence[Figure]) -> str:
    """Write figures as CSV (RFC 4180), one a line, an empty cell for what there is not."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for figure in figures:
        row: dict[str, object] = {
            "scanner": scanner_name(figure.scanner),
            "month": figure.month,
            "kind": figure.kind,
            "subject": figure.subject,
            "judged": int(figure.judged),
            "crossed": int(figure.crossed),
        }
        for name, value in figure.detail.items():
            if isinstance(value, Mapping):  # an estimate with its interval
                row |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
            elif not isinstance(value, list):
                row[name] = value
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def figure_document(figure: Figure) -> dict[str, Any]:
    """Describe a figure as JSON-ready data."""
    return {
        "scanner": figure.scanner,
        "month": figure.month,
        "kind": figure.kind,
        "subject": figure.subject,
        "judged": figure.judged,
        "crossed": figure.crossed,
        "detail": dict(figure.detail),
    }


def _cell(value: object) -> object:
    """A cell: numbers rounded; text that a spreadsheet would take for a formula is told apart."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return f"'{value}"
    return value


def subject_label(figure: Figure) -> str:
    """What a figure is about, in words; "any" for one over all findings or reasons."""
    return subject_name(figure.kind, figure.subject) or "any"
