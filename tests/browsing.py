"""Pages opened in a real browser, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page
from serving import wait_for

from trainjourney.inference.bundle import Look

PLAYING = "train.state === 'playing'"


@contextmanager
def opened(
    browser: Browser,
    url: str,
    size: tuple[int, int] = (1000, 600),
    before: str = "",
    touch: bool = False,
) -> Iterator[Page]:
    """A page in a profile of its own; any error of its script fails the test."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, has_touch=touch)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda told: errors.append(told.text) if "Content Security" in told.text else None,
    )
    if before:
        page.add_init_script(before)
    page.goto(url)
    yield page
    assert errors == []
    context.close()


def until(page: Page, true: str, wait_s: float) -> None:
    """Wait for an expression; the page's own policy forbids Playwright's way."""
    wait_for(lambda: page.evaluate(true), wait_s, true)


def bank(folder: Path) -> dict[int, Look]:
    looks = {}
    for slot, name in enumerate(("meadow", "winter", "mesa", "city", "neon_sea"), 1):
        path = folder / f"{name}.jpg"
        Image.new("RGB", (128, 64), (50 * slot, 120, 200 - 30 * slot)).save(path)
        looks[slot] = Look(name, np.full(4, 0.5, np.float32), path)
    return looks
