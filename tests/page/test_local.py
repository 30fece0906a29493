"""In the browser only: films decoded and answered in the page equal the service's, nothing is sent, and it works without a network.

The page's functions are called in a page without a face (frontend/harness), built as the real one is and served by the real service.
"""

from __future__ import annotations

import base64
import importlib.util
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import TimeoutError as HeldUp

from deephealth.images.phantom import draw_phantom
from deephealth.images.read import read_film
from deephealth.inference.predictor import load_model

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
Serve = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def makers() -> ModuleType:
    """The module local_films.py beside this one."""
    spec = importlib.util.spec_from_file_location("deephealth_tests_local_films", Path(__file__).parent / "local_films.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def films(makers: ModuleType) -> dict[str, bytes]:
    """Thirty-odd drawn films, one of each kind."""
    phantom = draw_phantom("bacterial", seed=3, patient=2, film=1, size=300)
    return {**dict(makers.pictures(phantom.pixels)), **dict(makers.dicoms(phantom))}


# ---- The page without a face ---------------------------------------------------------------------------------------------------------

_CALLS = """
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
const text = (bytes) => {
  let letters = ''
  for (let at = 0; at < bytes.length; at += 32768) letters += String.fromCharCode(...bytes.subarray(at, at + 32768))
  return btoa(letters)
}
const orCode = async (work) => { try { return await work() } catch (error) { return { code: error.code ?? String(error) } } }
window.decoded = (film) => orCode(async () => {
  const found = await decodeFilm(new Blob([bytes(film)]))
  return { ...found, pixels: text(found.pixels) }
})
window.opened = (id) => orCode(async () => {
  window.model?.close()
  window.model = await loadLocalModel(id)
  return { name: model.name, labels: model.labels }
})
window.answered = (film, language) => orCode(async () => {
  speak(language)
  return await model.answer(await decodeFilm(new Blob([bytes(film)])), 'film')
})
"""


@dataclass
class Harness:
    """The page without a face in a browser of its own, the service behind it, and every request that it made."""

    page: Page
    context: BrowserContext
    service: Any
    asked: list[tuple[str, str, int]]

    def __call__(self, function: str, *arguments: str) -> dict[str, Any]:
        """Call one of the functions above."""
        return cast(dict[str, Any], self.page.evaluate("([name, ...given]) => window[name](...given)", [function, *arguments]))


@pytest.fixture(scope="session")
def harness_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page without a face, built."""
    folder = tmp_path_factory.mktemp("harness") / "page"
    build = ["npx", "vite", "build", "--config", "harness/vite.config.ts", "--outDir", str(folder), "--emptyOutDir", "--logLevel", "error"]
    done = subprocess.run([ROOT / "tools/node.sh", *build], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


Open = Callable[..., Harness]


@pytest.fixture(scope="module")
def harness_service(serve: Serve, harness_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The real service over the page without a face."""
    with serve(tmp_path_factory.mktemp("local") / "data", page=str(harness_build)) as service:
        yield service


@pytest.fixture
def open_harness(browser: Browser, harness_service: Any) -> Iterator[Open]:
    """Open the page without a face in a fresh profile."""
    opened: list[BrowserContext] = []

    def open_page(service: Any = harness_service) -> Harness:
        context = browser.new_context(base_url=service.url, service_workers="allow")
        opened.append(context)
        asked: list[tuple[str, str, int]] = []
        context.on("request", lambda request: asked.append((request.method, request.url, len(request.post_data_buffer or b""))))
        context.add_init_script(_CALLS)
        page = context.new_page()
        page.goto("/")
        _until(page, "'loadLocalModel' in window")
        return Harness(page, context, service, asked)

    yield open_page
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def shipped() -> str:
    """The identifier of the model that ships."""
    return load_model().sha256


def _until(page: Page, script: str, argument: str = "") -> None:
    """Wait until the script's value, or its promise's, is true: wait_for_function needs an eval, which the page's policy forbids."""
    for _ in range(300):
        if page.evaluate(script, argument):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never true: {script}")


def _b64(film: bytes) -> str:
    return base64.b64encode(film).decode()


def _pixels(found: dict[str, Any]) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(found["height"], found["width"])


# ---- Decoding ------------------------------------------------------------------------------------------------------------------------


def test_every_kind_of_film_is_decoded_to_the_very_pixels_of_the_service(open_harness: Open, films: dict[str, bytes]) -> None:
    assert len(films) >= 30
    harness = open_harness()
    for name, data in films.items():
        found, film = harness("decoded", _b64(data)), read_film(data)
        assert "code" not in found, f"{name}: {found}"
        assert found["kind"] == film.format and found["sha256"] == film.sha256, name
        assert _pixels(found).shape == film.pixels.shape, name
        assert int(np.abs(_pixels(found).astype(int) - film.pixels).max()) == 0, name
        assert (found["objections"], found["warnings"]) == (list(film.objections), list(film.warnings)), name


def _without_end(film: bytes) -> bytes:
    return film[: len(film) * 2 // 3]


def _huge_png() -> bytes:
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + zlib.crc32(header).to_bytes(4, "big") + bytes(40)


def test_what_the_page_cannot_decode_it_says(open_harness: Open, films: dict[str, bytes], makers: ModuleType) -> None:
    film = Image.fromarray(np.zeros((40, 30), np.uint8))
    hopeless = {
        "tiff": (makers.encoded(film, "TIFF"), "format"),
        "bmp": (makers.encoded(film, "BMP"), "format"),
        "zip": (b"PK\x03\x04" + bytes(40), "archive"),
        "text": (b"not a film at all, only words", "not-a-film"),
        "empty": (b"", "not-a-film"),
        "cmyk": (makers.encoded(film.convert("CMYK"), "JPEG"), "colour"),
        "animated": (makers.encoded(film, "PNG", save_all=True, append_images=[Image.fromarray(np.ones((40, 30), np.uint8))]), "frames"),
        "unknown greys": (makers.changed(films["dicom-explicit"], PhotometricInterpretation="MONOCHROME3"), "damaged"),
        "frames": (makers.changed(films["dicom-explicit"], NumberOfFrames="2"), "frames"),
        "jpeg-2000": (films["dicom-explicit"].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.90"[:20]), "transfer-syntax"),
        "huge": (_huge_png(), "too-large"),
        **{f"cut {name}": (_without_end(films[name]), "damaged") for name in ("jpeg-grey", "png-8", "dicom-explicit", "dicom-deflated")},
    }
    harness = open_harness()
    found = {name: harness("decoded", _b64(data)).get("code") for name, (data, _) in hopeless.items()}
    assert found == {name: code for name, (_, code) in hopeless.items()}


def test_films_are_decoded_and_models_run_off_the_pages_own_thread(open_harness: Open, films: dict[str, bytes], shipped: str) -> None:
    harness = open_harness()
    harness.page.evaluate("""() => {
      const broken = () => { throw new Error('on the main thread') }
      window.createImageBitmap = window.DecompressionStream = window.OffscreenCanvas = WebAssembly.compile = broken
    }""")
    assert "code" not in harness("opened", shipped)
    for name in ("jpeg-grey", "png-16", "dicom-deflated"):
        assert "code" not in harness("answered", _b64(films[name]), "en"), name


# ---- Answers -------------------------------------------------------------------------------------------------------------------------


def _asked_service(harness: Harness, film: bytes, language: str) -> dict[str, Any]:
    answer = harness.service.client.post("/api/v1/predictions", files={"file": ("film", film)}, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json()["predictions"][0])


# Not the same by nature: measured times, what the service looks up in its own files, addresses.
_OWN = {"timings_ms", "reliability", "heatmap", "probabilities", "novelty", "operating_points", "reason"}


def _compare(here: dict[str, Any], there: dict[str, Any], within: float) -> tuple[float, float, float]:
    """The largest differences of probability, novelty and heatmap; everything else has to be the same."""
    assert "code" not in here, here
    assert {key: value for key, value in here.items() if key not in _OWN} == {key: value for key, value in there.items() if key not in _OWN}
    assert re.sub(r"\d[\d.,]*", "N", here["reason"]) == re.sub(r"\d[\d.,]*", "N", there["reason"])
    for mine, theirs in zip(here["operating_points"], there["operating_points"], strict=True):
        assert mine == {**theirs, "probability": pytest.approx(theirs["probability"], abs=within)}
    maps = {label: np.asarray(rows) for label, rows in here["heatmap"]["values"].items()}
    heat = max(float(np.abs(maps[label] - np.asarray(rows)).max()) for label, rows in there["heatmap"]["values"].items())
    assert here["heatmap"]["grid"] == there["heatmap"]["grid"] and here["heatmap"]["scale"] == there["heatmap"]["scale"]
    share = max(abs(here["probabilities"][label] - value) for label, value in there["probabilities"].items())
    assert list(here["probabilities"]) == list(there["probabilities"])
    found = share, abs(here["novelty"] - there["novelty"]), heat
    assert found[0] < within and found[1] < within * max(1, there["novelty"]) and found[2] < 0.01, found
    return found


def test_the_page_answers_as_the_service_does(open_harness: Open, films: dict[str, bytes], shipped: str) -> None:
    harness = open_harness()
    assert harness("opened", shipped) == {"name": "deephealth-small", "labels": ["normal", "bacterial", "viral"]}
    refused, largest = set(), np.zeros(3)
    for name, data in films.items():
        for language in ("en", "es") if name.startswith("dicom") or name == "jpeg-grey" else ("en",):
            there = _asked_service(harness, data, language)
            largest = np.maximum(largest, _compare(harness("answered", _b64(data), language), there, 1e-3))
            refused.add(there["reason_code"])
    print(f"{len(films)} drawn films, largest differences of probability, novelty, heatmap: {largest}")
    assert refused >= {"tags", "novelty"}  # phantoms are no films of children


@pytest.mark.shared
def test_the_page_answers_real_films_as_the_service_does(open_harness: Open, shared: Path, shipped: str) -> None:
    folders = ("kermany/chest_xray", "kermany-originals", "nih", "cohen-covid-chestxray/images", "hannover-covid/images")
    files = [path for folder in folders for path in sorted((shared / "data" / folder).rglob("*.jp*g"))[3::17][:6]]
    files += [path for path in sorted((shared / "data/dicom").rglob("*.dcm")) if not re.search("j2k", path.name, re.I)]
    assert len(files) >= 30
    harness = open_harness()
    harness("opened", shipped)
    largest = np.zeros(3)
    for path in files:
        data = path.read_bytes()
        largest = np.maximum(largest, _compare(harness("answered", _b64(data), "en"), _asked_service(harness, data, "en"), 1e-3))
    print(f"{len(files)} real films, largest differences of probability, novelty, heatmap: {largest}")


# ---- Nothing is sent, and no network is needed -----------------------------------------------------------------------------------------


def test_the_film_never_leaves_the_device(open_harness: Open, films: dict[str, bytes], shipped: str) -> None:
    harness = open_harness()
    assert "code" not in harness("opened", shipped)
    for name in ("jpeg-colour", "png-8", "dicom-jpeg"):
        answer = harness("answered", _b64(films[name]), "en")
        assert "code" not in answer, answer
    assert harness.asked and not [request for request in harness.asked if request[0] != "GET" or request[2]]
    addresses = {url.removeprefix(harness.service.url) for _, url, _ in harness.asked}
    assert {address for address in addresses if address.startswith("/api")} == {f"/api/v1/models/{shipped}/file"}
    kept = harness.page.evaluate(_KEPT)
    others = [url for url in kept if not re.search(r"/(assets/[^/]+|icon\.svg|manifest\.webmanifest|models/[0-9a-f]{64}/file)?$", url)]
    assert kept and not others


def test_a_model_that_was_altered_on_the_way_is_not_used(open_harness: Open, shipped: str) -> None:
    harness = open_harness()
    altered = bytearray(load_model().data)
    altered[-1] ^= 1
    harness.context.route("**/api/v1/models/*/file", lambda route: route.fulfill(body=bytes(altered)))
    assert harness("opened", shipped)["code"] == "altered"
    harness.context.unroute("**/api/v1/models/*/file")
    assert harness("opened", "0" * 64)["code"] == "fetch"
    harness.context.set_offline(True)
    assert harness("opened", shipped)["code"] == "offline"


_KEPT = """async () => {
  const stores = await Promise.all((await caches.keys()).map((name) => caches.open(name)))
  return (await Promise.all(stores.map((store) => store.keys()))).flat().map((request) => request.url)
}"""
_SETTLED = """async () => {
  await navigator.serviceWorker.ready
  return (await caches.keys()).filter((name) => name.startsWith('deephealth-page-'))
}"""
_WAITING = "async () => Boolean((await navigator.serviceWorker.getRegistration())?.waiting)"
_REPLACED = """async (old) => {
  const names = await caches.keys()
  return !names.includes(old) && names.includes('deephealth-page-ffffffffffffffff')
}"""


def test_after_the_first_answer_the_page_works_without_a_network(open_harness: Open, films: dict[str, bytes], shipped: str) -> None:
    harness = open_harness()
    harness("opened", shipped)
    before = harness("answered", _b64(films["dicom-explicit"]), "en")
    assert harness.page.evaluate(_SETTLED)
    harness.context.set_offline(True)
    harness.page.reload()
    _until(harness.page, "'loadLocalModel' in window")
    assert "code" not in harness("opened", shipped)
    after = harness("answered", _b64(films["dicom-explicit"]), "en")
    assert {**after, "timings_ms": None} == {**before, "timings_ms": None}
    assert "code" not in harness("answered", _b64(films["jpeg-grey"]), "en")


def test_a_new_build_is_seen_at_once_and_takes_the_old_ones_place(
    serve: Serve, open_harness: Open, harness_build: Path, shipped: str, tmp_path: Path
) -> None:
    built = tmp_path / "page"
    shutil.copytree(harness_build, built)
    with serve(tmp_path / "data", page=str(built)) as service:
        harness = open_harness(service)
        harness("opened", shipped)
        old = harness.page.evaluate(_SETTLED)
        assert len(old) == 1
        for name, before, after in (("index.html", "<title>", "<title>New: "), ("sw.js", old[0].rsplit("-", 1)[1], "f" * 16)):
            text = (built / name).read_text()
            assert before in text
            (built / name).write_text(text.replace(before, after))
        harness.page.reload()
        assert harness.page.title().startswith("New: ")
        # The old files stay as long as a page of theirs may be open, then they go.
        _until(harness.page, _WAITING)
        assert old[0] in harness.page.evaluate(_SETTLED)
        harness.page.goto("about:blank")
        _visit_again(harness.page)
        _until(harness.page, _REPLACED, old[0])
        harness.context.set_offline(True)
        harness.page.reload()
        assert harness.page.title().startswith("New: ")


def _visit_again(page: Page) -> None:
    """Go to the page; once more where the browser was held up, as it is at times on a busy machine while one worker replaces another."""
    try:
        page.goto("/", timeout=10_000)
    except HeldUp:
        page.goto("/")


def test_the_choice_is_kept_and_a_film_is_answered_offline(
    serve: Serve, page_in: Any, troubles: Any, films: dict[str, bytes], tmp_path: Path
) -> None:
    troubles.expect("ERR_INTERNET_DISCONNECTED|GPU stall")
    with serve(tmp_path / "data") as service:
        page: Page = page_in(service=service)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method != "GET" else None)
        page.get_by_role("switch").check()
        page.get_by_text("it works without a network too").wait_for(timeout=60000)
        page.evaluate(_SETTLED)
        page.context.set_offline(True)
        page.reload()
        film = tmp_path / "offline.dcm"
        film.write_bytes(films["dicom-lateral"])
        page.locator("input[type=file]").first.set_input_files(film)
        page.get_by_role("complementary").get_by_text("its view is lateral").wait_for(timeout=30000)
        assert not sent
        page.get_by_role("switch").uncheck()
        forget = page.get_by_role("button", name="Remove the model from this device")
        forget.click()
        forget.wait_for(state="hidden")
        _until(page, "async () => !(await caches.keys()).length")
