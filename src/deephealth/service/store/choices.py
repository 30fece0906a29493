"""What was chosen for the whole service, such as the model that serves: one named value of JSON each, in the table `settings`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from deephealth.service.store.tables import settings


def get(connection: Connection, name: str, default: Any = None) -> Any:
    """The value of `name`; `default` when it was never set."""
    row = connection.execute(select(settings.c.value).where(settings.c.name == name)).first()
    return default if row is None else row.value


def put(connection: Connection, name: str, value: Any) -> None:
    """Set `name` to `value`, whatever it was; None forgets it. Of two that set it at once, the later one wins."""
    if value is None:
        connection.execute(delete(settings).where(settings.c.name == name))
        return
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(settings).values(name=name, value=value)
    connection.execute(insert.on_conflict_do_update(index_elements=[settings.c.name], set_={"value": insert.excluded.value}))
