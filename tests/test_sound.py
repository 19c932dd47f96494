"""The sound of the train: what is heard follows the course alone; one encode, whoever hears it."""

import asyncio
import time
from itertools import pairwise

import aiohttp
import av
import numpy as np
import pytest
from serving import served, wait_for
from viewer import Viewer, make_offer

from trainjourney.controls.desk import Desk
from trainjourney.outputs.encoder import Coded
from trainjourney.outputs.fanout import Fanout
from trainjourney.outputs.opus import PACKET_S, SAMPLES, OpusCoder, SoundEncoder
from trainjourney.outputs.sdp import hears
from trainjourney.outputs.sound import AXLES, LOUDEST, RAIL, RATE, Block, TrainSound, find_joints


def ride(*course: tuple[float, float], seed: int = 1, samples: int = SAMPLES) -> Block:
    """The sound of a course: seconds at a speed, and then others."""
    sound = TrainSound(seed)
    blocks = [
        sound.step(speed, samples)
        for seconds, speed in course
        for _ in range(round(seconds * RATE / samples))
    ]
    return np.concatenate(blocks)


def loudness(block: Block) -> float:
    return float(np.sqrt(np.mean(block.astype(float) ** 2)))


def meetings(seconds: float, speed: float) -> list[tuple[float, int, int]]:
    """When which axle meets which joint at an even speed."""
    met: list[tuple[float, int, int]] = []
    before = 0.0
    for number in range(round(seconds / PACKET_S)):
        way = before + np.arange(1, SAMPLES + 1) * speed / RATE
        for at, axle, joint in find_joints(before, way):
            met.append((number * PACKET_S + at / RATE, axle, joint))
        before = float(way[-1])
    return met


def test_the_same_course_sounds_the_same_and_another_seed_otherwise() -> None:
    course = ((0.4, 0.3), (0.8, 1.4), (0.4, -1.0))
    np.testing.assert_array_equal(ride(*course), ride(*course))
    assert np.abs(ride(*course) - ride(*course, seed=2)).max() > 0.01
    # However it is cut into blocks.
    np.testing.assert_allclose(ride((1.2, 1.0)), ride((1.2, 1.0), samples=960), atol=1e-6)


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.0, 2.0, -1.0])
def test_the_joints_come_by_distance(speed: float) -> None:
    met = meetings(10.0 / abs(speed), speed)
    assert len({who[1:] for who in met}) == len(met) >= 7 * len(AXLES)  # each once
    for axle in range(len(AXLES)):
        times = [time_s for time_s, number, _ in met if number == axle]
        gaps = [later - one for one, later in pairwise(times)]
        np.testing.assert_allclose(gaps, RAIL / abs(speed), atol=1e-4)
    ta = next(time_s for time_s, axle, joint in met if (axle, joint) == (0, round(4 * speed / abs(speed))))  # fmt: skip  # noqa: E501
    tack = next(time_s for time_s, axle, joint in met if (axle, joint) == (1, round(4 * speed / abs(speed))))  # fmt: skip  # noqa: E501
    assert abs((tack - ta) * speed - AXLES[1].behind) < 1e-3  # backwards it comes before


