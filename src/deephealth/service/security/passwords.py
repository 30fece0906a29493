"""Passwords as argon2id hashes, one computed at a time, so that a burst of sign-ins cannot fill a small machine's memory."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from deephealth.service.problems import ServiceProblem
from deephealth.service.security.limits import too_often

SHORTEST, LONGEST = 10, 200
# 0.1 s of one core, twice OWASP's least for argon2id; one such piece of memory is in use at any time.
_MEMORY_KIB, _PASSES = 32 * 1024, 3
_WAITING = 10


class Passwords:
    """Makes and checks password hashes. May be shared by threads: one hash is computed at a time, and few wait."""

    def __init__(self, memory_kib: int = _MEMORY_KIB, passes: int = _PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        # As costly to check as any other, and nobody knows a password to it: for names that do not exist.
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p=1${'A' * 22}${'A' * 43}"
        self._one = threading.Lock()
        self._places = threading.Semaphore(_WAITING)

    def hash(self, password: str) -> str:
        """The hash to keep, with its parameters. ServiceProblem 422 for a password too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise ServiceProblem(
                422,
                "password-length",
                (f"The password has {len(password)} characters; choose one of {SHORTEST} to {LONGEST}.",
                 f"La contraseña tiene {len(password)} caracteres; elija una de {SHORTEST} a {LONGEST}."),
                about="password",
            )  # fmt: skip
        with self._one:
            return self._hasher.hash(password)

    def right(self, password: str, hashed: str | None) -> bool:
        """Whether `password` made `hashed`; None (no such user) takes as long. ServiceProblem 429 when too many are being checked."""
        if not self._places.acquire(blocking=False):
            raise too_often(1)
        try:
            with self._one:
                return self._hasher.verify(hashed or self._nobody, password[: LONGEST + 1])
        except VerifyMismatchError:
            return False
        finally:
            self._places.release()

    def outdated(self, hashed: str) -> bool:
        """Whether `hashed` was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(hashed)
