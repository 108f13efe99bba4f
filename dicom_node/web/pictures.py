"""Pictures for the browser, drawn in a limited process of their own and kept in memory for a while."""

from __future__ import annotations

import atexit
import contextlib
import json
import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from functools import cache
from typing import Annotated

from fastapi import Depends, HTTPException, Response

from dicom_node.errors import NodeError
from dicom_node.web.drawing import Drawn, PictureOrder, draw, load_drawers
from dicom_node.workflow.memory import limited_memory
from dicom_node.workflow.worker import killed_after

__all__ = ["PictureError", "Pictures", "PicturesDep", "pictures"]

LIMIT_SECONDS = 20.0
LIMIT_BYTES = 1_000_000_000
"""Of one picture (assumption): a report page of two million pixels takes a tenth of either."""

KEPT_BYTES = 64_000_000
"""Of pictures kept for the next request, the least used thrown away first (assumption)."""


class PictureError(NodeError):
    """The object cannot be shown as a picture; the text names reason and cure, no value of it."""


class Pictures:
    """Draws what it is asked for, one picture at a time, each object's layer once while it is kept."""

    def __init__(self) -> None:
        self._executor: Executor | None = None
        self._lock = threading.Lock()
        self._kept: OrderedDict[PictureOrder, Drawn] = OrderedDict()

    def drawn(self, order: PictureOrder) -> Drawn:
        """Return a picture; blocks, so it is called from a thread of the pool.

        Raises
        ------
        PictureError
            If the file is gone, or the object cannot be decoded within the limits.
        """
        with self._lock:
            kept = self._kept.get(order)
            if kept is None:
                kept = self._draw(order)
            self._kept[order] = kept
            self._kept.move_to_end(order)
            while sum(len(item.png) for item in self._kept.values()) > KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
            return kept

    def answer(self, order: PictureOrder) -> Response:
        """Return a picture as an answer; 404 where the object shows no such layer.

        What a viewer must know of it stands in the header ``X-Picture-Facts``, as JSON.
        """
        drawn = self.drawn(order)
        if not drawn.png:
            raise HTTPException(404, "the object shows no such layer")
        return Response(
            drawn.png, media_type="image/png", headers={"X-Picture-Facts": json.dumps(drawn.facts)}
        )

    def warm(self) -> None:
        """Start the process in the background, so that the first picture is there at once."""
        with self._lock:
            if self._executor is None:
                self._executor = _new_executor()
                self._executor.submit(load_drawers)

    def _draw(self, order: PictureOrder) -> Drawn:
        self._executor = self._executor or _new_executor()
        try:
            return self._executor.submit(_limited, order).result()
        except BrokenExecutor:
            self._executor = None
            raise PictureError(
                f"the picture took more than {LIMIT_SECONDS:g} s or more memory than it may; "
                "a DICOM viewer at the PACS may show the object"
            ) from None
        except FileNotFoundError:
            raise PictureError(
                "the file is no longer kept here ([retention]); fetch it again (dicom-node retrieve)"
            ) from None
        except Exception as error:  # decoders raise many kinds on hostile bytes
            raise PictureError(
                f"the object cannot be shown ({type(error).__name__}); send the study again from its source"
            ) from None


def _limited(order: PictureOrder) -> Drawn:
    load_drawers()  # what is imported once does not count into a picture's limits
    with killed_after(LIMIT_SECONDS), limited_memory(LIMIT_BYTES):
        return draw(order)


def _new_executor() -> ProcessPoolExecutor:
    executor = ProcessPoolExecutor(
        max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
    )
    atexit.register(executor.shutdown, wait=False, cancel_futures=True)
    return executor


def _prepare() -> None:
    """Leave no orphan, take no signal meant for the console, and lend no memory to other threads."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def pictures() -> Pictures:
    """Return the pictures of this process: one decoder for all who ask."""
    return Pictures()


PicturesDep = Annotated[Pictures, Depends(pictures)]
