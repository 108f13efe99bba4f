"""``dicom-node serve`` with the stand-in engine; called in place of the command, with its arguments."""

from __future__ import annotations

import sys

from standin_engine import analyze_at_once

from dicom_node import service
from dicom_node.cli import main
from dicom_node.config import NodeConfig


class StandInService(service.Service):
    """The node's service, whose workers use the stand-in."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config, work=analyze_at_once)


if __name__ == "__main__":
    service.Service = StandInService  # type: ignore[misc]
    sys.exit(main(sys.argv[2:]))
