from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deephealth.images.phantom import draw_phantom
from deephealth.images.phantom_dicom import dicom_bytes
from deephealth.inference.heatmap import overlay
from deephealth.inference.predictor import load_model
from deephealth.service.answering.pictures import png

PHANTOMS = {label: draw_phantom(label, seed=3, size=200) for label in ("normal", "bacterial", "viral")}
FILMS = {label: png(phantom.pixels) for label, phantom in PHANTOMS.items()}


def post(service: Any, *files: tuple[str, bytes], **options: Any) -> httpx.Response:
    return service.client.post("/api/v1/predictions", files=[("file", file) for file in files], **options)


def test_one_film_is_answered_as_the_predictor_does(service: Any) -> None:
    answers = post(service, ("a.png", FILMS["viral"])).json()
    (found,) = answers["predictions"]
    model = load_model(threads=1)
    expected = model.predict(FILMS["viral"])
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert (found["file"], found["label"], found["refused"], found["error"]) == ("a.png", expected.label, expected.refused, False)
    assert found["sha256"] == hashlib.sha256(FILMS["viral"]).hexdigest() and found["kind"] == "png"
    assert [found["height"], found["width"]] == list(PHANTOMS["viral"].pixels.shape)
    assert found["model"] == answers["model"]["id"] == model.sha256 and answers["model"]["labels"] == list(model.labels)
    assert [verdict["name"] for verdict in found["operating_points"]] == [point.name for point in model.record.operating_points]
    for verdict in found["operating_points"]:
        assert verdict["probability"] == pytest.approx(sum(expected.probabilities[label] for label in verdict["positive"]), abs=1e-6)
        assert (verdict["verdict"] == "positive") == (verdict["probability"] >= verdict["threshold"])
    assert found["heatmap"]["grid"] == [model.record.backbone.grid] * 2 and found["reliability"] is None
    rule = model.record.conformal
    assert rule is not None and found["conformal"]["level"] == rule.level
    assert set(found["conformal"]["labels"]) == {label for label, p in expected.probabilities.items() if p >= rule.threshold}


def test_a_heatmaps_address_draws_it(service: Any) -> None:
    (found,) = post(service, ("a.png", FILMS["viral"])).json()["predictions"]
    reply = service.client.get(found["heatmap"]["links"]["viral"])
    assert reply.headers["content-type"] == "image/png" and "immutable" in reply.headers["cache-control"]
    drawn = np.asarray(Image.open(io.BytesIO(reply.content)), dtype=np.float32)
    assert drawn.shape == (*PHANTOMS["viral"].pixels.shape, 4)
    film = PHANTOMS["viral"].pixels
    opacity = drawn[..., 3:] / 255
    laid = film[..., None] * (1 - opacity) + drawn[..., :3] * opacity
    expected = overlay(film, np.array(found["heatmap"]["values"]["viral"], np.float32), full=found["heatmap"]["scale"])
    assert np.abs(laid - expected).max() < 4  # a byte a cell, and a byte of opacity


@pytest.mark.parametrize("token", ["x", "AAAA", "eJwDAAAAAAE", "eJ" + "A" * 7000, "%00"])
def test_an_invented_heatmap_is_not_found(service: Any, token: str) -> None:
    reply = service.client.get(f"/api/v1/heatmaps/{token}.png")
    assert (reply.status_code, reply.headers["content-type"], reply.json()["code"]) == (404, "application/problem+json", "no-heatmap")


def test_several_films_and_an_archive_keep_their_order_and_names(service: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("set/b.png", FILMS["bacterial"])
        archive.writestr("../../a.png", FILMS["normal"])
        archive.writestr("broken.png", FILMS["normal"][:500])
    dicom = dicom_bytes(PHANTOMS["viral"], seed=2, patient=1, film=1)
    found = post(service, ("c.dcm", dicom), ("films.zip", packed.getvalue()), ("d.png", FILMS["viral"])).json()["predictions"]
    names = ["c.dcm", "films.zip/a.png", "films.zip/broken.png", "films.zip/set/b.png", "d.png"]
    assert [prediction["file"] for prediction in found] == names
    assert [prediction["kind"] for prediction in found] == ["dicom", "png", "", "png", "png"]
    broken = found[2]
    assert broken["error"] and broken["refused"] and broken["reason_code"] == "unreadable" and broken["heatmap"] is None
    assert broken["reason"].startswith("films.zip/broken.png cannot be decoded")
    assert found[4]["sha256"] == hashlib.sha256(FILMS["viral"]).hexdigest()


def test_a_lone_film_that_cannot_be_read_is_a_problem(service: Any) -> None:
    reply = post(service, ("scan.pdf", b"%PDF-1.4 ..."))
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    problem = reply.json()
    assert problem["code"] == "unreadable" and problem["about"] == "scan.pdf" and problem["detail"].startswith("scan.pdf is a PDF document")


def test_what_a_client_may_do_wrong(service: Any) -> None:
    client = service.client
    cases = [
        (client.post("/api/v1/predictions", content=b"abc"), 415, "not-multipart"),
        (client.post("/api/v1/predictions", files={"other": ("a.png", FILMS["viral"])}), 400, "no-film"),
        (
            client.post("/api/v1/predictions", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}),
            400,
            "damaged-upload",
        ),
        (post(service, ("a.png", FILMS["viral"]), params={"model": "f" * 64}), 404, "no-model"),
    ]
    for reply, status, code in cases:
        assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_limits_are_told(start_service: Any) -> None:
    service = start_service(request_mb=1, films_per_request=3)
    large = post(service, ("a.png", bytes(1_200_000)))
    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    many = post(service, *[("a.png", b"x")] * 4)
    assert (many.status_code, many.json()["code"]) == (413, "too-many-films")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.png", b"x")
    many = post(service, ("a.zip", packed.getvalue()))
    assert (many.status_code, many.json()["code"]) == (413, "too-many-films")
    assert not list((service.services.config.data / "incoming").iterdir())


def test_more_callers_than_may_wait_are_told_to_come_again(start_service: Any) -> None:
    service = start_service(queue=0)
    reply = post(service, ("a.png", FILMS["viral"]))
    assert (reply.status_code, reply.json()["code"]) == (503, "busy")
    assert int(reply.headers["retry-after"]) > 0


def test_a_film_larger_than_the_limit_of_pixels_is_too_large(service: Any) -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(bomb, "PNG")
    reply = post(service, ("bomb.png", bomb.getvalue()))
    assert (reply.status_code, reply.json()["code"]) == (413, "too-large")
    found = post(service, ("bomb.png", bomb.getvalue()), ("a.png", FILMS["viral"])).json()["predictions"]
    assert found[0]["reason_code"] == "too-large" and [prediction["error"] for prediction in found] == [True, False]


def test_a_preview_is_the_film_in_eight_bits(service: Any) -> None:
    from deephealth.images.read import read_film

    data = dicom_bytes(PHANTOMS["viral"], seed=2, patient=1, film=1)
    reply = service.client.post("/api/v1/previews", files={"file": ("c.dcm", data)})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(reply.content))), read_film(data).pixels)
    assert service.client.post("/api/v1/previews", files={"file": ("c.dcm", b"x")}).status_code == 422


def test_the_service_says_what_it_is(service: Any) -> None:
    about = service.client.get("/api/v1/about").json()
    assert about["access"] == "local" and about["classroom"] is None and about["serving"] == load_model().sha256
    assert about["limits"]["file_bytes"] == 256_000_000 and about["limits"]["pixels"] == 64_000_000
    assert service.client.get("/api/v1/examples").json() == {"examples": []}
