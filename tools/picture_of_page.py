"""Take the picture of the page that the README shows, from a service that runs: `make run`, then in another terminal

python tools/picture_of_page.py [ADDRESS]        writes docs/images/page.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "page.png"
_SIZE = {"width": 1280, "height": 860}
_LARGEST = 300_000  # bytes
_EXAMPLE = 7  # a film whose heatmap is worth a look


def take(address: str) -> bytes:
    """A synthetic film on Read, answered, its heatmap shown, as PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=_SIZE, locale="en-GB", reduced_motion="reduce")
        page.goto(address)
        page.get_by_role("button", name="Synthetic film").nth(_EXAMPLE).click()
        page.locator("aside section[aria-busy=false] ol").wait_for()
        page.get_by_role("application").press("h")
        page.mouse.move(2, 2)
        page.wait_for_timeout(700)
        picture = page.screenshot()
        browser.close()
    return picture


def small(picture: bytes) -> bytes:
    """The picture with 256 colours: 88 for the greys of the film, 168 for the rest, which would be lost among so many greys."""
    shown = Image.open(io.BytesIO(picture)).convert("RGB")
    pixels = np.asarray(shown).reshape(-1, 3)
    colourful = np.ptp(pixels.astype(int), axis=1) > 14
    parts = [(pixels[~colourful], 88), (pixels[colourful], 168)]
    colours = [Image.fromarray(part[None]).quantize(count).getpalette()[: 3 * count] for part, count in parts]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for part in colours for value in part])
    packed = io.BytesIO()
    shown.quantize(palette=palette, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main() -> None:
    """Take it, make it small, keep it."""
    picture = small(take(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
    if len(picture) > _LARGEST:
        sys.exit(f"The picture has {len(picture)} bytes, expected at most {_LARGEST}; choose another film.")
    PICTURE.write_bytes(picture)
    print(f"{PICTURE}: {len(picture)} bytes")


if __name__ == "__main__":
    main()
