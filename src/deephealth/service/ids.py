"""Identifiers in addresses: anything else than 16 hexadecimal digits never reaches the database."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

_PATTERN = "^[0-9a-f]{16}$"

PathId = Annotated[str, Path(pattern=_PATTERN, examples=["0123456789abcdef"])]
"""An endpoint's parameter in its path: a project, class, film, upload or job."""

QueryId = Annotated[str | None, Query(pattern=_PATTERN)]
"""An endpoint's parameter behind the question mark."""

ClassQuery = Annotated[str, Query(alias="class", pattern=_PATTERN)]
"""The class that films are sent to."""
