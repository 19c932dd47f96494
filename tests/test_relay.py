"""The relay and the picture that waits: no reader ever sees a world go or come."""

from itertools import pairwise

import numpy as np

from trainjourney.journey.waiting import wait_with
from trainjourney.show.frames import FrameRing, Status
from trainjourney.show.relay import RETURN_S, STALL_S, Relay
from trainjourney.types import Frame

HEIGHT, WIDTH, FPS = 32, 64, 30.0


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Frame:
    """Soft blocks, so that a slow move is a small change."""
    rng = np.random.default_rng(seed)
    small = rng.integers(60, 220, (height // 8, width // 8, 3), dtype=np.uint8)
    return small.repeat(8, 0).repeat(8, 1)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s


def watch(relay: Relay, clock: Clock, seconds: float, after: int = 0) -> list[tuple[int, Frame]]:
    """What a reader at 60 Hz gets."""
    seen = []
    for _ in range(round(seconds * 60)):
        clock.now_s += 1 / 60
        if found := relay.newest(after):
            after = found[0]
            seen.append(found)
    return seen


def playing() -> tuple[Relay, Clock, FrameRing]:
    clock, ring = Clock(), FrameRing(HEIGHT, WIDTH)
    relay = Relay(picture(0), FPS, clock.now)
    relay.take_over(ring)
    return relay, clock, ring


def apart(a: Frame, b: Frame) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def test_the_start_picture_is_there_at_once() -> None:
    relay, _, _ = playing()
    found = relay.newest(0)
    assert found is not None
    np.testing.assert_array_equal(found[1], picture(0))
    assert relay.newest(found[0]) is None


def test_a_world_s_frames_go_through_untouched() -> None:
    relay, _, ring = playing()
    last = 0
    for number in range(1, 5):
        ring.write(picture(number), Status())
        found = relay.newest(last)
        assert found is not None and found[0] > last
        last = found[0]
        np.testing.assert_array_equal(found[1], picture(number))
        assert not found[1].flags.writeable


def test_a_world_that_stands_leaves_its_picture_in_slow_motion_and_growing_dim() -> None:
    relay, clock, ring = playing()
    ring.write(picture(1), Status(speed=1.0))
    [(number, first)] = watch(relay, clock, STALL_S)
    seen = watch(relay, clock, 14.0, number)
    assert 13.5 * FPS < len(seen) <= 14.0 * FPS
    frames = [first, *(frame for _, frame in seen)]
    assert max(apart(a, b) for a, b in pairwise(frames)) < 3.0  # gentle
    assert apart(frames[0], frames[60]) > 3.0  # but it moves
    lights = [float(frame.mean()) for frame in frames]
    assert lights[100] > 0.95 * lights[0] and 0.3 < lights[-1] / lights[0] < 0.4


def test_a_world_that_is_back_fades_in() -> None:
    relay, clock, ring = playing()
    ring.write(picture(1), Status())
    stood = watch(relay, clock, 2.0)[-1]
    frames, number = [stood[1]], stood[0]
    for _ in range(30):
        clock.now_s += 1 / FPS
        ring.write(picture(9), Status())
        found = relay.newest(number)
        assert found is not None
        number = found[0]
        frames.append(found[1])
    steps = [apart(a, b) for a, b in pairwise(frames)]
    assert max(steps) < 0.2 * apart(frames[0], frames[-1])
    np.testing.assert_array_equal(frames[round(RETURN_S * FPS) + 2], picture(9))


def test_another_world_takes_over_while_both_move() -> None:
    relay, clock, ring = playing()
    other = FrameRing(2 * HEIGHT, 2 * WIDTH)  # of another size: fitted
    ring.write(picture(1), Status())
    relay.newest(0)
    other.write(picture(2, 2 * HEIGHT, 2 * WIDTH), Status())
    relay.take_over(other, 1.0)
    lights, number = [], 0
    for turn in range(45):
        clock.now_s += 1 / FPS
        ring.write(np.full((HEIGHT, WIDTH, 3), 200, np.uint8), Status())
        other.write(np.full((2 * HEIGHT, 2 * WIDTH, 3), 40, np.uint8), Status())
        found = relay.newest(number)
        assert found is not None and found[1].shape == (HEIGHT, WIDTH, 3)
        number = found[0]
        lights.append(float(found[1].mean()))
        assert relay.fading == (turn < 29) or turn == 29
    assert lights == sorted(lights, reverse=True)
    assert lights[0] > 190 and 100 < lights[14] < 140 and lights[-1] == 40


def test_at_once_a_waiting_picture_is_itself() -> None:
    np.testing.assert_array_equal(wait_with(picture(3), 0.0), picture(3))
