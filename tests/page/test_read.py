"""The Read page in Chromium against a service: one film, many films, refusals, lost networks, and nothing sent that should stay."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from deephealth.images.read import read_film
from deephealth.inference import batch
from deephealth.inference.heatmap import overlay
from deephealth.inference.predictor import Predictor, ReadyModel, load_model

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _software_graphics(troubles: Any) -> None:
    troubles.expect("GL Driver Message.*ReadPixels")  # what a screenshot costs without a graphics card


@pytest.fixture(scope="module")
def model() -> ReadyModel:
    return load_model(threads=1)


@pytest.fixture(scope="module")
def films(phantoms: Path, model: ReadyModel) -> list[Path]:
    """Some phantoms that the shipped model does not refuse."""
    paths = sorted(path for folder in ("normal", "bacterial", "viral") for path in (phantoms / folder).glob("*.png"))
    return [path for path in paths if not Predictor(model).predict(path).refused][:8]


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that is no chest film."""
    path = tmp_path_factory.mktemp("noise") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8)).save(path)
    return path


def give(page: Page, *files: Path) -> None:
    """Choose files as a reader would."""
    page.locator("main input[type=file][multiple]").set_input_files(list(files))


def answer(page: Page) -> Locator:
    """The panel with the answer, once it is there."""
    panel = page.locator("aside section[aria-busy=false]").first
    panel.wait_for(timeout=60000)  # a service just started may still be drawing its examples
    return panel


def rows(page: Page) -> list[list[str]]:
    """The cells of the table's drawn rows."""
    return [row.locator("td, th").all_inner_texts() for row in page.locator("tr[data-row]").all()]


def whole(page: Page) -> None:
    """Wait until a batch is through."""
    expect(page.locator("tr[data-row]").first).to_be_visible()
    expect(page.locator("main progress")).to_have_count(0, timeout=120000)
    page.wait_for_timeout(400)  # the table takes changes in four times a second


@pytest.mark.parametrize(
    ("language", "words", "share"), [("en", "Pattern like the", "{:.2f} %"), ("es", "Patrón como el de las", "{:.2f} %")]
)
def test_a_film_is_answered_in_numbers_and_words(
    page_in: Any, films: list[Path], model: ReadyModel, axe: Any, shoot: Any, language: str, words: str, share: str
) -> None:
    page = page_in(language)
    shoot(page, f"read-empty-{language}")
    give(page, films[0])
    panel = answer(page)
    expect(panel).to_contain_text(words)
    said = Predictor(model).predict(films[0])
    for number, (label, probability) in enumerate(said.probabilities.items()):
        line = panel.locator("ol > li").nth(number)
        text = share.format(100 * probability)
        expect(line).to_contain_text(text.replace(".", ",") if language == "es" else text)
        expect(line.locator(".number")).to_have_text(str(number))
        assert (line.evaluate("e => e.classList.contains('leading')")) == (label == said.label)
    expect(page.locator("main [aria-live=polite]").first).to_contain_text(words)
    expect(page.locator("main .caption")).to_have_text(films[0].name)
    panel.locator("summary").click()
    shoot(page, f"read-answer-{language}", full=True)
    axe(page)


def test_the_viewer_obeys_the_keyboard_and_says_what_it_shows(page_in: Any, films: list[Path]) -> None:
    page = page_in()
    give(page, films[0])
    answer(page)
    screen, picture, readout = page.get_by_role("application"), page.locator("main canvas"), page.locator(".readout")
    expect(screen).to_be_focused()
    expect(readout).to_contain_text("W 255  L 128")
    for key in ("+", "+", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(readout).to_contain_text("W 263  L 136")
    zoomed = readout.inner_text()
    page.keyboard.press("r")
    expect(readout).to_contain_text("W 255  L 128")
    assert zoomed.split()[-2] != readout.inner_text().split()[-2]
    before = picture.screenshot()
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="Heatmap")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Class of the heatmap")).to_have_value("bacterial")
    expect(picture).to_have_attribute("aria-label", re.compile("(Strongest|speaks) for Bacterial"))
    page.keyboard.press("i")
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    assert picture.screenshot() != before
    # Every tool is reached by Tab, and leaves the focus visible.
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Heatmap")).to_be_focused()


