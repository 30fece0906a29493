"""How one service runs, as a frozen value made once from the command line and the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Access = Literal["local", "accounts", "open"]


@dataclass(frozen=True)
class ServiceConfig:
    """Where the service keeps things and what it allows.

    data: the one folder for everything kept. database: a SQLAlchemy URL; "" for SQLite in `data`. access: "local" (no accounts, loopback
    only), "accounts" (sign in first) or "open" (no accounts, though others can reach it). workers: processes that decode and answer.
    worker_memory_mb, worker_seconds: a worker that takes more is ended, and its film refused. request_mb: largest request body.
    chunk_mb: largest piece of a resumable upload. quota_mb: most that `data` may hold; 0: no limit. keep_days: how long what was deleted
    can be restored. requests_per_minute: of one client, for predictions; 0: no limit (ten times
    as many for everything else; where access is "local", never limited). secure_cookies: a proxy in front encrypts, so cookies are bound to
    TLS. trusted_hosts: names that the service may be asked by, "*.example.org" too. trusted_proxies: addresses of proxies whose
    X-Forwarded-For and X-Forwarded-Proto are believed.
    jobs: trainings and other jobs at a time. job_threads: threads of each; 0: all processors but one.
    """

    data: Path
    database: str = ""
    access: Access = "local"
    workers: int = 1
    worker_memory_mb: int = 1024
    worker_seconds: float = 20.0
    request_mb: int = 300
    chunk_mb: int = 8
    quota_mb: int = 8000
    keep_days: float = 30.0
    requests_per_minute: int = 600
    queue: int = 64
    threads: int = 0
    films_per_request: int = 2000
    jobs: int = 1
    job_threads: int = 0
    secure_cookies: bool = False
    trusted_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database or f"sqlite:///{self.data / 'deephealth.sqlite3'}"
