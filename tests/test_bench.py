"""The bench: honest figures, and a last line that machines read."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_backends import THERE
from tiny_bundle import write_tiny_bundle

from trainjourney.config import load
from trainjourney.errors import BackendError, BundleError
from trainjourney.inference.bench import PARTS, bench, summary

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def settings(tiny: Path, *more: str) -> Any:
    return load(None, [f"engine.name={tiny}", *more])


def check(figures: dict[str, Any]) -> None:
    assert figures["fps"] > 0
    for part in PARTS:
        assert 0 < figures[part]["p50"] <= figures[part]["p95"] <= figures[part]["p99"]
    # The whole is no less than its parts, in the median roughly.
    assert figures["frame"]["p50"] > max(figures["predictor"]["p50"], figures["decoder"]["p50"])


def test_every_figure_is_there(tiny: Path) -> None:
    figures = bench(settings(tiny), frames=25, warmup=3)
    check(figures)
    assert figures["backend"] == THERE[0] and figures["precision"] in ("bf16", "f32")
    assert (figures["bundle"], figures["size"], figures["frames"]) == ("tiny", "64x32", 25)
    assert figures["cores"] >= 1 and figures["machine"]
    assert figures["memory_mb"]["process"] > 20
    assert json.loads(json.dumps(figures)) == figures
    assert bench(settings(tiny), warmup=0, seconds=0.1)["frames"] % 20 == 0  # whole rounds


@pytest.mark.skipif(len(THERE) < 2, reason="wants two backends")
def test_two_backends_in_one_run(tiny: Path) -> None:
    figures = bench(settings(tiny, "engine.backend=openvino"), "onnxruntime", 50, 3)
    check(figures)
    check(figures["against"])
    assert (figures["backend"], figures["against"]["backend"]) == ("openvino", "onnxruntime")
    for part in PARTS:
        quotient = figures[part]["p50"] / figures["against"][part]["p50"]
        assert figures["ratio"][part] == pytest.approx(quotient, abs=1e-3)


def test_a_summary() -> None:
    times = {part: [float(ms) for ms in range(1, 101)] for part in PARTS}
    told = summary(times)
    assert told["fps"] == pytest.approx(1000 / 50.5, abs=0.05)
    assert told["frame"] == {"p50": 50.5, "p95": 95.05, "p99": 99.01}


def test_what_cannot_be_measured(tiny: Path) -> None:
    with pytest.raises(BundleError, match="no bundle 'gone'"):
        bench(load(None, ["engine.name=gone"]))
    with pytest.raises(BackendError, match="no backend 'abacus'"):
        bench(settings(tiny), against="abacus")
    with pytest.raises(BackendError, match="0 frames"):
        bench(settings(tiny), frames=0)


def test_the_door(tiny: Path) -> None:
    command = [sys.executable, "-m", "trainjourney", "bench", "--engine", str(tiny)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=ROOT, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    check(figures)
    assert figures["frames"] >= 100
