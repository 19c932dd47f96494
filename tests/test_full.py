"""The full model, tiny and at random: folding, training, few steps, export; all on a processor."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from filmed import sliding, write_film
from safetensors.torch import load_file as safe_file
from small_disk import files_in, left_by_kill, small_disk
from small_tensors import rng
from tiny_full import LOOK, SHAPE, train_tiny

from trainjourney.errors import TrainingError
from trainjourney.inference import load_bundle, open_engine
from trainjourney.inference.engine import GraphEngine
from trainjourney.inference.graph import Arrays, Graph, Overtaken, never
from trainjourney.inference.onnxruntime_backend import OnnxRuntime
from trainjourney.journey.melt import slerp
from trainjourney.model.full.parts import Parts, fresh_parts
from trainjourney.rides.dataset import open_ride
from trainjourney.rides.importer import import_rides
from trainjourney.rides.video import look_at
from trainjourney.training.full.base import load_base
from trainjourney.training.full.clips import Clips
from trainjourney.training.full.export import (
    build_full,
    export_full,
    sample_full,
)
from trainjourney.training.full.presets import PRESETS
from trainjourney.training.full.student import load_student, make_student
from trainjourney.training.full.teacher import TeacherStage, roughened
from trainjourney.training.options import read_options
from trainjourney.training.runner import run_stage
from trainjourney.training.stage import Schedule


@pytest.fixture(scope="module")
def bundle(full_single: Path) -> Path:
    return full_single


def test_a_batch_is_made_of_frames_that_follow(full_ride: Path, tmp_path: Path) -> None:
    parts = fresh_parts(tiny=True)
    stills = tmp_path / "stills"
    shutil.copytree(full_ride / "frames", stills)
    clips = Clips(open_ride(full_ride), parts, tmp_path / "data", torch.device("cpu"), stills)
    stride = open_ride(full_ride).stride(0)
    assert bool((clips.next[:, 2] - clips.next[:, 1] == stride).all())
    assert bool((clips.next[:, 1] - clips.next[:, 0] == stride).all())
    batch = clips.draw(64, rng(1))
    told = batch.mask[:, 0, 0, 0]
    assert 0.05 < float((told == 0).float().mean()) < 0.5  # stills have no past
    moving = batch.speed[told > 0]
    assert bool((moving > 0.5).any()) and bool((moving < -0.5).any())  # the mirror runs backwards
    assert torch.equal(batch.target, clips.draw(64, rng(1)).target)
    rough, level = roughened(batch, rng(2))
    assert float(level.max()) <= 0.7 and float((level == 0).float().mean()) > 0.05
    assert float((rough.embedding.abs().sum(1) == 0).float().mean()) > 0.01
    again = Clips(open_ride(full_ride), parts, tmp_path / "data", torch.device("cpu"), stills)
    assert np.array_equal(again.latents, clips.latents)


def test_what_was_encoded_is_kept_only_as_long_as_it_is_made_of_the_same(
    full_ride: Path, tmp_path: Path
) -> None:
    parts, stills, mine = fresh_parts(tiny=True), tmp_path / "stills", tmp_path / "mine"
    shutil.copytree(full_ride / "frames", stills)
    for picture in sorted(stills.iterdir())[5:]:
        picture.unlink()

    def encoded(parts: Parts = parts) -> Clips:
        return Clips(open_ride(mine), parts, tmp_path / "data", torch.device("cpu"), stills)

    shutil.copytree(full_ride, mine)
    first = encoded()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npy")}
    assert np.array_equal(encoded().latents, first.latents)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npy")}
    shutil.copy(mine / "frames/00_000009.jpg", stills)
    assert len(encoded().still_latents) == 6  # one picture more
    other = encoded(fresh_parts(tiny=True))  # of another base
    assert not np.array_equal(other.latents, first.latents)
    film = write_film(tmp_path / "b.mp4", sliding(3, 24, 8.0, SHAPE))
    shutil.rmtree(mine)
    import_rides([film], mine, SHAPE, "test", lambda _: LOOK, lambda f, t: None, 1)
    assert len(encoded().latents) == 24  # another ride of that name
    assert len(list((tmp_path / "data").iterdir())) == 2


def test_a_training_is_the_same_through_a_stop(full_ride: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    parts = fresh_parts(tiny=True)
    clips = Clips(open_ride(full_ride), parts, tmp_path / "data", torch.device("cpu"))
    schedule = Schedule(steps=4, lr=1e-3)
    ended = []
    for folder, stops in ((tmp_path / "whole", False), (tmp_path / "parted", True)):
        turns = iter([False, False, True] if stops else [])
        for again in range(2 if stops else 1):
            torch.manual_seed(4 + again)  # what is resumed comes all from the checkpoint
            network, taught = make_student(PRESETS["tiny"], parts)
            stage = TeacherStage(network, taught, clips, parts.display, 2)
            result = run_stage(stage, schedule, folder, deadline=lambda it=turns: next(it, False))  # type: ignore[misc]
            ended.append(result.ended)
    assert ended == ["done", "deadline", "done"]
    files = [
        safe_file(tmp_path / name / "teacher/weights.safetensors") for name in ("whole", "parted")
    ]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])


def test_every_graph_gives_what_torch_gives(full_run: Path, bundle: Path) -> None:
    graphs, facts = build_full(full_run, "f32")
    for graph in graphs.values():
        for p in graph.parameters():
            p.copy_(p.half().float())  # as the bundle keeps them
    frame = torch.from_numpy(
        np.array(open_ride(Path(read_options(full_run)["ride_path"])).frame(0))
    )
    inputs = sample_full(graphs, facts, frame)
    loaded = load_bundle(bundle)
    for backend in ("onnxruntime", "openvino"):
        engine = open_engine(loaded, backend, "f32", 1)
        with torch.no_grad():
            state = {"latents": graphs["encoder"](frame).numpy()}
            given, embedding = inputs["predictor"], inputs["steering"]["embedding"].numpy()
            after = graphs["predictor"](**given).numpy()
            shown = graphs["decoder"](torch.from_numpy(after)).numpy().astype(int)
            look = graphs["embedder"](inputs["embedder"]["picture"]).numpy()
        assert np.abs(engine.encode(frame.numpy())["latents"] - state["latents"]).max() < 2e-3
        picture = inputs["embedder"]["picture"].numpy()
        assert float(engine.embed(picture) @ look) > 0.9999
        made = engine.predict(
            {"latents": given["latents"].numpy()}, given["noise"].numpy(), embedding, 1.0, 0.1,
        )  # fmt: skip
        assert np.abs(made["latents"] - after).max() < 5e-3
        decoded = engine.decode({"latents": after}, embedding, 1.0)
        assert np.abs(decoded.astype(int) - shown).max() <= 3


class Counted:
    """A graph that counts how often it is run."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.inputs, self.outputs, self.runs = graph, graph.inputs, graph.outputs, 0

    def run(self, inputs: Arrays, outputs: Arrays, overtaken: Overtaken = never) -> None:
        self.runs += 1
        self.graph.run(inputs, outputs, overtaken)


