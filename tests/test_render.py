"""A show made again from its journal: the same frames, to the last bit."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from test_travel import ScriptedSource
from tiny_bundle import write_tiny_bundle
from typer.testing import CliRunner

from trainjourney.cli import app
from trainjourney.config import load
from trainjourney.controls.desk import Desk
from trainjourney.errors import BundleError, OutputError
from trainjourney.inference import Look, load_bundle
from trainjourney.journey.looks import Looks
from trainjourney.outputs.null import NullOutput
from trainjourney.settings import Config
from trainjourney.show.departure import depart, read_departure
from trainjourney.show.journals import begin_journal, journalled, read_show, render, with_journal
from trainjourney.show.meter import Meter
from trainjourney.show.stage import Stage
from trainjourney.show.travel import travel
from trainjourney.types import Change, Frame


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny")


def configured(tiny: Path, journal: Path, **journey: object) -> Config:
    options = {f"journey.{key}": value for key, value in journey.items()}
    sets = ["engine.threads=1", f"journal.file={journal}"]
    return load(None, sets, {"engine.name": str(tiny), **options})


class Hashes(NullOutput):
    """Keeps the hash of every frame."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def show(self, frame: Frame) -> None:
        super().show(frame)
        self.seen.append(hashlib.sha256(frame.tobytes()).hexdigest())


SCRIPT: dict[int, list[tuple[str, float | str]]] = {
    0: [("speed", 1.5)],
    10: [("melt_s", 0.5), ("look", "blue")],
    25: [("weight.1", 0.5), ("weight.2", 1.0)],
    40: [("pad_x", 0.2), ("brake", 1.0)],
    45: [("blackout", 0.4), ("contrast", 1.3)],
    50: [("seed", 77.0), ("departure", 1.0), ("brake", 0.0)],
    60: [("hold", 1.0)],
    65: [("hold", 0.0), ("look", 5.0)],
}


class Scripted(ScriptedSource):
    """Several changes at polls of given numbers."""

    def poll(self) -> Iterator[Change]:
        self.polls += 1
        yield from (Change(name, value, 0.0) for name, value in SCRIPT.get(self.polls, []))