def test_the_mouse_zooms_where_it_points_and_the_right_button_sets_the_window(page_in: Any, films: list[Path]) -> None:
    page = page_in()
    give(page, films[0])
    answer(page)
    box = page.locator("main canvas").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    readout = page.locator(".readout")
    fitted = readout.inner_text().split()[-2]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    expect(readout).not_to_contain_text(f"{fitted} %")
    page.mouse.down(button="right")
    page.mouse.move(x + 40, y - 20, steps=4)
    page.mouse.up(button="right")
    expect(readout).to_contain_text("W 285  L 113")
    page.mouse.dblclick(x, y)
    expect(readout).to_contain_text(f"{fitted} %")


@pytest.mark.parametrize("graphics", ["webgl2", "2d"])
def test_the_picture_with_its_heatmap_is_the_one_that_predict_draws(
    page_in: Any, films: list[Path], model: ReadyModel, tmp_path: Path, graphics: str
) -> None:
    page = page_in(width=1000, height=900)
    if graphics == "2d":
        page.add_init_script(
            "const get = HTMLCanvasElement.prototype.getContext;"
            "HTMLCanvasElement.prototype.getContext = function (kind, given) {"
            "  return kind === 'webgl2' ? null : get.call(this, kind, given) }"
        )
        page.reload()
    give(page, films[0])
    answer(page)
    page.keyboard.press("h")
    said = Predictor(model).predict(films[0])
    assert said.heatmap is not None
    drawn = overlay(read_film(films[0]).pixels, said.heatmap[list(said.probabilities).index(said.label)], full=model.record.heatmap_scale)
    page.wait_for_timeout(300)
    page.evaluate("document.querySelectorAll('.readout, .legend').forEach((one) => one.remove())")
    page.evaluate("document.activeElement.blur()")
    path = tmp_path / "screen.png"
    page.locator("main canvas").screenshot(path=path)
    screen = np.asarray(Image.open(path).convert("RGB"), dtype=float)
    height, width = screen.shape[:2]
    scale = min(width / drawn.shape[1], height / drawn.shape[0])
    size = (round(drawn.shape[1] * scale), round(drawn.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    expected = np.asarray(Image.fromarray(drawn).resize(size, Image.Resampling.BILINEAR), dtype=float)
    seen = screen[top : top + size[1], left : left + size[0]]
    inside = np.abs(seen - expected)[20:-20, 20:-20]
    assert inside.mean() < 3


def test_a_refused_film_shows_no_bars_until_the_reader_insists(page_in: Any, noise: Path, axe: Any, shoot: Any) -> None:
    page = page_in("es")
    give(page, noise)
    panel = answer(page)
    expect(panel).to_contain_text("no debe juzgar esta radiografía")
    expect(panel).to_contain_text("no se parece")
    expect(panel.locator("ol")).to_have_count(0)
    expect(page.get_by_role("button", name="Mapa de calor")).to_be_disabled()
    shoot(page, "read-refused-es")
    panel.get_by_role("button", name="Mostrar los números de todos modos").click()
    expect(panel).to_contain_text("No son una respuesta")
    expect(panel.locator("ol.doubtful > li").first).to_be_visible()
    axe(page)


def test_a_file_that_is_no_film_is_explained_beside_it(page_in: Any, tmp_path: Path, troubles: Any, shoot: Any) -> None:
    troubles.expect("422: POST")
    letter = tmp_path / ("a very long name of a letter that was saved beside the films and chosen by mistake " * 2 + ".png")
    letter.write_text("Dear colleague")
    page = page_in(width=390)
    give(page, letter)
    expect(answer(page)).to_contain_text("is a text file, expected a JPEG, PNG, TIFF, BMP or DICOM film")
    shoot(page, "read-unreadable-390", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_synthetic_film_is_answered_by_the_classroom_model(page_in: Any, shoot: Any) -> None:
    page = page_in()
    page.get_by_role("button", name="Synthetic film 1").click()
    expect(answer(page)).to_contain_text("Pattern like")
    expect(page.get_by_role("combobox", name="Model", exact=True).locator("option:checked")).to_contain_text("Classroom")
    shoot(page, "read-example")
    # One's own next film goes to the model that serves.
    page.get_by_role("button", name="Forget all").click()
    expect(page.get_by_role("combobox", name="Model", exact=True).locator("option:checked")).to_have_text("deephealth-small")


def test_pasting_a_picture_opens_it(page_in: Any, films: list[Path]) -> None:
    page = page_in()
    page.evaluate(
        """(bytes) => {
          const transfer = new DataTransfer()
          transfer.items.add(new File([Uint8Array.from(bytes)], 'pasted.png', { type: 'image/png' }))
          document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }))
        }""",
        list(films[0].read_bytes()),
    )
    answer(page)
    expect(page.locator("main .caption")).to_have_text("pasted.png")


def test_the_camera_gives_a_photograph(page_in: Any) -> None:
    page = page_in()
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("main .caption")).to_have_text("photograph 1.jpg")
    answer(page)


def test_many_films_become_a_table_and_its_csv_is_that_of_predict(
    page_in: Any, films: list[Path], noise: Path, model: ReadyModel, tmp_path: Path, troubles: Any, axe: Any, shoot: Any
) -> None:
    troubles.expect("422: POST")
    broken = tmp_path / "=broken.png"
    broken.write_text("no film")
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in films[:3]:
            archive.write(path, f"tórax/{path.name}")
        archive.writestr("__MACOSX/._x.png", b"litter")
    page = page_in()
    give(page, *films, noise, broken, packed)
    whole(page)
    assert len(rows(page)) == len(films) + 5
    shoot(page, "read-table")
    axe(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    text = Path(download.value.path()).read_text()
    table = list(csv.reader(io.StringIO(text)))
    expected = list(csv.reader(io.StringIO(batch.to_csv([Predictor(model).predict(path) for path in films], model.labels))))
    assert table[0] == expected[0]
    for mine, theirs in zip(table[1 : len(films) + 1], expected[1:], strict=True):
        assert mine[:2] == theirs[:2]
        assert np.allclose([float(x) for x in mine[2:6]], [float(x) for x in theirs[2:6]], atol=2e-5)
    assert [row[0] for row in table[len(films) + 1 :]] == ["noise.png", "'=broken.png", *(f"packed.zip/tórax/{p.name}" for p in films[:3])]
    assert table[len(films) + 2][1:6] == ["", "", "", "", ""]
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    assert [row["file"] for row in json.loads(Path(download.value.path()).read_text())][-1].startswith("packed.zip/")


def test_the_table_sorts_filters_and_opens_films_in_its_order(page_in: Any, films: list[Path], noise: Path) -> None:
    page = page_in()
    give(page, *films, noise)
    whole(page)
    page.get_by_role("button", name="Sort by Viral").click()
    shares = [float(row[5].removesuffix(" %")) for row in rows(page)]
    assert shares == sorted(shares, reverse=True)
    page.get_by_role("combobox", name="State", exact=True).select_option("refused")
    assert [row[1] for row in rows(page)] == ["noise.png"]
    page.get_by_role("combobox", name="State", exact=True).select_option("")
    page.get_by_label("Search in names").fill("p00")
    assert len(rows(page)) == len(films)
    second = rows(page)[1][1]
    page.get_by_role("button", name=f"Open {second}").click()
    expect(page.locator("main .caption")).to_have_text(second)
    page.keyboard.press("PageDown")
    expect(page.locator("main .caption")).not_to_have_text(second)
    page.keyboard.press("PageUp")
    expect(page.locator("main .caption")).to_have_text(second)


def test_the_heatmaps_come_as_an_archive_of_what_predict_draws(page_in: Any, films: list[Path], model: ReadyModel) -> None:
    page = page_in()
    give(page, *films[:2])
    whole(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Heatmaps (zip)").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [path.name for path in films[:2]]
        for path in films[:2]:
            said = Predictor(model).predict(path)
            assert said.heatmap is not None
            evidence = said.heatmap[list(said.probabilities).index(said.label)]
            expected = overlay(read_film(path).pixels, evidence, full=model.record.heatmap_scale).astype(float)
            drawn = np.asarray(Image.open(io.BytesIO(archive.read(path.name))).convert("RGB"), dtype=float)
            assert drawn.shape == expected.shape
            assert np.abs(drawn - expected).mean() < 1.5


def test_films_wait_while_the_network_is_away_and_none_is_lost(page_in: Any, films: list[Path], troubles: Any, shoot: Any) -> None:
    troubles.expect("failed: .*/predictions")
    page = page_in()
    away = {"yes": True, "asked": 0}

    def lose(route: Route) -> None:
        away["asked"] += 1
        route.abort("internetdisconnected") if away["yes"] else route.fallback()

    page.route("**/api/v1/predictions*", lose)
    give(page, *films)
    expect(page.get_by_text("The films wait here")).to_be_visible()
    shoot(page, "read-offline")
    away["yes"] = False
    page.get_by_role("button", name="Try now").click()  # the banner's, which asks for anything at all
    whole(page)
    assert all(row[2] for row in rows(page))


def test_a_busy_service_is_left_alone_for_as_long_as_it_asks(page_in: Any, films: list[Path], troubles: Any) -> None:
    troubles.expect("429: POST")
    page = page_in()
    busy = iter([True])
    page.route(
        "**/api/v1/predictions*",
        lambda route: (
            route.fulfill(status=429, headers={"Retry-After": "2"}, json={"code": "busy", "detail": "later"})
            if next(busy, False)
            else route.fallback()
        ),
    )
    give(page, films[0])
    expect(page.get_by_text("The service is busy")).to_be_visible()
    expect(answer(page)).to_contain_text("Pattern like")
    expect(page.get_by_text("The service is busy")).to_be_hidden()


def test_in_the_browser_only_nothing_is_sent_without_consent(page_in: Any, films: list[Path], tmp_path: Path, shoot: Any) -> None:
    tiff = tmp_path / "film.tif"
    Image.open(films[1]).save(tiff)
    page = page_in()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_role("switch", name="In this browser only").check()
    expect(page.get_by_text("it works without a network too")).to_be_visible(timeout=60000)
    give(page, films[0])
    expect(answer(page)).to_contain_text("Answered on this device", timeout=30000)
    give(page, tiff)
    held = page.locator("aside section", has_text="This film has not left your device")
    expect(held).to_be_visible()
    shoot(page, "read-held")
    assert not sent
    held.get_by_role("button", name="Send this film").click()
    expect(answer(page)).to_contain_text("Pattern like")
    expect(page.locator(".readout")).to_be_visible()
    assert sent
    assert {url.split("/api/v1/")[1] for url in sent} == {"predictions", "previews"}


def test_two_films_are_compared_and_zoom_together(page_in: Any, films: list[Path], shoot: Any) -> None:
    page = page_in()
    give(page, films[0])
    answer(page)
    page.get_by_role("button", name="Compare").click()
    give(page, films[1])
    expect(page.locator("main .caption")).to_have_text([films[0].name, films[1].name])
    readouts = page.locator(".readout")
    expect(readouts).to_have_count(2)
    before = readouts.all_inner_texts()
    page.get_by_role("application").first.focus()
    page.keyboard.press("+")
    expect(readouts.nth(0)).not_to_have_text(before[0])
    expect(readouts.nth(1)).not_to_have_text(before[1])
    page.get_by_label("Zoom both together").uncheck()
    between = readouts.nth(1).inner_text()
    page.keyboard.press("Escape")
    page.get_by_role("application").first.focus()
    page.keyboard.press("+")
    expect(readouts.nth(0)).not_to_have_text(before[0])
    assert readouts.nth(1).inner_text() == between
    shoot(page, "read-compare")


def test_opening_films_again_and_again_leaves_no_viewer_behind(page_in: Any, films: list[Path]) -> None:
    page = page_in()
    give(page, *films[:2])
    whole(page)
    for _ in range(20):  # Chromium complains of the seventeenth graphics context, and a complaint fails the test
        page.locator(".open").first.click()
        expect(page.locator(".readout")).to_be_visible()
        page.get_by_role("button", name="Table (2)").click()


def test_a_reason_follows_the_language(page_in: Any, noise: Path) -> None:
    page = page_in()
    give(page, noise)
    expect(answer(page)).to_contain_text("The film is unlike those")
    page.get_by_role("button", name=re.compile("ES|Español")).click()
    expect(answer(page)).to_contain_text("La radiografía no se parece")


def test_two_fingers_pinch_and_one_scrolls_the_page_while_the_film_fits(page_in: Any, films: list[Path]) -> None:
    page = page_in(width=390)
    give(page, films[0])
    answer(page)
    canvas = page.locator("main canvas")
    assert canvas.evaluate("e => e.style.touchAction") == "pan-y"
    before = page.locator(".readout").inner_text()
    box = canvas.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *apart: float) -> None:
        points = [{"x": x + side * gap, "y": y, "id": number} for gap in apart for number, side in enumerate((-1, 1))]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 30)
    for gap in (40, 50, 60):
        touch("touchMove", gap)
    touch("touchEnd")
    expect(page.locator(".readout")).not_to_have_text(before)
    assert canvas.evaluate("e => e.style.touchAction") == "none"


@pytest.mark.parametrize("kind", ["dicom", "tiff"])
def test_films_of_other_kinds_are_shown_as_well(page_in: Any, films: list[Path], tmp_path: Path, kind: str) -> None:
    if kind == "dicom":
        from deephealth.images.phantom_set import write_phantoms

        film = next(write_phantoms(tmp_path / "dicom", per_class=1, seed=3, size=256, file_format="dicom").glob("normal/*.dcm"))
    else:
        film = tmp_path / "film.tif"
        Image.open(films[0]).save(film)
    page = page_in()
    give(page, film)
    answer(page)
    expect(page.locator(".readout")).to_be_visible(timeout=30000)


def test_leaving_and_returning_finds_everything_and_forgetting_can_be_undone(page_in: Any, films: list[Path]) -> None:
    page = page_in()
    give(page, films[0])
    answer(page)
    page.get_by_role("link", name="Help", exact=True).click()
    page.get_by_role("link", name="Read", exact=True).click()
    expect(page.locator("main .caption")).to_have_text(films[0].name)
    page.get_by_role("button", name="Forget all").click()
    expect(page.get_by_role("button", name="Choose files").first).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("main .caption")).to_have_text(films[0].name)


def test_a_thousand_films_draw_some_rows_only_and_arrows_reach_the_last(
    page_in: Any, films: list[Path], tmp_path: Path, shoot: Any
) -> None:
    page = page_in(height=800)
    recorded = page.request.post(
        "/api/v1/predictions", multipart={"file": {"name": "a.png", "mimeType": "image/png", "buffer": films[0].read_bytes()}}
    ).json()
    page.route("**/api/v1/predictions*", lambda route: route.fulfill(json=recorded))
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(1000):
            archive.writestr(f"film-{number:04}.png", films[0].read_bytes())
    give(page, tmp_path / "many.zip")
    expect(page.get_by_text("1,000 of 1,000 films", exact=False).first).to_be_visible()
    whole(page)
    assert len(rows(page)) < 60
    page.locator("tr[data-row] .open").first.focus()
    page.keyboard.press("End")
    expect(page.locator("tr[data-row] .open:focus")).to_have_text("many.zip/film-0999.png")
    shoot(page, "read-1000")


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (390, "dark"), (768, "dark"), (1280, "light"), (2560, "dark")])
def test_nothing_sticks_out_or_jumps_at_any_width(page_in: Any, films: list[Path], axe: Any, shoot: Any, width: int, theme: str) -> None:
    page = page_in("es", width, theme, height=1200 if width > 2000 else 900, reduced_motion=False)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name="Radiografía sintética 1")).to_be_visible()
    settled = page.evaluate("window.shifted")
    give(page, films[0])
    answer(page)
    page.wait_for_timeout(500)
    shoot(page, f"read-{width}-{theme}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("window.shifted") - settled < 0.05
    axe(page)
    give(page, *films[1:4])
    whole(page)
    shoot(page, f"read-table-{width}-{theme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe(page)
    page.get_by_role("button", name=f"Abrir {films[2].name}").click()
    expect(page.locator("main .caption")).to_have_text(films[2].name)
