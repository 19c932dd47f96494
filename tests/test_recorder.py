"""The film, read back: every frame there, playable however it ended."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest
from scripted_film import picture

from trainjourney.errors import OutputError
from trainjourney.outputs.recorder import CONTAINERS, Recorder
from trainjourney.settings import FilmConfig
from trainjourney.types import Frame

ROOT = Path(__file__).resolve().parent.parent


def film(path: Path, frames: int, width: int = 128, height: int = 64, fps: float = 30) -> None:
    recorder = Recorder(path, width, height, fps, FilmConfig())
    for number in range(frames):
        recorder.show(picture(number, width, height))
    recorder.close()


def read(path: Path) -> list[Frame]:
    with av.open(str(path)) as container:
        pictures = container.decode(video=0)
        return [np.asarray(one.to_ndarray(format="rgb24"), np.uint8) for one in pictures]


@pytest.mark.parametrize("suffix", [*CONTAINERS, ".MP4"])
@pytest.mark.parametrize("frames", [1, 2, 29, 30, 31, 100])
def test_every_frame_is_there(tmp_path: Path, suffix: str, frames: int) -> None:
    path = tmp_path / f"film{suffix}"
    film(path, frames)
    assert len(read(path)) == frames


def test_a_film_tells_its_length_and_rate_as_any_mp4(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path, 90)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 90
        assert float(stream.average_rate or 0) == 30.0
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert container.duration == 3_000_000
        times = [frame.time or 0.0 for frame in container.decode(video=0)]
        np.testing.assert_allclose(times, np.arange(90) / 30, atol=1e-6)


def test_frames_come_back_in_order_and_in_their_colours(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path, 35)
    for number, frame in enumerate(read(path)):
        assert np.abs(frame.astype(int) - picture(number)).mean() < 4.0, number


def test_flat_colours_keep_their_hue(tmp_path: Path) -> None:
    for colour in [(200, 30, 30), (30, 200, 30), (30, 30, 200), (250, 250, 250), (5, 5, 5)]:
        path = tmp_path / "flat.mp4"
        recorder = Recorder(path, 64, 32, 30, FilmConfig())
        recorder.show(np.full((32, 64, 3), colour, np.uint8))
        recorder.close()
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, 16..235
        assert np.abs(read(path)[0].reshape(-1, 3).mean(0) - colour).max() < 4.0


@pytest.mark.parametrize(("width", "height"), [(65, 33), (64, 33), (65, 32), (17, 31)])
def test_odd_sizes_are_rounded_up_to_even(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "odd.mp4"
    film(path, 5, width, height)
    frames = read(path)
    assert len(frames) == 5
    assert frames[0].shape == (height + height % 2, width + width % 2, 3)


def test_odd_rates_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path, 10, fps=29.97)
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(29.97)
    assert len(read(path)) == 10


def test_the_same_frames_make_the_same_film(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", 40)
    film(tmp_path / "b.mp4", 40)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_film_without_frames_leaves_no_file(tmp_path: Path) -> None:
    film(tmp_path / "none.mp4", 0)
    assert not list(tmp_path.iterdir())


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "film.mp4", 64, 32, 30, FilmConfig())
    recorder.show(picture(0, 64, 32))
    recorder.close()
    recorder.close()
    assert len(read(tmp_path / "film.mp4")) == 1


CHILD = """
import sys
sys.path[:0] = ["tests"]
from pathlib import Path
from scripted_film import picture
from trainjourney.settings import FilmConfig
from trainjourney.errors import OutputError
from trainjourney.outputs.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), 512, 256, 30, FilmConfig())
try:
    for number in range(int(sys.argv[2])):
        recorder.show(picture(number, 512, 256))
        print(number, flush=True)
    recorder.close()
except OutputError as err:
    recorder.close()
    sys.exit(str(err))
"""


@pytest.mark.parametrize("suffix", [*CONTAINERS])
def test_a_film_killed_midway_plays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"killed{suffix}"
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(path), "100000"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert child.stdout
    shown = 0
    while shown < 150:
        shown = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    child.wait()
    frames = read(path)
    assert len(frames) >= 90  # a second in the encoder's hands, one in the fragment's
    for number, frame in enumerate(frames[:90]):
        assert np.abs(frame.astype(int) - picture(number, 512, 256)).mean() < 5.0, number


@pytest.mark.skipif(sys.platform == "win32", reason="no ulimit")
@pytest.mark.parametrize("suffix", [*CONTAINERS])
def test_a_full_disk_ends_in_one_line_and_a_film_that_plays(tmp_path: Path, suffix: str) -> None:
    """A limit on the file's size stands for the disk: the same refused write, another number."""
    path = tmp_path / f"full{suffix}"
    command = f'ulimit -f 300; exec "{sys.executable}" -c "$0" "{path}" 100000'
    ended = subprocess.run(
        ["bash", "-c", command, CHILD], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert str(path) in line and "what was filmed until then plays" in line
    assert "file too large" in line and "ulimit" in line
    assert path.stat().st_size <= 300 * 1024
    frames = read(path)
    told = int(line.split(" after ")[1].split()[0])
    assert 30 <= len(frames) <= told
    for number, frame in enumerate(frames[:30]):
        assert np.abs(frame.astype(int) - picture(number, 512, 256)).mean() < 5.0, number


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_full_from_the_start_ends_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.symlink_to("/dev/full")
    recorder = Recorder(path, 128, 64, 30, FilmConfig())
    with pytest.raises(
        OutputError, match=r"no space left on device after \d+ frames, too few.*make room"
    ):
        for number in range(200):
            recorder.show(picture(number))
    recorder.close()
    assert not path.is_symlink()


def refused(path: Path, words: str) -> None:
    with pytest.raises(OutputError) as caught:
        Recorder(path, 64, 32, 30, FilmConfig())
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


def test_what_cannot_be_written_is_told_before_the_first_frame(tmp_path: Path) -> None:
    for name in ("film.avi", "film", "film.mp4.txt", ".mp4"):
        refused(tmp_path / name, "let its name end in .mp4 or .mov or .mkv")
    refused(tmp_path / "no" / "film.mp4", f"no such folder; type: mkdir -p {tmp_path / 'no'}")
    (tmp_path / "dir.mp4").mkdir()
    refused(tmp_path / "dir.mp4", "is a directory")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "film.mp4", "no such folder")
    assert not list(tmp_path.glob("film*"))


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(tmp_path / "film.mp4", "permission denied")
