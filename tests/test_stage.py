"""The stage: what is told of a show, worlds that take over from one another, and slow ones."""

import os
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scripted import scripted_manifest
from test_keeper import alive, configured
from tiny_bundle import write_tiny_bundle

from trainjourney.controls.desk import Desk
from trainjourney.inference import Bundle, Look, load_bundle
from trainjourney.show.keeper import Keeper
from trainjourney.show.stage import Stage
from trainjourney.types import Change

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the world is no process of its own")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny")


def test_what_leads_is_named() -> None:
    desk = Desk()
    stage = Stage(desk, np.zeros((32, 64, 3), np.uint8), 30.0)
    names = {1: "meadow", 2: "mist", 10: "neon"}
    looks = {slot: Look(name, np.ones(4, np.float32), Path()) for slot, name in names.items()}
    stage._keeper = cast("Keeper", SimpleNamespace(looks=looks))
    told = []
    for name, value in (
        ("look", 2.0), ("weight.10", 1.0), ("weight.1", 0.5), ("pad_x", 0.2), ("weight.10", 0.0),
        ("weight.1", 0.4), ("look", "dusk"), ("look", 7.0),
    ):  # fmt: skip
        desk.turn(Change(name, value, 0.0))
        told.append(stage._look_name())
    assert told[:4] == ["mist", "neon", "meadow + neon", "between four"]
    assert told[4:] == ["between four", "meadow", "dusk", "7"]


def test_a_second_world_takes_over_with_all_that_is_set(tiny: Path, tmp_path: Path) -> None:
    other = write_tiny_bundle(tmp_path / "other")
    desk = Desk()
    picture = np.zeros((32, 64, 3), np.uint8)
    with closing(Stage(desk, picture, 30.0)) as stage:
        first, second = configured(tiny), configured(other)
        stage.open(first, load_bundle(tiny), (second, load_bundle(other)))
        desk.turn(Change("speed", -1.5, 0.0))
        pids, seen, number = set[int](), set[str](), 0
        end_s = time.monotonic() + 40.0
        while stage._left or stage.status()["bundle"] != "other":
            assert time.monotonic() < end_s and stage.failure is None
            pids.add(stage.keeper.pid)
            seen.add(stage.status()["bundle"])
            if found := stage.frames.newest(number):
                number = found[0]
            time.sleep(0.01)
        told = stage.status()
        assert seen >= {"tiny"} and told["speed"] == -1.5
        assert told["serial"] == 1 and told["world"] == "playing" and told["then"] == ""
        pids.discard(stage.keeper.pid)
        assert not any(alive(pid) for pid in pids)
        desk.turn(Change("hold", 1.0, 0.0))
        while not stage.status()["hold"]:
            assert time.monotonic() < end_s
            time.sleep(0.01)
    assert not stage.alive


@pytest.mark.parametrize(("fps", "told"), [(30, "engine.fps=20"), (20, "")])
def test_a_slow_world_is_told_of_but_not_while_another_opens_beside_it(fps: int, told: str) -> None:
    """It makes 22 frames a second."""
    stage = Stage(Desk(), np.zeros((32, 64, 3), np.uint8), 30.0)
    bundle = Bundle(Path("engines/none"), scripted_manifest(), ()).at_rate(fps)
    ring = SimpleNamespace(latest=0)
    keeper = cast("Keeper", SimpleNamespace(bundle=bundle, health="playing", ring=ring))

    def lines(since_s: int) -> list[str]:
        found = []
        for k in range(10 * since_s, 10 * since_s + 600):
            ring.latest = int(2.2 * k)
            found.append(stage._slow(keeper, k / 10))
        return [line for line in found if line]

    stage._next = keeper
    assert lines(100) == []
    stage._next = None
    assert [line.rpartition(" ")[2] for line in lines(200)] == ([told] if told else [])
