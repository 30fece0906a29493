"""Which of the two languages the person at the terminal reads."""

from __future__ import annotations

import os


def preferred() -> str:
    """ "es" when the environment's locale is Spanish, else "en"."""
    for variable in ("DEEPHEALTH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return "es" if value.lower().startswith("es") else "en"
    return "en"
