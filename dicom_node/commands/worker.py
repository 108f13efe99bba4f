"""``dicom-node worker SCHEDULER``: this machine analyses for a node whose ``[execution]`` says "dask"."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import at_least

if TYPE_CHECKING:
    from dicom_node.config import ExecutionSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scheduler",
        metavar="SCHEDULER",
        help="address of the cluster's scheduler (dask scheduler), e.g. tcp://192.0.2.20:8786",
    )
    parser.add_argument(
        "--workers",
        type=at_least(1),
        default=1,
        metavar="N",
        help="analyses at the same time; each keeps one core and about 0.7 GB of memory busy",
    )
    for name, what in (
        ("ca", "certificate authority of the cluster (PEM)"),
        ("certificate", "this machine's certificate (PEM)"),
        ("key", "its private key (PEM)"),
    ):
        parser.add_argument(
            f"--{name}", type=Path, metavar="FILE", help=f"{what}; all three turn mutual TLS on"
        )


def run(options: argparse.Namespace) -> int:
    from dicom_node.config import ExecutionSettings

    settings = ExecutionSettings(
        scheduler=options.scheduler,
        cluster_ca=options.ca,
        cluster_certificate=options.certificate,
        cluster_key=options.key,
    )
    asyncio.run(_serve(settings, options.workers))
    return 0


async def _serve(settings: ExecutionSettings, workers: int) -> None:
    import dask
    from distributed import Nanny

    from dicom_node.workflow.cluster import cluster_security

    # an analysis runs in a process of its own, which a daemonic worker could not start
    dask.config.set({"distributed.worker.daemon": False})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    security = cluster_security(settings)
    nannies = [
        Nanny(settings.scheduler, nthreads=1, security=security, reconnect=True) for _ in range(workers)
    ]
    try:
        await asyncio.gather(*nannies)
        print(f"ready: {workers} worker(s) for {settings.scheduler}", flush=True)
        await stop.wait()
    finally:
        await asyncio.gather(*(nanny.close(timeout=5) for nanny in nannies), return_exceptions=True)
