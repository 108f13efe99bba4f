"""``[[route]]``: what becomes of a study, by where it came from and what it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from analysis.config import AnalysisConfig
from dicom_node.config.matching import Condition, read_conditions
from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, existing_path, must, not_blank, read_table
from dicom_node.storage.records import DEFAULT_PRIORITY, DEFAULT_ROUTE_NAME

__all__ = ["DEFAULT_ROUTE", "Action", "Route", "read_routes"]

Action = Literal["analyse", "forward", "store", "discard"]


@dataclass(frozen=True, slots=True)
class Route:
    """``[[route]]``: the first whose conditions hold decides.

    Attributes
    ----------
    when : tuple of Condition
        All must hold for one and the same object of the study; none = every study.
    action : tuple of str
        ``analyse``: results go to `destinations`. ``forward``: originals go to `forward_to`. ``store``: the
        study is kept, nothing else. ``discard``: nothing is kept but a journal row.
    destinations : tuple of str or None
        Names of destinations that get results; None = every one, empty = results are kept, not sent.
    guideline, models : Path or None
        In place of those of ``[analysis]``.
    priority : int
        0 to 9; 9 is analysed and delivered first.
    """

    name: str = field(metadata=must(not_blank))
    when: tuple[Condition, ...] = ()
    action: tuple[Action, ...] = ("analyse",)
    destinations: tuple[str, ...] | None = None
    forward_to: tuple[str, ...] = ()
    guideline: Path | None = field(default=None, metadata=must(existing_path))
    models: Path | None = field(default=None, metadata=must(existing_path))
    priority: int = field(default=DEFAULT_PRIORITY, metadata=must(between(0, 9)))

    def analysis(self, shared: AnalysisConfig) -> AnalysisConfig:
        """Return the engine's settings for studies of this route."""
        return replace(
            shared, guideline=self.guideline or shared.guideline, models=self.models or shared.models
        )


DEFAULT_ROUTE = Route(DEFAULT_ROUTE_NAME)
"""Decides where no route of the site does: everything is analysed, results go to every destination."""


def read_routes(document: Mapping[str, Any], destinations: Collection[str], base: Path) -> tuple[Route, ...]:
    """Read every ``[[route]]``, in order.

    Raises
    ------
    ConfigurationError
        For an illegal key, an unknown destination, a missing file, or actions that exclude each other.
    """
    entries = document.get("route", [])
    if not isinstance(entries, list):
        raise ConfigurationError("route: must be a list of tables; write [[route]] for each")
    routes: list[Route] = []
    for number, entry in enumerate(entries, start=1):
        route = _read_route(entry, f"[[route]] {number}", destinations, base)
        if route.name in {DEFAULT_ROUTE.name, *(other.name for other in routes)}:
            raise ConfigurationError(
                f"[[route]] {number} name = {route.name!r}: used twice, or the node's own word; "
                "give each its own name"
            )
        routes.append(route)
    return tuple(routes)


def _read_route(entry: Mapping[str, Any], name: str, destinations: Collection[str], base: Path) -> Route:
    conditions = read_conditions(entry.get("when", {}), f"{name} when")
    rest = {key: value for key, value in entry.items() if key != "when"}
    if isinstance(rest.get("action"), str):
        rest["action"] = [rest["action"]]
    route = read_table(Route, rest, name=name, base=base, when=conditions)
    for remedy in (_mixed_actions(route), _misplaced_keys(route), _unknown_names(route, destinations)):
        if remedy:
            raise ConfigurationError(f"{name} ({route.name}) {remedy}")
    return replace(
        route,
        guideline=route.guideline and route.guideline.resolve(),
        models=route.models and route.models.resolve(),
    )


def _mixed_actions(route: Route) -> str:
    if not route.action:
        return 'action = []: must name "analyse", "forward", "store" or "discard"'
    for alone in ("store", "discard"):
        if alone in route.action and len(route.action) > 1:
            return f"action: {alone!r} stands alone; leave it out, or the others"
    return ""


def _misplaced_keys(route: Route) -> str:
    if "forward" in route.action and not route.forward_to:
        return 'action "forward": needs forward_to = ["..."] with names of destinations'
    if route.forward_to and "forward" not in route.action:
        return 'forward_to: needs action = [..., "forward"]'
    if "analyse" not in route.action:
        for key in ("destinations", "guideline", "models"):
            if getattr(route, key) is not None:
                return f'{key}: needs action = ["analyse", ...]; leave it out'
    return ""


def _unknown_names(route: Route, destinations: Collection[str]) -> str:
    for key, names in (("destinations", route.destinations or ()), ("forward_to", route.forward_to)):
        for destination in names:
            if destination not in destinations:
                there = ", ".join(destinations) or "none is configured"
                return f"{key} = {destination!r}: no [[destination]] has that name; there are: {there}"
    return ""
