"""Driving: all who drive see each other at once; floods and sleepers hold up nobody."""

import asyncio
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image
from serving import Served, served, wait_for

from trainjourney.controls.desk import Desk
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.inference.bundle import Look
from trainjourney.outputs.web import driving
from trainjourney.outputs.web.driving import MOST_DRIVERS
from trainjourney.outputs.web.looks import MOST_BYTES, plain_name
from trainjourney.types import Change


def bank(folder: Path) -> dict[int, Look]:
    looks = {}
    for slot, name in enumerate(("meadow", "night_sea"), 1):
        path = folder / f"{name}.jpg"
        Image.new("RGB", (64, 32), (40 * slot, 90, 120)).save(path)
        looks[slot] = Look(name, np.full(4, 0.5, np.float32), path)
    return looks


@asynccontextmanager
async def driver(page: Served) -> AsyncIterator[Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(page.url + "/drive/ws", origin=page.url) as socket,
    ):
        yield socket


async def hear(socket: Any, key: str, wait_s: float = 5.0) -> Any:
    """The next message's part of that name."""
    async with asyncio.timeout(wait_s):
        while True:
            message = json.loads((await socket.receive()).data)
            if key in message:
                return message[key]


def test_the_page_is_told_the_table_the_values_the_looks_and_the_presets(tmp_path: Path) -> None:
    desk, looks = Desk({"speed": 0.5}), bank(tmp_path)
    with served(
        desk=desk, looks=lambda: looks, status=lambda: {"fps": 30.0}, presets=lambda: [2]
    ) as page:

        async def drive() -> Any:
            async with driver(page) as socket:
                return await hear(socket, "hello")

        hello = asyncio.run(drive())
        assert [row["name"] for row in hello["table"]] == list(PARAMETERS)
        assert hello["values"]["speed"] == 0.5 and hello["now"]["fps"] == 30.0
        assert hello["presets"] == [2]
        assert [(one["slot"], one["name"]) for one in hello["looks"]] == [(1, "meadow"), (2, "night_sea")]  # fmt: skip  # noqa: E501
        card = page.ask("GET", hello["looks"][1]["picture"])
        assert card.status == 200 and card.body[:2] == b"\xff\xd8"
        assert page.ask("GET", "/looks/9.jpg").status == 404
        for path in ("/looks/..%2f1.jpg", "/looks/x.jpg", "/looks/0001.jpg"):
            assert page.ask("GET", path).status == 404


def test_two_drivers_and_osc_see_each_others_moves() -> None:
    desk = Desk()
    with served(desk=desk) as page:

        async def drive() -> tuple[Any, Any, Any]:
            async with driver(page) as one, driver(page) as two:
                await hear(two, "hello")
                me = (await hear(one, "hello"))["you"]
                await one.send_str(json.dumps({"turn": ["speed", 1.75]}))
                seen = await hear(two, "turns")
                await hear(one, "turns")
                desk.turn(Change("dream", 0.9, 0.0), "osc 192.0.2.3")
                by_osc = await hear(one, "turns")
                return me, seen, by_osc

        me, seen, by_osc = asyncio.run(drive())
        assert seen == [["speed", 1.75, me]] and by_osc == [["dream", 0.9, "osc 192.0.2.3"]]
        assert desk.values()["speed"] == 1.75


def test_turns_come_in_the_order_of_the_last_ones() -> None:
    desk = Desk()
    with served(desk=desk) as page:

        async def turn() -> None:  # within the loop, so that they are told at once
            for name in ("pad_x", "look", "pad_x"):
                desk.turn(Change(name, 1.0, 0.0))

        async def drive() -> Any:
            async with driver(page) as socket:
                await hear(socket, "hello")
                page.run(turn())
                return await hear(socket, "turns")

        assert [name for name, *_ in asyncio.run(drive())] == ["look", "pad_x"]


def test_what_is_no_turn_is_counted_and_turns_nothing() -> None:
    desk = Desk()
    bad = [
        "", "{", "[]", "null", "[" * 500, '{"turn": []}', '{"turn": ["speed"]}',
        '{"turn": ["speed", null]}', '{"turn": ["speed", "fast"]}', '{"turn": ["speed", NaN]}',
        '{"turn": ["nothing", 1]}', '{"turn": ["weight.99", 1]}', '{"turn": ["speed", 1e999]}',
        '{"turn": [1, 1]}', '{"turn": ["speed", [1]]}', '{"turn": {"speed": 1}}',
        '{"turn": ["speed", ' + "9" * 400 + "]}",
    ]  # fmt: skip
    with served(desk=desk) as page:
        before = desk.values()

        async def drive() -> bool:
            async with driver(page) as socket:
                for text in bad:
                    await socket.send_str(text)
                await socket.send_bytes(b'{"turn": ["speed", 1]}')
                await socket.send_str('{"turn": ["look", "meadow"]}')
                await hear(socket, "turns")
                return bool(socket.closed)

        assert not asyncio.run(drive())
        assert page.server.driving.refused["message"] == len(bad) + 1
        assert desk.values() == {**before, "look": "meadow"}


