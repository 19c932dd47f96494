"""The pages in a real browser: they play, come back, fall back, drive, ask for a token."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from janus import free_port
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from serving import CHROMIUM, CHROMIUM_ARGS, served, wait_for

from trainjourney.controls.desk import Desk
from trainjourney.inference.bundle import Look
from trainjourney.outputs.testcard import TestCard
from trainjourney.outputs.web.tokens import Tokens
from trainjourney.types import Change, Frame

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium; apt install chromium")
SIZES = {"phone": (360, 740), "lying": (740, 360), "desktop": (1440, 900), "wall": (3840, 2160)}
PLAYING = "train.state === 'playing'"
HALF = "c => { const v = document.querySelector('video'); c = new OffscreenCanvas(32, 16).getContext('2d'); c.drawImage(v, 0, 0, 32, 16); return [...c.getImageData(0, 0, 32, 16).data]; }"  # noqa: E501


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_ARGS)
        yield one
        one.close()


@contextmanager
def opened(
    browser: Browser, url: str, size: tuple[int, int] = (1000, 600), before: str = ""
) -> Iterator[Page]:
    """A page in a profile of its own; any error of its script fails the test."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
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


def test_the_window_plays_by_itself_and_moves(browser: Browser) -> None:
    with served() as train, opened(browser, train.url) as page:
        until(page, PLAYING, 8)
        assert page.evaluate("train.way") == "webrtc"
        first, before_s = page.evaluate(HALF), page.evaluate("document.querySelector('video').currentTime")  # fmt: skip  # noqa: E501
        frames = page.evaluate("train.frames")
        until(page, f"train.frames > {frames + 15}", 8)
        assert page.evaluate("document.querySelector('video').currentTime") > before_s
        assert np.abs(np.array(page.evaluate(HALF)) - first).mean() > 2.0
        page.goto("about:blank")  # whoever leaves says so
        wait_for(lambda: len(train.server.viewers) == 0)


def test_the_window_comes_back_when_the_train_does(browser: Browser) -> None:
    with served() as train:
        port = train.port
        context = opened(browser, train.url)
        page = context.__enter__()
        until(page, PLAYING, 8)
    until(page, "train.state === 'lost'", 15)
    assert "Connecting again" in page.inner_text("#say") or page.evaluate("train.tries") >= 1
    assert page.is_visible("canvas.last")  # the last picture stays meanwhile
    with served(port=port) as train:
        until(page, f"{PLAYING} && train.frames > 3", 20)
        assert not page.is_visible("canvas.last")
        context.__exit__(None, None, None)


def sound_of(page: Page) -> dict[str, float]:
    """What Chromium says of the sound that it plays."""
    told: dict[str, float] = page.evaluate(
        """async () => {
          for (const one of (await train.peer.getStats()).values())
            if (one.type === "inbound-rtp" && one.kind === "audio")
              return { energy: one.totalAudioEnergy, seconds: one.totalSamplesDuration, packets: one.packetsReceived, lost: one.packetsLost };
          return { energy: 0, seconds: 0, packets: 0, lost: 0 };
        }"""  # noqa: E501
    )
    return told


def power(page: Page, seconds: float) -> float:
    """Of the sound that is played in so long a time, where a full swing is 1."""
    before = sound_of(page)
    wait_for(lambda: sound_of(page)["seconds"] > before["seconds"] + seconds)
    after = sound_of(page)
    return (after["energy"] - before["energy"]) / (after["seconds"] - before["seconds"])


def test_the_sound_is_off_until_somebody_asks_for_it(browser: Browser) -> None:
    muted = "document.querySelector('video').muted"
    pressed = "document.querySelector('#sound').ariaPressed"
    desk = Desk()
    with served(desk=desk) as train, opened(browser, train.url) as page:
        until(page, PLAYING, 8)
        page.wait_for_selector("#sound:not([hidden])", timeout=8000)
        assert page.evaluate(muted) is True and page.evaluate(pressed) == "false"
        page.click("#sound")
        assert page.evaluate(muted) is False and page.evaluate(pressed) == "true"
        packets = sound_of(page)["packets"]
        loud = power(page, 1.0)
        assert loud > 1e-5 and sound_of(page)["packets"] > packets + 15  # RMS above 0.003
        page.keyboard.press("m")
        assert page.evaluate(muted) is True and page.evaluate(pressed) == "false"
        desk.turn(Change("speed", 0.0, 0.0))
        assert any(power(page, 0.5) < 0.01 * loud for _ in range(10))


def test_a_show_without_sound_has_no_button_for_it(browser: Browser) -> None:
    with served(webrtc={"sound": False}) as train, opened(browser, train.url) as page:
        until(page, f"{PLAYING} && train.frames > 30", 10)
        assert page.is_hidden("#sound")
        page.keyboard.press("m")
        assert page.evaluate("document.querySelector('video').muted") is True


