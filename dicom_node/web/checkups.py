"""The console's one checkup, made when it is first asked for."""

from __future__ import annotations

from threading import Lock
from typing import Annotated, cast

from fastapi import Depends, Request

from dicom_node.config import NodeConfig
from dicom_node.workflow.checkup import Checkup

__all__ = ["CheckupDep"]

_making = Lock()


def _checkup(request: Request) -> Checkup:
    state = request.app.state
    with _making:
        if not hasattr(state, "checkup"):
            state.checkup = Checkup(cast(NodeConfig, state.config).path)
        return cast(Checkup, state.checkup)


CheckupDep = Annotated[Checkup, Depends(_checkup)]
