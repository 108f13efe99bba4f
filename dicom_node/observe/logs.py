"""The node's log: structlog over the standard library's loggers, one format for every module and process.

Lines carry ids, never patients: Study, SOP Instance and association ids, so that an administrator finds the
objects in the PACS. That is held by construction, not by care at every call:

- texts of libraries are withheld (pydicom's warnings quote values, pynetdicom's messages whole data sets),
  only their place in the code is told; ``[logging] library_texts`` shows them;
- of an exception that is not ours only its class and the places it passed are told, not its text.
"""

from __future__ import annotations

import copy
import json
import logging
import logging.handlers
import sqlite3
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dicom_node.config.observing import LoggingSettings
from dicom_node.errors import ConfigurationError, NodeError
from dicom_node.optional_imports import without

with without("rich"):  # it draws tracebacks for terminals, which would quote values; 4 MB
    import structlog

__all__ = [
    "QUIET_LIBRARIES",
    "RelayHandler",
    "bind_to_thread",
    "configure",
    "fields",
    "relay",
    "settings_in_use",
]

QUIET_LIBRARIES = {
    "asyncio": logging.WARNING,
    "highdicom": logging.WARNING,  # reports every module it copies
    "py.warnings": logging.ERROR,  # pydicom warns of every odd value; what matters we say ourselves
    "pydicom": logging.CRITICAL,
    "pynetdicom": logging.CRITICAL,  # we say the same with the remedy
    "pikepdf": logging.WARNING,  # reports that it is there
    "onnx_ir": logging.WARNING,  # reports every pass over a network that is exported
    "onnxscript": logging.WARNING,
    "torch.onnx": logging.ERROR,  # warns of operators of torchvision, which we do not use
    "skfem": logging.WARNING,  # reports every assembly of a mesh
}
"""Libraries whose chatter would bury our own log; ``--verbose`` lets their warnings through."""

_OURS = ("dicom_node", "analysis", "reports")
_TRUSTED_ERRORS = (NodeError, OSError, sqlite3.Error)
"""Errors whose texts are ours, the operating system's or SQLite's: they name files and rules, not values."""

_WITHHELD = "text withheld, it may quote patient data ([logging] library_texts shows it)"

_in_use = LoggingSettings()


def configure(settings: LoggingSettings, *, verbose: bool = False) -> None:
    """Send every logger's lines where `settings` say, replacing what was configured before.

    Parameters
    ----------
    verbose : bool
        Write everything, and let libraries speak.

    Raises
    ------
    ConfigurationError
        If the log file cannot be written.
    """
    global _in_use  # noqa: PLW0603 - logging is configured once for a whole process
    _in_use = replace(settings, level="debug") if verbose else settings
    handler = _handler(settings)
    handler.setFormatter(_Formatter(_in_use))
    _install(handler, _in_use)


def settings_in_use() -> LoggingSettings:
    """Return how this process logs, for the processes it starts."""
    return _in_use


def fields(**ids: object) -> AbstractContextManager[None]:
    """Bind ids (association, study, analysis, destination) to every line that this thread logs inside."""
    return structlog.contextvars.bound_contextvars(**ids)


def bind_to_thread(**ids: object) -> None:
    """Bind ids to every line that this thread will log until it ends."""
    structlog.contextvars.bind_contextvars(**ids)


class RelayHandler(logging.Handler):
    """In a worker process: sends each line to the node, which writes all lines of all processes."""

    def __init__(self, connection: Connection, settings: LoggingSettings) -> None:
        super().__init__()
        self._connection = connection
        self._settings = settings

    def install(self) -> None:
        """Make this the process's only handler."""
        global _in_use  # noqa: PLW0603 - as in `configure`
        _in_use = self._settings
        _install(self, self._settings)

    def emit(self, record: logging.LogRecord) -> None:
        safe = _safe(record, library_texts=self._settings.library_texts)
        line = {
            "name": safe.name,
            "levelno": safe.levelno,
            "levelname": safe.levelname,
            "created": safe.created,
            "msecs": safe.msecs,
            "msg": safe.getMessage(),
            "relayed": True,
            "fields": structlog.contextvars.get_contextvars(),
            "stack_frames": safe.stack_frames,  # type: ignore[attr-defined]  # set by _safe
        }
        try:
            self._connection.send_bytes(json.dumps(line, default=str).encode())
        except OSError:  # the node is gone, and so is this process in a moment
            self.handleError(record)


def relay(connection: Connection) -> None:
    """In the node: write what a worker's `RelayHandler` sends, until that worker ends."""
    threading.Thread(target=_relay, args=(connection,), name="worker log", daemon=True).start()


def _relay(connection: Connection) -> None:
    with connection:
        while True:
            try:
                line = json.loads(connection.recv_bytes())
            except (EOFError, OSError, ValueError):  # the worker ended, perhaps in the middle of a line
                return
            record = logging.makeLogRecord(line)
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)


