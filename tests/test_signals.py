"""Signals: heard by the main thread alone, whatever threads foreign libraries start."""

import ctypes
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from jack import KNOB, jack  # noqa: F401
from tiny_bundle import write_tiny_bundle

from trainjourney import signals
from trainjourney.signals import held_back, setting

ROOT = Path(__file__).resolve().parent.parent
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_a_thread_started_meanwhile_bears_none_and_what_came_is_heard_after() -> None:
    masks: list[set[int]] = []

    def look() -> None:
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))

    def start() -> None:
        look()
        inner = threading.Thread(target=look)
        inner.start()
        inner.join()

    heard: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with held_back():
            thread = threading.Thread(target=start)
            thread.start()
            thread.join()
            signal.raise_signal(signal.SIGTERM)
            assert not heard
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, former)
    assert [mask & ENDING for mask in masks] == [ENDING, ENDING]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


LOCKED = """
import signal, sys, threading
from trainjourney.signals import setting
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests may ignore it
stop = threading.Event()
with setting(stop):
    with stop._cond:  # as in the midst of stop.wait, or of a handler that sets it
        for name in sys.argv[1:]:
            signal.raise_signal(getattr(signal, name))
    sys.exit(0 if stop.wait(20) else 1)
"""


@pytest.mark.parametrize("names", [["SIGTERM"], ["SIGINT"], ["SIGHUP"], ["SIGTERM"] * 3])
def test_a_show_ends_wherever_the_main_thread_is_interrupted(names: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", LOCKED, *names], timeout=60, cwd=ROOT)
    assert ended.returncode == 0


def test_a_second_signal_breaks_once_it_can_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    former, stop = signal.getsignal(signal.SIGINT), threading.Event()
    with setting(stop):
        for _ in range(2):  # as a parent sends it on that was sent it too
            signal.raise_signal(signal.SIGINT)
        assert stop.wait(5.0)
        monkeypatch.setattr(signals, "AGAIN_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == former


def test_what_is_to_be_ignored_is_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it
    try:
        stop = threading.Event()
        with setting(stop):
            signal.raise_signal(signal.SIGHUP)
            assert not stop.wait(0.3)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def bear(pid: int, thread: int) -> bool:
    """Whether a thread of a process would bear SIGTERM or SIGINT."""
    status = Path(f"/proc/{pid}/task/{thread}/status").read_text(encoding="utf-8")
    blocked = int(status.split("SigBlk:")[1].split()[0], 16)
    return any(not blocked >> (number - 1) & 1 for number in ENDING)


def threads_of(pid: int) -> list[int]:
    return [int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir()]


@pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd; apt install jackd2")
def test_a_show_with_midi_ends_well_however_it_is_killed(
    jack: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    """A signal aimed at JACK's thread would end the show in a segmentation fault."""
    python, pipe = [sys.executable, "-c"], subprocess.PIPE
    bare = subprocess.run(
        [*python, "import numpy, os; print(len(os.listdir('/proc/self/task')))"],
        capture_output=True, check=True,
    )  # fmt: skip
    command = [sys.executable, "-m", "trainjourney", "play", "--port", "0", "--engine"]
    command += [str(write_tiny_bundle(tmp_path / "tiny")), "--set", "osc.port=0"]
    command += ["--set", "engine.threads=1", "--set", "journal.write=false"]
    env = {name: value for name, value in jack.items() if "DISPLAY" not in name}
    with subprocess.Popen([*python, KNOB], env=env, text=True, stdin=pipe, stdout=pipe) as knob:
        assert knob.stdout and knob.stdout.readline() == "there\n"
        show = subprocess.Popen(command, env=env, text=True, stderr=pipe, cwd=ROOT)
        assert show.stderr
        lines: list[str] = []
        while "nanoKnobs" not in (line := show.stderr.readline()):
            assert line, lines
            lines.append(line)
        time.sleep(1.0)  # the page and the world are on their way too
        threads = [thread for thread in threads_of(show.pid) if thread != show.pid]
        bearing = [thread for thread in threads if bear(show.pid, thread)]
        assert len(threads) > 5 and len(bearing) <= int(bare.stdout) - 1  # those of numpy
        for thread in threads:
            if thread not in bearing:
                ctypes.CDLL(None).tgkill(show.pid, thread, signal.SIGTERM)
        time.sleep(0.5)
        assert show.poll() is None  # none of them bore it
        for number in (signal.SIGTERM, signal.SIGCONT):  # as systemd ends a unit
            show.send_signal(number)
        _, told = show.communicate(timeout=30)
        knob.kill()
    assert show.returncode == 0, told
    assert "frames in" in told and "Traceback" not in told
