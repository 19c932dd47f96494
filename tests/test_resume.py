"""A show that begins again begins where the controls of the last one stood."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import write_tiny_bundle

from trainjourney.config import load
from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_message import write_message
from trainjourney.inference import load_bundle
from trainjourney.settings import JourneyConfig
from trainjourney.show.resume import Positions
from trainjourney.types import Change

ASKED = JourneyConfig()


def turned(**values: float | str) -> Desk:
    desk = Desk()
    for name, value in values.items():
        assert desk.turn(Change(name.replace("__", "."), value, 0.0))
    return desk


def kept(path: Path, **values: float | str) -> None:
    positions = Positions(ASKED, path)
    positions.keep(turned(**values))
    positions.close()


def test_controls_are_kept_in_their_order_but_for_those_of_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "state" / "controls.toml"
    kept(path, pad_x=0.2, look="dusk", weight__3=0.5, hold=1, blackout=1, record=1, seed=9)
    values = Positions(ASKED, path).values
    assert list(values)[-3:] == ["pad_x", "look", "weight.3"]
    assert values["look"] == "dusk" and values["weight.3"] == 0.5
    assert not {"hold", "blackout", "record", "seed"} & values.keys()


def test_a_turn_is_written_while_the_show_goes_on(tmp_path: Path) -> None:
    path, desk = tmp_path / "controls.toml", Desk()
    positions = Positions(ASKED, path)
    positions._desk = desk
    positions.go_round()
    first = path.stat().st_mtime_ns
    positions.go_round()
    assert path.stat().st_mtime_ns == first, "written though nothing was turned"
    desk.turn(Change("speed", -0.5, 0.0))
    positions.go_round()
    assert Positions(ASKED, path).values["speed"] == -0.5


def test_whoever_changes_the_settings_means_them(tmp_path: Path) -> None:
    path = tmp_path / "controls.toml"
    kept(path, speed=0.3)
    assert Positions(ASKED, path).values["speed"] == 0.3
    assert Positions(JourneyConfig(look="winter"), path).values == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "[controls", "controls = 3", "[controls]\nspeed = []", "[[controls]]\nspeed = 1.0",
        "[controls]\nspeed = nan\nno_such = 2.0\n'weight.99' = 1.0\nstill = 1.0\nspeed2 = 'x'",
        "x = " + "[" * 5000, "\x00\xff", "[controls]\nspeed = 1.0", "[preset]\nspeed = 1.0",
        "[controls]\n\"weight\" = 1.0\n\"pad_x.1\" = 0.0\nlook = true\ndream = 'soft'",
    ],
)  # fmt: skip
def test_whatever_stands_in_the_file_the_show_begins(tmp_path: Path, text: str) -> None:
    path = tmp_path / "controls.toml"
    path.write_text(text, encoding="latin-1")
    assert Positions(ASKED, path).values == {}


def test_numbers_out_of_range_are_clipped(tmp_path: Path) -> None:
    path = tmp_path / "controls.toml"
    kept(path, speed=1.0, melt_s=9.0)
    text = path.read_text().replace("speed = 1.0", "speed = 1e300", 1)
    path.write_text(text.replace("melt_s = 9.0", "melt_s = -4"))
    values = Positions(ASKED, path).values
    assert values["speed"] == 2.0 and values["melt_s"] == 0.0


def test_a_disk_that_refuses_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    positions = Positions(ASKED, tmp_path / "file" / "controls.toml")
    for _ in range(3):
        positions.go_round()
    assert caplog.text.count("cannot be written") == 1


def test_a_look_that_has_left_the_bank_is_told_and_the_rest_stands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "controls.toml"
    kept(path, look="dusk", speed=0.3)
    bundle = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    config = load(None, [f"looks.folder={tmp_path}"])
    positions = Positions(ASKED, path)
    again, departure = positions.resume(config, bundle)
    assert again.journey.speed == 0.3 and departure.look == bundle.looks[0]
    assert "look" not in positions.values and "'dusk' is not in the bank" in caplog.text


def test_a_show_that_was_killed_begins_where_its_controls_stood(tmp_path: Path) -> None:
    """The real one, also with a look of the folder; and what its journal says of the second."""
    (tmp_path / "looks").mkdir()
    picture = np.random.default_rng(4).integers(0, 255, (40, 90, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "looks" / "own.png")
    tiny = write_tiny_bundle(tmp_path / "engines" / "tiny")
    state = tmp_path / "state"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    turns: list[tuple[str, Any]] = [
        ("/train/speed", 0.125), ("/train/melt", 0.001), ("/train/look", "own"),
        ("/train/brightness", 0.25), ("/train/pad/a", "own"), ("/train/look", "own"),
    ]  # fmt: skip
    until_s = time.monotonic() + 60.0
    with _show(tmp_path, tiny, port) as show, socket.socket(type=socket.SOCK_DGRAM) as osc:
        while (standing := _standing(state)).get("look") != "own" or "pad_a" not in standing:
            assert time.monotonic() < until_s and show.poll() is None
            for address, value in turns:
                osc.sendto(write_message(address, (value,)), ("127.0.0.1", port))
            time.sleep(0.5)
        show.send_signal(signal.SIGKILL)
    with _show(tmp_path, tiny, port, "--frames", "3") as show:
        assert show.wait(60) == 0
    *_, journal = sorted((state / "trainjourney" / "journals").iterdir())
    head, *lines = map(json.loads, journal.read_text().splitlines())
    assert {"speed": -1.5, "look": "own"}.items() <= head["journey"].items()
    first = {line["parameter"]: line["value"] for line in lines if line.get("frame") == 0
             and "parameter" in line}  # fmt: skip
    assert first["brightness"] == 0.5 and first["pad_a"] == "own" and first["speed"] == -1.5
    leads = [name for name in first if name.startswith(("look", "pad", "weight"))]
    assert leads[-1] == "look" and {"frame": 0, "arrive": True} in lines


def _standing(state: Path) -> dict[str, Any]:
    try:
        return dict(tomllib.loads((state / "trainjourney/controls.toml").read_text())["controls"])
    except FileNotFoundError:
        return {}


def _show(home: Path, tiny: Path, port: int, *words: str) -> "subprocess.Popen[bytes]":
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    environ = {name: word for name, word in os.environ.items() if name not in hidden}
    environ |= {"XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
    sets = [f"osc.port={port}", "midi.play=off", "show.resume=true", "engine.threads=1"]
    command = [sys.executable, "-m", "trainjourney", "play", "--engine", str(tiny), "--port", "0"]
    command += [*words, *(word for text in sets for word in ("--set", text))]
    return subprocess.Popen(command, cwd=home, env=environ)
