"""The application: every router, layer of protection and part of the service, put together in one place."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from deephealth import __version__
from deephealth.service import docs, health, page, problems, schemas
from deephealth.service.answering.pool import Pool
from deephealth.service.config import ServiceConfig
from deephealth.service.context import Services
from deephealth.service.jobs import router as jobs
from deephealth.service.measured import Measured
from deephealth.service.metrics import Metrics
from deephealth.service.models import registry
from deephealth.service.models import router as models
from deephealth.service.projects import archives, films, heatmaps, uploads
from deephealth.service.projects import router as projects
from deephealth.service.reading import predictions
from deephealth.service.reading import router as reading
from deephealth.service.security import router as accounts
from deephealth.service.security.protect import protect
from deephealth.service.store import folder
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.cleaning import Cleaner
from deephealth.service.store.database import Database


def create_app(config: ServiceConfig) -> FastAPI:
    """The service as an ASGI application; its parts start with it and stop with it."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with folder.in_use(config.data):
            pool, database = Pool(config), Database(config.database_url)
            parts = app.state.services = Services(config, database, Blobs(config.data / "blobs"), pool, metrics)
            metrics.watch(pool, database, parts.quota.used)
            pool.warm = registry.warm_path(parts)
            cleaner = Cleaner(parts.clean)
            await pool.start()
            cleaner.start()
            parts.supervisor.start()
            gc.freeze()  # what is imported stays: looking through it for garbage would hold answers up by milliseconds
            try:
                yield
            finally:
                parts.supervisor.stop()
                cleaner.stop()
                await pool.stop()
                database.close()

    app = FastAPI(title="Deep Health", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, responses=schemas.ANY_PROBLEM)
    app.add_exception_handler(problems.ServiceProblem, problems.handle)
    app.include_router(predictions.router)  # first: asked most, and routers are asked one after the other
    app.include_router(health.router)
    app.include_router(accounts.router)
    app.include_router(archives.router)
    app.include_router(projects.router)
    app.include_router(films.router)
    app.include_router(heatmaps.router)
    app.include_router(uploads.router)
    app.include_router(jobs.router)
    app.include_router(models.router)
    app.include_router(reading.router)
    app.include_router(docs.router)
    app.include_router(page.router)  # last: it takes every address that is left
    protect(app, config)
    app.add_middleware(Measured, metrics=metrics)
    return app
