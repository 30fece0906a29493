"""What every endpoint may use, made once when the service starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from deephealth.evaluation.wording import Language
from deephealth.service.answering.pool import Pool
from deephealth.service.config import ServiceConfig
from deephealth.service.jobs.supervisor import Supervisor
from deephealth.service.metrics import Metrics
from deephealth.service.security.sign_in import Accounts
from deephealth.service.store.blobs import Blobs
from deephealth.service.store.cleaning import Cleaned, clean
from deephealth.service.store.database import Database
from deephealth.service.store.quota import Quota


@dataclass
class Services:
    """The parts of one running service."""

    config: ServiceConfig
    database: Database
    blobs: Blobs
    pool: Pool
    metrics: Metrics
    accounts: Accounts = field(default_factory=Accounts)
    quota: Quota = field(init=False)  # how much of it is taken, and whether more may come
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.quota = Quota(self.config.data, self.config.quota_mb * 1_000_000)
        self.supervisor = Supervisor(self.config, self.database, self.blobs)

    def clean(self) -> Cleaned:
        """Remove for good what is over."""
        cleaned = clean(self.database, self.blobs, self.config.data, self.config.keep_days)
        if cleaned.anything:
            self.quota.forget()
        return cleaned


def services(request: Request) -> Services:
    """The parts of this service."""
    found: Services = request.app.state.services
    return found


def language(request: Request) -> Language:
    """ "es" or "en", as Accept-Language (or ?lang=) asks."""
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return "es" if asked.strip().lower().startswith("es") else "en"


# FastAPI runs a plain function in a thread, which for these would take longer than they do.
async def _services(request: Request) -> Services:
    return services(request)


async def _language(request: Request) -> Language:
    return language(request)


Parts = Annotated[Services, Depends(_services)]
"""An endpoint's parameter: the parts of this service."""

InLanguage = Annotated[Language, Depends(_language)]
"""An endpoint's parameter: "en" or "es"."""
