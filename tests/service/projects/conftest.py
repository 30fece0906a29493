"""Small synthetic films, and a project to put them into."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deephealth.images.phantom import draw_phantom

Film = Callable[..., bytes]


@lru_cache(maxsize=256)
def _film(label: str, patient: int, number: int, kind: str) -> bytes:
    pixels = draw_phantom(label, seed=5, patient=patient, film=number, size=96).pixels
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(buffer, kind, **({"quality": 80} if kind == "JPEG" else {}))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def film() -> Film:
    """A film's bytes: film("viral", 3) is the first film of patient 3; film("viral", 3, 2, "JPEG") the second, as JPEG."""

    def make(label: str, patient: int, number: int = 1, kind: str = "PNG") -> bytes:
        return _film(label, patient, number, kind)

    return make


@dataclass
class Teaching:
    """A project of a service, with what tests do to it."""

    client: httpx.Client
    id: str
    classes: dict[str, str]

    @property
    def base(self) -> str:
        return f"/api/v1/projects/{self.id}"

    def send(self, label: str, *files: tuple[str, bytes], **headers: str) -> dict[str, Any]:
        sent = [("file", (name, data)) for name, data in files]
        answer = self.client.post(f"{self.base}/films", params={"class": self.classes[label]}, files=sent, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def films(self, **query: Any) -> list[dict[str, Any]]:
        return list(self.client.get(f"{self.base}/films", params=query).json()["films"])

    def change(self, **change: Any) -> httpx.Response:
        return self.client.patch(f"{self.base}/films", json=change)


@pytest.fixture
def project(service: Any) -> Teaching:
    """A new project with the classes normal and viral."""
    made = service.client.post("/api/v1/projects", json={"name": "Films", "classes": ["normal", "viral"]}).json()
    return Teaching(service.client, made["id"], {entry["name"]: entry["id"] for entry in made["classes"]})
