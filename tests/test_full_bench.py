"""The full model on torch: as its graphs, and beside the recipe that it is measured against."""

from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import write_tiny_bundle
from tiny_full import SHAPE

from trainjourney.errors import BackendError
from trainjourney.inference import load_bundle, open_engine
from trainjourney.inference.baseline import Baseline
from trainjourney.inference.bench import bench
from trainjourney.settings import Config, EngineConfig


@pytest.fixture(scope="module")
def bundle(full_single: Path) -> Path:
    return full_single


def test_torch_runs_a_bundle_as_its_graphs_do(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load_bundle(bundle)
    ours, other = open_engine(loaded, "torch", "f32", 1), open_engine(loaded, "onnxruntime")
    assert "should be kept in float32" not in caplog.text  # diffusers' word on no layers at all
    g = np.random.default_rng(1)
    frame = g.integers(0, 255, (*SHAPE[::-1], 3), dtype=np.uint8)
    state, look = ours.encode(frame), loaded.looks[0].embedding
    assert np.abs(state["latents"] - other.encode(frame)["latents"]).max() < 2e-3
    noise = g.standard_normal(loaded.manifest.noise.shape, dtype=np.float32)
    made = [engine.predict(state, noise, look, 1.0, 0.1)["latents"] for engine in (ours, other)]
    assert np.abs(made[0] - made[1]).max() < 5e-3
    shown = [engine.decode({"latents": made[1]}, look, 1.0).astype(int) for engine in (ours, other)]
    assert np.abs(shown[0] - shown[1]).max() <= 3


def test_the_bench_has_its_baseline(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(engine=EngineConfig(name=str(bundle), backend="torch", threads=1))
    told = bench(config, "streamdiffusion", frames=3, warmup=1)
    other = told["against"]
    assert "should be kept in float32" not in caplog.text
    assert (told["backend"], told["steps"]) == ("torch", 2) and other["shape"] == "streamdiffusion"
    assert (other["backend"], other["precision"]) == ("torch", told["precision"])
    assert told["ratio"] == pytest.approx(other["frame"]["p50"] / told["frame"]["p50"], rel=0.01)
    assert 0 < other["bundle_least_ms"] < told["frame"]["p50"]
    assert other["bundle_gmac"] == pytest.approx(
        other["matrix_tmac_s"] * other["bundle_least_ms"], rel=0.1
    )


def test_the_baseline_is_set_beside_its_like_alone(bundle: Path, tmp_path: Path) -> None:
    for backend in ("tensorrt", "onnxruntime-cuda", "openvino"):
        with pytest.raises(BackendError, match=rf"on torch, this .* on {backend}; give --backend"):
            Baseline(load_bundle(bundle), backend, "int8")
    pocket = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    with pytest.raises(BackendError, match=r"is no full model, .*; leave --against out"):
        Baseline(pocket, "torch", "f32")