def test_without_webrtc_the_window_shows_jpegs(browser: Browser) -> None:
    gone = "delete window.RTCPeerConnection"
    with served() as train, opened(browser, train.url, before=gone) as page:
        until(page, PLAYING, 10)
        assert page.evaluate("train.way") == "jpeg" and page.is_visible(".pane img")
        assert page.evaluate("document.querySelector('.pane img').naturalWidth") == 256
        wait_for(lambda: train.server.jpegs.made > 5)
        assert len(train.server.viewers) == 0


def test_who_is_blocked_on_udp_falls_back_too(browser: Browser) -> None:
    deaf = (
        "RTCPeerConnection.prototype.setRemoteDescription = () => Promise.reject(new Error('no'))"
    )
    with served() as train, opened(browser, train.url, before=deaf) as page:
        until(page, f"{PLAYING} && train.way === 'jpeg'", 15)
        assert page.evaluate("train.failures") == 2


def test_a_viewer_without_a_token_is_refused_until_there_is_one(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    text = Tokens(file).make("view")
    with served(tokens=file, listen="0.0.0.0") as train:
        url = train.url.replace("0.0.0.0", "127.0.0.1")
        with opened(browser, url) as page:
            page.wait_for_selector("#ticket:visible", timeout=8000)
            assert page.evaluate("train.frames") == 0 and len(train.server.viewers) == 0
            page.fill("#token", "tj_aaaaaaaa_no")
            page.click("#ticket button")
            until(page, "document.querySelector('#ticket [role=alert]').textContent", 8)
            page.fill("#token", text)
            page.press("#token", "Enter")
            until(page, PLAYING, 8)
            assert page.is_hidden("#ticket") and page.is_hidden("#drive")
            assert page.evaluate("document.cookie") == ""  # scripts do not see it
            page.goto(url + "/drive")
            page.wait_for_selector("#ticket:visible", timeout=8000)  # to view is not to drive
        with opened(browser, f"{url}/#token={text}") as page:
            until(page, PLAYING, 8)
            assert page.evaluate("location.href") == url + "/"


@pytest.mark.skipif(not shutil.which("turnserver"), reason="apt install coturn")
def test_who_is_let_out_only_to_turn_sees_through_it(browser: Browser, tmp_path: Path) -> None:
    """coturn knows only the secret; the page is handed a name and a password made of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: asks for the address of this machine
        host = probe.getsockname()[0]
    port, secret = free_port(), tmp_path / "secret"
    secret.write_text("north\n")
    words = (
        f"turnserver -n --use-auth-secret --static-auth-secret=north --realm=train "
        f"--listening-ip={host} --relay-ip={host} --listening-port={port} --no-tls --no-dtls "
        f"--no-cli --min-port=49400 --max-port=49500 --pidfile={tmp_path}/pid --log-file=stdout"
    )
    relay = (
        "const Plain = RTCPeerConnection; window.RTCPeerConnection = class extends Plain {"
        "constructor(c) { super({...c, iceTransportPolicy: 'relay'}); window.peer = this; } };"
    )
    webrtc = {"turn": f"turn:{host}:{port}", "turn_secret": str(secret)}
    coturn = subprocess.Popen(words.split(), stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        with served(webrtc=webrtc) as train, opened(browser, train.url, before=relay) as page:
            until(page, f"{PLAYING} && train.way === 'webrtc'", 15)
            assert page.evaluate("train.failures") == 0
            assert "typ relay" in page.evaluate("peer.localDescription.sdp")
    finally:
        coturn.terminate()
        coturn.wait()


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
        served(desk=desk, looks=lambda: looks) as train,
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
        stop.click()
        wait_for(lambda: [c.value for c in heard if c.parameter == "preset"] == [3.0])
        assert [c.value for c in heard if c.parameter == "store"] == [3.0]


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


@pytest.mark.parametrize("name", list(SIZES))
@pytest.mark.parametrize("path", ["/", "/drive"])
def test_a_page_fits_its_screen_and_names_its_controls(
    browser: Browser, tmp_path: Path, name: str, path: str
) -> None:
    looks = bank(tmp_path)
    with (
        served(looks=lambda: looks) as train,
        opened(browser, train.url + path, SIZES[name]) as page,
    ):
        until(page, PLAYING, 10)
        width = SIZES[name][0]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        bare: Any = page.evaluate(
            """[...document.querySelectorAll('button, a, input, select, [role=slider]')]
            .filter(e => !(e.ariaLabel || e.textContent.trim() || (e.labels && e.labels.length)))
            .map(e => e.outerHTML)"""
        )
        assert bare == [], json.dumps(bare)
        small: Any = page.evaluate(
            """[...document.querySelectorAll('button:not([hidden]), .bar a:not([hidden])')]
            .filter(e => e.offsetHeight && Math.min(e.offsetHeight, e.offsetWidth) < 36)
            .map(e => e.outerHTML)"""
        )
        assert small == []  # a thumb is not a mouse
