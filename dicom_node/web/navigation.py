"""The console's pages, in the order in which the navigation shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.storage.users import Role
from dicom_node.web.i18n import translatable

__all__ = ["ENTRIES", "Entry", "entries_for"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation.

    Attributes
    ----------
    icon : str
        Name of a symbol in ``static/icons.svg``.
    """

    path: str
    label: str
    icon: str
    least: Role = Role.VIEWER
    group: str = ""
    """A heading above this entry; empty: as the entry before."""


ENTRIES = (
    Entry("/", translatable("Overview"), "overview", group=translatable("Work")),
    Entry("/studies", translatable("Studies"), "studies"),
    Entry("/queue", translatable("Queue"), "queue"),
    Entry("/jobs", translatable("Jobs"), "jobs"),
    Entry("/models", translatable("Models"), "models", group=translatable("Quality")),
    Entry("/surveillance", translatable("Surveillance"), "surveillance"),
    Entry(
        "/doctor",
        translatable("Configuration check"),
        "doctor",
        Role.OPERATOR,
        group=translatable("Administration"),
    ),
    Entry("/audit", translatable("Audit"), "audit", Role.ADMINISTRATOR),
    Entry("/users", translatable("Users"), "users", Role.ADMINISTRATOR),
)


def entries_for(role: Role, paths: Sequence[str]) -> list[Entry]:
    """Return the pages that there are and that a role may open."""
    return [entry for entry in ENTRIES if entry.path in paths and role.may(entry.least)]
