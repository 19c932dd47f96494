"""The desk under hands: fingers that scroll, two who hold one control, a line that falls silent."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from browsing import PLAYING, bank, opened, until
from playwright.sync_api import Browser, Page
from serving import CHROMIUM, Served, served, wait_for

from trainjourney.controls.desk import Desk
from trainjourney.controls.presets import Presets
from trainjourney.inference.bundle import Look
from trainjourney.outputs.web.tokens import Tokens
from trainjourney.types import Change

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium; apt install chromium")

UP = "document.body.dataset.line === 'up'"
DOWN = "document.body.dataset.line === 'down'"


@contextmanager
def driving(browser: Browser, desk: Desk) -> Iterator[tuple[Served, Page]]:
    """A page that drives, on a wide screen, its line up."""
    with (
        served(desk=desk) as train,
        opened(browser, train.url + "/drive", (1440, 900)) as page,
    ):
        until(page, UP, 8)
        yield train, page


def swipe(page: Page, selector: str, down_px: int) -> float:
    """A finger comes down on an element and draws; gives how far the page scrolled."""
    one = page.locator(selector).first
    one.evaluate("one => one.scrollIntoView({ block: 'center' })")
    before = page.evaluate("scrollY")
    box = one.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"]
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: dict[str, float]) -> None:
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})
        time.sleep(0.02)

    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 9):
        touch("touchMove", {"x": x, "y": y + down_px * step / 8})
    touch("touchEnd")
    time.sleep(0.1)
    return float(page.evaluate("scrollY")) - float(before)


def test_a_finger_that_scrolls_turns_nothing(browser: Browser, tmp_path: Path) -> None:
    desk, looks = Desk(), bank(tmp_path)
    heard: list[Change] = []
    desk.listen(lambda change, source: heard.append(change))
    with (
        served(desk=desk, looks=lambda: looks) as train,
        opened(browser, train.url + "/drive", (390, 844), touch=True) as page,
    ):
        until(page, UP, 8)
        fields = ("melt", "brightness", "dream")
        for selector in (
            ".lever", ".pad", "button:text-is('departure')", "button:text-is('still')",
            *(f"input[aria-label='{name}']" for name in fields), ".look", ".stop",
        ):  # fmt: skip
            scrolled = [swipe(page, selector, down_px) for down_px in (-120, 120)]
            assert max(map(abs, scrolled)) > 60, (selector, scrolled)
        time.sleep(0.3)
        assert heard == []
        shown = page.eval_on_selector("input[aria-label='brightness']", "one => one.value")
        assert shown == "500"
        for selector, name, least in (
            ("input[aria-label='brightness']", "brightness", 1.2),
            (".lever", "speed", -1.9), (".pad", "pad_x", 0.6),
        ):  # fmt: skip
            one = page.locator(selector)
            one.evaluate("one => one.scrollIntoView({ block: 'center' })")
            box = one.bounding_box()
            assert box is not None
            x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"]
            page.touchscreen.tap(x, y)
            wait_for(lambda name=name: [c for c in heard if c.parameter == name])  # type: ignore[misc]
            assert float([c for c in heard if c.parameter == name][-1].value) > least


def test_a_silent_line_is_seen_and_comes_back(browser: Browser) -> None:
    desk = Desk()
    with driving(browser, desk) as (train, page):
        page.focus("input[aria-label='brightness']")
        train.loop.call_soon_threadsafe(time.sleep, 7.5)
        until(page, DOWN, 8)
        assert "Connecting again" in page.inner_text("#told")
        for name in ("#desk", "#below"):
            assert page.eval_on_selector(
                name, "one => one.inert && getComputedStyle(one).opacity < 1"
            )
        until(page, UP, 12)
        assert not page.eval_on_selector("#below", "one => one.inert")
        page.keyboard.press("ArrowUp")  # what had the focus has it again
        wait_for(lambda: float(desk.values()["brightness"]) > 1.0)


def test_two_who_hold_one_control_agree_when_it_is_let_go(browser: Browser) -> None:
    desk = Desk()
    with driving(browser, desk) as (_, page):
        for selector, name, value in (
            ("input[aria-label='contrast']", "contrast", 0.5), (".lever", "speed", -1.0),
        ):  # fmt: skip
            box = page.locator(selector).bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
            page.mouse.down()
            wait_for(lambda name=name: desk.values()[name] != 1.0)  # type: ignore[misc]
            desk.turn(Change(name, value, 0.0), "osc 192.0.2.9")
            until(page, "document.querySelector('#told').textContent.startsWith('osc')", 8)
            page.mouse.up()
            shown = f'document.querySelector("{selector}").ariaValueText'
            until(page, f"Number({shown}.match(/[-0-9.]+/)[0]) === {value}", 8)
        page.focus("input[aria-label='seed']")
        desk.turn(Change("seed", 77.0, 0.0), "osc 192.0.2.9")
        until(page, "document.querySelector('#told').textContent.includes('seed')", 8)
        page.focus(".lever")
        assert page.input_value("input[aria-label='seed']") == "77"
        page.fill("input[aria-label='seed']", "-5")
        page.focus(".lever")
        assert page.input_value("input[aria-label='seed']") == "0"
        wait_for(lambda: desk.values()["seed"] == 0.0)


def test_a_stop_that_is_stored_wants_a_longer_hold_and_goes_out(
    browser: Browser, tmp_path: Path
) -> None:
    desk = Desk()
    heard: list[float | str] = []
    desk.listen(
        lambda change, _: heard.append(change.value) if change.parameter == "store" else None
    )
    with closing(Presets(desk, tmp_path / "presets.toml")) as presets:
        desk.turn(Change("store", 2.0, 0.0))
        with (
            served(desk=desk, presets=presets.numbers) as train,
            opened(browser, train.url + "/drive", (1440, 900)) as page,
        ):
            until(page, UP, 8)
            stop = page.locator(".stop").nth(1)
            stop.hover()
            page.mouse.down()
            time.sleep(0.9)
            page.mouse.up()  # that is a tap
            wait_for(lambda: desk.values()["preset"] == 2.0)
            page.wait_for_selector(".stop[aria-pressed=true]:text-is('2')")
            desk.turn(Change("dream", 0.9, 0.0), "osc 192.0.2.9")
            until(page, "!document.querySelector('.stop[aria-pressed=true]')", 8)
            assert desk.values()["preset"] == 0.0 and heard == [2.0, 0.0]
            stop.focus()
            page.keyboard.press("Shift+S")
            wait_for(lambda: heard == [2.0, 0.0, 2.0, 0.0])
            page.keyboard.press("Enter")
            wait_for(lambda: desk.values()["preset"] == 2.0)


def test_pictures_that_are_refused_are_named_and_a_full_bank_says_so(
    browser: Browser, tmp_path: Path
) -> None:
    looks = {
        slot: Look(f"look {slot}", look.embedding, look.picture)
        for slot in range(1, 64)
        for look in [bank(tmp_path)[1]]
    }
    broken = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in broken:
        path.write_bytes(b"no picture")
    with (
        served(looks=lambda: looks, folder=tmp_path / "kept") as train,
        opened(browser, train.url + "/drive", (1440, 900)) as page,
    ):
        until(page, UP, 8)
        page.set_input_files(".add input", broken)
        until(page, "document.querySelectorAll('.taken .refused').length === 2", 8)
        told = page.inner_text(".taken")
        assert "one.png: that picture is" in told and "two.png: that picture is" in told
        page.set_input_files(".add input", looks[1].picture)
        wait_for(lambda: (tmp_path / "kept" / "meadow.jpg").exists())
        page.set_input_files(".add input", looks[1].picture)
        until(page, "document.querySelector('.taken').textContent.includes('the bank is full')", 8)


def test_a_ticket_is_asked_for_in_time_and_a_right_one_is_let_in(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    tokens = Tokens(file)
    former = tokens.make("control")
    with served(tokens=file, listen="0.0.0.0") as train:
        url = train.url.replace("0.0.0.0", "127.0.0.1") + "/drive"
        with opened(browser, f"{url}#token={former}", (1440, 900)) as page:
            until(page, f"{UP} && {PLAYING}", 8)
            tokens.revoke(former)
            page.wait_for_selector("#ticket:visible", timeout=12000)
            assert page.eval_on_selector(".cab", "one => one.inert")
            time.sleep(3.0)  # the stale cookie is shown again and again
            page.fill("#token", tokens.make("control"))
            page.press("#token", "Enter")
            until(page, f"{UP} && {PLAYING}", 12)
            assert page.is_hidden("#ticket") and not page.eval_on_selector(
                ".cab", "one => one.inert"
            )
        lost = "fetch = ((old) => (...all) => all[0] === '/me' && !window.asked++ ? Promise.reject(new TypeError('no')) : old(...all))(fetch); window.asked = 0"  # noqa: E501
        with opened(browser, f"{url}#token={tokens.make('control')}", before=lost) as page:
            until(page, f"{UP} && {PLAYING}", 12)
            assert page.is_hidden("#ticket") and page.evaluate("window.asked") > 1
