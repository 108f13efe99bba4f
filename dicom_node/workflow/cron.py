"""Times of the day and of the week as people write them: cron expressions, by the clock on the wall."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from dicom_node.errors import ConfigurationError

__all__ = ["next_time"]

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""By the number that cron gives a day (POSIX crontab: 0 = Sunday; 7 is commonly taken for it too)."""


def next_time(expression: str, after: datetime, *, zone: tzinfo | None = None) -> datetime:
    """Return the first moment after `after` at which a cron expression comes.

    Parameters
    ----------
    expression : str
        Minute, hour, day of the month, month, day of the week.
    zone : tzinfo, optional
        Whose wall; that of this machine by default.

    Raises
    ------
    ConfigurationError
        If it is no cron expression, or never comes.
    """
    from apscheduler.triggers.cron import CronTrigger

    fields = expression.split()
    if len(fields) != 5:
        raise _wrong(expression, f"has {len(fields)} fields")
    minute, hour, day, month, weekday = fields
    try:
        trigger = CronTrigger(
            minute=minute,
            hour=hour,
            day=day,
            month=month,
            day_of_week=_named_weekdays(weekday),  # APScheduler 3 counts them from Monday
            timezone=zone,
        )
        moment: datetime | None = trigger.get_next_fire_time(after, after)
    except ValueError as error:
        raise _wrong(expression, str(error)) from None
    if moment is None:
        raise _wrong(expression, "never comes")
    return moment


def _named_weekdays(field: str) -> str:
    """Write the numbers of days as names; ``*/2`` and ``1#2`` count something else."""
    if "/" in field:
        return field
    return re.sub(r"(?<![\w#])[0-7](?!\w)", lambda number: _WEEKDAYS[int(number[0])], field)


def _wrong(expression: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"cron expression {expression!r}: {why}; write minute, hour, day of the month, month and day of the "
        "week, e.g. '0 22 * * 1-5' for ten in the evening from Monday to Friday"
    )
