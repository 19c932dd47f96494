"""One encode for all: each frame once, key frames when asked but not too often, slow ones alone."""

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from serving import wait_for

from trainjourney.outputs.coding import TICK, Codec, Coder
from trainjourney.outputs.encoder import KEY_APART_S, Coded, Encoder
from trainjourney.outputs.fanout import QUEUED, Fanout, Lane
from trainjourney.outputs.testcard import TestCard, read_stamp
from trainjourney.types import Frame


class Stack:
    """Frames that are laid down one by one."""

    def __init__(self) -> None:
        self.number, self.frame = 0, np.zeros((64, 128, 3), np.uint8)

    def lay(self) -> None:
        self.number += 1

    def newest(self, after: int) -> tuple[int, Frame] | None:
        return (self.number, self.frame) if self.number > after else None


def decode(packets: list[Coded], codec: str = "h264") -> list[Frame]:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames: list[Any] = []
    for coded in packets:
        packet = av.Packet(bytes(coded.packet))
        packet.pts, packet.time_base = coded.packet.pts, TICK
        frames += [frame.to_ndarray(format="rgb24") for frame in decoder.decode(packet)]
    return frames + [frame.to_ndarray(format="rgb24") for frame in decoder.decode(None)]


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_every_frame_is_encoded_once_for_all_listeners(codec: Codec) -> None:
    encoder = Encoder(TestCard(256, 128, 30.0), 30.0, codec, 1500)
    heard: tuple[list[Coded], list[Coded]] = ([], [])
    ends = [encoder.listen(one.append) for one in heard]
    wait_for(lambda: len(heard[1]) > 20)
    for end in ends:
        end()
    encoder.close()
    assert heard[0][0].key and heard[0][0].packet.is_keyframe
    assert encoder.encodes >= len(heard[0]) and encoder.listeners == 0
    assert [c.number for c in heard[0][-15:]] == [c.number for c in heard[1][-15:]]
    pictures = decode(heard[0], codec)
    assert len(pictures) == len(heard[0])
    read = [read_stamp(picture) for picture in pictures]
    assert read == [coded.number for coded in heard[0]]


def test_the_stream_has_no_reordering_and_begins_with_its_headers() -> None:
    coder = Coder("h264", 129, 65, 30.0, 800)  # odd sides are made even
    frame = np.full((65, 129, 3), 90, np.uint8)
    packets = [p for i in range(40) for p in coder.encode(frame, 3000 * i, i == 20)]
    assert [p.pts for p in packets] == [3000 * i for i in range(40)]
    assert [i for i, p in enumerate(packets) if p.is_keyframe] == [0, 20]
    for i in (0, 20):
        data = bytes(packets[i])
        assert data[4] & 31 == 7 and data[5] == 66  # a sequence header first, baseline


def test_key_frames_come_when_asked_but_not_in_a_flood() -> None:
    encoder = Encoder(TestCard(128, 64, 60.0), 60.0, "h264", 500)
    heard: list[Coded] = []
    encoder.listen(heard.append)
    until = time.monotonic() + 1.6
    while time.monotonic() < until:
        encoder.ask_key()
        time.sleep(0.005)
    encoder.close()
    keys = [coded.time_s for coded in heard if coded.key]
    assert len(keys) >= 2
    assert all(later - one >= KEY_APART_S - 0.01 for one, later in pairwise(keys))


def test_who_joins_a_picture_that_stands_still_sees_it_at_once() -> None:
    stack = Stack()
    encoder = Encoder(stack, 30.0, "h264", 500)
    heard: list[Coded] = []
    encoder.listen(heard.append)
    stack.lay()
    wait_for(lambda: heard)
    late: list[Coded] = []
    encoder.listen(late.append)
    wait_for(lambda: late, 3.0)
    encoder.close()
    assert late[0].key and (encoder.encodes, encoder.repeats) == (1, len(heard) - 1)


