"""The Models page: evidence at a glance, what can be done with a model and undone, two side by side, files in and out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from deephealth.inference.predictor import load_model

pytestmark = pytest.mark.slow


def card(page: Page, name: str) -> Locator:
    return page.locator("li.card").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_a_card_says_what_is_known_with_its_interval(page_in: Any) -> None:
    page = page_in(path="/models")
    shipped = card(page, "deephealth-small")
    expect(shipped).to_contain_text("answers on Read")
    expect(shipped).to_contain_text("5,232 films")
    test = load_model().record.metrics["test"]["balanced_accuracy"]
    low, value, high = (round(100 * (share or 0)) for share in (test.low, test.value, test.high))
    expect(shipped).to_contain_text(f"{value} %")
    expect(shipped).to_contain_text(f"[{low}–{high}]")
    expect(shipped).to_contain_text(f"{test.n_patients} patients")
    expect(card(page, "Classroom")).to_contain_text("synthetic films only")


def test_a_lamp_opens_to_its_evidence_in_the_readers_language(page_in: Any) -> None:
    page = page_in("es", path="/models")
    lamp = card(page, "deephealth-small").locator("details").filter(has_text="Atajos")
    expect(lamp.locator("p")).to_be_hidden()
    lamp.locator("summary").click()
    expect(lamp.locator("p")).to_contain_text("sin los pulmones")


def test_another_model_answers_on_read_and_back_again(page_in: Any) -> None:
    page = page_in(path="/models")
    card(page, "Classroom").get_by_role("button", name="Use on Read").click()
    expect(card(page, "Classroom")).to_contain_text("answers on Read")
    expect(card(page, "deephealth-small")).not_to_contain_text("answers on Read")
    page.get_by_role("button", name="Undo").click()
    expect(card(page, "deephealth-small")).to_contain_text("answers on Read")


def test_a_model_is_renamed_and_archived_and_both_are_undone(page_in: Any) -> None:
    page = page_in(path="/models")
    card(page, "Classroom").get_by_label("More for").click()
    card(page, "Classroom").get_by_role("button", name="Rename").click()
    field = page.get_by_label("New name")
    expect(field).to_be_focused()
    field.fill("Ward three")
    field.press("Enter")
    expect(card(page, "Ward three")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(card(page, "Classroom")).to_be_visible()

    card(page, "Classroom").get_by_label("More for").click()
    card(page, "Classroom").get_by_role("button", name="Archive").click()
    expect(card(page, "Classroom")).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(card(page, "Classroom")).to_be_visible()


def test_verify_asks_the_golden_films(page_in: Any) -> None:
    page = page_in(path="/models")
    classroom = card(page, "Classroom")
    classroom.get_by_label("More for").click()
    classroom.get_by_role("button", name="Verify").click()
    expect(classroom.locator(".verified")).to_be_visible()
    expect(classroom.locator(".verified.bad")).to_have_count(0)


def test_the_file_that_is_downloaded_is_the_file_that_was_trained(page_in: Any, classroom_run: Path) -> None:
    page = page_in(path="/models")
    card(page, "Classroom").get_by_label("More for").click()
    with page.expect_download() as download:
        card(page, "Classroom").get_by_role("link", name="Download the ONNX file").click()
    assert download.value.path().read_bytes() == (classroom_run / "model.onnx").read_bytes()


def test_a_file_that_is_no_model_is_refused_in_a_sentence(page_in: Any, troubles: Any, tmp_path: Path) -> None:
    troubles.expect("4[0-9]{2}: POST .*/api/v1/models")
    page = page_in("es", path="/models")
    (tmp_path / "not.onnx").write_bytes(b"no model at all")
    page.locator("input[type=file]").set_input_files(tmp_path / "not.onnx")
    expect(page.get_by_role("alert")).to_contain_text("modelo")


def test_a_model_from_elsewhere_is_imported(page_in: Any, start_page_service: Any, classroom_run: Path, axe: Any) -> None:
    page = page_in(path="/models", service=start_page_service())
    expect(page.locator("li.card")).to_have_count(1)
    page.locator("input[type=file]").set_input_files(classroom_run / "model.onnx")
    expect(page.locator("li.card")).to_have_count(2, timeout=30000)
    expect(page.get_by_text("was imported")).to_be_visible()
    axe(page)


def test_the_report_opens_in_its_own_window(page_in: Any) -> None:
    page = page_in(path="/models")
    with page.context.expect_page() as opened:
        card(page, "Classroom").get_by_role("link", name="Report").click()
    expect(opened.value.locator("h1").first).to_be_visible()


def test_the_whole_record_stands_on_a_models_own_page(page_in: Any, page_service: Any) -> None:
    page = page_in(path="/models")
    page.get_by_role("link", name="deephealth-small", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="deephealth-small")).to_be_focused()
    model = next(one for one in page_service.client.get("/api/v1/models").json()["models"] if one["origin"] == "shipped")
    record = page_service.client.get(f"/api/v1/models/{model['id']}").json()
    rows = page.get_by_role("row").filter(has_text="Accuracy")
    expect(rows.first).to_contain_text(f"{100 * record['metrics']['test']['accuracy']['value']:.0f} %")
    for point in record["operating_points"]:
        expect(page.get_by_role("row").filter(has_text=point["name"])).to_contain_text(f"{100 * point['threshold']:.1f} %")
    page.get_by_role("heading", name="Model card").click()
    expect(page.get_by_role("heading", name="Intended use")).to_be_visible()


def test_a_model_that_is_not_there_is_told(page_in: Any, troubles: Any) -> None:
    troubles.expect("404: GET .*/api/v1/models/0000")
    page = page_in("es", path=f"/models/{'0' * 64}")
    expect(page.get_by_role("alert")).to_contain_text("No hay ningún modelo")


def test_two_models_side_by_side_with_a_warning(page_in: Any, axe: Any) -> None:
    page = page_in(path="/models")
    card(page, "Classroom").get_by_role("button", name="Compare").click()
    card(page, "deephealth-small").get_by_role("button", name="Compare with “Classroom”").click()
    expect(page.get_by_role("heading", level=1, name="Compare two models")).to_be_visible()
    expect(page.get_by_text("Scores on different films cannot be compared")).to_be_visible()
    accuracy = page.get_by_role("row").filter(has_text="Accuracy").first
    expect(accuracy.get_by_role("cell")).to_have_count(2)
    axe(page)


def test_a_strangers_card_stays_text(page_in: Any, page_service: Any) -> None:
    """Whatever a card says, nothing of it becomes an element."""
    model = page_service.client.get("/api/v1/models").json()["models"][0]
    detail = page_service.client.get(f"/api/v1/models/{model['id']}").json()
    detail["card"] = "# <script>window.hurt = 1</script>\n\n<img src=x onerror='window.hurt = 1'> **bold**\n"
    page = page_in(path="/help")
    page.route(f"**/api/v1/models/{model['id']}", lambda route: route.fulfill(body=json.dumps(detail), content_type="application/json"))
    page.goto(f"/models/{model['id']}")
    page.get_by_role("heading", name="Model card").click()
    expect(page.get_by_text("<img src=x onerror='window.hurt = 1'>")).to_be_visible()
    assert page.evaluate("window.hurt") is None
    assert page.locator("main img").count() == 0


def test_two_models_answer_the_films_of_a_project_and_a_verdict_is_given(page_in: Any, page_service: Any) -> None:
    """The whole way: films of an example, a job, its verdict in words, its page in a window of its own."""
    service = page_service.client
    headers = {"X-Deephealth": "1"}
    made = service.post("/api/v1/projects/examples", json={"kind": "clean", "per_class": 8}, headers=headers).raise_for_status().json()
    for _ in range(600):
        job = service.get(f"/api/v1/jobs/{made['job']['id']}").json()
        if job["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    assert job["state"] == "done"
    first, second = service.get("/api/v1/models").json()["models"][:2]
    page = page_in("es", path=f"/models/compare?a={first['id']}&b={second['id']}&project={made['project']['id']}")
    page.get_by_role("button", name="Comparar en estas radiografías").click()
    verdict = page.locator(".verdict").first
    expect(verdict).to_be_visible(timeout=120000)
    expect(verdict).to_contain_text("puntos")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="La comparación completa").click()
    expect(opened.value.locator("h1").first).to_be_visible()
