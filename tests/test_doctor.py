"""What the doctor says of machines of every kind, and of this one."""

import json
import os
import socket
import subprocess
import sys

import pytest

from trainjourney.config import load
from trainjourney.show import doctor
from trainjourney.show.devices import find_devices
from trainjourney.show.doctor import Finding, examine, playable


def found(*names: str) -> list[Finding]:
    return [Finding(name, True, "there") for name in names]


@pytest.mark.parametrize(
    ("names", "plays"),
    [
        (("backend", "engine", "display", "film"), True),
        (("backend", "engine", "film"), True),
        (("backend", "engine", "display"), True),
        (("backend", "engine", "gpu"), False),
        (("backend", "display", "film"), False),
        (("engine", "display", "film"), False),
        ((), False),
    ],
)
def test_a_machine_plays_with_a_backend_a_bundle_and_a_place_for_frames(
    names: tuple[str, ...], plays: bool
) -> None:
    assert playable(found(*names)) is plays


@pytest.mark.parametrize(
    ("finding", "good"),
    [
        (doctor.find_processor("EPYC", frozenset({"avx2", "avx512_bf16"})), True),
        (doctor.find_processor("Core 2", frozenset({"sse2"})), False),
        (doctor.find_cores(2), True),
        (doctor.find_cores(1), False),
        (doctor.find_memory(8 * 2**30), True),
        (doctor.find_memory(2**28), False),
        (doctor.find_memory(0), True),
        (doctor.find_display("1920x1080 (x11)"), True),
        (doctor.find_display(""), False),
        (doctor.find_midi("nanoKONTROL2"), True),
        (doctor.find_midi(""), False),
        (doctor.find_midi("", "midi: mido is not installed here; type: pip install mido"), False),
        (doctor.find_midi("", "midi: cannot be listed: no server"), False),
    ],
)
def test_every_lack_has_a_cure(finding: Finding, good: bool) -> None:
    assert finding.good is good
    assert finding.fact
    assert bool(finding.cure) is not good


def test_a_taken_port_is_told_from_a_free_one() -> None:
    for kind, sort in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        with socket.socket(socket.AF_INET, sort) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == "tcp":
                taken.listen()
            number = taken.getsockname()[1]
            lack = doctor.find_port("OSC", kind, number)
            assert not lack.good and str(number) in lack.cure
        assert doctor.find_port("OSC", kind, number).good


def test_the_ports_are_those_of_the_settings() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        lack = [found for found in doctor.find_ports(0, number) if found.name == "port"]
        assert [found.good for found in lack] == [False] and str(number) in lack[0].fact
    assert doctor.find_ports(0, 0) == []


def test_midi_is_looked_for_with_what_plays_it() -> None:
    ask = "import sys; sys.modules['rtmidi'] = None; from trainjourney.show.devices import see; "
    ended = subprocess.run(
        [sys.executable, "-c", ask + "print('\\n' + see())"], capture_output=True, text=True,
        env=os.environ | {"SDL_VIDEODRIVER": "dummy"}, timeout=60,
    )  # fmt: skip
    told = json.loads(ended.stdout.splitlines()[-1])
    found = doctor.find_midi(told.get("midi", ""), told["no midi"])
    assert found.fact.endswith("is not installed here")
    assert found.cure == "the keyboard steers too; type: pip install '.[midi]'"


def test_dummy_devices_are_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert "display" not in find_devices()


def test_a_driver_that_hangs_is_left_behind() -> None:
    assert find_devices(timeout_s=0.0) == {}


def test_this_machine_is_examined_without_an_error() -> None:
    findings = examine(load(None, ["engine.name=no-such-bundle"]))
    names = [finding.name for finding in findings]
    assert names[0] == "processor" and "engine" in names and names.count("port") == 2
    engine = findings[names.index("engine")]
    assert not engine.good and "no-such-bundle" in engine.fact and engine.cure
    assert not playable(findings)
