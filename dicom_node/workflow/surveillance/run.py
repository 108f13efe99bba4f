"""One run of surveillance: read what is new, make figures, raise and end alarms. Needs numpy and scipy."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from analysis.risk import SHIPPED_MODELS
from analysis.surveillance import ReferenceSet, references_of
from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.storage.surveillance import Alarm, Figure, SurveillanceResult
from dicom_node.workflow.surveillance.figures import References, figures
from dicom_node.workflow.surveillance.gather import gather, survey
from dicom_node.workflow.surveillance.wording import figure_sentence, scanner_name

__all__ = ["run_surveillance"]

logger = logging.getLogger(__name__)

NAMED = 5
"""So many limits are named in one notification; the others are counted."""


def run_surveillance(journal: Journal, config: NodeConfig, *, clock: Clock = utc_now) -> tuple[int, int]:
    """Make all figures anew and journal them with the alarms they raise and end.

    Returns
    -------
    (int, int)
        How many studies were looked at, and how many figures made.
    """
    run = journal.begin_surveillance()
    try:
        survey(journal)
        today = clock().date()
        gathered = gather(journal, config, today)
        made = [
            _as_far_as_over(one, today) for one in figures(gathered, _references(config), config.surveillance)
        ]
        studies = sum(
            len(own)
            for (scanner, month), own in gathered.studies.items()
            if scanner and month in gathered.months
        )
        newest = _newest_judged(made)
        raised, ended = _changes(journal.surveillance_alarms(only_open=True, limit=100_000), newest)
        journal.end_surveillance(
            run, SurveillanceResult(studies, made, raised, ended, _events(raised, ended))
        )
    except Exception as error:
        journal.fail_surveillance(run, f"{type(error).__name__}: {error}"[:500])
        raise
    logger.info("surveillance: %d figures over %d studies, %d alarms raised", len(made), studies, len(raised))
    return studies, len(made)


def _references(config: NodeConfig) -> References:
    """Training references of every version in the directories of models that the node uses."""
    directories = {config.analysis.models or SHIPPED_MODELS}
    directories |= {route.models for route in config.routes if route.models is not None}
    found: dict[tuple[str, str], ReferenceSet] = {}
    for directory in sorted(directories):
        try:
            found |= references_of(Path(directory))
        except ConfigurationError as error:
            logger.warning("drift from %s is not measured: %s", directory, error)
    return found


def _as_far_as_over(one: Figure, today: date) -> Figure:
    """A figure of the present month is shown and not judged.

    Holding a month against its limits every night while it fills would multiply the chances of a false alarm.
    """
    return replace(one, judged=False, crossed=False) if one.month >= f"{today:%Y-%m}" else one


def _newest_judged(made: Sequence[Figure]) -> dict[tuple[str, str, str], Figure]:
    """The last judged figure of each thing."""
    ordered = sorted(made, key=lambda figure: figure.month)
    return {(one.scanner, one.kind, one.subject): one for one in ordered if one.judged}


def _changes(
    open_alarms: Sequence[Alarm], newest: Mapping[tuple[str, str, str], Figure]
) -> tuple[list[tuple[Figure, str]], list[tuple[Alarm, str]]]:
    """Figures that raise an alarm, in words too, and alarms that end with the month that ended them."""
    known = {(alarm.scanner, alarm.kind, alarm.subject): alarm for alarm in open_alarms}
    raised = [
        (one, figure_sentence(one)) for key, one in sorted(newest.items()) if one.crossed and key not in known
    ]
    ended = []
    for key, alarm in known.items():
        figure = newest.get(key)
        if figure is None:
            ended.append((alarm, ""))  # the scanner is gone for longer than figures go back
        elif not figure.crossed:
            ended.append((alarm, figure.month))
    return raised, ended


def _events(
    raised: Sequence[tuple[Figure, str]],
    ended: Sequence[tuple[Alarm, str]],
) -> list[tuple[Severity, str, str]]:
    """One event per scanner and direction, however many limits it is about."""
    crossed: dict[str, list[str]] = defaultdict(list)
    back: dict[str, list[str]] = defaultdict(list)
    for one, said in raised:
        crossed[one.scanner].append(said)
    for alarm, month in ended:
        back[alarm.scanner].append(f"{alarm.figure} ({f'over since {month}' if month else 'no longer seen'})")
    events = [
        (Severity.WARNING, "surveillance_crossed", _message(scanner, sentences))
        for scanner, sentences in sorted(crossed.items())
    ]
    events += [
        (Severity.INFO, "surveillance_back", _message(scanner, sentences))
        for scanner, sentences in sorted(back.items())
    ]
    return events


def _message(scanner: str, sentences: Sequence[str]) -> str:
    more = f"; and {len(sentences) - NAMED} more" if len(sentences) > NAMED else ""
    name = scanner_name(scanner).replace(": ", " ")  # what stands before the colon makes a cause of its own
    return f"{name}: {'; '.join(sentences[:NAMED])}{more}; see dicom-node surveillance show"