def test_a_show_is_made_again_frame_for_frame(tiny: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 255, (40, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "start.png")
    Image.fromarray(noise[:, ::-1]).save(tmp_path / "own.png")
    path = tmp_path / "show.jsonl"
    config = configured(tiny, path, start=str(tmp_path / "start.png"), seed=9, dream=0.7)
    bundle = load_bundle(tiny)
    departure = read_departure(config, bundle)
    world, board = depart(config, bundle, departure)
    own = Look("own", np.array([0.6, 0.0, 0.8, 0.0], np.float32), tmp_path / "own.png")
    live = Hashes()
    journal = begin_journal(config, bundle, world, departure)
    assert journal
    with journalled(journal) as (first, heard):

        class Bank:
            """Lays another bank before the 30th frame, as the world process does."""

            def poll(self) -> tuple[()]:
                assert journal
                if journal.number == 30:
                    looks = {**dict(board.looks), 5: own}
                    board.lay(Looks.in_slots(looks))
                    journal.lay(looks)
                return ()

        sources = (*first, Bank(), Scripted({}))
        travel(world, board, sources, (live,), Meter(), fps=30, frames=90, heard=heard)
    (tmp_path / "start.png").unlink()  # the journal has it
    replay, found = read_show(path, None)
    again = Hashes()
    summary = render(configured(tiny, path), path, again, found, replay)
    replay.close()
    assert summary.frames == 90 and len(set(live.seen)) > 60
    assert again.seen == live.seen


@pytest.mark.parametrize("fps", [30, 48])
def test_a_film_is_made_again_by_the_command(tiny: Path, tmp_path: Path, fps: int) -> None:
    """At the rate of the show, which the journal knows, and with its changes in their frames."""
    words = ["--set", "engine.threads=1"]
    (tmp_path / "tour.toml").write_text(
        "loop = false\n[[step]]\nat = 0.5\nspeed = 2.0\nlook = 'blue'\n"
    )
    play = ["play", "--engine", str(tiny), "--seed", "4", "--look", "green", "--frames", "40"]
    play += ["--output", str(tmp_path / "a.mp4"), "--set", f"journal.file={tmp_path}/show.jsonl"]
    play += ["--set", f"engine.fps={fps}", "--set", f"journey.tour={tmp_path}/tour.toml"]
    assert CliRunner().invoke(app, [*play, *words], catch_exceptions=False).exit_code == 0
    again = ["render", str(tmp_path / "show.jsonl"), "--output", str(tmp_path / "b.mp4")]
    assert CliRunner().invoke(app, [*again, *words], catch_exceptions=False).exit_code == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    head, *lines = map(json.loads, (tmp_path / "show.jsonl").read_text().splitlines())
    assert head["fps"] == fps
    (turned,) = [line["frame"] for line in lines if line.get("parameter") == "speed"]
    assert turned == pytest.approx(0.5 * fps, abs=1.0)
    with av.open(str(tmp_path / "b.mp4")) as film:
        assert film.streams.video[0].average_rate == fps


def test_a_live_show_in_two_processes_is_made_again(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    config = configured(tiny, path, seed=3, melt_s=0.3)
    bundle, desk = load_bundle(tiny), Desk()
    stage = Stage(desk, read_departure(config, bundle).picture, 30)
    seen: dict[int, str] = {}
    try:
        stage.open(config, bundle, None, frames=60)
        turns: Iterator[tuple[str, float | str]] = iter(
            [("speed", 2.0), ("look", "blue"), ("dream", 1.0), ("look", 2.0), ("blackout", 0.5)]
        )
        end_s = time.monotonic() + 30
        while stage.alive and time.monotonic() < end_s:
            if found := stage.keeper.ring.newest(max(seen, default=0)):
                seen[found[0]] = hashlib.sha256(found[1].tobytes()).hexdigest()
                if found[0] % 10 == 5 and (turn := next(turns, None)):
                    desk.turn(Change(*turn, 0.0), "test")
                desk.turn(Change("brightness", 0.5 + found[0] % 7 / 14, 0.0), "test")
            time.sleep(0.005)
    finally:
        stage.close()
    replay, _ = read_show(path, None)
    again = Hashes()
    render(configured(tiny, path), path, again, bundle, replay)
    replay.close()
    assert len(again.seen) == 60 and len(seen) > 20 and len(set(seen.values())) > 10
    assert {number: again.seen[number - 1] for number in seen} == seen
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["value"] for line in told if line.get("parameter") == "look"] == ["blue", 2.0]


def test_a_show_whose_world_was_killed_is_made_again_frame_for_frame(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "show.jsonl"
    config, bundle, desk = configured(tiny, path, seed=3, melt_s=0.4), load_bundle(tiny), Desk()
    stage = Stage(desk, read_departure(config, bundle).picture, 30)
    seen: dict[int, str] = {}

    def play(frames: int) -> None:
        end_s, ring = time.monotonic() + 30, stage.keeper.ring
        until = ring.latest + frames
        while ring.latest < until:
            assert time.monotonic() < end_s, "waited in vain"
            if found := ring.newest(max(seen, default=0)):
                seen[found[0]] = hashlib.sha256(found[1].tobytes()).hexdigest()
            time.sleep(0.003)

    turns: list[list[tuple[str, float | str]]] = [
        [("look", "blue"), ("speed", 2.0), ("seed", 50.0), ("departure", 1.0)],
        [("dream", 1.0), ("brightness", 0.6), ("look", 2.0)],
        [("hold", 1.0), ("look", "red")],
    ]
    try:
        stage.open(config, bundle)
        play(40)
        for turned in turns:  # it goes on from its state, then from its picture, twice
            for turn in turned:
                desk.turn(Change(*turn, 0.0), "test")
            play(22)
            os.kill(stage.keeper.pid, signal.SIGKILL)
            desk.turn(Change("contrast", 1.2, 0.0), "test")
            play(10)
        desk.turn(Change("hold", 0.0, 0.0), "test")
        play(20)
    finally:
        stage.close()
    replay, _ = read_show(path, None)
    again = Hashes()
    render(configured(tiny, path), path, again, bundle, replay)
    replay.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["resumed"] for line in lines if "kept" in line] == ["state", "picture", "picture"]
    assert len(again.seen) >= max(seen) and len(seen) > 100 and len(set(seen.values())) > 80
    assert {number: again.seen[number - 1] for number in seen} == seen
    assert not [one.message for one in caplog.records if "may differ" in one.message]


def wait(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


def test_what_cannot_be_made_again_is_one_line(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    config = configured(tiny, path)
    bundle = load_bundle(tiny)
    departure = read_departure(config, bundle)
    world, _ = depart(config, bundle, departure)
    with journalled(begin_journal(config, bundle, world, departure)):
        pass
    with pytest.raises(OutputError, match="ended before its first frame"):
        read_show(path, None)
    with pytest.raises(OutputError, match="is there already"):
        with_journal(config)
    with pytest.raises(OutputError, match=r"show.jsonl: no such folder; type: mkdir -p .*/no"):
        with_journal(configured(tiny, tmp_path / "no" / "show.jsonl"))
    assert not (tmp_path / "no").exists()
    text = path.read_text()
    path.write_text(text.replace('"frame":0,"end"', '"frame":9,"end"'))
    other = write_tiny_bundle(tmp_path / "engines" / "other")
    with pytest.raises(BundleError, match="is not the bundle of this show"):
        read_show(path, str(other))
    path.write_text(text.replace('"speed":1.0', '"speed":9.0').replace(':0,"end"', ':9,"end"'))
    replay, _ = read_show(path, None)
    with pytest.raises(OutputError, match="line 1: speed"):
        render(config, path, NullOutput(), bundle, replay)
    replay.close()


def test_a_show_begins_with_room_for_its_journal(tiny: Path, tmp_path: Path) -> None:
    old = tmp_path / "2026-01-01_10-00-00.jsonl"
    for sets, stays in ((["journal.file=" + str(tmp_path / "mine.jsonl")], True), ([], False)):
        old.write_bytes(b"x" * 2_000_000)
        os.utime(old, (0, 0))
        sets += [f"journal.folder={tmp_path}", "journal.keep_gb=0.001"]
        with_journal(load(None, sets, {"engine.name": str(tiny)}))
        assert old.exists() is stays


def test_without_a_journal_nothing_is_written(tiny: Path, tmp_path: Path) -> None:
    config = load(None, ["journal.write=false"], {"engine.name": str(tiny)})
    assert with_journal(config) is config
    (tmp_path / "file").touch()
    config = load(None, [f"journal.folder={tmp_path}/file"], {"engine.name": str(tiny)})
    assert not with_journal(config).journal.write
