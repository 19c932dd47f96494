"""The journal: written as things happen, read again as they happened, whatever the disk does."""

import base64
import json
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tiny_bundle import write_tiny_bundle

from trainjourney.config import load
from trainjourney.errors import OutputError
from trainjourney.inference import Bundle, Look, load_bundle
from trainjourney.journey.board import Board
from trainjourney.journey.journal import Journal, Resumed, new_journal
from trainjourney.journey.journal_head import Head, head_of
from trainjourney.journey.looks import Looks
from trainjourney.journey.replay import Replay, open_journal
from trainjourney.types import Change


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny"))


@pytest.fixture
def head(bundle: Bundle) -> Head:
    config = load(None, ["journey.start=x.png"], {"engine.name": str(bundle.folder)})
    start = np.arange(32 * 64 * 3).astype(np.uint8).reshape(32, 64, 3)
    return head_of(config, bundle, "openvino", "f32", start, "x")


def write(path: Path, head: Head, changes: dict[int, list[Change]], frames: int) -> Journal:
    journal = Journal(path, head)
    go_on(journal, changes, frames)
    return journal


def kill(journal: Journal) -> None:
    journal._file.close()


def go_on(journal: Journal, changes: dict[int, list[Change]], frames: int) -> None:
    for number in range(frames):
        journal.poll()
        for change in changes.get(number, []):
            journal.heard(number, change)


def read(replay: Replay, frames: int) -> dict[int, list[tuple[str, Any]]]:
    found = {}
    for number in range(frames):
        if changes := [(change.parameter, change.value) for change in replay.poll()]:
            found[number] = changes
    replay.close()
    return found


CHANGES = {
    0: [Change("speed", 0.5, 0.0)],
    7: [Change("melt_s", 1.0, 0.0), Change("look", "blue", 0.0)],
    900: [Change("weight.3", 0.1, 0.0)],
}


