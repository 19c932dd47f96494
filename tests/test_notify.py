"""What a service manager hears: ready at the first frame, beats while the picture lives."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from tiny_bundle import write_tiny_bundle

from trainjourney.show.notify import LOST_S, Manager

STATUS: dict[str, Any] = {
    "world": "playing", "bundle": "pocket", "look": "meadow", "fps": 30.0, "restarts": 0,
    "frame": 7, "age_ms": 20.0,
}  # fmt: skip


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(0.0)
        yield one


def heard(ear: socket.socket) -> list[list[str]]:
    found = []
    while True:
        try:
            found.append(ear.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


@pytest.fixture
def manager(ear: socket.socket) -> Iterator[Callable[..., Manager]]:
    with ExitStack() as stack:

        def make(told: dict[str, Any], watchdog: str = "") -> Manager:
            address = ear.getsockname()
            environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": watchdog, "WATCHDOG_PID": "1"}
            made = Manager(lambda: told, environ)
            stack.enter_context(closing(made))
            assert not environ, "children would answer too"
            return made

        yield make


def test_it_is_ready_at_the_first_frame_and_beats_from_then_on(
    ear: socket.socket, manager: Callable[..., Manager]
) -> None:
    told = {**STATUS, "world": "opening", "frame": 0, "age_ms": 0.0}
    one = manager(told)
    one.beat(0.0)
    assert heard(ear) == [["STATUS=world opening, pocket, look meadow, 30 fps, 0 restarts"]]
    told |= STATUS
    one.beat(0.5)  # too soon
    assert heard(ear) == []
    one.beat(1.0)
    one.beat(2.0)
    first, second = heard(ear)
    assert first[:2] == ["READY=1", "WATCHDOG=1"] and second[0] == "WATCHDOG=1"
    one.close()
    assert heard(ear) == [["STOPPING=1"]]


def test_a_world_that_stays_away_stops_the_beats(
    ear: socket.socket, manager: Callable[..., Manager]
) -> None:
    told = {**STATUS, "world": "lost", "age_ms": 1000.0 * LOST_S - 1.0}
    one = manager(told)
    one.beat(0.0)
    assert "WATCHDOG=1" in heard(ear)[0]
    told["age_ms"] = 1000.0 * LOST_S + 1.0
    one.beat(1.0)
    (lines,) = heard(ear)
    assert "WATCHDOG=1" not in lines and lines[0].startswith("STATUS=world lost")


def test_it_beats_four_times_as_often_as_it_must(
    ear: socket.socket, manager: Callable[..., Manager]
) -> None:
    one = manager(STATUS, "2000000")
    for tenth in range(21):
        one.beat(tenth / 10.0)
    assert sum("WATCHDOG=1" in lines for lines in heard(ear)) == 5
    other = manager(STATUS, "nonsense")
    other.beat(0.0)
    other.beat(0.9)
    assert len(heard(ear)) == 1


def test_the_name_of_a_look_is_no_command(
    ear: socket.socket, manager: Callable[..., Manager]
) -> None:
    one = manager({**STATUS, "look": "dusk\nMAINPID=1\nREADY=1\udcff" + "x" * 500})
    one.beat(0.0)
    (lines,) = heard(ear)
    assert lines[:2] == ["READY=1", "WATCHDOG=1"] and len(lines) == 3
    assert lines[2].startswith("STATUS=") and len(lines[2]) <= 207


def test_a_manager_that_is_busy_is_told_ready_later(
    ear: socket.socket, manager: Callable[..., Manager]
) -> None:
    one = manager(STATUS)
    assert one._socket
    other = manager(STATUS)
    for tries in range(100_000):  # until its queue is full
        other.beat(float(tries))
        one.beat(float(tries))
        if not one._ready:
            break
        one._ready = False
    assert not one._ready and heard(ear)
    one.beat(1e6)
    assert heard(ear)[0][0] == "READY=1" and one._ready


def test_nobody_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for address, words in (
        (str(tmp_path / "gone"), "nothing is told there"),
        ("vsock:2:1", "is no path"),
        ("/" + "x" * 300, "nothing is told there"),
    ):
        one = Manager(lambda: STATUS, {"NOTIFY_SOCKET": address})
        assert words in caplog.text
        one.beat(0.0)
        one.close()
        caplog.clear()
    Manager(lambda: STATUS, {}).beat(0.0)
    assert not caplog.text


def test_a_manager_that_goes_away_is_told_nothing_more(
    ear: socket.socket, manager: Callable[..., Manager], caplog: pytest.LogCaptureFixture
) -> None:
    one = manager(STATUS)
    ear.close()
    for second in range(3):
        one.beat(float(second))
    assert caplog.text.count("does not listen any more") == 1


def test_a_show_tells_its_manager(ear: socket.socket, tmp_path: Path) -> None:
    """The real one, without a screen: ready, beats, and that it stops."""
    environ = {
        **os.environ, "NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": "1",
    }  # fmt: skip
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    environ = {k: v for k, v in environ.items() if k not in hidden}
    tiny = write_tiny_bundle(tmp_path / "tiny")
    command = [sys.executable, "-m", "trainjourney", "play", "--frames", "60", "--port", "0"]
    command += ["--engine", str(tiny)]
    sets = ["--set", "osc.port=0", "--set", "looks.folder=", "--set", "midi.play=off"]
    ear.settimeout(60.0)
    with subprocess.Popen([*command, *sets], cwd=tmp_path, env=environ) as show:
        lines: list[str] = []
        while "STOPPING=1" not in lines:
            lines += ear.recv(4096).decode().split("\n")
        assert show.wait(30) == 0
    assert lines.count("READY=1") == 1 and lines.count("WATCHDOG=1") >= 4
    assert lines.index("READY=1") < lines.index("WATCHDOG=1")
    assert any(line.startswith("STATUS=world playing, tiny, look red") for line in lines)


def test_the_whole_screen_is_not_asked_for_in_vain(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "trainjourney", "play", "--fullscreen", "--frames", "9"]
    done = subprocess.run(
        [*command, "--port", "0", "--set", "osc.port=0"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no window can be opened here" in done.stderr.splitlines()[-1]
