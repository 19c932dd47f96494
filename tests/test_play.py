"""Playing: into a film, into a window on a real screen."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pygame
import pytest
from PIL import Image
from tiny_bundle import write_tiny_bundle
from xvfb import needs_xvfb, screen

from trainjourney.config import load
from trainjourney.errors import ConfigError, OutputError, PictureError
from trainjourney.settings import Config
from trainjourney.show.play import play
from trainjourney.show.slot import Slot
from trainjourney.types import Frame

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny")


@pytest.fixture
def config(tiny: Path) -> Config:
    return configured(tiny)


def configured(tiny: Path, **journey: object) -> Config:
    options = {f"journey.{key}": value for key, value in journey.items()}
    # One thread: the tests may share two cores with a training.
    return load(None, ["engine.threads=1"], {"engine.name": str(tiny), **options})


def test_the_slot_keeps_the_newest_frame_and_gives_it_once() -> None:
    slot = Slot()
    one, other = np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)
    assert slot.newest(0) is None
    slot.show(one)
    slot.show(other)
    assert slot.newest(0) == (2, other)
    assert slot.newest(2) is None


def read(path: Path) -> list[Frame]:
    with av.open(str(path)) as container:
        pictures = container.decode(video=0)
        return [np.asarray(one.to_ndarray(format="rgb24"), np.uint8) for one in pictures]


def test_a_film_has_exactly_the_frames_that_were_asked_for(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    summary = play(config, str(path), frames=75, window=False)
    assert summary.frames == len(read(path)) == 75
    assert "75 frames in" in str(summary)


def test_the_same_seed_makes_the_same_film_and_another_another(tiny: Path, tmp_path: Path) -> None:
    films = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        play(configured(tiny, seed=seed), str(tmp_path / f"{name}.mp4"), 60, window=False)
        films.append((tmp_path / f"{name}.mp4").read_bytes())
    assert films[0] == films[1] != films[2]


def test_a_journey_starts_in_the_picture_and_its_own_look(tiny: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    # Blocks survive the film's coding.
    blocks = rng.integers(40, 200, (4, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(blocks).save(tmp_path / "start.png")
    path = tmp_path / "film.mp4"
    play(configured(tiny, start=str(tmp_path / "start.png"), speed=0.0), str(path), 3, window=False)
    assert np.abs(read(path)[0].astype(int) - blocks).mean() < 12


@pytest.mark.parametrize(("look", "channel"), [("red", 0), ("Blue", 2), ("3", 2)])
def test_a_journey_starts_in_the_look_s_picture(
    tiny: Path, tmp_path: Path, look: str, channel: int
) -> None:
    path = tmp_path / "film.mp4"
    play(configured(tiny, look=look), str(path), 2, window=False)
    assert read(path)[0].reshape(-1, 3).mean(0).argmax() == channel


def test_a_film_may_have_another_rate(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    play(config.model_copy(update={"film": config.film.model_copy(update={"fps": 12})}),
         str(path), 12, window=False)  # fmt: skip
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 12


def test_null_is_an_output(config: Config) -> None:
    assert play(config, "null", 40, window=False).frames == 40


def test_what_is_wrong_is_told_before_anything_is_written(tiny: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    with pytest.raises(ConfigError, match="did you mean 'green'"):
        play(configured(tiny, look="geren"), str(film), 5, window=False)
    with pytest.raises(PictureError, match="no such picture"):
        play(configured(tiny, start="nowhere.jpg"), str(film), 5, window=False)
    with pytest.raises(OutputError, match="let its name end in"):
        play(configured(tiny), str(tmp_path / "film.gif"), 5, window=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_closes_the_film(tiny: Path, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "film.mp4"
    command = [sys.executable, "-m", "trainjourney", "play", "--engine", str(tiny)]
    command += ["--output", str(path)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for _ in range(1000):
        time.sleep(0.02)
        if path.exists() and path.stat().st_size > 5_000:
            break
    child.send_signal(number)
    _, told = child.communicate(timeout=30)
    assert child.returncode == 0 and "Traceback" not in told
    told_frames = int(told.split(" frames in ")[0].split()[-1])
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == told_frames  # the whole index is there
    assert len(read(path)) == told_frames


def visit(film: Path) -> None:
    """Once the film has begun press H and 3; two seconds later Esc."""
    while not (film.exists() and film.stat().st_size):
        time.sleep(0.05)
    for key, wait_s in ((pygame.K_h, 0.0), (pygame.K_3, 2.0), (pygame.K_ESCAPE, 0.0)):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
        time.sleep(wait_s)


@needs_xvfb
def test_a_window_plays_films_and_obeys(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.mp4"
    with screen() as xvfb:
        monkeypatch.setenv("DISPLAY", xvfb.display)
        monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
        visitor = threading.Thread(target=visit, args=(path,), daemon=True)
        visitor.start()
        settings = configured(tiny, melt_s=0.2, dream=1.0, speed=0.5)
        summary = play(settings, str(path), frames=3000, window=True)
        visitor.join()
    frames = read(path)
    assert 30 <= summary.frames == len(frames) < 300  # paced, and ended by Esc
    assert frames[0].reshape(-1, 3).mean(0).argmax() == 0
    assert frames[-1][:, -6:].reshape(-1, 3).mean(0).argmax() == 2  # what enters is blue by now


@needs_xvfb
def test_a_window_ends_after_its_frames(tiny: Path) -> None:
    with screen() as xvfb:
        env = os.environ | {"DISPLAY": xvfb.display}
        env.pop("SDL_VIDEODRIVER", None)
        command = [sys.executable, "-m", "trainjourney", "play", "--engine", str(tiny)]
        command += ["--frames", "60", "--fullscreen"]
        child = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        lit = False
        while child.poll() is None:
            lit = lit or bool((xvfb.picture()[400, 640] > 100).any())
            time.sleep(0.05)
        _, told = child.communicate()
    assert child.returncode == 0 and lit
    assert "60 frames in" in told


@needs_xvfb
def test_a_failing_world_closes_the_window_and_tells(tiny: Path, tmp_path: Path) -> None:
    with screen() as xvfb:
        env = os.environ | {"DISPLAY": xvfb.display}
        command = f'ulimit -f 8; exec "{sys.executable}" -m trainjourney play --engine "{tiny}"'
        command += f' --window --output "{tmp_path}/film.mp4" --set film.crf=0'
        ended = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert "file too large after" in line and "Traceback" not in line
