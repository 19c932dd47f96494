"""The page that drives, in a real browser: levers, weights, stops, a picture that is added."""

from contextlib import closing
from pathlib import Path

import pytest
from browsing import PLAYING, bank, opened, until
from playwright.sync_api import Browser
from serving import CHROMIUM, served, wait_for

from trainjourney.controls.desk import Desk
from trainjourney.controls.presets import Presets
from trainjourney.inference.bundle import Look
from trainjourney.outputs.testcard import TestCard
from trainjourney.types import Change, Frame

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium; apt install chromium")


class SpeedCard:
    """A world that obeys the lever: it stands at 0 and rolls as it is told."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.card, self.at = desk, TestCard(256, 128, 30.0), 0.0

    def newest(self, after: int) -> tuple[int, Frame] | None:
        newest = self.card.newest(after)
        if newest is None:
            return None
        self.at += 4.0 * float(self.desk.values()["speed"])
        left = int(self.at) % 256
        return newest[0], self.card._country[:, left : left + 256].copy()


def test_the_desk_drives_the_world_and_two_drivers_see_it(browser: Browser, tmp_path: Path) -> None:
    desk, looks = Desk({"speed": 0.0}), bank(tmp_path)
    frames = SpeedCard(desk)
    with served(frames, desk, lambda: looks) as train:
        url = train.url + "/drive"
        with opened(browser, url, (1440, 900)) as one, opened(browser, url, (360, 740)) as two:
            for page in (one, two):
                page.wait_for_selector("body[data-line=up]")
                until(page, PLAYING, 10)
            assert frames.at == 0.0
            one.focus(".lever")
            for _ in range(15):
                one.keyboard.press("ArrowUp")
            wait_for(lambda: frames.at > 50.0)
            until(two, "document.querySelector('.lever').ariaValueNow === '1.50'", 8)
            two.click(".look:nth-child(3)")
            wait_for(lambda: desk.values()["look"] == 3.0)
            one.wait_for_selector(".look:nth-child(3)[aria-pressed=true]")
            assert "look mesa" in one.inner_text("#told")
            desk.turn(Change("blackout", 1.0, 0.0), "osc 192.0.2.9")
            for page in (one, two):
                page.wait_for_selector("button[aria-pressed=true]:has-text('blackout')")
            until(one, "document.querySelector('#told').textContent.startsWith('osc')", 8)


def test_a_press_gives_weight_the_pad_mixes_and_a_stop_is_stored(
    browser: Browser, tmp_path: Path
) -> None:
    desk, looks = Desk(), bank(tmp_path)
    heard: list[Change] = []
    desk.listen(lambda change, source: heard.append(change))
    with (
        closing(Presets(desk, tmp_path / "presets.toml")) as presets,
        served(desk=desk, looks=lambda: looks, presets=presets.numbers) as train,
        opened(browser, train.url + "/drive", (1440, 900)) as page,
    ):
        page.wait_for_selector("body[data-line=up]")
        box = page.locator(".look:nth-child(2)").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 10, box["y"] + 20)
        page.mouse.down()
        page.wait_for_selector(".look.weighing")
        page.mouse.move(box["x"] + 10 + 0.6 * box["width"], box["y"] + 20, steps=6)
        page.mouse.up()
        wait_for(lambda: abs(float(desk.values().get("weight.2", 0.0)) - 0.6) < 0.1)
        assert "look" not in [change.parameter for change in heard]  # a press is no tap
        pad = page.locator(".pad").bounding_box()
        assert pad is not None
        page.mouse.click(pad["x"] + 0.25 * pad["width"], pad["y"] + 0.25 * pad["height"])
        wait_for(lambda: abs(float(desk.values()["pad_x"]) - 0.25) < 0.02)
        wait_for(lambda: abs(float(desk.values()["pad_y"]) - 0.75) < 0.02)  # after the other
        stop = page.locator(".stop").nth(2)
        stop.hover()
        page.mouse.down()
        page.wait_for_selector(".stop.storing")
        page.mouse.up()
        page.wait_for_selector(".stop.stored:text-is('3')")
        stop.click()
        wait_for(lambda: [c.value for c in heard if c.parameter == "preset"] == [3.0])
        assert [c.value for c in heard if c.parameter == "store"] == [3.0, 0.0]


def test_a_stop_is_marked_where_it_is_stored_and_an_empty_one_says_so(
    browser: Browser, tmp_path: Path
) -> None:
    desk = Desk()
    with closing(Presets(desk, tmp_path / "presets.toml")) as presets:
        desk.turn(Change("store", 5.0, 0.0))
        with (
            served(desk=desk, presets=presets.numbers) as train,
            opened(browser, train.url + "/drive", (390, 844)) as page,
        ):
            page.wait_for_selector("body[data-line=up]")
            assert page.locator(".stop.stored").all_inner_texts() == ["5"]
            page.locator(".stop").nth(1).click()
            until(
                page,
                "document.querySelector('#told').textContent === 'Stop 2 is empty; hold to store'",
                8,
            )
            desk.turn(Change("preset", 2.0, 0.0), "osc 192.0.2.9")  # nor lit where another asks
            until(page, "document.querySelector('#told').textContent.startsWith('osc')", 8)
            assert page.locator(".stop[aria-pressed=true]").count() == 0
            desk.turn(Change("store", 7.0, 0.0), "osc 192.0.2.9")
            page.wait_for_selector(".stop.stored:text-is('7')")
            page.locator(".stop").nth(6).click()
            page.wait_for_selector(".stop[aria-pressed=true]:text-is('7')")
            wait_for(lambda: desk.values()["preset"] == 7.0)


FRAMED = """[...document.querySelectorAll('.look, .pad')]
    .filter(one => getComputedStyle(one.querySelector('.glass') || one).boxShadow.includes('rgb(232, 184, 113)'))
    .map(one => one.innerText.split('\\n')[0].toLowerCase() || 'pad').join()"""  # noqa: E501


def test_of_look_weights_and_pad_the_one_that_leads_wears_the_frame(
    browser: Browser, tmp_path: Path
) -> None:
    desk, looks = Desk(), bank(tmp_path)
    with (
        served(desk=desk, looks=lambda: looks) as train,
        opened(browser, train.url + "/drive", (1440, 900)) as page,
    ):
        page.wait_for_selector("body[data-line=up]")
        until(page, f"{FRAMED} === 'meadow'", 8)
        page.focus(".look:nth-child(3)")
        page.keyboard.press("ArrowUp")
        until(page, f"{FRAMED} === 'mesa'", 8)
        desk.turn(Change("weight.2", 0.4, 0.0), "osc 192.0.2.9")
        until(page, f"{FRAMED} === 'winter,mesa'", 8)
        page.click(".pad")
        until(page, f"{FRAMED} === 'pad'", 8)
        wait_for(lambda: [*desk.values()][-2:] == ["pad_x", "pad_y"])
        with opened(browser, train.url + "/drive", (390, 844)) as late:
            until(late, f"{FRAMED} === 'pad'", 8)
            late.click(".look:nth-child(1)")
            for one in (page, late):
                until(one, f"{FRAMED} === 'meadow'", 8)


def test_what_is_told_is_whole_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    desk, looks = Desk(), bank(tmp_path)
    with (
        served(desk=desk, looks=lambda: looks, status=lambda: {"fps": 30.0}) as train,
        opened(browser, train.url + "/drive", (390, 844)) as page,
    ):
        page.wait_for_selector("body[data-line=up]")
        desk.turn(Change("weight.5", 0.45, 0.0), "osc 192.168.178.23")
        until(page, "document.querySelector('#told').textContent.endsWith('sea 0.45')", 8)
        cut = "one => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight"
        assert not page.eval_on_selector("#told", cut)


def test_a_picture_is_added_on_the_desk(browser: Browser, tmp_path: Path) -> None:
    looks, folder = bank(tmp_path), tmp_path / "kept"
    with (
        served(looks=lambda: looks, folder=folder) as train,
        opened(browser, train.url + "/drive", (1440, 900)) as page,
    ):
        page.wait_for_selector("body[data-line=up]")
        page.set_input_files(".add input", looks[1].picture)
        wait_for(lambda: (folder / "meadow.jpg").exists())
        looks[6] = Look("dusk", looks[1].embedding, folder / "meadow.jpg")  # as the bank does
        page.wait_for_selector(".look:nth-child(6)")
        assert "dusk" in page.inner_text(".look:nth-child(6)").lower()
