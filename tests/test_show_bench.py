"""The benches of a show, each run for a moment: they count what they say they count."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import write_tiny_bundle
from xvfb import needs_xvfb, screen

from trainjourney.config import load
from trainjourney.settings import Config
from trainjourney.show.bench import bench_latency, bench_window
from trainjourney.show.evenness import evenness, stands

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the world is no process of its own")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    tiny = write_tiny_bundle(tmp_path / "tiny")
    with screen() as the_screen:
        monkeypatch.setenv("DISPLAY", the_screen.display)
        monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        sets = ["engine.threads=1", "engine.backend=onnxruntime", "journal.write=false"]
        yield load(None, sets, {"engine.name": str(tiny)})


@needs_xvfb
def test_a_turn_by_osc_is_seen_in_the_window(config: Config) -> None:
    told = bench_latency(config, 4)
    for name in ("speed", "brightness"):
        assert told[name]["lost"] == 0
        ms, frames = told[name]["ms"], told[name]["frames"]
        assert 0.0 < ms["p50"] <= ms["p99"] <= ms["most"] < 2000.0
        assert frames["p50"] == pytest.approx(ms["p50"] * 30 / 1000, abs=0.01)
        assert told[name]["flipped_ms"]["p50"] > ms["p50"]


@needs_xvfb
def test_the_window_goes_on_whatever_becomes_of_the_world(config: Config) -> None:
    told = bench_window(config, 1.0, stall_s=1.0)
    for part in ("playing", "flooded", "stalled"):
        assert told[part]["refreshes"] > 10
        assert sum(told[part]["histogram_periods"].values()) == told[part]["refreshes"] - 1
    assert told["pictures"]["pictures"] > 10
    assert 0.0 <= told["pictures"]["uneven_share"] <= 1.0
    assert told["last_applied"] is True
    assert 0.0 < told["back_after_kill_s"] < 60.0 and told["memory_mb"] >= 0.0


def test_evenness_is_the_share_within_one_refresh() -> None:
    even = np.arange(100) * 0.02
    assert evenness(even.tolist(), 20.0)["even_share"] == 1.0
    even[50:] += 0.025  # one interval of 45 ms
    told = evenness(even.tolist(), 20.0)
    assert told["even_share"] == round(98 / 99, 5) and told["histogram_periods"]["2-3"] == 1


def test_a_picture_stands_for_as_many_refreshes_as_a_frame_has() -> None:
    numbers = [3, 4, 4, 5, 5, 6, 6, 6, 7, 8, 8, 9]  # the first and the last were cut off
    told = stands(numbers, 2.0)
    assert told == {
        "pictures": 5, "uneven_share": 0.4, "stood_refreshes": {"1": 1, "2": 3, "3": 1},
    }  # fmt: skip
    assert stands(numbers, 2.4)["uneven_share"] == 0.2  # 60 Hz, 25 frames: two or three
    assert stands([1], 2.0)["pictures"] == 0
