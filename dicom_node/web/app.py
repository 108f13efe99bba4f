"""The console as an ASGI application over one node's journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route

from analysis import __version__
from dicom_node.config import NodeConfig
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.web.answers import add_answers
from dicom_node.web.live import Feed
from dicom_node.web.rendering import STATIC, Pages
from dicom_node.web.routers import API, PAGES
from dicom_node.web.security import SecurityHeaders, UnderPath, check_csrf
from dicom_node.web.sessions import Sessions, console_key

__all__ = ["create_app"]

MAXIMUM_BODY_BYTES = 1_000_000
"""Of a request: forms and JSON hold some hundred bytes, and they are read before it is known who asks."""


def create_app(config: NodeConfig) -> FastAPI:
    """Return the console of a node, whose journal must exist.

    Pages of a web server that is told to go away take its journal's connections along: the application
    closes them when it ends.
    """
    archive = Archive(config.node.data_dir, min_free_bytes=config.receiver.min_free_bytes)
    journal = Journal(archive.journal_path)
    app = FastAPI(
        title="radius DXA node",
        version=__version__,
        description="What the console's pages do, for programs. A token stands in the header "
        "`Authorization: Bearer TOKEN`; an administrator makes it. Times are UTC, ISO 8601.",
        max_body_size=MAXIMUM_BODY_BYTES,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(check_csrf)],
        lifespan=_lifespan,
    )
    app.state.config = config
    app.state.archive = archive
    app.state.journal = journal
    app.state.sessions = Sessions(config.console, journal, console_key(config.node.data_dir))
    app.state.feed = Feed(journal.path)
    for router in PAGES:
        app.include_router(router, include_in_schema=False)
    for router in API:
        app.include_router(router, prefix="/api")
    paths = [route.path for router in PAGES for route in router.routes if isinstance(route, Route)]
    app.state.pages = Pages.of(paths, config.node.ae_title)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(SecurityHeaders)
    app.add_middleware(UnderPath, root_path=config.console.root_path)
    add_answers(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    looking = asyncio.create_task(app.state.feed.run())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        app.state.journal.close()
