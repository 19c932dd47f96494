"""Publishing by WHIP, in a process of its own: to Janus from Debian, and to dead servers."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from janus import ROOM, TOKEN, WATCH, Door, free_port, janus, whip_door
from playwright.sync_api import sync_playwright
from serving import CHROMIUM, CHROMIUM_ARGS, wait_for

from trainjourney.errors import WebError
from trainjourney.outputs.encoder import Encoder
from trainjourney.outputs.fanout import Fanout
from trainjourney.outputs.publishing import Publishing, check_publish
from trainjourney.outputs.testcard import TestCard
from trainjourney.settings import PublishConfig

needs_janus = pytest.mark.skipif(
    not (shutil.which("janus") and CHROMIUM.exists()), reason="apt install janus chromium"
)


@contextmanager
def looping() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own, as the network thread has it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def publishing(
    loop: asyncio.AbstractEventLoop, config: PublishConfig, **options: float
) -> Iterator[Publishing]:
    """A test card published while the block lasts."""
    encoder = Encoder(TestCard(256, 128, 30.0), 30.0, "h264", 1000)

    async def make() -> tuple[Publishing, asyncio.Task[None]]:
        one = Publishing(Fanout(encoder), config, **options)
        return one, asyncio.create_task(one.run())

    one, task = asyncio.run_coroutine_threadsafe(make(), loop).result(5)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    try:
        yield one
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(15)
        encoder.close()


def run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(20)


@needs_janus
def test_two_browsers_watch_through_a_real_sfu_that_comes_and_goes(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    port = free_port()
    config = PublishConfig(url=f"whip+http://127.0.0.1:{port}/whip", token=str(token))
    with janus(tmp_path) as url, looping() as loop, publishing(loop, config) as one:
        wait_for(lambda: one.tally["losses"] >= 1, 15.0)  # the door is not there yet

        async def enter() -> tuple[AsyncExitStack, Door]:
            stack = AsyncExitStack()
            return stack, await stack.enter_async_context(whip_door(url, port))

        stack, door = run(loop, enter())
        wait_for(lambda: one.state == "connected", 20.0, str(one.tally))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_ARGS)
            pages = [browser.new_page() for _ in range(2)]
            asked = one.tally["key_requests"]
            for page in pages:
                page.goto(f"http://127.0.0.1:{port}/")
                assert page.evaluate(WATCH, [url, ROOM]) == "watching"
            for page in pages:
                wait_for(lambda page=page: page.evaluate("window.seen") > 20, 20.0)  # type: ignore[misc]
            size = pages[0].evaluate("[document.querySelector('video').videoWidth]")
            assert size == [256]
            assert one.tally["key_requests"] > asked  # who joins late asked for a picture
            browser.close()
        sessions = door.posts, door.ended
        run(loop, stack.aclose())
    assert sessions[0] >= 1


def test_a_server_that_accepts_and_never_answers_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dead, looping() as loop:
        url = f"whip+http://127.0.0.1:{dead.getsockname()[1]}/whip"
        with publishing(loop, PublishConfig(url=url), answer_s=2.0) as one:
            line, _ = dead.accept()  # it takes the call, and says nothing
            wait_for(lambda: one.tally["packets"] > 30)
            begun = loop.time()
            run(loop, asyncio.sleep(0))
            assert loop.time() - begun < 1.0 and one.state == "opening"
            wait_for(lambda: one.state == "lost", 15.0)
            line.close()
    told = [record.getMessage() for record in caplog.records if "publishing" in record.getMessage()]
    assert len(told) == 1 and "does not answer within 2 s; trying again" in told[0]


def test_each_reason_is_told_once_and_a_token_put_right_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, port = tmp_path / "token", free_port()
    token.write_text("wrong")
    config = PublishConfig(url=f"whip+http://127.0.0.1:{port}/whip", token=str(token))
    heard: list[str] = []

    async def door(request: web.Request) -> web.Response:
        heard.append(request.headers["Authorization"])
        right = heard[-1] == f"Bearer {TOKEN}"
        return web.Response(status=503 if right else 401, reason="x" * 999)

    async def open_door() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/whip", door)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    def reason() -> str:
        return str(one.counts()["publishing"]["reason"])

    with looping() as loop, publishing(loop, config) as one:
        assert reason() == ""
        wait_for(lambda: "cannot be reached" in reason(), 15.0)
        runner = run(loop, open_door())
        wait_for(lambda: "does not know the token" in reason(), 15.0)
        token.unlink()
        wait_for(lambda: "cannot be read" in reason(), 15.0)
        token.write_text(TOKEN)
        wait_for(lambda: "it answers 503" in reason(), 20.0)
        assert heard[-1] == f"Bearer {TOKEN}" and len(reason()) == 200
        run(loop, runner.cleanup())
    told = [record.getMessage() for record in caplog.records if "publishing" in record.getMessage()]
    assert len(told) == 4 and "does not know the token" in told[1]


@asynccontextmanager
async def answering(
    port: int, change: Callable[[str], str] = str, pieces: int = 1
) -> AsyncIterator[None]:
    """A WHIP server of aiortc's, whose answer is changed, and comes in pieces."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def create(request: web.Request) -> web.StreamResponse:
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        text = change(peer.localDescription.sdp).encode()
        response = web.StreamResponse(status=201, headers={"Location": "/session"})
        await response.prepare(request)
        step = len(text) // pieces + 1
        for begin in range(0, len(text), step):
            await response.write(text[begin : begin + step])
            await asyncio.sleep(0.2 if pieces > 1 else 0.0)
        return response

    app = web.Application()
    app.router.add_post("/whip", create)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
        await peer.close()


