"""``dicom-node serve``: the node itself, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import signal
import sqlite3
import threading
import warnings
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config
from dicom_node.errors import ConfigurationError
from dicom_node.optional_imports import without
from dicom_node.service_manager import notify
from dicom_node.workflow.memory import share_one_heap, start_without_thread_caches

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.service import Service

logger = logging.getLogger(__name__)

STOP_SECONDS = 45.0
"""Longest time a stop may take; below the unit's TimeoutStopSec."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    start_without_thread_caches()
    share_one_heap()
    # the receiver's process decodes no pixels, workers do: 25 MB; pydicom wants requests for its test files
    with without("gdcm", "jpeg_ls", "openjpeg", "PIL", "pylibjpeg", "requests"):
        from dicom_node.observe import logs
        from dicom_node.service import Service

    # pydicom's warnings quote what a peer sent: Python would print each text, and remember it for ever
    warnings.simplefilter("ignore")
    config = load_config(options)
    logs.configure(config.logging, verbose=options.verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = Service(config)
    try:
        service.start()
    except (OSError, sqlite3.OperationalError) as error:
        raise ConfigurationError(
            f"[node] data_dir = {str(config.node.data_dir)!r}: cannot be written ({error}); free space on "
            "its disk (dicom-node journal mend gives the reserve up), or mend the disk"
        ) from error
    destinations = ", ".join(item.name for item in config.destinations) or "no destination: results are held"
    print(
        f"ready: {config.node.ae_title} listens at {_entrances(config, service)}, "
        f"data in {config.node.data_dir}, sends to {destinations}",
        flush=True,
    )
    if service.console_port:
        where = f"http://{config.console.host}:{service.console_port}{config.console.root_path}/"
        print(f"console: {where}", flush=True)
    notify("READY=1")
    while not stop.is_set() and not service.warm.wait(timeout=0.2):
        pass
    if not stop.is_set():
        print(f"warm: {config.execution.workers} worker(s) can analyse at once", flush=True)
    stop.wait()
    notify("STOPPING=1")
    logger.info("stopping: what runs is given a moment to end")
    # a disk that no longer answers may hold up any thread; the next start goes on as after a crash
    faulthandler.dump_traceback_later(STOP_SECONDS, exit=True)
    service.stop()
    return 0


def _entrances(config: NodeConfig, service: Service) -> str:
    kinds = [""] * config.tls.plain + [" (TLS)"] * config.tls.enabled
    return ", ".join(
        f"{config.node.host}:{port}{kind}" for port, kind in zip(service.ports, kinds, strict=True)
    )
