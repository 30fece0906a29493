"""What the service writes to standard error: one line a request without its query, and never a name, a file's or a form's content."""

from __future__ import annotations

from typing import Any

_QUIET = {"level": "CRITICAL", "propagate": False}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "deephealth": {"level": "INFO"},
        "uvicorn": {"level": "INFO"},
        # Writes whole addresses, with what a client put in them; security/failures.py writes the line instead.
        "uvicorn.access": _QUIET,
        # Libraries that quote what they cannot read: a tag, a form field, a file's name.
        **dict.fromkeys(("python_multipart", "multipart", "pydicom", "PIL", "py.warnings", "asyncio"), _QUIET),
    },
}
