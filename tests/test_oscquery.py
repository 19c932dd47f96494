"""OSCQuery over a real server with a real client: the tree, its attributes, news both ways."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from trainjourney.controls.announce import Announcement
from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_message import Message, read_datagram, write_message
from trainjourney.controls.osc_table import ADDRESSES
from trainjourney.controls.oscquery import MOST_SOCKETS, OscQuery, find_node
from trainjourney.types import Change

Client = TestClient[web.Request, web.Application]
NAMES = {0: "start", 1: "Meadow", 2: "winter dusk"}


@asynccontextmanager
async def client(desk: Desk, **options: Any) -> AsyncIterator[tuple[Client, OscQuery]]:
    oscquery = OscQuery(desk, 9000, lambda: NAMES, **options)

    async def page(request: web.Request) -> web.StreamResponse:
        return await oscquery.root(request) or web.Response(text="page", content_type="text/html")

    app = web.Application()
    app.add_routes([web.get("/", page), *oscquery.routes()])
    async with TestClient(TestServer(app)) as one:
        yield one, oscquery
    oscquery.close()


def run(test: Callable[[Client, OscQuery, Desk], Awaitable[None]]) -> None:
    async def inner() -> None:
        desk = Desk()
        async with client(desk) as (one, oscquery):
            await asyncio.wait_for(test(one, oscquery, desk), 20)

    asyncio.run(inner())


async def ask(one: Client, path: str) -> Any:
    async with one.get(path, headers={"Accept": "*/*"}) as answer:
        assert answer.status == 200
        return await answer.json()


def test_the_tree_is_whole_and_each_node_says_what_it_takes() -> None:
    async def test(one: Client, _: OscQuery, desk: Desk) -> None:
        desk.turn(Change("look", "Winter Dusk", 0.0))
        tree = await ask(one, "/")
        train = tree["CONTENTS"]["train"]["CONTENTS"]
        assert tree["ACCESS"] == 0 and train["speed"] == {
            "FULL_PATH": "/train/speed", "TYPE": "f", "ACCESS": 3, "VALUE": [0.75],
            "RANGE": [{"MIN": 0.0, "MAX": 1.0}], "CLIPMODE": ["both"],
            "DESCRIPTION": "Train speed; 0 stands still, negative runs backwards. "
            "Here 0.5 is 0 x cruising.",
            "CONTENTS": {"raw": train["speed"]["CONTENTS"]["raw"]},
        }  # fmt: skip
        raw = train["speed"]["CONTENTS"]["raw"]
        assert raw["RANGE"] == [{"MIN": -2.0, "MAX": 2.0}] and raw["UNIT"] == ["x cruising"]
        assert (train["hold"]["TYPE"], train["hold"]["VALUE"]) == ("F", [False])
        assert (train["tap"]["TYPE"], train["tap"]["ACCESS"]) == ("I", 2)
        assert (train["look"]["TYPE"], train["look"]["VALUE"]) == ("i", [2])
        assert train["look"]["RANGE"] == [{"MIN": 0, "MAX": 2}]
        assert train["look"]["CONTENTS"].keys() == {"1", "2"}
        assert train["look"]["CONTENTS"]["2"]["DESCRIPTION"] == "Melt to winter dusk."
        assert (train["pad"]["TYPE"], train["pad"]["VALUE"]) == ("ff", [0.5, 0.5])
        curve = train["melt"]["CONTENTS"]["curve"]
        assert curve["RANGE"] == [{"VALS": [0, 1, 2]}]

    run(test)


def test_without_a_bank_every_slot_is_there() -> None:
    found: list[str] = []

    def walk(node: dict[str, Any]) -> None:
        if node["ACCESS"]:
            found.append(node["FULL_PATH"])
        for inner in node.get("CONTENTS", {}).values():
            walk(inner)

    node = find_node("/", Desk().values(), {})
    assert node
    walk(node)
    assert sorted(found) == sorted(ADDRESSES)


def test_attributes_and_errors_are_as_the_proposal_has_them() -> None:
    async def test(one: Client, _: OscQuery, desk: Desk) -> None:
        assert await ask(one, "/train/speed?VALUE") == {"VALUE": [0.75]}
        assert await ask(one, "/train/speed/raw?UNIT") == {"UNIT": ["x cruising"]}
        info = await ask(one, "/?HOST_INFO")
        assert (info["OSC_PORT"], info["OSC_TRANSPORT"]) == (9000, "UDP")
        assert info["EXTENSIONS"]["LISTEN"] is True
        for path, status in {
            "/train/spede": 404, "/train/tap?VALUE": 204, "/train/speed?COLOUR": 400,
            "/train/look/3": 404, "/train/../etc": 404, "/train/" + "x" * 4000: 404,
        }.items():  # fmt: skip
            async with one.get(path) as answer:
                assert answer.status == status, path

    run(test)


def test_a_browser_gets_its_page_from_the_same_address() -> None:
    async def test(one: Client, _: OscQuery, desk: Desk) -> None:
        html = {"Accept": "text/html,*/*"}
        async with one.get("/", headers=html) as answer:
            assert await answer.text() == "page"
        async with one.get("/?token=abc", headers=html) as answer:
            assert await answer.text() == "page"
        async with one.get("/?HOST_INFO", headers=html) as answer:
            assert "OSC_PORT" in await answer.json()

    run(test)


async def news(socket: ClientWebSocketResponse) -> Message:
    message = await socket.receive(5)
    assert message.type == WSMsgType.BINARY, message
    return read_datagram(message.data)[0].message


def test_who_listens_is_told_and_may_speak() -> None:
    async def test(one: Client, oscquery: OscQuery, desk: Desk) -> None:
        async with one.ws_connect("/") as socket, one.ws_connect("/") as other:
            for path in ("/train/speed/raw", "/train/look", "/train/pad"):
                await socket.send_str(json.dumps({"COMMAND": "LISTEN", "DATA": path}))
            await other.send_str(json.dumps({"COMMAND": "LISTEN", "DATA": "/train/speed"}))
            await socket.send_str(json.dumps({"COMMAND": "IGNORE", "DATA": "/train/look"}))
            await asyncio.sleep(0.1)
            desk.turn(Change("weight.0", 0.5, 0.0), "web")  # has no address, and harms nobody
            desk.turn(Change("speed", -0.5, 0.0), "web")
            desk.turn(Change("look", 2.0, 0.0), "web")
            assert await news(socket) == Message("/train/speed/raw", (-0.5,))
            assert await news(other) == Message("/train/speed", (0.375,))
            desk.turn(Change("pad_y", 0.25, 0.0), "web")
            assert await news(socket) == Message("/train/pad", (0.5, 0.25))
            await socket.send_bytes(write_message("/train/speed", [1]))
            assert await news(other) == Message("/train/speed", (1.0,))
            assert desk.values()["speed"] == 2.0
            oscquery.bank_changed()
            changed = await socket.receive_json(timeout=5)  # and not what it said itself
            assert changed == {"COMMAND": "PATH_CHANGED", "DATA": "/train/look"}

    run(test)


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", "7", '{"COMMAND":"LISTEN"}', '{"COMMAND":"LISTEN","DATA":"/etc"}',
     '{"COMMAND":"DELETE","DATA":"/train/speed"}', '{"COMMAND":"LISTEN","DATA":["/train"]}',
     "[" * 5000, b"nonsense", b"#bundle\0" + bytes(7)],
)  # fmt: skip
def test_nonsense_is_counted_and_the_socket_lives(said: str | bytes) -> None:
    async def test(one: Client, oscquery: OscQuery, desk: Desk) -> None:
        async with one.ws_connect("/") as socket:
            await (socket.send_bytes(said) if isinstance(said, bytes) else socket.send_str(said))
            await socket.send_bytes(write_message("/train/brake", [1.0]))
            while desk.values()["brake"] != 1.0:
                await asyncio.sleep(0.01)
            assert sum(oscquery.ear.counts.values()) == 2

    run(test)


def test_a_huge_message_ends_the_socket_alone() -> None:
    async def test(one: Client, oscquery: OscQuery, desk: Desk) -> None:
        async with one.ws_connect("/") as socket:
            await socket.send_bytes(bytes(100_000))
            assert (await socket.receive(5)).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await ask(one, "/train/speed?VALUE")

    run(test)


def test_listeners_are_limited() -> None:
    async def test(one: Client, oscquery: OscQuery, desk: Desk) -> None:
        sockets = [await one.ws_connect("/") for _ in range(MOST_SOCKETS)]
        async with (
            ClientSession() as session,
            session.get(
                one.make_url("/"), headers={"Connection": "Upgrade", "Upgrade": "websocket"}
            ) as answer,
        ):
            assert answer.status == 503
        for socket in sockets:
            await socket.close()

    run(test)


def test_it_is_announced_and_found() -> None:
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    async def test() -> tuple[int | None, list[str]]:
        announced = Announcement("Venue 1.0", ["127.0.0.1"], 8080, 9000)
        await announced.start()
        try:
            async with AsyncZeroconf(interfaces=["127.0.0.1"]) as listener:
                info = AsyncServiceInfo("_oscjson._tcp.local.", "Venue 1 0._oscjson._tcp.local.")
                assert await info.async_request(listener.zeroconf, 3000)
                return info.port, info.parsed_addresses()
        finally:
            await announced.close()

    assert asyncio.run(test()) == (8080, ["127.0.0.1"])