def test_the_embedding_is_worked_on_when_it_changes_and_a_melt_is_followed(bundle: Path) -> None:
    loaded, opener = load_bundle(bundle), OnnxRuntime("f32", 1)
    graphs: list[Graph] = [opener.open(loaded, name) for name in loaded.manifest.graphs]
    graphs[-1] = steering = Counted(graphs[-1])
    engine = GraphEngine(loaded.manifest, "onnxruntime", "f32", *graphs)
    g = np.random.default_rng(1)
    noise = g.standard_normal(loaded.manifest.noise.shape, dtype=np.float32)
    state = engine.encode(g.integers(0, 255, (*SHAPE[::-1], 3), dtype=np.uint8))
    looks = [look.embedding for look in loaded.looks]
    red, blue = looks[0], -looks[0]
    way = [red, red, red, *(slerp(red, blue, k / 3) for k in range(4)), blue, blue]
    runs, made = [], []
    for embedding in way:
        made.append(engine.predict(state, noise, embedding.copy(), 1.0, 0.1)["latents"].copy())
        runs.append(steering.runs)
    assert runs == [1, 1, 1, 1, 2, 3, 4, 4, 4]
    assert "embedding" not in graphs[1].inputs  # of a frame
    assert not np.array_equal(made[3], made[4]) and not np.array_equal(made[4], made[5])
    for k in (2, 4, 8):
        fresh = open_engine(loaded, "onnxruntime", "f32", 1)
        assert np.array_equal(fresh.predict(state, noise, way[k], 1.0, 0.1)["latents"], made[k])


def test_a_disk_that_fills_up_in_mid_export_is_one_line(full_run: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 48 << 10):
        with pytest.raises(TrainingError, match=r"cannot be written .*; see to space") as told:
            export_full(full_run, tmp_path / "disk/mine", "f32")
        assert "\n" not in str(told.value) and files_in(tmp_path / "disk") == []


def test_an_export_removes_what_a_killed_one_left(full_run: Path, tmp_path: Path) -> None:
    killed, other = left_by_kill(tmp_path / "mine", "export")
    export_full(full_run, tmp_path / "mine", "f32")
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "mine"] and not killed.exists()


