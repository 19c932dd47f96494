"""Tokens at the page's doors: guessed, stale, unreadable for a while, revoked."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from serving import FPS, Served, served
from viewer import Viewer

from trainjourney.controls.desk import Desk
from trainjourney.journey.picture import load_picture
from trainjourney.outputs.testcard import TestCard
from trainjourney.outputs.web.access import COOKIE
from trainjourney.outputs.web.server import Server, Show
from trainjourney.outputs.web.tokens import Tokens
from trainjourney.settings import WebConfig, WebrtcConfig

FAR = {"X-Forwarded-For": "192.0.2.7"}  # as through a proxy: not from this machine


def test_who_guesses_tokens_must_wait(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    good = Tokens(file).make("view")
    with served(tokens=file) as page:
        told = [page.ask("POST", "/enter", b"tj_aaaaaaaa_guess", FAR).status for _ in range(13)]
        assert told[:10] == [401] * 10 and set(told[10:]) == {429}
        late = page.ask("POST", "/enter", good.encode(), FAR)
        assert late.status == 429 and late.headers["Retry-After"] == "30"
        assert page.server.access.refused["token"] == 10


def test_behind_a_proxy_each_pays_for_its_own_guesses(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    good = Tokens(file).make("view")
    with served(tokens=file) as page:

        def enter(token: str, told: str) -> int:
            return page.ask("POST", "/enter", token.encode(), {"X-Forwarded-For": told}).status

        told = [enter("tj_aaaaaaaa_guess", f"10.0.0.{n}, 192.0.2.7") for n in range(12)]
        assert told[:10] == [401] * 10 and set(told[10:]) == {429}, "the last hand's word counts"
        assert enter(good, "192.0.2.8") == 200 and enter(good, "192.0.2.7") == 429
        nonsense = [enter("tj_aaaaaaaa_guess", f"unknown{n}") for n in range(12)]
        assert set(nonsense[10:]) == {429}


def test_who_is_in_stays_in_while_the_tokens_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens.json"
    text = Tokens(file).make("view")
    whole = file.read_bytes()

    async def sweep(page: Served) -> None:
        page.server.viewers.sweep(page.loop.time())

    async def watch(page: Served) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {text}"}) as http:
            viewer = Viewer(page.url)
            await viewer.open(http)
            async with asyncio.timeout(15):
                while len(viewer.numbers) < 3:
                    await asyncio.sleep(0.05)
                file.write_text("{")
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(sweep(page), page.loop))
                assert len(page.server.viewers) == 1
                file.write_bytes(whole)
                Tokens(file).revoke(text)
                while len(page.server.viewers):  # by the sweeper itself, which lives
                    await asyncio.sleep(0.05)
            await viewer.close()

    with served(tokens=file) as page:
        asyncio.run(watch(page))
    assert caplog.text.count("is no file of tokens") == 1


def test_a_stale_cookie_is_one_guess_and_who_is_in_stays_in(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    good = Tokens(file).make("view")
    with served(tokens=file) as page:

        def see(token: str) -> int:
            shown = FAR | {"Cookie": f"{COOKIE}={token}"}
            return page.ask("GET", "/frame.jpg", headers=shown).status

        assert [see("tj_aaaaaaaa_stale") for _ in range(30)] == [401] * 30
        assert page.ask("POST", "/enter", good.encode(), FAR).status == 200
        guesses = [see(f"tj_aaaaaaaa_{guess}") for guess in range(12)]
        assert guesses[:9] == [401] * 9 and set(guesses[9:]) == {429}
        assert see(good) == 200 and page.ask("GET", "/", headers=FAR).status == 200
        assert see("tj_aaaaaaaa_stale") == 401


def test_a_revoked_token_ends_what_it_opened(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    text = Tokens(file).make("control")
    head = {"Authorization": f"Bearer {text}"}

    async def drive(page: Served) -> tuple[int | None, bytes]:
        async with aiohttp.ClientSession(headers=head) as http:
            viewer = Viewer(page.url)
            await viewer.open(http)
            stream = await http.get(page.url + "/stream.mjpeg")
            async with http.ws_connect(page.url + "/drive/ws") as socket:
                while len(viewer.numbers) < 3:
                    await asyncio.sleep(0.05)
                Tokens(file).revoke(text)
                async with asyncio.timeout(10):
                    while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                        pass
                    rest = await stream.content.read()
                    while len(page.server.viewers):
                        await asyncio.sleep(0.05)
            await viewer.close()
            return socket.close_code, rest[:2]

    with served(tokens=file) as page:
        assert asyncio.run(drive(page)) == (1008, b"--")


def test_a_revoked_token_ends_a_line_that_looks_after_no_token_itself(tmp_path: Path) -> None:
    """As OSCQuery's, at / and at a door of its own."""
    file = tmp_path / "tokens.json"
    text = Tokens(file).make("control")
    ended: list[str] = []

    async def listen(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            async for _ in socket:
                pass
        finally:
            ended.append(request.path)
        return socket

    async def drive() -> None:
        show = Show(TestCard(256, 128, FPS), Desk(), FPS, load_picture)
        config = WebConfig(port=0, tokens=str(file))
        server = Server(show, config, WebrtcConfig())
        await server.start([web.get("/listen", listen)], listen)
        head = {"Authorization": f"Bearer {text}"}
        async with aiohttp.ClientSession(headers=head) as http, asyncio.timeout(10):
            url = server.address.rstrip("/")
            lines = [await http.ws_connect(url + path) for path in ("/", "/listen")]
            await asyncio.sleep(0.1)
            assert not ended
            Tokens(file).revoke(text)
            for line in lines:
                assert (await line.receive()).type is not aiohttp.WSMsgType.TEXT
        await server.close()

    asyncio.run(drive())
    assert sorted(ended) == ["/", "/listen"]
