from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deephealth.images.phantom import draw_phantom
from deephealth.inference.predictor import load_model
from deephealth.model.file import shipped_model_path
from deephealth.model.verify import add_goldens
from deephealth.service.answering.pictures import png
from deephealth.service.store.models import register_model


@pytest.fixture(scope="module")
def own(tiny: ModuleType) -> bytes:
    return add_goldens(tiny.model_bytes())


@pytest.fixture
def imported(service: Any, own: bytes) -> Iterator[str]:
    """A small model of a user's own, imported; the shipped one serves again afterwards."""
    yield service.client.post("/api/v1/models", content=own).json()["id"]
    service.client.patch(f"/api/v1/models/{load_model().sha256}", json={"serving": True})


def test_the_model_that_ships_is_always_there(service: Any) -> None:
    shipped = service.client.get("/api/v1/models").json()["models"][-1]
    model = load_model()
    assert shipped["id"] == model.sha256 and shipped["origin"] == "shipped" and shipped["created"] is None
    assert shipped["serving"] and shipped["films"] == 5232 and shipped["patients"] == 3669
    assert shipped["headline"]["metric"] == "balanced_accuracy"
    test = model.record.metrics["test"]["balanced_accuracy"]
    assert shipped["headline"]["estimate"]["value"] == test.value and shipped["headline"]["estimate"]["patients"] == test.n_patients
    assert {name: lamp["state"] for name, lamp in shipped["lamps"].items()} == {
        "leakage": "good",
        "shortcut": "bad",
        "calibration": "warning",
    }
    assert [artefact["kind"] for artefact in shipped["artefacts"]] == ["onnx", "card"]


def test_a_models_details_in_two_languages(service: Any) -> None:
    path = f"/api/v1/models/{load_model().sha256}"
    english, spanish = (service.client.get(path, headers={"Accept-Language": language}).json() for language in ("en-GB", "es-ES,es"))
    assert english["card"].startswith("# deephealth-small") and "Limits" in english["card"] and "Límites" in spanish["card"]
    record = load_model().record
    assert english["size"] == record.size and english["grid"] == record.backbone.grid
    assert english["licence"] == "Apache-2.0" and english["limits"]
    assert len(english["operating_points"]) == 4 and "test" in english["metrics"]
    assert not {"seen", "fitted_on", "goldens", "card"} & set(english["record"])
    assert english["lamps"]["leakage"]["text"] != spanish["lamps"]["leakage"]["text"]
    assert service.client.get(path + "/card?lang=es").text == spanish["card"]


