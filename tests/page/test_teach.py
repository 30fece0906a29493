"""The Teach page, as a teacher uses it: films into classes, warnings, training, evidence, files; in a real browser on a real service."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.slow


def _project(page: Page, name: str = "New project") -> None:
    """Begin a project from the list."""
    page.get_by_role("button", name=name).click()
    page.get_by_role("heading", name="Films", exact=True).wait_for()


def _drop(page: Page, target: Locator, *paths: Path) -> None:
    """Files and folders dropped from the desktop, as the browser itself makes the event."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + box["width"] / 2, "y": box["y"] + 8, "data": data})
    session.detach()


def _card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def _films(page: Page, name: str) -> Locator:
    return page.get_by_role("listbox", name=f"Films of {name}").get_by_role("option")


def _counts(page: Page, name: str, count: int) -> None:
    expect(_card(page, name).locator(".count")).to_have_text(f"{count:,} films", timeout=120_000)


@pytest.fixture
def folders(phantoms: Path, tmp_path: Path) -> Path:
    """Twelve films of each of two classes, with masks and a list beside them as phantom sets have."""
    out = tmp_path / "dropped"
    for name in ("normal", "viral"):
        (out / name).mkdir(parents=True)
        for film in sorted((phantoms / name).glob("*.png"))[:12]:
            shutil.copy(film, out / name)
    (out / "_masks" / "viral").mkdir(parents=True)
    shutil.copy(next((phantoms / "viral").glob("*.png")), out / "_masks" / "viral" / "mask.png")
    (out / "index.csv").write_text("path,label\n")
    return out