def _handler(settings: LoggingSettings) -> logging.Handler:
    if settings.file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        return logging.handlers.RotatingFileHandler(
            settings.file,
            maxBytes=settings.max_file_bytes,
            backupCount=settings.kept_files,
            encoding="utf-8",
        )
    except OSError as error:
        raise ConfigurationError(
            f"[logging] file = {str(settings.file)!r}: cannot be written ({error.strerror}); "
            "set its folder's owner, or another file"
        ) from error


def _install(handler: logging.Handler, settings: LoggingSettings) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        if (
            isinstance(old, logging.StreamHandler | RelayHandler)
            and type(old).__module__ != "_pytest.logging"
        ):
            root.removeHandler(old)
            old.close()
    handler.addFilter(_TooQuietToTell(settings))
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    logging.captureWarnings(True)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # reports every run of every job
    for library, level in QUIET_LIBRARIES.items():
        logging.getLogger(library).setLevel(logging.NOTSET if settings.level == "debug" else level)


class _TooQuietToTell(logging.Filter):
    """Leaves out what a library says below a warning: without its text it would say nothing."""

    def __init__(self, settings: LoggingSettings) -> None:
        super().__init__()
        self._library_texts = settings.library_texts

    def filter(self, record: logging.LogRecord) -> bool:
        return self._library_texts or record.levelno >= logging.WARNING or _is_ours(record)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _OURS


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, settings: LoggingSettings) -> None:
        rendering: list[Any] = (
            [_flatten, structlog.processors.JSONRenderer(ensure_ascii=False)]
            if settings.format == "json"
            else [_as_text]
        )
        super().__init__(processors=rendering, foreign_pre_chain=[structlog.contextvars.merge_contextvars])
        self._library_texts = settings.library_texts

    def format(self, record: logging.LogRecord) -> str:
        return super().format(_safe(record, library_texts=self._library_texts))


def _safe(record: logging.LogRecord, *, library_texts: bool) -> logging.LogRecord:
    """Return a copy of the record that holds no text which could quote a data set."""
    record = copy.copy(record)
    if getattr(record, "relayed", False):
        return record
    if not _is_ours(record) and not library_texts:
        record.msg = f"{_place(record.pathname, record.lineno)}: {_WITHHELD}"
        record.args = ()
    elif isinstance(record.args, tuple):
        record.args = tuple(_safe_argument(value, library_texts) for value in record.args)
    raised = record.exc_info[1] if record.exc_info else None
    record.stack_frames = _frames(raised, library_texts) if raised else ""
    record.exc_info = record.exc_text = None
    return record


def _safe_argument(value: object, library_texts: bool) -> object:
    if isinstance(value, BaseException) and not isinstance(value, _TRUSTED_ERRORS) and not library_texts:
        return type(value).__name__
    return value


def _frames(error: BaseException, library_texts: bool) -> str:
    """Return a traceback without the source's lines and without texts that could quote values."""
    lines: list[str] = []
    chain: BaseException | None = error
    while chain is not None:
        places = [
            f"{_place(frame.filename, frame.lineno or 0)} {frame.name}"
            for frame in traceback.extract_tb(chain.__traceback__)
        ]
        text = str(chain) if library_texts or isinstance(chain, _TRUSTED_ERRORS) else ""
        lines.append(f"{type(chain).__name__}{': ' if text else ''}{text} at {' > '.join(places)}")
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    return "\n".join(lines)


def _place(file: str, line: int) -> str:
    """Return package/module.py:line, without what lies above the package."""
    path = Path(file)
    return f"{path.parent.name}/{path.name}:{line}"


def _ids(event: Mapping[str, Any]) -> dict[str, Any]:
    own = {
        name: value for name, value in event.items() if name not in ("event", "_record", "_from_structlog")
    }
    return own | getattr(event["_record"], "fields", {})


def _flatten(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return what becomes one JSON object: time (UTC), severity, logger, ids, text."""
    record: logging.LogRecord = event["_record"]
    flat = {
        "timestamp": _utc(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event["event"],
        **_ids(event),
    }
    frames = getattr(record, "stack_frames", "")
    return flat | ({"exception": frames} if frames else {})


def _as_text(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
    """Return a line for people; ids that the text names already are not said twice."""
    record: logging.LogRecord = event["_record"]
    text = _printable(str(event["event"]))
    ids = "".join(f" {name}={value}" for name, value in _ids(event).items() if str(value) not in text)
    time = logging.Formatter().formatTime(record)
    frames = getattr(record, "stack_frames", "")
    line = f"{time} {record.levelname:<7} {record.name}: {text}{_printable(ids)}"
    return line + "".join(f"\n    {_printable(row)}" for row in frames.splitlines())


def _printable(text: str) -> str:
    """Escape what could forge a line or steer a terminal: a peer chooses parts of some texts."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _utc(created: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