def test_the_file_may_be_kept_for_ever(service: Any) -> None:
    path = f"/api/v1/models/{load_model().sha256}/file"
    reply = service.client.get(path)
    assert reply.content == shipped_model_path().read_bytes()
    assert "immutable" in reply.headers["cache-control"] and "deephealth-small.onnx" in reply.headers["content-disposition"]
    again = service.client.get(path, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_verify_asks_the_golden_films(service: Any) -> None:
    found = service.client.post(f"/api/v1/models/{load_model().sha256}/verify").json()
    assert found["ok"] and found["films"] == 3 and found["largest_difference"] < 1e-4 and found["text"].startswith("It answers as")


def test_a_model_is_imported_serves_and_is_archived(service: Any, own: bytes, imported: str) -> None:
    client, path = service.client, f"/api/v1/models/{imported}"
    assert imported == hashlib.sha256(own).hexdigest()
    assert client.get(path).json()["origin"] == "imported"
    assert client.patch(path, json={"name": "Köln 2", "serving": True}).json()["name"] == "Köln 2"
    assert client.get("/api/v1/about").json()["serving"] == imported
    film = png(draw_phantom("normal", seed=3, size=200).pixels)
    assert client.post("/api/v1/predictions", files={"file": film}).json()["model"]["name"] == "Köln 2"
    assert client.delete(path).json()["code"] == "serving"
    assert client.patch(f"/api/v1/models/{load_model().sha256}", json={"serving": True}).status_code == 200
    assert client.delete(path).status_code == 204
    assert imported not in [model["id"] for model in client.get("/api/v1/models").json()["models"]]
    assert imported in [model["id"] for model in client.get("/api/v1/models?archived=true").json()["models"]]
    assert client.patch(path, json={"serving": True}).json()["code"] == "archived"
    assert client.patch(path, json={"archived": False}).json()["archived"] is False


def test_the_model_that_ships_keeps_its_name_and_place(service: Any) -> None:
    path = f"/api/v1/models/{load_model().sha256}"
    assert service.client.patch(path, json={"name": "mine"}).json()["code"] == "shipped"
    assert service.client.delete(path).status_code == 409


def test_what_is_no_model_is_refused(service: Any, tiny: ModuleType) -> None:
    broken = tiny.model_bytes()[:-200]
    for body in (b"", b"PK\x03\x04", broken, shipped_model_path().read_bytes()[:100_000]):
        reply = service.client.post("/api/v1/models", content=body)
        assert (reply.status_code, reply.json()["code"]) == (422, "model")
        assert reply.json()["detail"].startswith("The file ") and "/tmp" not in reply.json()["detail"]
    assert not list((service.services.config.data / "incoming").iterdir())


def test_unknown_models_are_not_found(service: Any) -> None:
    assert service.client.get(f"/api/v1/models/{'0' * 64}").json()["code"] == "no-model"
    assert service.client.get("/api/v1/models/..%2f..%2fetc").status_code in (404, 422)


def test_reports_may_show_themselves_and_nothing_else(service: Any, own: bytes, imported: str, tmp_path: Path) -> None:
    path = f"/api/v1/models/{imported}"
    assert service.client.get(path + "/report").json()["code"] == "no-report"
    (tmp_path / "model.onnx").write_bytes(own)
    (tmp_path / "report.html").write_text("<h1>Report</h1>")
    correct = [{"value": value, "low": 0.1, "high": 1.0, "n_films": 10, "n_patients": 9} for value in (0.5, 0.9)]
    bins = [{"confidence": 0.5, "correct": correct[0]}, {"confidence": 0.8, "correct": correct[1]}]
    (tmp_path / "report.json").write_text(json.dumps({"reliability": bins}))
    with service.services.database.begin() as connection:
        files = {"report": tmp_path / "report.html", "evaluation": tmp_path / "report.json"}
        register_model(connection, service.services.blobs, tmp_path / "model.onnx", name="t", origin="trained", classroom=True, **files)
    reply = service.client.get(path + "/report")
    assert reply.text == "<h1>Report</h1>" and reply.headers["content-type"].startswith("text/html")
    assert "sandbox" in reply.headers["content-security-policy"] and "default-src 'none'" in reply.headers["content-security-policy"]
    assert service.client.get(path + "/evaluation").json()["reliability"][1]["confidence"] == 0.8
    kinds = [artefact["kind"] for artefact in service.client.get(path).json()["artefacts"]]
    assert kinds == ["onnx", "card", "report-html", "report-json"]
    assert service.client.get("/api/v1/about").json()["classroom"] == imported
    film = png(draw_phantom("normal", seed=3, size=200).pixels)
    (found,) = service.client.post(f"/api/v1/predictions?model={imported}", files={"file": film}).json()["predictions"]
    certainty, reliability = max(found["probabilities"].values()), found["reliability"]
    assert reliability["low"] <= certainty <= reliability["high"] and reliability["low"] in (0.0, 0.65)
    assert reliability["correct"]["value"] == (0.5 if reliability["low"] == 0 else 0.9)


def test_examples_come_with_a_classroom_model(service: Any, own: bytes, imported: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(own)
    with service.services.database.begin() as connection:
        register_model(connection, service.services.blobs, tmp_path / "model.onnx", name="t", origin="trained", classroom=True)
    examples = service.client.get("/api/v1/examples").json()["examples"]
    assert len(examples) == 9 and {example["label"] for example in examples} == {"normal", "bacterial", "viral"}
    drawn = service.client.get(examples[1]["href"])
    assert drawn.content == service.client.get(examples[1]["href"]).content == png(draw_phantom("bacterial", seed=90_001, size=512).pixels)
    assert service.client.get("/api/v1/examples/normal-9.png").status_code == 404
    kind, _, small = examples[1]["thumbnail"].partition(",")
    assert kind == "data:image/png;base64" and b64decode(small) == png(draw_phantom("bacterial", seed=90_001, size=96).pixels)
