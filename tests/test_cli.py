"""The commands from outside: help without torch, one line for a mistake, a quiet end."""

import subprocess
import sys
from pathlib import Path

import pytest

from trainjourney import __version__
from trainjourney.cli import app

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["play", "bench", "doctor", "train", "export", "judge", "scenery", "render"]
COMMANDS += ["build", "distill"]
# What only training may import, taken away.
BARE = """
import sys
sys.argv[0] = 'trainjourney'
for name in ('torch', 'onnx', 'onnxscript', 'safetensors', 'matplotlib'):
    sys.modules[name] = None
"""
MAIN = "from trainjourney.cli import main; main()"


def run(*words: str, code: str = MAIN, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BARE + code, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd)


def test_every_command_is_in_the_help_without_torch() -> None:
    ended = run("--help")
    assert ended.returncode == 0 and ended.stderr == ""
    for name in COMMANDS:
        assert f"  {name} " in ended.stdout


def test_the_list_of_commands_is_whole() -> None:
    calls = [one.callback for one in app.registered_commands if not one.hidden]
    assert [call.__name__ for call in calls if call] == COMMANDS


def test_help_of_play_names_every_option_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ended = run("play", "--help")
    assert ended.returncode == 0
    assert f"```\n{ended.stdout}```" in readme


def test_version() -> None:
    assert run("--version").stdout == f"trainjourney {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("play --config gone.toml", "gone.toml: no such file; give --config a file that is there"),
        (
            "play --set window.fulscreen=true",
            "--set [window]: unknown key 'fulscreen'; did you mean 'fullscreen'?",
        ),
        (
            "play --output film.mp4 --port 8411",
            "--port: does nothing with --output; leave one of the two out",
        ),
        (
            "play --output null --then other",
            "--then: does nothing with --output; leave one of the two out",
        ),
        ("play --speed 9", "--speed: 9.0 will not do; give a number from -2 to 2"),
        (
            "bench --backend abacus",
            "--backend: 'abacus' will not do; "
            "give auto, openvino, onnxruntime, torch, torch-compile, tensorrt or "
            "onnxruntime-cuda",
        ),
    ],
)
def test_a_mistake_ends_in_one_line(words: str, message: str) -> None:
    ended = run(*words.split())
    assert ended.returncode == 2
    assert ended.stderr == f"trainjourney: {message}\n"
    assert ended.stdout == ""


@pytest.mark.parametrize("words", ["play --sped 1", "play --frames 0", "plya", "train whale"])
def test_a_slip_of_the_keys_ends_with_two_and_no_traceback(words: str) -> None:
    ended = run(*words.split())
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "Error: " in ended.stderr


@pytest.mark.parametrize("words", ["train pocket --preset tiny", "export bundle"])
def test_training_without_its_extra_says_what_to_install(words: str, tmp_path: Path) -> None:
    ended = run(*words.split(), "--run", str(tmp_path / "run"))
    assert ended.returncode == 2
    assert ended.stderr.endswith("is not installed here; type: pip install '.[train]'\n")
    assert ended.stderr.count("\n") == 1


def test_the_keyboard_ends_a_command_quietly() -> None:
    interrupted = """
import os, signal, time
from trainjourney.cli import app, main
@app.command()
def wait() -> None:
    signal.raise_signal(signal.SIGINT)
    time.sleep(10)
main()
"""
    ended = run("wait", code=interrupted)
    assert ended.returncode == 130
    assert ended.stdout == ended.stderr == ""
