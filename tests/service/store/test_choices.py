from __future__ import annotations

from typing import Any

import pytest

from deephealth.service.store import choices
from deephealth.service.store.database import Database


@pytest.mark.parametrize("value", ["a" * 64, 0, False, 2.5, {"model": "ñ", "list": [1, None]}, []])
def test_a_value_comes_back_as_it_was_put(database: Database, value: Any) -> None:
    with database.begin() as connection:
        choices.put(connection, "serving", "before")
        choices.put(connection, "serving", value)
        choices.put(connection, "other", 1)
    with database.read() as connection:
        assert choices.get(connection, "serving") == value
        assert choices.get(connection, "other") == 1


def test_what_was_never_set_or_was_forgotten_is_the_default(database: Database) -> None:
    with database.begin() as connection:
        assert choices.get(connection, "serving") is None
        choices.put(connection, "serving", "a")
        choices.put(connection, "serving", None)
        choices.put(connection, "serving", None)
        assert choices.get(connection, "serving", "shipped") == "shipped"
