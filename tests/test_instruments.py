"""A live show steered from outside: OSC, OSCQuery, a tour, a picture dropped in; its journal."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import write_tiny_bundle

from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_message import read_datagram, write_message
from trainjourney.errors import ConfigError
from trainjourney.journey.tour import Step, Tour
from trainjourney.settings import Config
from trainjourney.show.instruments import Instruments, TourGuide
from trainjourney.show.stage import Stage
from trainjourney.types import Change

ROOT = Path(__file__).resolve().parent.parent


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(true: Callable[[], Any], wait_s: float = 40.0) -> Any:
    end_s = time.monotonic() + wait_s
    while time.monotonic() < end_s:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def begin(folder: Path, words: list[str]) -> subprocess.Popen[str]:
    """A show in `folder`, on a machine without a screen."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    for name in ("DISPLAY", "SDL_VIDEODRIVER"):
        env.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-m", "trainjourney", *words],
        cwd=folder, env=env, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_show_is_steered_from_outside_and_its_journal_tells(tmp_path: Path) -> None:
    tiny = write_tiny_bundle(tmp_path / "engines" / "tiny")
    path = tmp_path / "show.jsonl"
    osc, page = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    tour = "[[step]]\nat = 0.1\nspeed = 0.25\n[[step]]\nat = 900\nlook = 'night'\n"
    (tmp_path / "tour.toml").write_text("loop = false\n" + tour)
    words = ["play", "--engine", str(tiny), "--tour", "tour.toml"]
    sets = (f"osc.port={osc}", f"web.port={page}", "engine.threads=1", "journal.file=show.jsonl")
    words += [word for text in sets for word in ("--set", text)]
    child = begin(tmp_path, words)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(0.2)

        def ask(address: str) -> object:
            one.sendto(write_message(address, ["?"]), ("127.0.0.1", osc))
            try:
                return read_datagram(one.recv(1000))[0].message.arguments[0]
            except (TimeoutError, ConnectionError):
                return None

        def names() -> Any:
            with urlopen(f"http://127.0.0.1:{page}/train/look") as answer:
                told = json.load(answer)
            return [node["DESCRIPTION"] for node in told["CONTENTS"].values()]

        try:
            until(lambda: ask("/train/speed/raw") == 0.25)  # by the tour
            (tmp_path / "looks").mkdir()
            Image.new("RGB", (90, 60), (9, 9, 90)).save(tmp_path / "looks" / "7 night.png")
            until(lambda: "Melt to night." in names())
            one.sendto(write_message("/train/look", ["night"]), ("127.0.0.1", osc))
            until(lambda: ask("/train/look") == "night")
            until(lambda: path.exists() and b'"value":"night"' in path.read_bytes())
            time.sleep(0.3)
        finally:
            child.terminate()
            _, told = child.communicate(timeout=60)
    assert child.returncode == 0 and "Traceback" not in told, told
    assert told.count("tour.toml: look 'night' is not in the bank") == 1  # as it was at the start
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    looks = next(line for line in lines[1:] if "7" in line.get("looks", {}))
    assert looks["looks"]["7"]["name"] == "night" and "embedding" in looks["looks"]["7"]
    turned = {line["parameter"]: line["value"] for line in lines if "parameter" in line}
    assert turned["look"] == "night" and turned["speed"] == 0.25
    assert lines[-1].get("end")


def test_the_folder_of_looks_is_there_for_a_second_bundle_that_embeds_otherwise(
    tmp_path: Path,
) -> None:
    greys = {"one": 0.1, "other": 0.5}
    engines = [write_tiny_bundle(tmp_path / "engines" / name, grey) for name, grey in greys.items()]
    (tmp_path / "looks").mkdir()
    Image.new("RGB", (90, 60), (9, 9, 90)).save(tmp_path / "looks" / "7 night.png")
    os.utime(tmp_path / "looks" / "7 night.png", (1e9, 1e9))  # it is whole at the first look
    (tmp_path / "tour.toml").write_text("[[step]]\nat = 900\nlook = 'night'\n")
    words = ["play", "--engine", str(engines[0]), "--then", str(engines[1]), "--port", "0"]
    words += ["--tour", "tour.toml"]
    for text in ("osc.port=0", "engine.threads=1", "journal.file=show.jsonl", "midi.play=off"):
        words += ["--set", text]
    child = begin(tmp_path, words)
    files = [tmp_path / "show.jsonl", tmp_path / "show.then.jsonl"]

    def nights() -> list[str]:
        lines = [
            json.loads(line)
            for path in files
            if path.exists()
            for line in path.read_bytes().splitlines()[1:]
        ]
        return [line["looks"]["7"]["sha256"] for line in lines if "7" in line.get("looks", {})]

    try:
        until(lambda: len(nights()) >= 2)
    finally:
        child.terminate()
        _, told = child.communicate(timeout=60)
    assert child.returncode == 0 and "Traceback" not in told, told
    assert "is not in the bank" not in told
    assert len(set(nights())) == 2  # each in its own bundle's words


def test_a_tour_by_the_clock_turns_the_desk() -> None:
    desk = Desk({"speed": 2.0})
    guide = TourGuide(Tour([Step(0.05, 0.2, {"speed": 0.0, "look": "dusk"})], 1.0, False), desk)
    heard: list[float | str] = []
    desk.listen(lambda change, source: heard.append(change.value))
    guide.start()
    until(lambda: desk.values()["speed"] == 0.0, 10.0)
    guide.close()
    speeds = [value for value in heard if isinstance(value, float)]
    assert speeds == sorted(speeds, reverse=True) and speeds[0] < 2.0 and "dusk" in heard


def test_a_tour_glides_from_where_others_left_the_control() -> None:
    desk = Desk({"speed": 2.0})
    guide = TourGuide(Tour([Step(0.0, 0.0, {"speed": 1.0}), Step(9.0, 4.0, {"speed": 2.0})],
                           20.0, False), desk)  # fmt: skip
    guide.go_round()
    assert desk.values()["speed"] == 1.0
    desk.turn(Change("speed", -2.0, 0.0), "web")
    guide._begun_s -= 10.0
    guide.go_round()
    assert desk.values()["speed"] == pytest.approx(-1.0, abs=0.05)


def test_what_is_wrong_in_the_settings_is_told_before_departure(tmp_path: Path) -> None:
    from trainjourney.config import load
    from trainjourney.show.play import play

    tiny = write_tiny_bundle(tmp_path / "engines" / "tiny")
    for text, told in (("osc.allow=moon", "osc.allow"), ("journey.tour=gone.toml", "no such tour")):
        config = load(None, [text, "journal.write=false"], {"engine.name": str(tiny)})
        with pytest.raises(ConfigError, match=told):
            play(config, frames=3)


@pytest.mark.parametrize(
    ("play", "words"),
    [("auto", "midi: rtmidi is not installed here; type: "), ("off", "midi: is off; give --set ")],
)
def test_where_there_is_no_midi_m_says_why(
    play: str, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    config = Config.model_validate({"midi": {"play": play}, "osc": {"port": 0}})
    stage = Stage(Desk(), np.zeros((64, 128, 3), np.uint8), 30.0)
    instruments = Instruments(config, stage, [])
    assert instruments.words == "" and not instruments.press("x")
    assert instruments.press("m") and instruments.words.startswith(words)
    assert instruments.press("m") and instruments.words == ""
    assert not caplog.records
