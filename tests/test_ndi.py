"""The picture by NDI: a real sender, in its process, and a real receiver in another."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainjourney.errors import OutputError
from trainjourney.outputs import child, ndi
from trainjourney.outputs.ndi import NdiFeed, check_ndi
from trainjourney.outputs.ndi_source import run_source
from trainjourney.settings import NdiConfig
from trainjourney.types import Frame

HERE = Path(__file__).parent
needs_ndi = pytest.mark.skipif(not find_spec("cyndilib"), reason="no wheel of cyndilib here")


class Colours:
    """Frames of one colour each, a new one at every look: red counts them, the rest stands."""

    def __init__(self) -> None:
        self.number = 0

    def newest(self, after: int) -> tuple[int, Frame] | None:
        self.number += 1
        frame = np.empty((128, 256, 3), np.uint8)
        frame[:] = (40 + 8 * (self.number % 20), 200, 60)
        return self.number, frame


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """NDI looks on this machine alone, by its own way, and needs no Avahi for it."""
    words = {"ndi": {"machinename": "testbox", "networks": {"ips": "127.0.0.1,"}}}
    (tmp_path / "ndi-config.v1.json").write_text(json.dumps(words))
    monkeypatch.setenv("NDI_CONFIG_DIR", str(tmp_path))
    yield


async def hear(name: str, count: int) -> dict[str, Any]:
    """What a receiver of its own has seen."""
    ear = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "ndi_ear.py"), name, str(count), stdout=asyncio.subprocess.PIPE
    )
    assert ear.stdout
    lines = [
        json.loads(line) for line in (await ear.stdout.read()).splitlines() if line[:1] == b"{"
    ]
    await ear.wait()
    assert len(lines) == 2, lines
    return {**lines[0], **lines[1]}


async def until(true: Any, wait_s: float = 15.0) -> None:
    async with asyncio.timeout(wait_s):
        while not true():
            await asyncio.sleep(0.05)


@needs_ndi
def test_a_receiver_gets_the_picture_in_its_colours_and_rate() -> None:
    async def both() -> tuple[dict[str, Any], NdiFeed]:
        feed = NdiFeed(Colours(), 30, NdiConfig(name="Train of tests"))
        sending = asyncio.create_task(feed.run())
        await until(lambda: feed.source)
        idle = feed.sent
        await asyncio.sleep(2.0)
        assert feed.sent - idle <= 5, "nobody receives, and it is sent at full rate"
        assert feed.counts()["ndi"]["receivers"] == 0
        counted = asyncio.create_task(until(lambda: feed.counts()["ndi"]["receivers"] == 1, 25.0))
        heard = await hear("Train of tests", 12)
        await counted
        await until(lambda: feed.counts()["ndi"]["receivers"] == 0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return heard, feed

    heard, feed = asyncio.run(both())
    assert heard["found"] == ["TESTBOX (Train of tests)"]
    assert heard["size"] == [256, 128] and heard["rate"] == 30.0
    assert len(heard["seen"]) == 12
    for red, green, blue in heard["seen"]:
        assert 35 < red < 200 and abs(green - 200) < 6 and abs(blue - 60) < 6
    assert len({red for red, _, _ in heard["seen"]}) > 4, "it does not move"
    assert feed.sent > 20 and feed.counts()["ndi"]["on"] is False, "it has ended"


@needs_ndi
def test_where_its_process_is_killed_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    begin = asyncio.create_subprocess_exec

    async def begin_and_note(*words: Any, **how: Any) -> Any:
        process = await begin(*words, **how)
        begun.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin_and_note)

    async def killed() -> None:
        feed = NdiFeed(Colours(), 30, NdiConfig(name="Train that falls"))
        sending = asyncio.create_task(feed.run())
        await until(lambda: feed.source)
        os.kill(begun[0], signal.SIGKILL)
        with pytest.raises(OutputError, match="its process ended"):
            await sending
        assert feed.counts()["ndi"]["source"] == ""

    asyncio.run(killed())


@needs_ndi
def test_a_process_that_takes_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "STALLED_S", 0.5)
    monkeypatch.setattr(child, "_END_S", 0.5)
    monkeypatch.setattr(ndi, "IDLE_S", 0.02)
    begun: list[Any] = []
    begin = asyncio.create_subprocess_exec

    async def begin_and_stop(*words: Any, **how: Any) -> Any:
        begun.append(await begin(*words, **how))
        os.kill(begun[0].pid, signal.SIGSTOP)
        return begun[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin_and_stop)
    with pytest.raises(OutputError, match="its process took nothing"):
        asyncio.run(NdiFeed(Colours(), 30, NdiConfig(name="Train that stands")).run())
    assert begun[0].returncode == -signal.SIGKILL


def test_a_library_that_cannot_be_begun_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyndilib.sender", None)
    order = json.dumps({"name": "Train", "width": 4, "height": 2, "fps": 30}).encode()
    words = io.StringIO()
    run_source(io.BufferedReader(io.BytesIO(order + b"\n" + bytes(24))), words)
    assert json.loads(words.getvalue())["failed"].startswith("NDI cannot be begun (")


def test_a_fault_in_feeding_ends_the_process_and_is_told() -> None:
    async def feed(stdin: asyncio.StreamWriter) -> None:
        raise ValueError("no frame\nat all")

    assert asyncio.run(child.run_child("ndi-source", feed, print)) == "ValueError: no frame at all"


def test_without_the_package_the_show_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndi, "find_spec", lambda name: None)
    check_ndi(NdiConfig())
    with pytest.raises(OutputError, match=r"needs cyndilib.*type: pip install '.\[ndi\]'"):
        check_ndi(NdiConfig(name="Train"))


@pytest.mark.parametrize("name", [" Train", "Train\n", "\x00"])
def test_a_name_of_no_use_is_refused(name: str) -> None:
    with pytest.raises(OutputError, match="is no name; give letters"):
        check_ndi(NdiConfig(name=name))
