"""WHEP: the dead, the mutilated and the many leave nothing behind."""

import asyncio
import ctypes
import gc
import random
import re
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from serving import Served, served, wait_for
from viewer import Viewer, make_offer

from trainjourney.outputs import webrtc
from trainjourney.outputs.web.health import rss_bytes
from trainjourney.outputs.webrtc import CONNECT_S, SILENT_S, SWEEP_S, RefusedError, Viewers

SDP = {"Content-Type": "application/sdp"}


def mutilate(data: bytes, dice: random.Random) -> bytes:
    """An offer with some lines or bytes wrong."""
    lines = data.split(b"\r\n")
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(lines))
        way = dice.randrange(6)
        if way == 0:
            lines[place : place + dice.randint(1, 4)] = []
        elif way == 1:
            lines.insert(place, dice.choice(lines or [b""]))
        elif way == 2 and lines[place : place + 1]:
            line = bytearray(lines[place] or b"x")
            line[dice.randrange(len(line))] = dice.randrange(256)
            lines[place] = bytes(line)
        elif way == 3:
            lines[place : place + 1] = [dice.choice(lines or [b""])[: dice.randint(0, 30)]]
        elif way == 4:
            lines[place : place + 1] = [re.sub(rb"\d+", b"%d" % dice.choice((-1, 0, 2**40)), b"".join(lines[place : place + 1]), count=1)]  # fmt: skip  # noqa: E501
        else:
            dice.shuffle(lines)
        lines = lines or [b""]
    return b"\r\n".join(lines)


def test_mutilated_offers_are_answered_or_refused_and_leave_nothing() -> None:
    """A few seconds here; scripts/fuzz_sdp goes on to a hundred thousand."""

    def drive(until_s: float) -> dict[str, int]:
        with served() as page:
            results: dict[str, int] = {"answered": 0, "refused": 0}

            async def one(data: bytes) -> None:
                viewers: Viewers = page.server.viewers
                try:
                    session = await viewers.open(data)
                    results["answered"] += 1
                    await viewers.end(session)
                except RefusedError:
                    results["refused"] += 1

            dice, offer = random.Random(5), asyncio.run(make_offer(sound=True)).encode()
            while time.monotonic() < until_s:
                page.run(one(mutilate(offer, dice)))
            assert len(page.server.viewers) == 0
            assert page.server.fanouts["h264"].lanes == ()
            assert page.ask("GET", "/healthz").status == 200
            return results

    results = drive(time.monotonic() + 2.0)
    assert results["answered"] > 5 and results["refused"] > 20


def test_a_viewer_that_vanishes_is_freed() -> None:
    with served() as page:
        page.server.viewers._patience_s = 2.0

        async def vanish() -> None:
            async with aiohttp.ClientSession() as http:
                viewer = Viewer(page.url)
                await viewer.open(http)
                while len(viewer.numbers) < 3:
                    await asyncio.sleep(0.05)
                # The line is cut: nothing is sent any more, nothing is said of it either.
                transport = viewer.peer.getTransceivers()[0].receiver.transport
                connection: Any = transport.transport._connection

                async def mute(*_: object) -> None:
                    return None

                connection.send = connection.sendto = mute
                for _ in range(100):
                    if page.server.viewers.silent:
                        break
                    await asyncio.sleep(0.1)
                await viewer.close()

        asyncio.run(vanish())
        wait_for(lambda: len(page.server.viewers) == 0)
        assert page.server.viewers.silent == 1


@pytest.mark.parametrize("connected", [True, False])
def test_the_dead_are_freed_in_35_s(page: Served, offer: bytes, connected: bool) -> None:
    """By a clock of the test's: a viewer that fell silent just after it was looked at."""
    viewers, silent = page.server.viewers, page.server.viewers.silent

    async def die() -> float:
        session = await viewers.open(offer)
        session.connected = connected  # and nothing comes from it
        last_word_s = now_s = session.begun_s
        while viewers.find(session.name):
            now_s += SWEEP_S
            viewers.sweep(now_s)
            await asyncio.sleep(0.1)
        return now_s - last_word_s

    freed_s = page.run(die())
    assert (SILENT_S if connected else CONNECT_S) < freed_s <= 35.0
    assert len(viewers) == 0 and viewers.silent == silent + 1


def test_a_session_that_closes_slowly_leaves_no_file_behind(
    page: Served, offer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that has no time: nobody waits for it, and it closes all the same."""
    monkeypatch.setattr(webrtc, "CLOSE_S", 0.0)
    fds = Path("/proc/self/fd")
    before = len(list(fds.iterdir()))

    async def open_and_end() -> None:
        for _ in range(10):
            await page.server.viewers.end(await page.server.viewers.open(offer))

    page.run(open_and_end())
    wait_for(lambda: not page.server.viewers._tasks)
    wait_for(lambda: len(list(fds.iterdir())) <= before + 1)


def test_five_hundred_connects_and_drops_leave_nothing() -> None:
    """On a page that goes on serving. The last ones connect indeed, and drop without a word."""
    offer = asyncio.run(make_offer(sound=True)).encode()
    fds = Path("/proc/self/fd")

    def connect(page: Served, times: int) -> None:
        for _ in range(times):
            made = page.ask("POST", "/whep", offer, SDP)
            assert made.status == 201
            assert page.ask("DELETE", made.headers["Location"]).status == 200

    async def drop(url: str, times: int) -> None:
        async with aiohttp.ClientSession() as http:
            for _ in range(times):
                viewer = Viewer(url, sound=True)
                await viewer.open(http)
                async with asyncio.timeout(30):
                    while not viewer.numbers:
                        await asyncio.sleep(0.01)
                await viewer.close()

    trim = ctypes.CDLL(None).malloc_trim

    def measure() -> tuple[int, int, int]:
        gc.collect()
        trim(0)  # what the allocator keeps for later is no leak
        return len(list(fds.iterdir())), threading.active_count(), rss_bytes()

    with served() as page:
        connect(page, 100)  # what is there for good is there by now
        asyncio.run(drop(page.url, 3))
        wait_for(lambda: len(page.server.viewers) == 0)
        files, threads, rss = measure()
        connect(page, 390)
        asyncio.run(drop(page.url, 7))
        wait_for(lambda: len(page.server.viewers) == 0)
        assert page.server.viewers.opened == 500
        wait_for(lambda: measure()[0] <= files + 3)
        _, more_threads, more_rss = measure()
        assert more_threads <= threads + 1
        # 20 KB a session, and what a large process, of other tests too, cannot give back
        assert more_rss < rss + 8e6 + 0.01 * rss
        assert page.server.fanouts["h264"].lanes == () and page.server.sound.listeners == 0
