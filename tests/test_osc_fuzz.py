"""Thousands of mutilated datagrams: nothing escapes, and the counters tell of each."""

from osc_corpus import HOSTILE, fuzz
from osc_ear import Said


def test_no_mutilated_datagram_gets_through_to_anyone() -> None:
    told = fuzz(seed=7, seconds=4.0, count=20_000)
    assert told["datagrams"] >= 1000
    assert told["kinds"] >= 15  # most of the ways to be wrong were met


def test_every_hostile_datagram_is_counted_and_the_next_good_one_heard() -> None:
    said = Said()
    for data, _ in HOSTILE.values():
        said.send(data)
    assert sum(said.ear.counts.values()) == len(HOSTILE) and not said.heard
    said.say("/train/speed", 1.0)
    assert said.heard == [("speed", 2.0)]
