"""Who starts jobs, looks after them and notes how they ended: a thread of the service that keeps no state of its own.

What it needs stands in the database and in the jobs' folders, so that a service that was killed and started again goes on: a process that
still lives is found by the lock it holds, one that died is started again and goes on where it was, and what has died too often is noted
as interrupted. Ending the service ends the processes too; they go on with the next start.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from sqlalchemy import Row

from deephealth.service.config import ServiceConfig
from deephealth.service.jobs.ending import finish
from deephealth.service.jobs.folder import JobFolder
from deephealth.service.store import jobs
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.database import Database

MOST_ATTEMPTS = 5
_BUSY_PAUSE, _IDLE_PAUSE = 0.2, 2.0  # seconds between two looks, with jobs and without
_PATIENCE = 5.0  # seconds between asking a process to end and ending it
_CACHE = "DEEPHEALTH_CACHE_DIR"
log = logging.getLogger(__name__)


class Supervisor:
    """Looks after the jobs of one service, at most `config.jobs` at a time."""

    def __init__(self, config: ServiceConfig, database: Database, blobs: Blobs) -> None:
        self.config, self.database, self.blobs = config, database, blobs
        self.stopping = threading.Event()
        """Set when the service ends: whoever follows a job lets go of it."""
        self._wake = threading.Event()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._asked: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to look after jobs, those of an earlier service first."""
        self._thread.start()

    def stop(self) -> None:
        """Let go: end the processes, which the next service starts again."""
        self.stopping.set()
        self._wake.set()
        self._thread.join()
        for process in self._processes.values():
            process.terminate()
        for job, process in self._processes.items():
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._forget_attempt(job)

    def wake(self) -> None:
        """There is something new to do."""
        self._wake.set()

    def cancel(self, row: Row[Any]) -> None:
        """Wish that a job stop; what has ended stays as it is."""
        if row.state not in jobs.ENDED:
            JobFolder(self.config.data, row.id).wish_to_stop()
            self.wake()

    def _run(self) -> None:
        tidied = False
        while not self.stopping.is_set():
            try:
                tidied = tidied or self._tidy_ended()
                busy = self.look()
            except Exception:  # a database that is busy or a disk that is full must not end the one who looks after jobs
                log.exception("The jobs could not be looked after; it is tried again.")
                busy = False
            self._wake.wait(_BUSY_PAUSE if busy else _IDLE_PAUSE)
            self._wake.clear()

    def _tidy_ended(self) -> bool:
        """Remove what jobs no longer need, where a service was killed between noting their end and tidying up."""
        with self.database.read() as connection:
            ended = jobs.ended(connection)
        for folder in (JobFolder(self.config.data, job) for job in ended):
            if folder.path.is_dir() and (lock := folder.hold()) is not None:
                folder.tidy()
                os.close(lock)
        return True

    def look(self) -> bool:
        """Look at every job once; whether there is any that has not ended."""
        with self.database.read() as connection:
            rows = jobs.unfinished(connection)
        running = [row for row in rows if row.state == "running"]
        for row in running:
            self._look_after(row)
        waiting = [row for row in rows if row.state == "queued"]
        for place, row in enumerate(waiting):
            if JobFolder(self.config.data, row.id).stopping or len(running) + place < self.config.jobs:
                self._look_after(row)
        return bool(rows)

    def _look_after(self, row: Row[Any]) -> None:
        if (process := self._processes.get(row.id)) is not None and process.poll() is not None:
            del self._processes[row.id]
        folder = JobFolder(self.config.data, row.id)
        lock = folder.hold()
        if lock is None:  # a process works there, ours or one that an earlier service started
            if folder.stopping:
                self._ask_to_end(folder)
            return
        try:
            outcome = folder.outcome()
            if outcome is not None:
                finish(self.database, self.blobs, row, folder, outcome)
            elif folder.stopping:
                self._end(row, folder, "cancelled")
            elif row.attempts >= MOST_ATTEMPTS:
                self._end(row, folder, "interrupted", _INTERRUPTED)
            elif not folder.plan():
                self._end(row, folder, "interrupted", _LOST)
            else:
                self._begin(row, folder, lock)
        finally:
            os.close(lock)

    def _begin(self, row: Row[Any], folder: JobFolder, lock: int) -> None:
        """Start the process, which takes the lock over: whatever happens to this service, the lock says whether it lives."""
        with self.database.begin() as connection:
            jobs.update(connection, row.id, state="running", started=row.started or time.time(), attempts=row.attempts + 1)
        (folder.path / "pid").unlink(missing_ok=True)
        command = [sys.executable, "-m", "deephealth.service.jobs.work", str(folder.path)]
        with (folder.path / "log.txt").open("ab") as output:
            self._processes[row.id] = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                start_new_session=True,
                env=self._environment(folder.plan()["threads"]),
            )

    def _environment(self, threads: int) -> dict[str, str]:
        pools = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DEEPHEALTH_THREADS"), str(threads))
        return {_CACHE: str(self.config.data / "cache"), **os.environ, **pools, "MALLOC_ARENA_MAX": "2"}

    def _ask_to_end(self, folder: JobFolder) -> None:
        """SIGTERM, and when that did not help in time, SIGKILL. The pid is that of the process that holds the lock."""
        pid, now = folder.pid, time.monotonic()
        if pid is None:
            return
        first = self._asked.setdefault(folder.job, now)
        try:
            os.kill(pid, signal.SIGKILL if now - first > _PATIENCE else signal.SIGTERM)
        except ProcessLookupError:
            return

    def _end(self, row: Row[Any], folder: JobFolder, state: str, problem: dict[str, str] | None = None) -> None:
        with self.database.begin() as connection:
            jobs.end(connection, row.id, state, problem=problem)
        self._asked.pop(row.id, None)
        folder.tidy()

    def _forget_attempt(self, job: str) -> None:
        """An attempt that the end of the service cut short was none."""
        with self.database.begin() as connection:
            row = jobs.get(connection, job)
            jobs.update(connection, job, attempts=max(0, row.attempts - 1))


_INTERRUPTED = {
    "code": "interrupted",
    "en": f"The work was stopped from outside {MOST_ATTEMPTS} times, perhaps for want of memory; start it again, or with fewer films.",
    "es": f"El trabajo fue detenido desde fuera {MOST_ATTEMPTS} veces, quizá por falta de memoria; inícielo de nuevo o con menos "
    "radiografías.",
}
_LOST = {
    "code": "interrupted",
    "en": "The files of this work are no longer there; start it again.",
    "es": "Los archivos de este trabajo ya no están; inícielo de nuevo.",
}
