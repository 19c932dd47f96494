"""Worlds in real processes: killed, stopped, broken, left alone. They come back, none leaks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import write_tiny_bundle

from trainjourney.config import load
from trainjourney.errors import BundleError
from trainjourney.inference import load_bundle
from trainjourney.settings import Config
from trainjourney.show.keeper import Keeper
from trainjourney.show.kept import KeptState, Place
from trainjourney.types import Change, Frame

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the world is no process of its own")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny")


def configured(tiny: Path, **journey: object) -> Config:
    options = {f"journey.{key}": value for key, value in journey.items()}
    sets = ["engine.threads=1", "engine.backend=onnxruntime"]  # opens soonest
    sets += ["journal.write=false", "show.hung_s=8"]  # the tests may share two cores
    return load(None, sets, {"engine.name": str(tiny), **options})


@pytest.fixture
def keeper(tiny: Path) -> Iterator[Keeper]:
    config = configured(tiny, dream=1.0, melt_s=0.0)
    with closing(Keeper(config, load_bundle(tiny))) as the_keeper:
        yield the_keeper


def shared() -> set[Path]:
    """Shared memory by names, but for that of other tests' tools."""
    foreign = ("jack", "sem.mp-", ".org.chromium")
    return {path for path in Path("/dev/shm").iterdir() if not path.name.startswith(foreign)}


def until(done: Callable[[], bool], keeper: Keeper, most_s: float = 30.0) -> None:
    """Watch over the world until then."""
    end_s = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < end_s, (keeper.health, keeper.ring.latest, keeper.failure)
        keeper.watch(time.monotonic())
        time.sleep(0.01)


def newest(keeper: Keeper) -> tuple[int, Frame]:
    found = keeper.ring.newest(0)
    assert found is not None
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children() -> set[str]:
    listed = [p.read_text().split() for p in Path("/proc/self/task").glob("*/children")]
    return {pid for pids in listed for pid in pids}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_killed_world_goes_on_from_the_state_it_kept(keeper: Keeper) -> None:
    keeper.start(time.monotonic())
    keeper.block.turn(Change("look", "blue", 0.0))
    until(lambda: keeper.ring.latest >= 60, keeper)
    pid, (number, before) = keeper.pid, newest(keeper)
    distance = keeper.ring.status()[1].distance
    os.kill(pid, signal.SIGKILL)
    until(lambda: keeper.ring.latest > number + 3, keeper)
    _, after = newest(keeper)
    assert keeper.pid != pid and keeper.restarts == 1 and keeper.health == "playing"
    assert keeper.ring.status()[1].distance > distance
    # It started all red; blue enters from the right at 2 px a frame, and stayed.
    blue = [int((frame[..., 2] > 128).all(0).sum()) for frame in (before, after)]
    assert blue[0] > 30 and blue[1] > blue[0] - 2 * 16


def test_a_world_comes_back_without_the_picture_and_the_look_that_it_set_out_from(
    tiny: Path, tmp_path: Path
) -> None:
    """By its state; and after further falls, at what was seen last, and from the start."""
    start = tmp_path / "start.png"
    Image.new("RGB", (64, 32), (0, 200, 0)).save(start)
    config = configured(tiny, start=str(start), look="green", dream=1.0)
    with closing(Keeper(config, load_bundle(tiny))) as keeper:
        keeper.start(time.monotonic())
        until(lambda: keeper.ring.latest >= 60 and 0 in keeper.looks, keeper)
        own = keeper.looks[0].embedding
        start.unlink()
        keeper.config = configured(tiny, start=str(start), look="gone", dream=1.0)
        for falls in range(4):
            keeper._falls = falls
            number = keeper.ring.latest
            os.kill(keeper.pid, signal.SIGKILL)
            until(lambda n=number: keeper.ring.latest > n + 3, keeper)  # type: ignore[misc]
            assert keeper.health == "playing" and keeper.restarts == falls + 1
            assert np.array_equal(keeper.looks[0].embedding, own), "it is not guessed anew"


def test_however_often_a_world_falls_it_is_tried_again(keeper: Keeper) -> None:
    keeper.start(time.monotonic())
    until(lambda: keeper.ring.latest >= 3, keeper)
    keeper._falls = 5000
    keeper._fell("was lost again", 100.0)
    assert keeper.health == "lost" and keeper._again_s == 110.0


def test_departures_after_a_kill_take_the_seeds_after_those_before_it(keeper: Keeper) -> None:
    keeper.start(time.monotonic())
    until(lambda: keeper.ring.latest >= 3, keeper)
    keeper.block.turn(Change("seed", 5.0, 0.0))
    for _ in range(3):  # 5, 6, 7
        _depart(keeper)
    place = keeper._kept.last()
    assert place is not None and place.seed == 7
    os.kill(keeper.pid, signal.SIGKILL)
    until(lambda: keeper.restarts == 1 and keeper.health == "playing", keeper)
    _depart(keeper)
    place = keeper._kept.last()
    assert place is not None and place.seed == 8


def _depart(keeper: Keeper) -> None:
    """Depart anew, and wait until the state is kept again."""
    keeper.block.turn(Change("departure", 1.0, 0.0))
    number = keeper.ring.latest
    until(lambda: keeper.ring.latest > number + 20, keeper)