def test_an_answer_that_comes_in_pieces_is_read_whole(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    url = f"whip+http://show:secret@127.0.0.1:{port}/whip"
    caplog.set_level("INFO")
    with looping() as loop:
        stack = AsyncExitStack()
        run(loop, stack.enter_async_context(answering(port, pieces=3)))
        with publishing(loop, PublishConfig(url=url)) as one:
            wait_for(lambda: one.state == "connected", 20.0, one.reason)
        run(loop, stack.aclose())
    told = [record.getMessage() for record in caplog.records if "publishing" in record.getMessage()]
    assert told == [f"publishing to http://127.0.0.1:{port}/whip"]


def test_a_server_that_answers_but_takes_no_picture_is_told_of() -> None:
    def refuse(text: str) -> str:
        return text.replace("a=recvonly", "a=inactive")

    port = free_port()
    with looping() as loop:
        stack = AsyncExitStack()
        run(loop, stack.enter_async_context(answering(port, refuse)))
        with publishing(loop, PublishConfig(url=f"whip+http://127.0.0.1:{port}/whip")) as one:
            wait_for(lambda: "does not take the picture" in one.reason, 20.0)
            assert one.state == "lost"
        run(loop, stack.aclose())


def test_a_publisher_with_a_fault_ends_and_does_not_go_dumb() -> None:
    order = b'{"url": 1, "token": "", "answer_s": 2.0}\n'  # no text: no WebError comes of it
    command = [sys.executable, "-m", "trainjourney", "publisher"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        try:
            process.stdin.write(order)
            process.stdin.flush()  # and it stays open, as a show's does
            assert process.wait(15) == 0
        finally:
            process.kill()


def test_a_publisher_that_is_killed_is_begun_anew() -> None:
    with looping() as loop:
        url = f"whip+http://127.0.0.1:{free_port()}/whip"
        with publishing(loop, PublishConfig(url=url)) as one:
            wait_for(lambda: one.state == "lost", 15.0)
            children = Path(f"/proc/{os.getpid()}/task")
            pids = [
                int(pid)
                for task in children.iterdir()
                for pid in (task / "children").read_text().split()
                if "publisher" in Path(f"/proc/{pid}/cmdline").read_text()
            ]
            assert len(pids) == 1
            os.kill(pids[0], 9)
            wait_for(lambda: one.tally["restarts"] == 1, 10.0)
            losses = one.tally["losses"]
            wait_for(lambda: one.tally["losses"] > losses, 15.0)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (PublishConfig(url="rtmp://x/y"), "write it as whip\\+https://host/path"),
        (PublishConfig(url="https://x/y"), "write it as whip\\+https://host/path"),
        (PublishConfig(url="http://x/y"), "write it as whip\\+http://host/path"),
        (PublishConfig(url="whip+http://[::1/w"), "write it as whip\\+http://host/path"),
        (PublishConfig(url="whip+https://x:99999/y"), "write it as whip\\+https://host/path"),
        (PublishConfig(url="whip+https://x:eight/y"), "write it as whip\\+https://host/path"),
        (PublishConfig(url="whip+https://a b/y"), "write it as whip\\+https://host/path"),
        (PublishConfig(url="whip+https://"), "write it as whip\\+https://host/path"),
        (PublishConfig(url="whip+https://x/y", token="/nonexistent"), "give the file"),
    ],
)
def test_an_address_of_no_use_is_one_line(config: PublishConfig, words: str) -> None:
    with pytest.raises(WebError, match=words):
        check_publish(config)
    check_publish(PublishConfig())
