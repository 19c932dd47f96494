"""trainjourney osc: the list, what is sent and answered, what is seen to arrive."""

import signal
import socket
import subprocess
import sys

import pytest
from osc_ear import osc_server
from typer.testing import CliRunner

from trainjourney.cli import app
from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_message import Message, write_message
from trainjourney.controls.osc_table import ADDRESSES
from trainjourney.controls.osc_words import from_words, in_words
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.errors import ControlError


def run(*words: str) -> list[str]:
    ended = CliRunner().invoke(app, ["osc", *words], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output.splitlines()


def test_the_list_has_every_control() -> None:
    short, whole = run("list"), run("list", "--all")
    assert len(whole) == len(ADDRESSES)
    for parameter in PARAMETERS.values():
        path = parameter.osc.replace("{slot}", "1..64")
        [line] = [line for line in short if line.split()[0] == path]
        assert parameter.help in line
    [speed] = [line for line in short if line.startswith("/train/speed ")]
    assert speed.endswith("0 stands still, negative runs backwards. Here 0.5 is 0 x cruising.")
    assert [line for line in whole if "speed/raw" in line and "Here" not in line]
    assert max(map(len, short)) < 140


def test_words_become_arguments_and_messages_words() -> None:
    said = from_words(["1", "-0.5", "true", "dusk", "?", "9" * 30, "1e400"])
    assert said == [1, -0.5, True, "dusk", "?", 1e30, float("inf")]
    told = in_words(Message("/a\n", (1, 0.1, True, None, "a\nb", b"xy")))
    assert told == "/a\\n 1 0.1 true none 'a\\nb' (2 bytes)"


def test_what_is_sent_arrives_and_a_question_is_answered() -> None:
    desk = Desk()
    with osc_server(desk) as server:
        port = str(server.port)
        assert run("send", "/train/speed/raw", "-0.5", "--port", port) == []
        assert run("send", "/train/{speed,brake}", "?", "--port", port) == [
            "/train/speed 0.375", "/train/brake 0",
        ]  # fmt: skip
        assert desk.values()["speed"] == -0.5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["speed", "1"], "no OSC address; write it as in /train/speed"),
        (["/train/speed", "1", "--host", "nowhere.invalid"], "cannot send to nowhere.invalid"),
        (["/train/speed", "?", "--port", "9"], "no answer from 127.0.0.1:9"),
    ],
)
def test_what_cannot_be_sent_is_one_line(words: list[str], told: str) -> None:
    ended = CliRunner().invoke(app, ["osc", "send", *words])
    assert isinstance(ended.exception, ControlError)
    assert told in str(ended.exception) and "\n" not in str(ended.exception)


def test_the_monitor_prints_what_arrives_until_ctrl_c() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "trainjourney", "osc", "monitor", "--port", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == f"listening at port {port}\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(write_message("/train/speed", [0.5]), ("127.0.0.1", port))
        assert child.stdout.readline().endswith("/train/speed 0.5\n")
        one.sendto(b"nonsense", ("127.0.0.1", port))
        assert "8 bytes that are no OSC" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 0 and err == ""