def test_a_flood_is_thinned_then_ended_and_others_go_on() -> None:
    desk = Desk()
    with served(desk=desk) as page:

        async def drive() -> tuple[int | None, Any]:
            async with driver(page) as flood, driver(page) as other:
                await hear(other, "hello")
                for number in range(4000):
                    await flood.send_str(json.dumps({"turn": ["dream", number / 4000]}))
                async with asyncio.timeout(10):
                    while (await flood.receive()).type is aiohttp.WSMsgType.TEXT:
                        pass
                await other.send_str('{"turn": ["speed", -1]}')
                while True:
                    turns = await hear(other, "turns")
                    if found := [turn for turn in turns if turn[0] == "speed"]:
                        return flood.close_code, found

        code, found = asyncio.run(drive())
        assert code == 1008 and found[0][1] == -1.0
        assert page.server.driving.refused["rate"] > 2000


def test_a_driver_that_does_not_read_is_let_go_and_others_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "STALLED_S", 0.5)
    looks, small = bank(tmp_path), bank(tmp_path)
    looks[1] = Look("x" * 30_000_000, looks[1].embedding, looks[1].picture)  # fills any line
    hello = (
        "GET /drive/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with (
        served(looks=lambda: looks) as page,
        socket.create_connection(("127.0.0.1", page.port)) as line,
    ):
        line.sendall(hello.encode())
        wait_for(lambda: len(page.server.driving) == 1)
        time.sleep(0.2)
        looks[1] = small[1]

        async def drive() -> Any:
            async with driver(page) as other:
                await hear(other, "hello")
                await other.send_str('{"turn": ["speed", 0.25]}')
                return await hear(other, "turns")

        assert asyncio.run(drive())[0][:2] == ["speed", 0.25]
        wait_for(lambda: page.server.driving.refused["stalled"] == 1)
        wait_for(lambda: len(page.server.driving) == 0)


def test_a_message_that_is_too_large_ends_the_line() -> None:
    with served() as page:

        async def drive() -> int | None:
            async with driver(page) as socket:
                await hear(socket, "hello")
                await socket.send_str("x" * 100_000)
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
                code: int | None = socket.close_code
                return code

        assert asyncio.run(drive()) == 1009


def test_there_are_so_many_seats_and_each_is_given_back() -> None:
    with served() as page:

        async def drive() -> int:
            async with aiohttp.ClientSession() as http:
                url = page.url + "/drive/ws"
                sockets = [await http.ws_connect(url) for _ in range(MOST_DRIVERS)]
                try:
                    await http.ws_connect(url)
                except aiohttp.WSServerHandshakeError as err:
                    status = err.status
                await asyncio.gather(*(socket.close() for socket in sockets))
                return status

        assert asyncio.run(drive()) == 503
        wait_for(lambda: len(page.server.driving) == 0)


def picture(size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 80, 40)).save(out, "PNG")
    return out.getvalue()


def test_a_picture_dragged_in_is_kept_as_a_look(tmp_path: Path) -> None:
    folder = tmp_path / "looks"
    png = {"Content-Type": "image/png"}
    with served(folder=folder) as page:
        made = page.ask("POST", "/looks?name=..%2F..%2FMy%20Dusk.PNG", picture(), png)
        assert (made.status, made.data) == (201, {"name": "my-dusk"})
        assert page.ask("POST", "/looks?name=My%20dusk", picture(), png).data == {
            "name": "my-dusk-2"
        }
        assert sorted(path.name for path in folder.iterdir()) == ["my-dusk-2.jpg", "my-dusk.jpg"]
        with Image.open(folder / "my-dusk.jpg") as kept:
            assert kept.size == (1024, 512)
        for body in (b"", b"GIF89a", picture()[:60], b"<svg/>" * 99, picture((4, 4))):
            refused = page.ask("POST", "/looks", body, png)
            assert refused.status == 422 and len(refused.text.splitlines()) == 1
        assert page.ask("POST", "/looks", picture(), {"Content-Type": "text/html"}).status == 415
        assert len(list(folder.iterdir())) == 2
        assert page.server.looks.refused == 5


def test_a_picture_that_is_too_large_is_refused_by_its_bytes_or_its_pixels(tmp_path: Path) -> None:
    with served(folder=tmp_path) as page:
        jpeg = {"Content-Type": "image/jpeg"}
        assert page.ask("POST", "/looks", b"x" * (MOST_BYTES + 1), jpeg).status == 413
        head = b"IHDR" + struct.pack(">II", 60_000, 20_000) + picture()[24:29]
        bomb = picture()[:12] + head + struct.pack(">I", zlib.crc32(head)) + picture()[33:]
        refused = page.ask("POST", "/looks", bomb, jpeg)
        assert refused.status == 422 and list(tmp_path.iterdir()) == []
    with served() as page:
        assert page.ask("POST", "/looks", picture(), jpeg).status == 409


def test_names_of_pictures_are_plain() -> None:
    assert plain_name("Über den Wolken.jpeg") == "über-den-wolken"
    assert plain_name("../../etc/passwd") == "etc-passwd"
    assert plain_name("日本の冬🚂.png") == "日本の冬" and plain_name("..\u202e\0a_b.png") == "a-b"
    assert plain_name("") == plain_name("///") == plain_name("...") == "look"
    assert len(plain_name("a" * 1000)) == 40
