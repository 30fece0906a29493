"""The application: every router, layer of protection and part of the service, put together in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from deephealth import __version__
from deephealth.service import page, problems
from deephealth.service.answering.pool import Pool
from deephealth.service.config import ServiceConfig
from deephealth.service.context import Services
from deephealth.service.projects import films, uploads
from deephealth.service.projects import router as projects
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database


def create_app(config: ServiceConfig) -> FastAPI:
    """The service as an ASGI application; its parts start with it and stop with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        config.data.mkdir(parents=True, exist_ok=True)
        pool = Pool(config)
        app.state.services = Services(config, Database(config.database_url), Blobs(config.data / "blobs"), pool)
        await pool.start()
        try:
            yield
        finally:
            await pool.stop()
            app.state.services.database.close()

    app = FastAPI(title="Deep Health", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_exception_handler(problems.ServiceProblem, problems.handle)
    app.include_router(projects.router)
    app.include_router(films.router)
    app.include_router(uploads.router)
    app.include_router(page.router)  # last: it takes every address that is left
    return app
