"""The logic around TensorRT, over a fake of its interface: plans, new weights, memory, refusals."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import fake_tensorrt
import numpy as np
import onnx
import pytest
import torch
from tiny_bundle import write_tiny_bundle

from trainjourney.errors import BackendError
from trainjourney.inference import load_bundle, open_engine
from trainjourney.inference.engine import GraphEngine
from trainjourney.inference.manifest import GRAPHS

POCKET = Path(__file__).resolve().parent.parent / "engines/pocket"
MODULE = "trainjourney.inference.tensorrt_backend"


@pytest.fixture
def load_with() -> Iterator[Callable[[ModuleType | None], Any]]:
    """The backend as it is where this TensorRT is installed; None: where none is."""
    with pytest.MonkeyPatch.context() as patch:

        def load(module: ModuleType | None) -> Any:
            patch.setitem(sys.modules, "tensorrt", module)
            sys.modules.pop(MODULE, None)
            return importlib.import_module(MODULE)

        yield load
    sys.modules.pop(MODULE, None)


@pytest.fixture
def backend(load_with: Callable[[ModuleType | None], Any]) -> Any:
    fake_tensorrt.Builder.built = 0
    return load_with(fake_tensorrt.as_module())


def card(backend: Any) -> Any:
    return backend.Card(torch.device("cpu"), {"gpu": "none", "tensorrt": "10.14.1"})


def build(backend: Any, folder: Path, level: int = 3, where: Any = None) -> list[str]:
    said: list[str] = []
    backend.build(load_bundle(folder), level, said.append, where or card(backend))
    return [line.partition(",")[0] for line in said]


def open_built(backend: Any, folder: Path) -> GraphEngine:
    bundle = load_bundle(folder)
    opener = backend.TensorRt("auto", card(backend))
    graphs = [opener.open(bundle, name) for name in GRAPHS]
    return GraphEngine(bundle.manifest, "tensorrt", opener.precision, *graphs)


def test_a_built_bundle_runs_as_elsewhere_and_its_state_stays(backend: Any, tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    assert build(backend, folder) == [f"{name}: built" for name in GRAPHS]
    bundle = load_bundle(folder)
    ours, other = open_built(backend, folder), open_engine(bundle, "onnxruntime")
    assert ours.precision == "f32"  # as its graphs were written
    with pytest.raises(BackendError, match=r"graphs are f32, and so are its plans, not f16; give"):
        backend.TensorRt("f16", card(backend)).open(bundle, GRAPHS[0])
    g = np.random.default_rng(1)
    frame = g.integers(0, 256, bundle.manifest.frame_shape, dtype=np.uint8)
    states = [ours.encode(frame), other.encode(frame)]
    look = bundle.looks[1].embedding
    for _ in range(5):
        noise = g.standard_normal(bundle.manifest.noise.shape, dtype=np.float32)
        both = list(zip((ours, other), states, strict=True))
        states = [engine.predict(state, noise, look, 0.7, 0.5) for engine, state in both]
        assert all(np.array_equal(states[0][name], states[1][name]) for name in states[1])
        assert np.array_equal(ours.decode(states[0], look, 0.7), other.decode(states[1], look, 0.7))
    assert np.allclose(ours.embed(frame[:16, :32]), other.embed(frame[:16, :32]))


def test_a_plan_is_built_once_and_anew_where_something_is_another(
    backend: Any, tmp_path: Path
) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    build(backend, folder)
    assert build(backend, folder) == [f"{name}: is built" for name in GRAPHS]
    assert fake_tensorrt.Builder.built == 4
    assert build(backend, folder, level=5) == [f"{name}: built" for name in GRAPHS]
    open_built(backend, folder)  # whatever effort it was built with
    driver = replace(card(backend), facts={**card(backend).facts, "driver": "1"})
    assert build(backend, folder, 5, driver) == [f"{name}: built" for name in GRAPHS]
    assert not list((folder / "plans").glob(".*"))


def test_new_weights_go_into_the_old_plan(backend: Any, tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    build(backend, folder)
    playing = open_built(backend, folder)
    write_tiny_bundle(folder, grey=0.6)  # written anew, over the one that plays
    with pytest.raises(BackendError, match=r"embedder\.plan: was built for graph"):
        open_built(backend, folder)
    rest = [f"{name}: is built" for name in GRAPHS[:3]]
    assert build(backend, folder) == [*rest, "embedder.onnx: given new weights"]
    assert fake_tensorrt.Builder.built == 4
    told = json.loads((folder / "plans/embedder.json").read_text())
    assert told["how"] == "given new weights" and told["gpu"] == "none" and told["at"]
    picture = np.full((16, 32, 3), 128, np.uint8)
    now = open_engine(load_bundle(folder), "onnxruntime").embed(picture)
    assert np.allclose(open_built(backend, folder).embed(picture), now)
    assert not np.allclose(playing.embed(picture), now)  # it plays on as it was


def test_a_pocket_is_built_without_its_branch(backend: Any, tmp_path: Path) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(POCKET, folder)
    graph = onnx.load(folder / "predictor.onnx", load_external_data=False).graph
    assert "If" in {node.op_type for node in graph.node}
    before = sorted(folder.iterdir())
    assert build(backend, folder) == [f"{name}: built" for name in GRAPHS]
    assert sorted(set(folder.iterdir()) - {folder / "plans"}) == before


def test_a_cache_of_another_card_is_begun_anew(backend: Any, tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    (folder / "plans").mkdir()
    (folder / "plans/timing.cache").write_bytes(b"of another card")
    build(backend, folder)
    assert (folder / "plans/timing.cache").read_bytes() == b"times"


def test_what_cannot_be_built_is_one_line_and_leaves_nothing(
    backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    monkeypatch.setattr(fake_tensorrt.Builder, "room", False)
    with pytest.raises(BackendError, match="close what else uses the GPU"):
        build(backend, folder)
    assert not (folder / "plans").exists()
    model = onnx.load(folder / "encoder.onnx")
    model.graph.node[0].op_type = "Unheard"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(BackendError, match=r"no Unheard is known\); give --set engine\.backend"):
        backend._compile(tmp_path / "odd.onnx", 3, tmp_path / "timing.cache")
    assert not (tmp_path / "timing.cache").exists()


def test_a_plan_that_tensorrt_refuses_is_named(backend: Any, tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    build(backend, folder)
    plan = folder / "plans/encoder.plan"
    plan.write_bytes(b"x" * plan.stat().st_size)
    with pytest.raises(BackendError, match=r"encoder\.plan: TensorRT refuses it, or .* build"):
        open_built(backend, folder)


def test_without_tensorrt_or_a_card_the_way_out_is_told(
    load_with: Callable[[ModuleType | None], Any],
) -> None:
    for version in ("8.6.1", "11.3.0"):
        with pytest.raises(BackendError, match=rf"TensorRT {version} is here, 10 .*; type: pip"):
            load_with(fake_tensorrt.as_module(version)).this_card()
    with pytest.raises(BackendError, match=r"no CUDA device is seen here; give --set engine"):
        load_with(fake_tensorrt.as_module()).this_card()
    with pytest.raises(BackendError, match=r"pip install '\.\[tensorrt\]', or give --set engine"):
        load_with(None)
