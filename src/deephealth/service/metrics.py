"""Figures for Prometheus: how many requests, how long they took, what became of films. Counts and times only, never a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from deephealth.service.answering.pool import Pool
from deephealth.service.store.database import Database
from deephealth.service.store.tables import jobs

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20)


class Metrics:
    """The figures of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("deephealth_requests", "Requests answered", ["method", "route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "deephealth_request_seconds",
            "From a request's head to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.films = Counter(
            "deephealth_films", "Films of prediction requests, by what became of them", ["outcome"], registry=self.registry
        )

    def watch(self, pool: Pool, database: Database, kept: Callable[[], int]) -> None:
        """Also tell of the workers, the jobs and the bytes kept."""
        self.registry.register(_Present(pool, database, kept))

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _Present(Collector):
    """What is so at this moment, asked when somebody looks."""

    def __init__(self, pool: Pool, database: Database, kept: Callable[[], int]) -> None:
        self._pool, self._database, self._kept = pool, database, kept

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing beforehand: the registry then does not ask the database when it starts."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges."""
        yield GaugeMetricFamily("deephealth_films_waiting", "Films that wait for a worker", self._pool.waiting)
        yield GaugeMetricFamily("deephealth_workers_lost", "Workers that died or overran their time", self._pool.restarts)
        yield GaugeMetricFamily("deephealth_bytes_kept", "Size of the data folder", self._kept())
        by_state = GaugeMetricFamily("deephealth_jobs", "Jobs, by their state", labels=["state"])
        with self._database.read() as connection:
            for state, count in connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)):
                by_state.add_metric([state], count)
        yield by_state