def test_an_encoder_that_nobody_listens_to_rests() -> None:
    stack = Stack()
    encoder = Encoder(stack, 30.0, "h264", 500)
    heard: list[Coded] = []
    end = encoder.listen(heard.append)
    stack.lay()
    wait_for(lambda: heard)
    end()
    time.sleep(0.1)
    before = encoder.encodes
    for _ in range(5):
        stack.lay()
        time.sleep(0.02)
    assert encoder.encodes == before
    again: list[Coded] = []
    encoder.listen(again.append)
    wait_for(lambda: again)
    encoder.close()
    assert again[0].key
    assert not [t for t in threading.enumerate() if t.name == "encoder h264"]


def coded(number: int, key: bool = False) -> Coded:
    return Coded(av.Packet(b"x"), key, number, 0.0)


def test_a_lane_that_runs_over_goes_on_at_the_next_key_frame() -> None:
    async def drive() -> tuple[list[int], int, int]:
        asked: list[int] = []
        lane = Lane(lambda: asked.append(1))
        for number in range(QUEUED + 6):
            lane.offer(coded(number, key=number == 0))
        lane.offer(coded(100, key=True))
        lane.offer(coded(101))
        lane.end()
        taken = []
        while (one := await lane.take()) is not None:
            taken.append(one.number)
        return taken, lane.dropped, len(asked)

    assert asyncio.run(drive()) == ([100, 101], QUEUED + 6, 1)


def test_one_who_does_not_take_holds_up_nobody() -> None:
    async def drive() -> tuple[int, int]:
        fanout = Fanout(Encoder(TestCard(128, 64, 60.0), 60.0, "h264", 500))
        quick, idle = fanout.join(), fanout.join()
        numbers: list[int] = []
        while len(numbers) < 40:
            one = await asyncio.wait_for(quick.take(), 5.0)
            assert one is not None
            numbers.append(one.number)
        dropped = idle.dropped
        for lane in (quick, idle):
            fanout.leave(lane)
        fanout.encoder.close()
        return quick.dropped, dropped

    quick_dropped, idle_dropped = asyncio.run(drive())
    assert idle_dropped > 10 and quick_dropped < 10


def test_a_loop_that_sends_less_than_is_made_falls_no_further_behind() -> None:
    """Packets that wait to be handed over are let go, and all go on at a key frame."""

    class Still:
        asked = 0

        def listen(self, take: object) -> Callable[[], None]:
            return lambda: None

        def ask_key(self) -> None:
            self.asked += 1

    async def drive() -> None:
        encoder = Still()
        fanout = Fanout(encoder)  # type: ignore[arg-type]
        lanes = [fanout.join() for _ in range(8)]
        before = encoder.asked
        for number in range(400):  # at one go: no turn of the loop between
            fanout._deliver(coded(number, key=number == 0))
            assert len(fanout._due) <= (QUEUED + 1) * len(lanes)
        assert encoder.asked > before
        fanout._deliver(coded(400, key=True))
        while fanout._due:
            await asyncio.sleep(0)
        for lane in lanes:
            assert lane.dropped > 300
            taken = [await lane.take()]
            while taken[-1] and taken[-1].number < 400:
                taken.append(await lane.take())
            assert taken[-1] and taken[-1].key
            fanout.leave(lane)

    asyncio.run(drive())


def test_a_lane_that_sleeps_takes_nothing_and_wakes_to_a_key_frame() -> None:
    async def drive() -> tuple[int, list[int], int]:
        asked: list[int] = []
        lane = Lane(lambda: asked.append(1), awake=False)
        for number in range(3 * QUEUED):
            lane.offer(coded(number, key=number == 0))
        before = len(asked)
        lane.wake()
        for number, key in ((50, False), (51, True), (52, False)):
            lane.offer(coded(number, key))
        lane.end()
        taken = []
        while (one := await lane.take()) is not None:
            taken.append(one.number)
        return before, taken, len(asked)

    assert asyncio.run(drive()) == (0, [51, 52], 1)