def test_a_joint_is_heard_above_the_rolling() -> None:
    heard = np.abs(ride((2.0, 1.0), (10.0, 1.0)).sum(axis=1))
    sound = TrainSound(1)
    joints: list[int] = []
    for block in range(round(12.0 / PACKET_S)):
        before = sound.distance
        sound.step(1.0, SAMPLES)
        way = np.linspace(before, sound.distance, SAMPLES + 1)[1:]
        joints += [block * SAMPLES + at for at, axle, _ in find_joints(before, way) if axle == 0]
    after = [heard[at : at + RATE // 20].max() for at in joints if at > RATE]
    rest = [heard[at - RATE // 5 : at].max() for at in joints if at > RATE]
    assert np.mean(after) > 1.5 * np.mean(rest)


def test_a_train_that_stands_is_silent() -> None:
    assert ride((2.0, 0.0)).any() == np.False_
    stopped = ride((3.0, 1.5), (5.0, 0.0))
    assert loudness(stopped[RATE : 3 * RATE]) > 0.02
    assert loudness(stopped[-RATE:]) == 0.0


def test_faster_is_louder_and_higher() -> None:
    heard = [ride((5.0, speed))[2 * RATE :] for speed in (0.25, 0.5, 1.0, 2.0)]
    levels = [loudness(one) for one in heard]
    assert all(later > 1.2 * one for one, later in pairwise(levels))
    assert 0.01 < levels[2] < 0.08  # at cruising some 30 dB below full: quiet

    def middle_hz(block: Block) -> float:
        power = np.abs(np.fft.rfft(block[:, 0])) ** 2
        return float((power * np.fft.rfftfreq(len(block), 1 / RATE)).sum() / power.sum())

    assert middle_hz(heard[3]) > 1.15 * middle_hz(heard[1])


def test_no_course_clicks_or_clips() -> None:
    wild = [(0.2, speed) for speed in (2.0, -2.0, 0.0, 2.0, 0.01, -0.5, 2.0, 0.0)]
    for course in (wild * 3, [(6.0, 2.0)]):
        heard = ride(*course)
        assert np.abs(heard).max() < LOUDEST and np.isfinite(heard).all()
        assert np.abs(np.diff(heard, axis=0)).max() < 0.03
    # A change of speed is not heard as a step: within 40 ms the loudness hardly moves.
    change = np.abs(ride((3.0, 2.0), (1.0, 0.0))).max(axis=1)[3 * RATE - SAMPLES :]
    assert change[SAMPLES : 2 * SAMPLES].max() > 0.4 * change[:SAMPLES].max()


def test_opus_brings_it_back() -> None:
    heard = ride((2.0, 1.0))
    coder, decoder = OpusCoder(), av.CodecContext.create("libopus", "r")
    packets = [
        packet
        for number, block in enumerate(np.split(heard, len(heard) // SAMPLES))
        for packet in coder.encode(block, 7 + number * SAMPLES)
    ]
    assert [p.pts for p in packets] == [7 + n * SAMPLES for n in range(len(packets))]
    assert len(packets) >= len(heard) // SAMPLES - 1
    back = [f.to_ndarray().reshape(-1, 2) for p in packets for f in decoder.decode(p)]
    assert abs(loudness(np.concatenate(back)) / 32768.0 / loudness(heard) - 1.0) < 0.2


def test_the_encoder_works_in_time_and_only_while_it_is_heard() -> None:
    encoder = SoundEncoder(lambda: 1.0)
    heard: list[Coded] = []
    begun_s = time.monotonic()
    end = encoder.listen(heard.append)
    wait_for(lambda: len(heard) >= 20)
    took_s = time.monotonic() - begun_s
    end()
    time.sleep(3 * PACKET_S)
    before = encoder.encodes
    time.sleep(3 * PACKET_S)
    assert encoder.encodes == before
    encoder.close()
    assert took_s > 17 * PACKET_S
    ticks = [one.packet.pts or 0 for one in heard]
    assert all((later - one) % SAMPLES == 0 < later - one for one, later in pairwise(ticks))
    assert abs(ticks[0] / RATE - begun_s) < 2.0  # on the picture's clock


def test_one_who_hears_slowly_loses_the_oldest_and_goes_on() -> None:
    async def drive() -> tuple[int, int]:
        fanout = Fanout(SoundEncoder(lambda: 1.0))
        lane = fanout.join()
        await asyncio.sleep(25 * PACKET_S)
        one = await asyncio.wait_for(lane.take(), 5.0)
        dropped = lane.dropped
        fanout.leave(lane)
        fanout.encoder.close()
        assert one is not None
        return one.number, dropped

    number, dropped = asyncio.run(drive())
    assert dropped > 0 and number > dropped


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", True),
        ("a=recvonly", "a=sendonly", False),
        ("a=recvonly", "a=inactive", False),
        ("a=recvonly", "a=sendrecv", True),
        ("opus/48000/2", "speex/16000", False),
        ("m=audio", "m=text", False),
    ],
)
def test_who_can_hear_says_so_in_the_offer(old: str, new: str, wanted: bool) -> None:
    assert hears(asyncio.run(make_offer("audio")).replace(old, new)) is wanted
    assert not hears(asyncio.run(make_offer("video")))


def hear(url: str, seconds: float) -> tuple[list[float], int]:
    """What a viewer with ears hears, by second; and how many frames it sees."""

    async def drive() -> tuple[list[float], int]:
        async with aiohttp.ClientSession() as http:
            viewer = Viewer(url, sound=True)
            await viewer.open(http)
            async with asyncio.timeout(20):
                while len(viewer.heard) * 0.02 < seconds:
                    await asyncio.sleep(0.05)
            await viewer.close(http)
            return viewer.heard, len(viewer.numbers)

    return asyncio.run(drive())


def test_a_viewer_hears_the_train_roll_and_stand() -> None:
    with served(desk=Desk({"speed": 0.0})) as page:
        heard, _ = hear(page.url, 1.5)
        assert max(heard) < 1e-3
    with served() as page:
        heard, frames = hear(page.url, 2.5)
        assert max(heard[50:]) > 0.01 and frames > 10
        packets = page.ask("GET", "/status").data["sound"]["packets"]
        assert packets > 40
        wait_for(lambda: page.server.sound.listeners == 0)


def test_who_does_not_listen_costs_no_encode_and_a_deaf_show_sends_none() -> None:
    async def watch(url: str, sound: bool) -> int:
        async with aiohttp.ClientSession() as http:
            viewer = Viewer(url, sound=sound)
            await viewer.open(http)
            async with asyncio.timeout(20):
                while len(viewer.numbers) < 10:
                    await asyncio.sleep(0.05)
            await viewer.close(http)
            return len(viewer.heard)

    with served() as page:
        asyncio.run(watch(page.url, False))
        assert page.server.sound.encodes == 0
    with served(webrtc={"sound": False}) as page:
        assert asyncio.run(watch(page.url, True)) == 0
        assert page.server.sound.encodes == 0
