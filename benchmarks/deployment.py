"""The systemd unit on a fresh Debian 12 and the container, each deployed word for word as documented.

    .venv/bin/python benchmarks/deployment.py               # as root; writes docs/deployment.md

Needs the Debian packages debootstrap, systemd-container, podman, orthanc and dcmtk, and the archives of
Debian, Python and container images. What a new machine needs in order to reach them (proxy settings,
certificates, wheels) is named with --from-host.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "benchmarks")]

from deployment_parts.container import try_container  # noqa: E402
from deployment_parts.machine import Machine  # noqa: E402
from deployment_parts.site import Outcome, Site  # noqa: E402
from deployment_parts.unit import try_unit  # noqa: E402
from real_peers import known_to_orthanc, pick_free_port, running_orthanc  # noqa: E402

HEALTHCHECK_PORT = 11113
"""The container's check asks at the port that the shipped configuration names."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", metavar="URL", help="of Debian; default: debootstrap's own")
    parser.add_argument("--from-host", type=Path, action="append", default=[], metavar="PATH")
    parser.add_argument("--build-option", action="append", default=[], help="of podman build")
    parser.add_argument("--remark", default="", help="for the page: what was not as documented, and why")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "deployment.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deployment-") as name:
        folder = Path(name)
        machine = Machine(folder / "root", options.from_host)
        machine.make(options.mirror)
        with site(folder / "pacs of the unit") as place:
            unit = _told(try_unit(machine, place))
        with site(folder / "pacs of the container", monitoring_port=HEALTHCHECK_PORT) as place:
            container = _told(try_container(folder, place, options.build_option))
    options.out.write_text(_page(unit, container, options.remark), encoding="utf-8")


@contextmanager
def site(folder: Path, **ports: int) -> Iterator[Site]:
    """A PACS that knows where the node will be."""
    port = pick_free_port()
    with running_orthanc(folder, settings=known_to_orthanc("RADIUSDXA", port)) as pacs:
        yield Site(pacs.dicom_port, lambda: len(pacs.sop_instance_uids()), dicom_port=port, **ports)


def _told(steps: Iterator[Outcome]) -> list[Outcome]:
    found = []
    for step, outcome in steps:
        print(f"{step}: {outcome}", flush=True)
        found.append((step, outcome))
    return found


def _page(unit: list[Outcome], container: list[Outcome], remark: str) -> str:
    return "\n".join(
        (
            "# Deployment, tried",
            f"`benchmarks/deployment.py`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, "
            f"Linux {platform.release()}. Whatever fails ends the run, so this page holds only what held.",
            "",
            "## The systemd unit",
            "A Debian 12 of its own, with systemd as its first process; the commands are read from "
            "[operations.md](operations.md). Its cgroups can only be read: MemoryMax, TasksMax and "
            "IPAddressDeny are not tried here.",
            "",
            *_table(unit),
            "",
            "## The container",
            "Built and run with the commands at the head of `conf/deploy/Containerfile`, but on this "
            f"machine's network. {remark}".rstrip(),
            "",
            *_table(container),
            "",
        )
    )


def _table(found: list[Outcome]) -> list[str]:
    return ["| step | outcome |", "|---|---|", *(f"| {step} | {outcome} |" for step, outcome in found)]


if __name__ == "__main__":
    main()
