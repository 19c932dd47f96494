"""From a train video to the screen by five commands, as typed: the full model, tiny, at random."""

import subprocess
import sys
from pathlib import Path

import pytest
from filmed import sliding, write_film

from trainjourney.inference import load_bundle
from trainjourney.rides.dataset import open_ride
from trainjourney.rides.video import look_at

SHAPE = (128, 64)
COMMANDS = (
    "ride import ride.mp4 --out rides/mine --shape 128x64",
    "train full --ride rides/mine --preset tiny --run runs/full",
    "distill --run runs/full",
    "export engines/full --run runs/full",
    "play --engine full --frames 6 --output film.mp4 --set engine.backend=onnxruntime",
)
# What loads torch and all the networks' libraries does so once.
ONE_BY_ONE = """
import sys
from trainjourney.cli import app
for words in sys.argv[1:]:
    app(words.split(), standalone_mode=False)
"""


@pytest.mark.timeout(400)
def test_five_commands_lead_from_a_video_to_its_dream(tmp_path: Path) -> None:
    write_film(tmp_path / "ride.mp4", sliding(2, 40, 5.0, SHAPE))
    first, *training, last = COMMANDS
    said = ""
    for command in (["-m", "trainjourney", *first.split()], ["-c", ONE_BY_ONE, *training],
                    ["-m", "trainjourney", *last.split()]):  # fmt: skip
        command = [sys.executable, *command]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
        assert ended.returncode == 0, (command, ended.stderr[-2000:])
        assert "Traceback" not in ended.stderr, command
        said += ended.stdout
    assert "engines/full: is written; type: trainjourney play --engine engines/full\n" in said
    assert len(open_ride(tmp_path / "rides/mine")) > 30
    assert (tmp_path / "rides/mine/report.png").is_file()
    told = load_bundle(tmp_path / "engines/full").manifest
    assert told.training["facts"]["steps"] == [999, 499] and told.steering == 80
    film = look_at(tmp_path / "film.mp4")
    assert (film.width, film.height) == SHAPE