def test_dropped_folders_become_classes_and_can_be_taken_back(page_in: Any, folders: Path) -> None:
    page = page_in(path="/teach")
    _project(page)
    _drop(page, page.get_by_role("button", name="Add a class"), folders)
    _counts(page, "No pneumonia", 12)
    _counts(page, "Viral", 12)
    expect(page.get_by_role("article")).to_have_count(2)  # none for masks; the empty ones of a new project made room
    page.get_by_role("button", name="Undo").last.click()
    expect(_card(page, "Class 1")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(2)


def test_what_is_wrong_with_a_film_stands_beside_it(page_in: Any, folders: Path) -> None:
    page = page_in(path="/teach")
    _project(page)
    first, second, *_ = sorted((folders / "normal").glob("*.png"))
    (folders / "notes.png").write_bytes(b"no picture at all")
    _card(page, "Class 1").locator("input[multiple]").set_input_files([first, second, folders / "notes.png"])
    expect(_card(page, "Class 1").get_by_text("1 file was not added")).to_be_visible()
    expect(_card(page, "Class 1").get_by_text("notes.png")).to_be_visible()
    _counts(page, "Class 1", 2)
    expect(_card(page, "Class 1")).to_contain_text("Class 1 has 2 films")
    _card(page, "Class 2").locator("input[multiple]").set_input_files([first])
    expect(_films(page, "Class 2")).to_contain_text("Copy in another class")
    expect(_films(page, "Class 1").filter(has_text="Copy in another class")).to_have_count(1)
    _films(page, "Class 2").click()
    expect(_card(page, "Class 2").locator("figcaption")).to_contain_text(first.name)


def test_names_that_cannot_be_and_names_that_can(page_in: Any, troubles: Any) -> None:
    troubles.expect("409: PATCH .*/classes/|4(09|22): POST .*/jobs")
    page = page_in(path="/teach")
    _project(page)
    _card(page, "Class 2").get_by_role("button", name="Rename").click()
    field = page.get_by_role("textbox", name="Name of the class")
    field.fill("Class 1")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Class 1")).to_be_visible()
    field.fill("viral")
    field.press("Enter")
    expect(_card(page, "Viral")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("region", name="Training").get_by_role("alert")).to_be_visible()


def test_films_are_chosen_moved_and_deleted_by_keyboard_and_mouse_and_every_act_is_undone(page_in: Any, folders: Path) -> None:
    page = page_in(path="/teach", height=2000)  # a scroll in the middle of a drag would be the driver's, not a person's
    _project(page)
    _drop(page, page.get_by_role("button", name="Add a class"), folders)
    _counts(page, "Viral", 12)
    _counts(page, "No pneumonia", 12)
    undo = page.get_by_role("button", name="Undo").last

    grid = page.get_by_role("listbox", name="Films of Viral")
    grid.focus()
    grid.press("Shift+ArrowRight")
    grid.press("Shift+ArrowRight")
    expect(_card(page, "Viral").get_by_text("3 selected")).to_be_visible()
    grid.press("Delete")
    _counts(page, "Viral", 9)
    page.keyboard.press("Control+z")
    _counts(page, "Viral", 12)

    _films(page, "Viral").first.click()
    _films(page, "Viral").nth(1).click(modifiers=["Control"])
    _card(page, "Viral").get_by_role("combobox").select_option(label="No pneumonia")
    _counts(page, "No pneumonia", 14)
    undo.click()
    _counts(page, "No pneumonia", 12)

    _films(page, "Viral").first.drag_to(_films(page, "No pneumonia").first)
    _counts(page, "Viral", 11)
    undo.click()
    _counts(page, "Viral", 12)

    page.get_by_role("button", name="Delete the class Viral").click()
    expect(_card(page, "Viral")).to_have_count(0)
    undo.click()
    _counts(page, "Viral", 12)
    page.reload()
    _counts(page, "Viral", 12)


def test_a_lost_network_pauses_films_on_their_way_and_they_go_on_where_they_were(page_in: Any, troubles: Any, tmp_path: Path) -> None:
    troubles.expect("ERR_INTERNET_DISCONNECTED|ERR_NETWORK|Failed to fetch")
    noise = np.random.default_rng(1).integers(0, 255, (3, 2600, 2600), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"large{number}.png", compress_level=1)
    page = page_in(path="/teach")
    _project(page)
    begun: list[str] = []
    page.on(
        "requestfinished",
        lambda request: begun.append(request.url) if request.method == "POST" and request.url.endswith("/uploads") else None,
    )
    patched: list[str] = []
    page.on("requestfinished", lambda request: patched.append(request.url) if request.method == "PATCH" else None)
    _card(page, "Class 1").locator("input[multiple]").set_input_files(sorted(tmp_path.glob("large*.png")))
    while not patched:
        page.wait_for_timeout(20)
    page.context.set_offline(True)
    expect(page.get_by_text("The films wait here")).to_be_visible()
    page.context.set_offline(False)
    _counts(page, "Class 1", 3)
    assert len(begun) == 3  # none was begun again
    expect(page.get_by_text("The films wait here")).to_have_count(0)


_LONG_TASKS = """
window.longTasks = []
new PerformanceObserver((list) => list.getEntries().forEach((entry) => longTasks.push(entry.duration))).observe({ type: 'longtask' })
"""


def test_a_thousand_films_dropped_at_once_leave_the_page_alive(page_in: Any, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    random = np.random.default_rng(2)
    for number in range(1000):
        Image.fromarray(random.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / f"film{number}.png")
    page = page_in(path="/teach")
    _project(page)
    page.evaluate(_LONG_TASKS)
    _drop(page, _card(page, "Class 1"), folder)
    expect(page.get_by_text("of 1,000 films")).to_be_visible()
    expect(_films(page, "Class 1").nth(30)).to_be_attached(timeout=60_000)
    page.get_by_role("button", name="Stop sending films").click()
    expect(page.get_by_text("of 1,000 films")).to_have_count(0)
    assert _films(page, "Class 1").count() < 80  # only those in sight are in the page
    assert not [task for task in page.evaluate("longTasks") if task > 1000]
    page.get_by_role("link", name="All projects").click()
    page.get_by_role("heading", name="Teach a classifier").wait_for()


@pytest.fixture(scope="module")
def taught(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four films of each of two classes and one film of the second among the first."""
    out = tmp_path_factory.mktemp("taught") / "films"
    for name in ("normal", "bacterial"):
        (out / name).mkdir(parents=True)
        for film in sorted((phantoms / name).glob("*.png"))[:24]:
            shutil.copy(film, out / name)
    shutil.copy(sorted((phantoms / "bacterial").glob("*.png"))[30], out / "normal" / "mislaid.png")
    return out


def test_from_films_to_evidence_to_files_and_back(page_in: Any, taught: Path, phantoms: Path, axe: Any, shoot: Any, troubles: Any) -> None:
    troubles.expect("404: GET .*/results")  # a project opened from a file has a model, but no results of a training here
    page = page_in(path="/teach")
    _project(page)
    _drop(page, page.get_by_role("button", name="Add a class"), taught)
    _counts(page, "Bacterial", 24)
    _counts(page, "No pneumonia", 25)
    training = page.get_by_role("region", name="Training")
    training.get_by_text("Under the hood").click()
    training.get_by_label("Epochs").fill("0")
    training.get_by_label("Epochs").press("Tab")
    expect(training.get_by_text("A number from 1 to 1000.")).to_be_visible()
    training.get_by_label("Epochs").fill("30")
    training.get_by_label("Epochs").press("Tab")
    expect(training.get_by_text("A number from 1 to 1000.")).to_have_count(0)

    training.get_by_role("button", name="Train", exact=True).click()
    expect(training.get_by_role("button", name="Cancel the training")).to_be_visible()
    page.get_by_role("link", name="All projects").click()  # leaving and returning finds everything as it was
    page.get_by_role("link", name="Untitled project").first.click()
    expect(page.get_by_role("heading", name="What it learned")).to_be_visible(timeout=180_000)
    shoot(page, "teach-results", full=True)
    axe(page)

    results = page.get_by_role("region", name="What it learned")
    expect(results.get_by_role("img", name="Loss")).to_be_visible()
    assert len(results.get_by_role("row").all()) > 6
    results.get_by_role("button", name="answered as").first.click()
    cell = results.get_by_role("region").filter(has=page.get_by_role("button", name="Close"))
    expect(cell.get_by_role("img").first).to_be_visible()
    heatmap = cell.locator("img.heat").first
    expect(heatmap).to_have_js_property("complete", True)
    assert heatmap.evaluate("image => image.naturalWidth") > 0

    results.get_by_role("button", name="Relabel as").first.click()
    expect(results.get_by_text("1 label changed")).to_be_visible()
    expect(results.get_by_role("button", name="Train again")).to_be_visible()
    page.get_by_role("button", name="Undo").last.click()
    expect(results.get_by_text("1 label changed")).to_have_count(0)
    _counts(page, "Bacterial", 24)

    tries = page.get_by_role("region", name="Try it")
    tries.locator("input[type=file]").set_input_files(sorted((phantoms / "bacterial").glob("*.png"))[-1])
    expect(tries.get_by_role("list", name="Probability of each class").get_by_role("listitem")).to_have_count(2)
    with page.expect_download() as download:
        tries.get_by_role("link", name="Model (ONNX)").click()
    assert download.value.path().stat().st_size > 1e6

    with page.expect_download() as download:
        page.get_by_role("link", name="Save project as a file").first.click()
    saved = download.value.path()
    page.get_by_role("link", name="All projects").click()
    page.locator("header input[type=file]").set_input_files(saved)
    _counts(page, "Bacterial", 24)
    _counts(page, "No pneumonia", 25)


def test_a_training_can_be_cancelled_and_a_leak_is_said_and_allowed(page_in: Any, taught: Path, tmp_path: Path) -> None:
    films = tmp_path / "leaking"
    shutil.copytree(taught, films)
    page = page_in(path="/teach")
    _project(page)
    _drop(page, page.get_by_role("button", name="Add a class"), films)
    _counts(page, "Bacterial", 24)
    _counts(page, "No pneumonia", 25)
    training = page.get_by_role("region", name="Training")
    training.get_by_role("button", name="Train", exact=True).click()
    training.get_by_role("button", name="Cancel the training").click()
    expect(training.get_by_text("Cancelled.")).to_be_visible(timeout=60_000)
    training.get_by_text("Under the hood").click()
    training.get_by_label("Keep apart by").select_option("film")
    training.get_by_role("button", name="Train again").click()
    expect(training.get_by_text("would be both taught and tested")).to_be_visible(timeout=120_000)
    training.get_by_role("button", name="Train all the same").click()
    expect(page.get_by_role("heading", name="What it learned")).to_be_visible(timeout=180_000)


@pytest.mark.parametrize(
    ("language", "width", "theme"), [("en", 1280, "light"), ("es", 390, "dark"), ("es", 2560, "light"), ("en", 390, "light")]
)
def test_the_page_fits_and_can_be_used_by_all(page_in: Any, axe: Any, shoot: Any, language: str, width: int, theme: str) -> None:
    page = page_in(language, width, theme, "/teach")
    axe(page)
    shoot(page, f"teach-start-{language}-{width}-{theme}", full=True)
    page.get_by_role("button", name={"en": "New project", "es": "Proyecto nuevo"}[language]).click()
    page.get_by_role("article").first.wait_for()
    axe(page)
    shoot(page, f"teach-new-{language}-{width}-{theme}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shifted") < 0.05