def test_a_bundle_has_looks_facts_and_a_warning_of_licences(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.manifest.frame_shape == (SHAPE[1], SHAPE[0], 3)
    assert loaded.manifest.noise.shape == (4, 4, 8, 16)  # two steps and two of context
    assert [look.name for look in loaded.looks] == [f"ride{k}" for k in range(1, 7)]
    assert loaded.manifest.training["facts"]["steps"] == [999, 499]
    assert "licence of their own" in (bundle / "CARD.md").read_text()


def test_every_graph_in_half_precision_gives_what_torch_gives(
    full_run: Path, full_half: Path
) -> None:
    (whole, facts), (half, _) = build_full(full_run, "f32"), build_full(full_run, "f16")
    frame = torch.from_numpy(
        np.array(open_ride(Path(read_options(full_run)["ride_path"])).frame(0))
    )
    loaded, opener = load_bundle(full_half), OnnxRuntime("auto", 1)
    assert loaded.manifest.own_precision == "f16"
    off = {"encoder": 2e-3, "steering": 2e-3, "predictor": 1e-2, "decoder": 2.0, "embedder": 2e-3}
    for name, given in sample_full(whole, facts, frame).items():
        predictor = name == "predictor"
        kept = list((half[name].folded if predictor else half[name]).parameters())  # type: ignore[union-attr]
        assert {p.dtype for p in kept} == {torch.float16}, name
        with torch.no_grad():
            wanted, made = (graphs[name](**given).float().numpy() for graphs in (whole, half))
        graph = opener.open(loaded, f"{name}.onnx")
        (port,) = graph.outputs
        by_ort = graph.outputs[port].empty()
        given = {key: tensor.contiguous() for key, tensor in given.items()}
        graph.run({key: tensor.numpy() for key, tensor in given.items()}, {port: by_ort})
        assert np.abs(by_ort - made).max() < off[name], name
        assert np.abs(wanted - made).max() < off[name], name


def test_a_graphs_weights_lie_in_one_file_alone(full_half: Path) -> None:
    for name in load_bundle(full_half).manifest.graphs:
        kept = onnx.load(str(full_half / name), load_external_data=False).graph.initializer
        inside = [one for one in kept if one.data_location != onnx.TensorProto.EXTERNAL]
        sizes = {int(np.prod(one.dims)) for one in inside}
        assert len(inside) < len(kept) and max(sizes, default=0) < 256, (name, sizes)


def test_the_latest_stage_is_what_is_exported(full_run: Path) -> None:
    parts = load_base(Path(read_options(full_run)["base_path"]))
    last = load_student(PRESETS["tiny"], parts, full_run)
    assert (full_run / "rollout/weights.safetensors").exists()
    assert not last.training
    with pytest.raises(TrainingError, match="holds no trained full model"):
        load_student(PRESETS["tiny"], parts, full_run / "nowhere")


def test_a_frame_can_be_sampled_in_more_steps(full_run: Path) -> None:
    graphs, facts = build_full(full_run, "f32", 4)
    assert facts["steps"] == [999, 749, 499, 249]
    frame = torch.from_numpy(
        np.array(open_ride(Path(read_options(full_run)["ride_path"])).frame(0))
    )
    given = sample_full(graphs, facts, frame)["predictor"]
    assert given["noise"].shape == (6, 4, 8, 16)  # and two of context
    with torch.no_grad():
        assert bool(torch.isfinite(graphs["predictor"](**given)).all())


def test_a_show_can_be_made_of_it(bundle: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    words = ["play", "--engine", str(bundle), "--frames", "12", "--output", str(film)]
    command = [sys.executable, "-m", "trainjourney", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    assert (look_at(film).width, look_at(film).height) == SHAPE


def test_adapters_go_all_the_way(
    full_ride: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = replace(PRESETS["tiny"], taught="lora", frugal=True)
    monkeypatch.setitem(PRESETS, "tiny", lora)
    run = train_tiny(full_ride, tmp_path)
    first = safe_file(run / "teacher/weights.safetensors")
    assert first.keys() == safe_file(run / "rollout/weights.safetensors").keys()
    assert any("lora_B" in key and bool(value.any()) for key, value in first.items())
    parts = load_base(tmp_path / "base")
    before = {name: value.clone() for name, value in parts.unet.state_dict().items()}
    merged = load_student(lora, parts, run)
    assert not [name for name in merged.state_dict() if "lora" in name]
    assert all(torch.equal(before[name], value) for name, value in parts.unet.state_dict().items())