def test_a_world_that_hangs_is_started_again(keeper: Keeper) -> None:
    hurried = keeper.config.show.model_copy(update={"hung_s": 1.0})
    keeper.config = keeper.config.model_copy(update={"show": hurried})
    keeper.start(time.monotonic())
    until(lambda: keeper.ring.latest >= 3, keeper)
    pid, number = keeper.pid, keeper.ring.latest
    os.kill(pid, signal.SIGSTOP)
    until(lambda: keeper.ring.latest > number + 3, keeper)
    assert keeper.pid != pid and not alive(pid)


def test_a_show_that_stood_still_itself_blames_no_world(keeper: Keeper) -> None:
    keeper.start(time.monotonic())
    until(lambda: keeper.ring.latest >= 3, keeper)
    pid = keeper.pid
    os.kill(pid, signal.SIGSTOP)  # as Ctrl-Z stops both
    keeper.watch(time.monotonic())
    keeper._watched_s -= 100.0  # and the keeper's own clock went on
    keeper._moved_s -= 100.0
    keeper.watch(time.monotonic())
    os.kill(pid, signal.SIGCONT)
    number = keeper.ring.latest
    until(lambda: keeper.ring.latest > number, keeper)
    assert keeper.pid == pid and keeper.restarts == 0


def test_a_world_that_cannot_begin_tells_why_and_is_not_tried_again(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    bundle = load_bundle(folder)
    (folder / "predictor.onnx").write_bytes(b"broken since")
    with closing(Keeper(configured(folder), bundle)) as keeper:
        keeper.start(time.monotonic())
        until(lambda: keeper.health == "failed", keeper)
        assert isinstance(keeper.failure, BundleError)
        assert "predictor.onnx: is not the file that bundle.toml lists" in str(keeper.failure)
        keeper.watch(time.monotonic() + 100.0)
        assert keeper.restarts == 0


def test_a_world_is_done_after_its_frames(tiny: Path) -> None:
    with closing(Keeper(configured(tiny), load_bundle(tiny), frames=20)) as keeper:
        keeper.start(time.monotonic())
        until(lambda: keeper.health == "done", keeper)
        assert keeper.ring.latest == 20 and keeper.restarts == 0


def test_a_world_keeps_its_train_s_pace_at_another_rate(tiny: Path) -> None:
    """In 80 frames at 80 a second it goes as far as in a second at any other rate."""
    config = configured(tiny, speed=1.5)
    config = config.model_copy(update={"engine": config.engine.model_copy(update={"fps": 80})})
    with closing(Keeper(config, load_bundle(tiny).at_rate(80), frames=80)) as the_keeper:
        begun_s = time.monotonic()
        the_keeper.start(begun_s)
        until(lambda: the_keeper.health == "done", the_keeper)
        assert time.monotonic() - begun_s > 79 / 80
        status = the_keeper.ring.status()[1]
    assert status.distance == pytest.approx(1.5, abs=0.05) and status.speed == 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_fifty_kills_leak_nothing(tiny: Path) -> None:
    before = open_files(), children(), shared()
    kill_fifty_times(tiny)
    assert (open_files(), children(), shared()) == before


def kill_fifty_times(tiny: Path) -> None:
    with closing(Keeper(configured(tiny), load_bundle(tiny))) as keeper:
        keeper._latest = 1  # it has played
        now_s = time.monotonic()
        keeper.start(now_s)
        during = open_files()
        for _ in range(50):
            os.kill(keeper.pid, signal.SIGKILL)
            until(lambda: not keeper.pid, keeper)
            now_s += 100.0
            keeper.watch(now_s)
            assert keeper.pid
        assert (keeper.restarts, open_files()) == (50, during)


SHOW = """
import sys, time
from trainjourney.config import load
from trainjourney.controls.desk import Desk
from trainjourney.inference import Look, load_bundle
from trainjourney.show.departure import read_departure
from trainjourney.show.stage import Stage
sets = ["engine.threads=1", "engine.backend=onnxruntime"]
config, bundle = load(None, sets, {"engine.name": sys.argv[1]}), load_bundle(sys.argv[1])
stage = Stage(Desk(), read_departure(config, bundle).picture, 30.0)
stage.open(config, bundle)
while stage.keeper.ring.latest < 3:
    time.sleep(0.01)
print(stage.keeper.pid, flush=True)
time.sleep(60.0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("stopped", [False, True])
def test_a_killed_show_takes_its_world_with_it(tiny: Path, stopped: bool) -> None:
    before = shared()
    command = [sys.executable, "-c", SHOW, str(tiny)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as show:
        assert show.stdout is not None
        pid = int(show.stdout.readline())
        assert alive(pid)
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        show.kill()
    for _ in range(200):
        if not alive(pid):
            break
        time.sleep(0.02)
    assert not alive(pid)
    assert shared() == before


def test_the_kept_state_survives_a_writer_that_is_cut_off(tiny: Path) -> None:
    tables = load_bundle(tiny).manifest.state
    kept = KeptState(tables)
    assert kept.last() is None

    def place(value: int) -> Place:
        state = {table.name: np.full(table.shape, value, table.dtype) for table in tables}
        return Place(state, 2**63 + value, 10 * value, unseen=value)

    for value in (1, 2, 3):
        kept.keep(place(value))
    slot = kept._starts[kept._turn % 2]
    kept.memory.view[slot] |= 1  # the third was being written
    read = KeptState(tables, os.dup(kept.memory.fd))
    last = read.last()
    assert last is not None and (last.seed, last.number, last.unseen) == (2**63 + 2, 20, 2)
    assert all((array == 2).all() for array in last.state.values())
    read.keep(place(4))
    last = kept.last()
    assert last is not None and last.number == 40
