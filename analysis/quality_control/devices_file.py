"""Write one section of a devices file; everything else in it, comments too, stays as it is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from analysis.quality_control.devices import load_devices

Value = str | float | int | date

HEADER = "# The site's own scanners; every key is explained in conf/devices.toml of the radius DXA node.\n"


def write_section(path: Path, device: str, section: str, values: Mapping[str, Value]) -> None:
    """Add or replace ``[device.SECTION]`` of a device, whose ``[[device]]`` is added if it is not there.

    The file is written beside and checked as a whole before it takes its place.

    Parameters
    ----------
    section : str
        Below ``device``, e.g. ``calibration`` or ``precision.one_third``.

    Raises
    ------
    ConfigurationError
        If the file, or what would be written, is no sound devices file; the file is then left as it was.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER
    if path.exists():
        load_devices(path)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(_with_section(text, device, section, values), encoding="utf-8")
    try:
        load_devices(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _with_section(text: str, device: str, section: str, values: Mapping[str, Value]) -> str:
    lines = text.splitlines()
    start = _device_line(lines, device)
    if start is None:
        lines += ["", "[[device]]", f"name = {_toml(device)}"]
        start = len(lines) - 2
    end = _next(lines, start + 1, r"\s*\[\[")
    title = f"[device.{section}]"
    written = [title, *(f"{key} = {_toml(value)}" for key, value in values.items())]
    old = next((n for n in range(start, end) if lines[n].split("#")[0].strip() == title), None)
    if old is None:
        while end > start and not lines[end - 1].strip():
            end -= 1
        lines[end:end] = ["", *written]
    else:
        stop = _next(lines, old + 1, r"\s*(\[|#|$)")
        lines[old:stop] = written
    return "\n".join(lines) + "\n"


def _device_line(lines: list[str], device: str) -> int | None:
    """Index of the ``[[device]]`` line of a device; None if it has none."""
    key = " ".join(device.split()).casefold()
    for number, line in enumerate(lines):
        if re.match(r"\s*\[\[\s*device\s*\]\]", line) is None:
            continue
        for inside in lines[number + 1 : _next(lines, number + 1, r"\s*\[")]:
            found = re.match(r"\s*name\s*=\s*[\"'](.*?)[\"']\s*(#.*)?$", inside)
            if found is not None and " ".join(found[1].split()).casefold() == key:
                return number
    return None


def _next(lines: list[str], start: int, pattern: str) -> int:
    return next((n for n in range(start, len(lines)) if re.match(pattern, lines[n])), len(lines))


def _toml(value: Value) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written")
        return f"{value:.6g}" if "." in f"{value:.6g}" or "e" in f"{value:.6g}" else f"{value:.6g}.0"
    return value.isoformat() if isinstance(value, date) else str(value)
