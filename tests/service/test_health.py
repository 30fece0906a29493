from __future__ import annotations

import shutil
from typing import Any

from deephealth.images.phantom import draw_phantom
from deephealth.service.answering.pictures import png


def test_it_lives_and_is_ready(service: Any) -> None:
    assert service.client.get("/healthz").json() == service.client.get("/readyz").json() == {"status": "ok"}


def test_without_a_place_to_write_it_is_not_ready(start_service: Any) -> None:
    service = start_service()
    shutil.rmtree(service.services.config.data / "incoming", ignore_errors=True)
    (service.services.config.data / "incoming").write_text("a file in the way")
    reply = service.client.get("/readyz", headers={"Accept-Language": "es"})
    assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
    assert "no se puede escribir" in reply.json()["detail"] and service.client.get("/healthz").status_code == 200


def test_the_figures_count_films_and_name_nobody(start_service: Any) -> None:
    client = start_service().client
    film = png(draw_phantom("normal", seed=3, size=200).pixels)
    client.post("/api/v1/predictions", files=[("file", ("GARCIA.png", film)), ("file", ("MARIA.png", b"x"))])
    client.get("/api/v1/models/" + "0" * 64)
    text = client.get("/metrics").text
    outcomes = [line for line in text.splitlines() if line.startswith("deephealth_films_total")]
    assert 'deephealth_films_total{outcome="unreadable"} 1.0' in outcomes and len(outcomes) == 2
    assert 'deephealth_requests_total{method="POST",route="/api/v1/predictions",status="200"} 1.0' in text
    assert 'deephealth_requests_total{method="GET",route="/api/v1/models/{model}",status="404"} 1.0' in text
    assert "deephealth_films_waiting 0.0" in text and "deephealth_workers_lost 0.0" in text
    assert "deephealth_bytes_kept" in text
    assert "GARCIA" not in text and "000000" not in text
