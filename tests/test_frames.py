"""The ring and the block between two processes: latest wins, torn copies are seen."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from trainjourney.controls.desk import Desk
from trainjourney.inference.bundle import Look
from trainjourney.show.block import Block, BlockSource
from trainjourney.show.frames import FrameRing, Status
from trainjourney.types import Change, Frame

HEIGHT, WIDTH = 16, 24


def frame(value: int) -> Frame:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def test_the_newest_frame_is_read_once_and_is_the_reader_s_own() -> None:
    ring = FrameRing(HEIGHT, WIDTH)
    reader = FrameRing(HEIGHT, WIDTH, os.dup(ring.memory.fd))
    assert reader.newest(0) is None
    for value in range(1, 6):
        assert ring.write(frame(value), Status(speed=value)) == value
    found = reader.newest(0)
    assert found is not None and found[0] == 5
    assert reader.newest(5) is None
    assert reader.status()[1].speed == 5.0
    for value in range(6, 12):
        ring.write(frame(value), Status())
    assert (found[1] == 5).all()


def test_a_ring_whose_writer_was_killed_in_a_slot_goes_on() -> None:
    ring = FrameRing(HEIGHT, WIDTH)
    ring.write(frame(1), Status())
    slot = 64 + 128 * (2 % 3)
    ring.memory.view[slot] = 7  # frame 2 was begun
    assert ring.newest(0) is not None and ring.newest(1) is None
    ring = FrameRing(HEIGHT, WIDTH, os.dup(ring.memory.fd))
    assert ring.write(frame(2), Status()) == 2
    found = ring.newest(1)
    assert found is not None and (found[1] == 2).all()


def test_no_torn_frame_is_read_while_another_thread_writes() -> None:
    ring = FrameRing(256, 256)
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            ring.write(np.full((256, 256, 3), number % 251, np.uint8), Status())
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    numbers: list[int] = []
    torn = 0
    while len(numbers) < 100:
        if found := ring.newest(numbers[-1] if numbers else 0):
            numbers.append(found[0])
            torn += not (found[1] == (found[0] - 1) % 251).all()
    done.set()
    writer.join()
    assert torn == 0 and numbers == sorted(set(numbers))


def test_the_last_turn_of_each_control_is_read_in_order() -> None:
    desk, block = Desk(), Block(4)
    desk.listen(block.turn)
    source = BlockSource(Block(4, os.dup(block.memory.fd)))
    assert list(source.poll()) == []
    for name, value in (("speed", 0.3), ("weight.64", 0.5), ("look", "löss"), ("speed", 0.4)):
        desk.turn(Change(name, value, 2.0))
    assert list(source.poll()) == [
        Change("weight.64", 0.5, 2.0), Change("look", "löss", 2.0), Change("speed", 0.4, 2.0),
    ]  # fmt: skip
    assert source.serial == block.serial == 4
    assert list(source.poll()) == []
    desk.turn(Change("look", "ö" * 200, 2.0))
    assert [change.value for change in source.poll()] == ["ö" * 200]


def test_a_new_reader_hears_all_that_is_set_but_no_old_trigger() -> None:
    desk, block = Desk(), Block(4)
    desk.listen(block.turn)
    desk.turn(Change("speed", 0.3, 1.0))
    desk.turn(Change("departure", 1.0, 1.0))
    source = BlockSource(block)
    assert [change.parameter for change in source.poll()] == ["speed"]
    desk.turn(Change("departure", 1.0, 2.0))
    assert [change.parameter for change in source.poll()] == ["departure"]


def test_the_light_can_be_read_before_the_rest() -> None:
    block, desk = Block(4), Desk()
    desk.listen(block.turn)
    source = BlockSource(block)
    desk.turn(Change("brightness", 0.5, 2.0))
    assert [change.parameter for change in source.poll_light()] == ["brightness"]
    assert source.serial == 1 and not source.turned()
    desk.turn(Change("blackout", 1.0, 2.0))
    desk.turn(Change("still", 1.0, 2.0))  # no frame is another for it
    assert source.turned() and not source.steered()
    desk.turn(Change("look", "dusk", 2.0))
    assert source.steered() and source.later("look", "blackout")
    assert not source.later("blackout", "look")
    assert [change.parameter for change in source.poll_light()] == ["blackout"]
    assert source.serial == 1 and source.turned()  # the look is still to be read
    assert [change.parameter for change in source.poll()] == ["still", "look"]
    assert source.serial == 4 and not source.turned()


def test_a_world_hears_when_the_screen_looks() -> None:
    block = Block(4)
    other = Block(4, os.dup(block.memory.fd))
    source = BlockSource(other)
    assert source.screen() == (0.0, 0.0)
    block.looked(123.5, 1 / 60)
    assert source.screen() == (123.5, 1 / 60) and not source.turned()


@pytest.mark.parametrize("slots", [[1, 2], [0, 64]])
def test_the_bank_comes_over_whole(slots: list[int]) -> None:
    block = Block(4)
    assert block.bank() is None
    looks = {
        slot: Look(f"loök {slot}", np.full(4, slot, np.float32), Path(f"looks/{slot}.jpg"))
        for slot in slots
    }
    block.lay_bank({5: looks[slots[0]]})
    block.lay_bank(looks)
    found = block.bank()
    assert found is not None
    number, read = found
    assert list(read) == slots
    for slot in slots:
        assert (read[slot].name, read[slot].picture) == (looks[slot].name, looks[slot].picture)
        np.testing.assert_array_equal(read[slot].embedding, looks[slot].embedding)
    assert block.bank(number) is None
