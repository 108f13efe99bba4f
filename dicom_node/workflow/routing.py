"""Decides what becomes of a complete study: the first route whose conditions one of its objects meets.

`follow` is the rule language as a pure function; `Router` asks it about studies of the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.config import AnalysisConfig
from dicom_node.config import DEFAULT_ROUTE, Condition, NodeConfig, Route
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import HELD
from dicom_node.storage.routings import DEFAULT_ROUTING, Routing
from dicom_node.workflow.facts import HeaderReader, ObjectFacts
from reports import ReportOptions

__all__ = [
    "ConditionVerdict",
    "RouteVerdict",
    "Router",
    "analysis_settings",
    "follow",
    "meets",
    "reports_wanted",
    "shadowing",
]


@dataclass(frozen=True, slots=True)
class ConditionVerdict:
    """One condition against a study.

    Attributes
    ----------
    found : tuple of str
        What the study's objects hold of the attribute.
    pattern : str or None
        That fits; of the object that meets the whole route if there is one, else of any object.
    """

    condition: Condition
    found: tuple[str, ...]
    pattern: str | None

    @property
    def reason(self) -> str:
        """Why it holds; without the value, which may name a patient."""
        return f"{self.condition.attribute} fits {self.pattern!r}"


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """One route against a study."""

    route: Route
    matched: bool
    conditions: tuple[ConditionVerdict, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it decides."""
        if self.route == DEFAULT_ROUTE:
            return DEFAULT_ROUTING.reasons
        return tuple(verdict.reason for verdict in self.conditions) or ("it has no conditions",)


class Router:
    """The site's routes, for studies in the journal."""

    def __init__(self, routes: Sequence[Route], archive: Archive, journal: Journal) -> None:
        self._routes = routes
        self._journal = journal
        self._headers = HeaderReader(archive)

    def objects(self, study_instance_uid: str) -> list[ObjectFacts]:
        """Return what rules may ask of every received object of a study."""
        return [
            self._headers.facts(instance) for instance in self._journal.routed_instances(study_instance_uid)
        ]

    def decide(self, study_instance_uid: str) -> Routing:
        """Return what becomes of a study by the routes of today.

        A study whose originals were released goes the way it went before: no rule can ask what is gone.
        """
        before = self._journal.routing(study_instance_uid)
        if before is not DEFAULT_ROUTING and self._journal.released_instances(study_instance_uid):
            return replace(before, reasons=("as before, for its originals were released",))
        instances = self._journal.routed_instances(study_instance_uid)
        objects = [self._headers.facts(instance) for instance in instances]
        self._headers.forget(instances)
        verdict = follow(self._routes, objects)[-1]
        route = verdict.route
        routing = Routing(
            route=route.name,
            actions=route.action,
            destinations=route.destinations,
            forward_to=route.forward_to,
            guideline=str(route.guideline or ""),
            models=str(route.models or ""),
            priority=route.priority,
            reasons=verdict.reasons,
        )
        return routing if any(item.known_class for item in objects) else _never_analysed(routing)


def follow(routes: Sequence[Route], objects: Sequence[ObjectFacts]) -> list[RouteVerdict]:
    """Return the verdicts on all routes up to the one that decides, which is the last.

    A route decides if one object meets all its conditions, or if it has none; where no route of the site
    does, `DEFAULT_ROUTE`.
    """
    verdicts = []
    for route in (*routes, DEFAULT_ROUTE):
        verdicts.append(_judge(route, objects))
        if verdicts[-1].matched:
            break
    return verdicts


def meets(conditions: Sequence[Condition], item: ObjectFacts) -> bool:
    """Tell whether one object meets every condition."""
    return all(condition.fitting(item[condition.attribute]) is not None for condition in conditions)


def shadowing(routes: Sequence[Route], number: int) -> Route | None:
    """Return an earlier route that decides wherever the one at index `number` would, None if there is none.

    An earlier route shadows if each of its conditions is one of the later route's, with the same patterns or
    more.
    """
    later = {condition.attribute: set(condition.patterns) for condition in routes[number].when}
    for earlier in routes[:number]:
        if all(later.get(item.attribute, {""}) <= set(item.patterns) for item in earlier.when):
            return earlier
    return None


def analysis_settings(shared: AnalysisConfig, routing: Routing) -> AnalysisConfig:
    """Return the engine's settings for a study: its route's guideline and models win over the shared ones."""
    return replace(
        shared,
        guideline=Path(routing.guideline) if routing.guideline else shared.guideline,
        models=Path(routing.models) if routing.models else shared.models,
    )


def reports_wanted(config: NodeConfig, routing: Routing) -> dict[str, ReportOptions]:
    """Return what each destination of a study's results wants; without any, the results that are held."""
    everyone = config.reports_by_destination()
    if routing.destinations is None:
        return everyone
    chosen = {name: options for name, options in everyone.items() if name in routing.destinations}
    return chosen or {HELD: config.reports}


def _judge(route: Route, objects: Sequence[ObjectFacts]) -> RouteVerdict:
    meeting = next((item for item in objects if meets(route.when, item)), None)
    asked = objects if meeting is None else [meeting]
    verdicts = tuple(_judge_condition(condition, asked, objects) for condition in route.when)
    return RouteVerdict(route, not route.when or meeting is not None, verdicts)


def _judge_condition(
    condition: Condition, asked: Sequence[ObjectFacts], objects: Sequence[ObjectFacts]
) -> ConditionVerdict:
    fitting = (condition.fitting(item[condition.attribute]) for item in asked)
    pattern = next((pattern for pattern in fitting if pattern is not None), None)
    found = dict.fromkeys(item[condition.attribute][0] for item in objects if any(item[condition.attribute]))
    return ConditionVerdict(condition, tuple(found), pattern)


def _never_analysed(routing: Routing) -> Routing:
    """Keep objects of classes that the standard does not name from the engine."""
    if "analyse" not in routing.actions:
        return routing
    actions = tuple(action for action in routing.actions if action != "analyse") or ("store",)
    reason = "not analysed: no object is of a SOP class that the standard names"
    return replace(routing, actions=actions, reasons=(*routing.reasons, reason))
