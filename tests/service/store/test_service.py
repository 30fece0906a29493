"""What people see of the store, over HTTP: a quota, a full disk, PostgreSQL, a restart, and a backup made while the service works."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deephealth.service.config import ServiceConfig
from deephealth.service.store import quota
from deephealth.service.store.backup import write_backup
from deephealth.service.store.check import check
from deephealth.service.store.folder import opened
from deephealth.service.store.restore import Archive, restore


def film(seed: int, side: int = 120) -> bytes:
    """A grey PNG that no other seed gives and that does not compress."""
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side), dtype=np.uint8)).save(data, "png")
    return data.getvalue()


def begin(client: httpx.Client) -> tuple[str, str]:
    answer = client.post("/api/v1/projects", json={"name": "Tórax", "classes": ["normal"]})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["classes"][0]["id"]


def send(client: httpx.Client, project: str, one: str, *films: bytes) -> httpx.Response:
    files = [("file", (f"{number}.png", data, "image/png")) for number, data in enumerate(films)]
    return client.post(f"/api/v1/projects/{project}/films", params={"class": one}, files=files)


def test_a_film_over_the_quota_is_refused_before_its_bytes_come(start_service: Any) -> None:
    service = start_service(quota_mb=1)
    project, one = begin(service.client)
    body = {"project": project, "class": one, "name": "a.dcm", "bytes": 2_000_000}
    answer = service.client.post("/api/v1/uploads", json=body, headers={"Accept-Language": "es"})
    assert (answer.status_code, answer.json()["code"]) == (507, "quota")
    assert "no caben 2 MB más" in answer.json()["detail"]
    assert service.client.get("/api/v1/about").json()["limits"]["quota_bytes"] == 1_000_000


@pytest.mark.slow
def test_a_full_disk_refuses_films_and_the_service_goes_on(start_service: Any, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = start_service(data=small / "data")
    project, one = begin(service.client)
    refused = send(service.client, project, one, film(0))
    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full"), "less is left than the reserve for the rows"
    monkeypatch.setattr(quota, "_RESERVE", 0)
    kept = 0
    for seed in range(300):
        answer = send(service.client, project, one, film(seed))
        if answer.status_code != 200:
            break
        kept += 1
    assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.client.get("/healthz").status_code == 200
    shown = service.client.get(f"/api/v1/projects/{project}/films", params={"limit": 500}).json()["films"]
    assert len(shown) == kept > 3
    assert service.client.get(shown[-1]["image"]).status_code == 200
    assert check(service.services.database, service.services.blobs).whole


@pytest.mark.slow
def test_on_postgresql_a_restart_finds_everything_and_a_backup_moves_it_to_sqlite(
    postgres_url: str, start_service: Any, tmp_path: Path
) -> None:
    service = start_service(database=postgres_url)
    project, one = begin(service.client)
    assert send(service.client, project, one, *(film(seed) for seed in range(4))).status_code == 200
    before = service.client.get(f"/api/v1/projects/{project}").json()
    parts = service.services
    write_backup(parts.database, parts.blobs, parts.config.data, tmp_path / "b.zip")
    service.stop()
    assert start_service(database=postgres_url).client.get(f"/api/v1/projects/{project}").json() == before

    moved = start_service(data=tmp_path / "moved")
    archive = Archive(tmp_path / "b.zip")
    restore(archive, moved.services.database, moved.services.blobs, tmp_path / "moved")
    archive.close()
    assert moved.client.get(f"/api/v1/projects/{project}").json() == before
    first = moved.client.get(f"/api/v1/projects/{project}/films").json()["films"][0]
    assert moved.client.get(first["image"]).status_code == 200


@pytest.mark.slow
def test_a_job_that_worked_when_the_backup_was_made_is_told_to_be_started_again(start_service: Any, tmp_path: Path) -> None:
    service = start_service()
    begun = service.client.post("/api/v1/projects/examples", json={"kind": "clean", "per_class": 8})
    assert begun.status_code == 202, begun.text
    job, project = begun.json()["job"]["id"], begun.json()["project"]["id"]
    parts = service.services
    write_backup(parts.database, parts.blobs, parts.config.data, tmp_path / "b.zip")
    archive = Archive(tmp_path / "b.zip")
    assert [row["state"] in ("queued", "running") for row in archive.rows("jobs")] == [True], "it ended too soon to show anything"
    service.stop()
    with opened(ServiceConfig(tmp_path / "moved"), new=True) as store:
        restore(archive, store.database, store.blobs, store.data)
    archive.close()
    moved = start_service(data=tmp_path / "moved").client
    while (found := moved.get(f"/api/v1/jobs/{job}").json())["state"] in ("queued", "running"):
        time.sleep(0.1)
    assert (found["state"], found["problem"]) == ("interrupted", "The files of this work are no longer there; start it again.")
    assert moved.get(f"/api/v1/projects/{project}").status_code == 200


def test_two_services_may_share_one_folder_and_database(start_service: Any) -> None:
    first, second = start_service(), start_service()
    project, _ = begin(first.client)
    assert second.client.get(f"/api/v1/projects/{project}").status_code == 200
