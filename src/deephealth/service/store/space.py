"""A full disk, told in a sentence wherever it is met."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from deephealth.service.problems import ServiceProblem

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def storage_full() -> ServiceProblem:
    """507: the disk takes no more."""
    english = "The disk of this service is full and kept nothing of this; free space, or ask who runs it, and try again."
    spanish = (
        "El disco de este servicio está lleno y no se guardó nada; libere espacio, o avise a quien lo administra, y vuelva a intentarlo."
    )
    return ServiceProblem(507, "storage-full", (english, spanish))


def is_full(error: BaseException) -> bool:
    """Whether the system says that the disk, a quota of its own or the largest size of a file is reached."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turn the system's "no space left" into a ServiceProblem 507; for every write below the data folder."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise storage_full() from error
        raise
