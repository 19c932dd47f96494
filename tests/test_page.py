"""The pages in a real browser: they play, come back, fall back, drive, ask for a token."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import PLAYING, bank, opened, until
from janus import free_port
from playwright.sync_api import Browser, Page
from serving import CHROMIUM, served, wait_for

from trainjourney.controls.desk import Desk
from trainjourney.outputs.web.tokens import Tokens
from trainjourney.types import Change

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium; apt install chromium")
SIZES = {"phone": (360, 740), "lying": (740, 360), "desktop": (1440, 900), "wall": (3840, 2160)}
HALF = "c => { const v = document.querySelector('video'); c = new OffscreenCanvas(32, 16).getContext('2d'); c.drawImage(v, 0, 0, 32, 16); return [...c.getImageData(0, 0, 32, 16).data]; }"  # noqa: E501


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


@pytest.mark.parametrize("before", ["", "delete window.RTCPeerConnection"], ids=["webrtc", "jpeg"])
def test_the_window_comes_back_when_the_train_does(browser: Browser, before: str) -> None:
    with served() as train:
        port = train.port
        context = opened(browser, train.url, before=before)
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


def test_jpegs_that_stop_coming_are_seen(browser: Browser) -> None:
    gone = "delete window.RTCPeerConnection"
    with served() as train, opened(browser, train.url, before=gone) as page:
        until(page, f"{PLAYING} && train.frames > 3", 10)
        train.loop.call_soon_threadsafe(time.sleep, 6.5)
        until(page, "train.state === 'lost' && !document.querySelector('canvas.last').hidden", 8)
        until(page, PLAYING, 12)


def test_a_bar_that_was_clicked_goes_too_and_takes_no_taps_then(browser: Browser) -> None:
    with served() as train, opened(browser, train.url) as page:
        until(page, f"{PLAYING} && train.has_sound", 10)
        page.click("#sound")
        until(page, "document.body.classList.contains('idle')", 8)
        box = page.locator("#sound").bounding_box()
        assert box is not None and page.evaluate("document.querySelector('video').muted") is False
        page.mouse.click(box["x"] + 5, box["y"] + 5)
        until(page, "!document.body.classList.contains('idle')", 8)
        assert page.evaluate("document.querySelector('video').muted") is False


def test_who_is_blocked_on_udp_falls_back_too(browser: Browser) -> None:
    deaf = (
        "RTCPeerConnection.prototype.setRemoteDescription = () => Promise.reject(new Error('no'))"
    )
    with served() as train, opened(browser, train.url, before=deaf) as page:
        until(page, f"{PLAYING} && train.way === 'jpeg'", 15)
        assert page.evaluate("train.failures") == 2


def test_who_has_jpegs_gets_webrtc_as_soon_as_that_can_be(browser: Browser) -> None:
    """Tried beside them, out of sight: as long as it fails, they go on."""
    deaf = """window.deaf = true;
        window.trials = 0;
        const answered = RTCPeerConnection.prototype.setRemoteDescription;
        RTCPeerConnection.prototype.setRemoteDescription = function (said) {
          window.trials += 1;
          return window.deaf ? Promise.reject(new Error("no")) : answered.call(this, said);
        };
        const later = window.setTimeout; // time goes quicker
        window.setTimeout = (act, ms) => later(act, ms === 60000 ? 300 : ms);"""
    with served() as train, opened(browser, train.url, before=deaf) as page:
        until(page, f"{PLAYING} && train.way === 'jpeg'", 15)
        page.evaluate("""() => {
            window.told = [];
            const tell = train.tell;
            train.tell = (state, words) => { window.told.push(state); tell(state, words); };
        }""")
        until(page, "window.trials >= 5", 15)
        assert page.evaluate("train.way") == "jpeg" and page.is_visible(".pane img")
        assert page.evaluate("window.told") == [], "it was seen that it was tried"
        page.evaluate("window.deaf = false")
        until(page, f"{PLAYING} && train.way === 'webrtc' && train.trial === null", 15)
        assert page.is_visible("video") and page.evaluate("window.told.includes('lost')") is False
        wait_for(lambda: len(train.server.viewers) == 1)
        shown = page.evaluate("train.frames")
        until(page, f"train.frames > {shown} + 5", 5)


def test_where_the_jpegs_seats_are_taken_webrtc_is_tried_again(browser: Browser) -> None:
    full = """const asked = window.fetch;
        window.fetch = (what, how) => String(what).includes("mjpeg")
          ? Promise.resolve(new Response("full", { status: 503, headers: { "Retry-After": "1" } }))
          : asked(what, how);"""
    with served() as train, opened(browser, train.url, before=full) as page:
        until(page, PLAYING, 8)
        page.evaluate("train.failures = 2; train.lost()")
        until(page, "train.state === 'full'", 8)
        until(page, f"{PLAYING} && train.way === 'webrtc'", 10)


def test_an_answer_that_never_comes_is_not_waited_for(browser: Browser) -> None:
    hung = """const asked = window.fetch;
        let waits = 1;
        window.fetch = (what, how) => (/whep|mjpeg/.test(what) && waits-- > 0)
          ? new Promise(() => {}) : asked(what, how);
        const later = window.setTimeout; // time goes quicker
        window.setTimeout = (act, ms) => later(act, ms === 12000 ? 1500 : ms);"""
    with served() as train, opened(browser, train.url, before=hung) as page:
        until(page, "train.state === 'arriving'", 8)
        until(page, PLAYING, 10)


def test_a_viewer_without_a_token_is_refused_until_there_is_one(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    text = Tokens(file).make("view")
    with served(tokens=file, listen="0.0.0.0") as train:
        url = f"http://127.0.0.1:{train.port}"
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


@pytest.mark.parametrize("path", ["/", "/drive"])
def test_a_link_pasted_where_the_page_is_open_lets_in(
    browser: Browser, tmp_path: Path, path: str
) -> None:
    file = tmp_path / "tokens.json"
    text = Tokens(file).make("control")
    with served(tokens=file, listen="0.0.0.0") as train:
        url = train.url.replace("0.0.0.0", "127.0.0.1") + path
        with opened(browser, url) as page:
            page.wait_for_selector("#ticket:visible", timeout=8000)
            page.goto(f"{url}#token=tj_aaaaaaaa_no")
            until(page, "document.querySelector('#ticket [role=alert]').textContent", 8)
            page.wait_for_selector("#ticket:visible", timeout=8000)
            assert page.evaluate("location.href") == url
            page.goto(f"{url}#token={text}")
            until(page, PLAYING, 8)
            assert page.evaluate("location.href") == url and page.is_hidden("#ticket")


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