def test_what_was_written_is_read_at_the_same_frames(head: Head, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "show.jsonl"
    write(path, head, CHANGES, 1000).close()
    replay = open_journal(path)
    assert replay.frames == 1000 and replay.resumed == []
    assert read(replay, 1000) == {
        0: [("speed", 0.5)], 7: [("melt_s", 1.0), ("look", "blue")], 900: [("weight.3", 0.1)],
    }  # fmt: skip
    assert replay.head.engine.backend == "openvino" and replay.head.fps == 30
    assert replay.head.start
    frame = replay.head.start.frame("here")
    assert frame.shape == (32, 64, 3) and frame[1, 1, 1] == (64 + 1) * 3 + 1
    assert path.read_bytes().count(b'"time"') == 1 + 3  # the head, and a sign of life each 10 s


def test_a_journal_without_its_end_has_the_frames_that_are_known(
    head: Head, tmp_path: Path
) -> None:
    path = tmp_path / "show.jsonl"
    kill(write(path, head, CHANGES, 650))
    assert open_journal(path).frames == 601
    with path.open("ab") as file:
        file.write(b'{"frame":640,"param')  # killed in the middle of a line
    replay = open_journal(path)
    assert replay.frames == 601 and list(read(replay, 650)) == [0, 7]


def test_a_world_that_went_on_goes_on_in_the_same_journal(head: Head, tmp_path: Path) -> None:
    path = tmp_path / "show.jsonl"
    kill(write(path, head, CHANGES, 310))
    with path.open("ab") as file:
        file.write(b'{"torn')
    second = Journal(path, head, resumed=Resumed("state", 300, 290))
    go_on(second, {3: [Change("brake", 1.0, 0.0)]}, 10)
    second.close()
    replay = open_journal(path)
    assert (replay.frames, replay.resumed, replay.kept) == (310, [], frozenset({290}))
    assert read(replay, 310)[303] == [("brake", 1.0)]


def test_another_bank_is_written_with_what_the_bundle_does_not_have(
    head: Head, bundle: Bundle, tmp_path: Path
) -> None:
    path, own = (
        tmp_path / "show.jsonl",
        Look("own", np.array([0, 0, 0, 1], np.float32), Path("own.png")),
    )
    journal = Journal(path, head, bundle.looks)
    for _ in range(3):
        journal.poll()
    journal.lay({1: bundle.looks[2], 5: own})
    journal.poll()
    journal.close()
    laid: list[dict[int, Look]] = []
    replay = open_journal(path)
    replay.lay = lambda looks: laid.append(dict(looks))
    replay.known = {look.name: look for look in bundle.looks}
    for _ in range(2):
        assert not list(replay.poll())
    assert not laid
    list(replay.poll())
    assert laid[0].keys() == {1, 5} and laid[0][1] is bundle.looks[2]
    assert laid[0][5].name == "own" and laid[0][5].embedding.tolist() == [0, 0, 0, 1]


@contextmanager
def small_files(most_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_what_was_not_written_is_written_later(
    head: Head, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path, now_s = tmp_path / "show.jsonl", 0.0
    journal = Journal(path, head, now=lambda: now_s)
    size = path.stat().st_size
    with small_files(size + 100):
        for number in range(50):
            journal.poll()
            journal.heard(number, Change("speed", number / 50, 0.0))
            now_s += 0.5
    [line] = [record.message for record in caplog.records]
    assert "file too large; the show goes on" in line
    assert path.read_bytes().endswith(b"\n") and path.stat().st_size <= size + 100
    now_s += 5.0
    journal.poll()
    assert "written again" in caplog.records[-1].message
    journal.close()
    found = read(open_journal(path), 51)
    assert found == {number: [("speed", number / 50)] for number in range(50)}


def test_a_disk_that_never_takes_anything_is_told_of_once(
    head: Head, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(Path("/dev/full"), head)
    go_on(journal, CHANGES, 400)
    journal.close()
    assert [record.message.split(";")[0] for record in caplog.records] == [
        "/dev/full: no space left on device", "/dev/full: 6 lines were not written",
    ]  # fmt: skip


def test_a_journal_has_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_journal(str(tmp_path))
    second = new_journal(str(tmp_path))
    assert first != second and second.suffix == ".jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert new_journal("").parent == tmp_path / "trainjourney" / "journals"


def test_a_folder_that_cannot_be_is_one_line(head: Head, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written .*--set journal.folder=FOLDER"):
        Journal(tmp_path / "file" / "show.jsonl", head)
    with pytest.raises(OutputError, match=r"cannot be written .*--set journal.folder=FOLDER"):
        new_journal(str(tmp_path / "file"))


def test_of_a_control_that_glides_the_last_turn_in_a_frame_is_written(
    head: Head, tmp_path: Path
) -> None:
    path, frame = tmp_path / "show.jsonl", np.zeros((2, 2, 3), np.uint8)
    journal = Journal(path, head)
    turns: list[tuple[str, float | str]]
    turns = [("speed", 0.1), ("melt_s", 1.0), ("look", "blue"), ("melt_s", 5.0), ("speed", 0.2)]
    for number in range(2):
        journal.poll()
        for name, value in turns:
            journal.heard(number, Change(name, value, 0.0))
        journal.show(frame)
        assert path.read_bytes().count(b'"speed"') == number + 1 + 1  # one is in the head
    kill(journal)  # what was shown is on the disk
    assert read(open_journal(path), 2) == {0: turns[1:], 1: turns[1:]}


TURNS = st.sampled_from(
    [("speed", -1.5), ("speed", 1.0), ("dream", 0.9), ("blackout", 1.0), ("contrast", 0.3)]
    + [("weight.1", 1.0), ("weight.1", 0.0), ("weight.3", 0.7), ("pad_x", 1.0), ("pad_y", 0.1)]
    + [("look", 2.0), ("look", 3.0), ("pad_b", 2.0), ("melt_s", 0.0), ("melt_s", 0.1)]
    + [("on_beat", 1.0), ("on_beat", 0.0), ("beat", 1.0), ("bpm", 300.0), ("hold", 1.0)]
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(turns=[[("pad_x", 1.0), ("weight.1", 1.0), ("weight.1", 0.0)]])
@given(turns=st.lists(st.lists(TURNS, max_size=8), min_size=1, max_size=6))
def test_what_is_not_written_changes_no_frame(
    turns: list[list[tuple[str, float]]], head: Head, bundle: Bundle, tmp_path: Path
) -> None:
    path, frame = tmp_path / "show.jsonl", np.full((2, 2, 3), 100, np.uint8)
    journal, looks = Journal(path, head), Looks(bundle.looks)
    first, again = Board(looks, looks.first), Board(looks, looks.first)

    def made(board: Board) -> list[object]:
        controls = board.step(1 / 30)
        return [controls.embedding.tolist(), controls.speed, controls.dream,
                board.finish(frame).tolist(), board.hold]  # fmt: skip

    frames = []
    for number, changes in enumerate(turns):
        journal.poll()
        for name, value in changes:
            first.apply(Change(name, value, 0.0))
            journal.heard(number, Change(name, value, 0.0))
        frames.append(made(first))
    journal.close()
    replay = open_journal(path)
    for wanted in frames:
        for change in replay.poll():
            again.apply(change)
        assert made(again) == wanted
    replay.close()


def test_a_journal_that_grows_too_large_ends_and_says_so_once(
    head: Head, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, changes = tmp_path / "show.jsonl", {n: [Change("speed", n / 99, 0.0)] for n in range(99)}
    most = len(json.dumps(head)) + 1000
    journal = Journal(path, head, most_bytes=most)
    go_on(journal, changes, 99)
    size = path.stat().st_size
    assert most <= size < most + 100
    assert not journal._heard, "what is not written is not kept either"
    journal.close()
    Journal(path, head, resumed=Resumed("state", 99, 90), most_bytes=most).close()
    [line] = [record.message for record in caplog.records]
    assert "show.jsonl: ends at 0.0 MB; the show goes on" in line
    assert path.stat().st_size == size
    replay = open_journal(path)
    assert 10 < replay.frames < 40
    assert len(read(replay, 99)) == replay.frames  # all that it tells of is whole


def test_the_oldest_journals_make_room_and_nothing_else_does(tmp_path: Path) -> None:
    names = ["2026-01-01_10-00-00", "2026-01-02_10-00-00_2.then", "2026-01-03_10-00-00"]
    for day, name in enumerate(["mine", *names, "2026-01-04_10-00-00"]):
        (tmp_path / f"{name}.jsonl").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{name}.jsonl", (day * 86400.0,) * 2)
    (tmp_path / "2026-01-01_10-00-00.txt").touch()
    (tmp_path / "2026-01-01_11-00-00.jsonl").write_bytes(b"x" * 100)  # a show is writing it
    new = new_journal(str(tmp_path), 250)
    left = {path.stem for path in tmp_path.glob("*.jsonl")}
    assert left == {"mine", "2026-01-03_10-00-00", "2026-01-04_10-00-00", "2026-01-01_11-00-00", new.stem}  # fmt: skip  # noqa: E501
    assert (tmp_path / "2026-01-01_10-00-00.txt").exists()


LINE = b'{"frame":3,"parameter":"speed","value":1}\n'


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([b""], "no journal of a show"),
        ([b"[1]\n"], "line 1 cannot be meant"),
        ([b'{"journal":2}\n'], "no journal of a show"),
        ([b'{"journal":1}\n'], "line 1: bundle: Field required"),
        ([b"HEAD", LINE.replace(b"1}", b"NaN}")], "line 2 cannot be meant"),
        ([b"HEAD", LINE.replace(b"1}", b"[1]}")], "line 2 cannot be meant"),
        ([b"HEAD", LINE.replace(b"3", b"-3")], "line 2 cannot be meant"),
        ([b"HEAD", LINE, LINE.replace(b"3", b"2")], "line 3 cannot be meant"),
        ([b"HEAD", b"[" * 100_000 + b"\n", LINE], "line 2 cannot be meant"),
        ([b"HEAD", b"\xff\xfe\n", LINE], "line 2 cannot be meant"),
        ([b"HEAD", b'{"frame":3,"resumed":"state","kept":4}\n'], "line 2 cannot be meant"),
        ([b"HEAD", b'{"frame":3,"resumed":"state","kept":0}\n'], "line 2 cannot be meant"),
        ([b"HEAD", b'{"frame":3,"resumed":"anew","kept":0}\n'], "line 2 cannot be meant"),
        ([b"HEAD", b'{"frame":3,"kept":0}\n'], "line 2 cannot be meant"),
    ],
)
def test_what_is_no_journal_is_refused_in_one_line(
    lines: list[bytes], told: str, head: Head, tmp_path: Path
) -> None:
    path = tmp_path / "show.jsonl"
    whole = json.dumps(head).encode() + b"\n"
    path.write_bytes(b"".join(whole if line == b"HEAD" else line for line in lines))
    with pytest.raises(OutputError, match=told) as caught:
        open_journal(path)
    assert "\n" not in str(caught.value)


def test_no_journal_and_a_broken_picture_and_broken_looks_are_one_line(
    head: Head, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="no such journal"):
        open_journal(tmp_path / "gone.jsonl")
    path = tmp_path / "show.jsonl"
    head["start"]["picture"] = base64.b64encode(b"no png").decode()
    looks = {"frame": 0, "looks": {"1": {"name": "gone"}}}
    path.write_text(json.dumps(head) + "\n" + json.dumps(looks) + "\n")
    replay = open_journal(path)
    assert replay.head.start
    with pytest.raises(OutputError, match="start picture is broken"):
        replay.head.start.frame("here")
    with pytest.raises(OutputError, match="looks are broken"):
        list(replay.poll())
    replay.close()
