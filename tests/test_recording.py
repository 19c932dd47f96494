"""Recording from the viewers' packets: every frame, whole files, room kept, play after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from serving import wait_for
from small_disk import small_disk

from trainjourney.controls.desk import Desk
from trainjourney.outputs.encoder import Encoder
from trainjourney.outputs.recording import Recording
from trainjourney.outputs.testcard import TestCard, read_stamp
from trainjourney.settings import RecordingConfig
from trainjourney.types import Change

FPS = 30.0


def codes(film: Path) -> list[int | None]:
    """The number on every frame of a film."""
    with av.open(film) as container:
        frames = container.decode(video=0)
        pictures: list[Any] = [frame.to_ndarray(format="rgb24") for frame in frames]
        return [read_stamp(picture) for picture in pictures]


class Room:
    """A recording over a test card; `free` is what the disk says of itself."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.desk, self.free = Desk(), 10**12
        card = TestCard(128, 64, FPS)
        self.encoder = Encoder(card, FPS, "h264", 500)
        config = RecordingConfig(folder=str(folder), **settings)
        self.recording = Recording(self.encoder, card, self.desk, config, lambda folder: self.free)
        self.recording.start()

    def turn(self, name: str, value: float) -> None:
        self.desk.turn(Change(name, value, 0.0))

    def close(self) -> None:
        self.recording.close()
        self.encoder.close()


def test_a_film_has_every_frame_and_its_name_once_it_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    room = Room(folder)
    room.turn("record", 1.0)
    wait_for(lambda: list(folder.glob("*.mp4.part")))
    assert room.recording.counts()["recording"]["on"]
    time.sleep(1.5)
    room.turn("record", 0.0)
    wait_for(lambda: room.recording.files == 1)
    room.turn("still", 1.0)
    wait_for(lambda: room.recording.stills == 1)
    room.close()
    (film,) = folder.glob("train-*.mp4")
    numbers = codes(film)
    assert len(numbers) > 25 and None not in numbers
    assert numbers == sorted(set(numbers))  # type: ignore[type-var]  # there is no None
    assert room.recording.dropped == 0 and not list(folder.glob("*.part"))
    with Image.open(next(folder.glob("*.png"))) as still:
        assert still.size == (128, 64)


def test_what_a_killed_show_was_recording_gets_its_name(tmp_path: Path) -> None:
    """Once nobody writes to it; another show's film, an empty one and the user's own stay apart."""
    for name, size, age_s in (
        ("train-20200101-000000.mp4.part", 9, 90.0), ("train-20200102-000000.mp4.part", 0, 90.0),
        ("train-20200103-000000.mp4.part", 9, 5.0), ("train-20200104-000000.mp4.part", 8, 90.0),
        ("train-20200104-000000.mp4", 9, 90.0), ("mine.mp4.part", 9, 90.0),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    room = Room(tmp_path)
    wait_for(lambda: (tmp_path / "train-20200101-000000.mp4").exists())
    room.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.mp4.part", "train-20200101-000000.mp4", "train-20200103-000000.mp4.part",
        "train-20200104-000000.mp4", "train-20200104-000000.mp4.part",
    ]  # fmt: skip
    assert (tmp_path / "train-20200104-000000.mp4").stat().st_size == 9


def test_films_follow_each_other_and_the_oldest_make_room(tmp_path: Path) -> None:
    room = Room(tmp_path, minutes=0.05, keep_gb=0.001)
    (tmp_path / "train-20200101-000000.mp4").write_bytes(b"x" * 2_000_000)
    (tmp_path / "mine.mp4").write_bytes(b"x" * 2_000_000)
    room.turn("record", 1.0)
    wait_for(lambda: room.recording.files == 1, 10.0)
    time.sleep(0.5)
    room.close()
    films = sorted(tmp_path.glob("train-*.mp4"))
    assert len(films) == 2 and (tmp_path / "mine.mp4").exists()
    first, second = (codes(film) for film in films)
    assert first[-1] is not None and second[0] is not None
    assert second[0] - first[-1] <= 3  # nothing is lost between two files
    with av.open(films[0]) as container:
        assert 2.9 <= float(container.duration or 0) / 1e6 <= 4.2


def test_a_disk_at_its_floor_ends_the_recording_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room(tmp_path, free_gb=1.0)
    room.turn("record", 1.0)
    wait_for(lambda: list(tmp_path.glob("*.part")))
    time.sleep(0.6)
    room.free = 10**8
    wait_for(lambda: room.desk.values()["record"] == 0.0)
    wait_for(lambda: room.recording.files == 1)
    room.turn("record", 1.0)  # and it does not begin again there
    wait_for(lambda: room.desk.values()["record"] == 0.0)
    room.close()
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 2 and "0.1 GB free, the floor is 1; make room" in told[0]
    (film,) = tmp_path.glob("train-*.mp4")
    assert codes(film)


def test_a_disk_that_fills_up_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 64 << 10):
        room = Room(tmp_path / "disk", free_gb=0.0)
        room.turn("record", 1.0)
        wait_for(lambda: room.desk.values()["record"] == 0.0, 20.0)
        room.close()
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1 and told[0].startswith("recording ended: "), told
    assert room.recording.counts()["recording"]["trouble"] == told[0]


def test_a_still_that_cannot_be_kept_ends_no_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    room, turned = Room(tmp_path, free_gb=1.0), list[str]()
    room.desk.listen(lambda change, _: turned.append(change.parameter))
    room.free = 10**8
    room.turn("still", 1.0)
    wait_for(lambda: "the floor is 1; make room" in caplog.text)
    room.close()
    assert caplog.messages[0].startswith("no still: ") and turned == ["still"]


def test_what_cannot_be_looked_at_makes_no_room_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "train-1.mp4").symlink_to(tmp_path / "gone")
    (tmp_path / "train-2.mp4").write_bytes(bytes(2_000_000))
    remove = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "train-2.mp4":
            raise PermissionError(13, "Permission denied")
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    room = Room(tmp_path, keep_gb=0.001)
    for number in range(1, 3):
        room.turn("record", 1.0)
        wait_for(lambda: room.recording._reel is not None)
        room.turn("record", 0.0)
        wait_for(lambda n=number: room.recording.files == n)  # type: ignore[misc]
    room.close()
    assert "train-2.mp4: cannot make room (permission denied)" in caplog.text


def test_a_folder_that_cannot_be_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    room = Room(tmp_path / "file" / "films")
    room.turn("record", 1.0)
    wait_for(lambda: room.desk.values()["record"] == 0.0)
    room.close()
    assert "--set recording.folder" in caplog.text and "\n" not in caplog.records[-1].message


def test_what_was_recorded_plays_after_a_kill(tmp_path: Path) -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from typing import Any
from test_recording import Room
room = Room(Path({str(tmp_path)!r}))
room.turn("record", 1.0)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        wait_for(lambda: list(tmp_path.glob("*.part")), 20.0)
        (part,) = tmp_path.glob("*.part")
        size = part.stat().st_size
        wait_for(lambda: part.stat().st_size > size + 3000, 10.0)
        time.sleep(1.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    numbers = codes(part)
    assert len(numbers) >= 25 and None not in numbers
