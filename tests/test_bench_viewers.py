"""The benches of viewers and of glass to glass run, and their figures belong together."""

from pathlib import Path

import pytest
from serving import CHROMIUM
from tiny_bundle import write_tiny_bundle

from trainjourney.settings import EngineConfig
from trainjourney.show.bench_glass import bench_glass
from trainjourney.show.bench_viewers import bench_viewers


def test_the_bench_of_viewers_counts_encodes_and_first_frames(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    engine = EngineConfig(name=str(folder), backend="onnxruntime", threads=1, fps=12)
    figures = bench_viewers(engine, 3, 2.0, settle_s=0.5)
    assert figures["viewers_that_saw"] == 3
    assert 0 < figures["first_frame_p50_ms"] <= figures["first_frame_p95_ms"]
    # Each frame once, whoever watches; the picture may be polled a frame before or after.
    assert 0 < figures["encodes"] <= figures["frames"] + 4
    assert 6 < figures["world_fps"] < 18  # at the rate that was asked for, not at thirty
    assert figures["kbps"] > 0 and figures["show_cpu_percent"] > 0


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium; apt install chromium")
def test_the_bench_of_glass_reads_the_code_back() -> None:
    figures = bench_glass(1.0, 256, 128, settle_s=0.2)
    assert figures["glass_frames"] > 3
    assert 0 < figures["glass_p50_ms"] <= figures["glass_p95_ms"] <= figures["glass_worst_ms"]
