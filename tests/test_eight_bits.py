"""The predictor in eight bits, as onnxruntime runs it, and its plan over a fake of TensorRT."""

import json
import resource
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import fake_tensorrt
import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from test_tensorrt import load_with as load_with
from tiny_bundle import write_tiny_bundle

from trainjourney.errors import BackendError
from trainjourney.inference import load_bundle, open_engine
from trainjourney.inference.bundle import Bundle
from trainjourney.inference.eight_bits import find_places, in_eight_bits, weight_size
from trainjourney.inference.engine import GraphEngine
from trainjourney.inference.onnxruntime_backend import OnnxRuntime

OFF = {"int8": 0.06, "fp8": 0.12}  # relative error of a state; measured .022 and .049


@pytest.fixture(scope="module")
def folder(full_half: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("eight") / "bundle"
    shutil.copytree(full_half, place)
    return place


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return load_bundle(folder)


def some_input(session: Any) -> dict[str, Any]:
    g = np.random.default_rng(5)
    told = [(port.name, port.shape) for port in session.get_inputs()]
    return {name: np.asarray(g.standard_normal(shape), np.float32) for name, shape in told}


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_a_predictor_in_eight_bits_says_nearly_the_same(bundle: Bundle, precision: str) -> None:
    before, opener = sorted(bundle.folder.iterdir()), OnnxRuntime("auto", 1)
    with in_eight_bits(bundle, precision) as path:
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
        own, rounded = opener.session(bundle.folder / "predictor.onnx"), opener.session(path)
        given = some_input(own)
        wanted, made = own.run(None, given)[0], rounded.run(None, given)[0]
    off = float(np.linalg.norm(wanted[1] - made[1]) / np.linalg.norm(wanted[1]))
    assert 1e-4 < off < OFF[precision]  # rounded, and not by much
    assert np.array_equal(wanted[0], made[0])
    assert sorted(bundle.folder.iterdir()) == before
    kinds = {"int8": onnx.TensorProto.INT8, "fp8": onnx.TensorProto.FLOAT8E4M3FN}
    zeros = [one for one in model.graph.initializer if one.name.endswith("/zero")]
    assert {one.data_type for one in zeros} == {kinds[precision]}
    assert any(one.dims for one in zeros) is (precision == "int8")  # a scale a channel


def test_what_sees_pictures_is_rounded_but_for_both_ends(bundle: Bundle) -> None:
    graph = onnx.load(str(bundle.folder / "predictor.onnx"), load_external_data=False).graph
    places = find_places(graph)
    weights = {place.weight.removesuffix(".half") for place in places if place.weight}
    assert not any("conv_in" in name or "conv_out" in name for name in weights)
    nodes = Counter(node.op_type for node in graph.node)
    products = nodes["Softmax"] * 2  # attention's own
    ends = 2 * 2  # in two steps
    layers = [place for place in places if place.weight]
    assert len(layers) == nodes["Conv"] + nodes["MatMul"] - products - ends
    assert len(places) == 2 * len(layers)
    assert all(place.kind == onnx.TensorProto.FLOAT16 for place in places)


def test_a_rounding_is_what_onnx_says_it_is(bundle: Bundle) -> None:
    """Each pair alone, by ONNX's own evaluator: never further off than its type allows."""
    g = np.random.default_rng(1)
    for precision, most in (("int8", 0.5 / 127.0), ("fp8", 1.0 / 16.0)):
        with in_eight_bits(bundle, precision) as path:
            graph = onnx.load(str(path)).graph
        kinds = [n for n in graph.node if n.op_type == "QuantizeLinear"]
        pair: Any = next(n for n in kinds if not n.attribute)
        after = next(n for n in graph.node if pair.output[0] in n.input)
        told: Any = {t.name: t for t in graph.initializer if t.name in pair.input}
        scale = float(onnx.numpy_helper.to_array(told[pair.input[1]]))
        x = g.uniform(-1.0, 1.0, 100) * scale * {"int8": 127.0, "fp8": 448.0}[precision]
        x = x.astype(np.float16)
        halves = onnx.helper.make_tensor_value_info
        alone = onnx.helper.make_graph(
            [pair, after], "pair",
            [halves(pair.input[0], onnx.TensorProto.FLOAT16, [100])],
            [halves(after.output[0], onnx.TensorProto.FLOAT16, [100])], list(told.values()),
        )  # fmt: skip
        opset = [onnx.helper.make_opsetid("", 19)]
        model = onnx.helper.make_model(alone, opset_imports=opset, ir_version=9)
        evaluator: Any = ReferenceEvaluator(model)
        made = evaluator.run(None, {pair.input[0]: x})[0].astype(np.float64)
        reach = np.abs(x).max() if precision == "int8" else np.abs(x)  # a step; a share of each
        assert bool((np.abs(made - x) <= 1.2 * most * reach + 0.01 * scale).all()), precision


def test_int8_has_a_scale_for_every_channel() -> None:
    weight = np.ones((3, 2, 1, 1), np.float32) * np.array([1.0, 10.0, 0.1])[:, None, None, None]
    assert weight_size(weight, 0, "int8") == pytest.approx([1.0, 10.0, 0.1])
    assert float(weight_size(weight, 0, "fp8")) == 10.0


def test_a_graph_without_such_layers_is_refused(tmp_path: Path) -> None:
    tiny = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    with (
        pytest.raises(BackendError, match=r"has no layers for int8; leave --precision out"),
        in_eight_bits(tiny, "int8"),
    ):
        pass


def test_a_disk_without_room_is_one_line_and_nothing_stays(bundle: Bundle) -> None:
    before, files = resource.getrlimit(resource.RLIMIT_FSIZE), sorted(bundle.folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))
    try:
        with (
            pytest.raises(BackendError, match=r"cannot be written .*; free the disk, then train"),
            in_eight_bits(bundle, "int8"),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(bundle.folder.iterdir()) == files


def test_a_plan_in_eight_bits_is_named_and_makes_the_frames(bundle: Bundle, load_with: Any) -> None:
    backend = load_with(fake_tensorrt.as_module())
    facts = {"gpu": "A card", "tensorrt": "10.14.1", "compute": "8.9"}
    said: list[str] = []
    card = backend.Card(torch.device("cpu"), facts)
    for precision in ("auto", "int8", "int8"):
        backend.build(bundle, 3, said.append, card, precision)
    lines = [line.partition(",")[0] for line in said]
    assert lines.count("predictor.onnx: built") == 2 and lines.count("decoder.onnx: built") == 1
    assert lines[-4:].count("predictor.onnx: is built") == 1
    side = json.loads((bundle.folder / "plans/predictor.json").read_text())
    assert (side["precision"], side["options"]) == ("int8", "level 3")
    other = json.loads((bundle.folder / "plans/decoder.json").read_text())
    assert (other["precision"], other["options"]) == ("auto", "level 3, refit")
    opener = backend.TensorRt("auto", card)
    graphs = [opener.open(bundle, name) for name in bundle.manifest.graphs]
    assert opener.precision == "int8"
    ours = GraphEngine(bundle.manifest, "tensorrt", opener.precision, *graphs)
    other_engine = open_engine(bundle, "onnxruntime", "auto", 1)
    g = np.random.default_rng(3)
    frame = g.integers(0, 256, bundle.manifest.frame_shape, dtype=np.uint8)
    states, look = [ours.encode(frame), other_engine.encode(frame)], bundle.looks[2].embedding
    off = []
    for _ in range(4):
        noise = g.standard_normal(bundle.manifest.noise.shape, dtype=np.float32)
        both = list(zip((ours, other_engine), states, strict=True))
        states = [engine.predict(state, noise, look, 1.0, 0.2) for engine, state in both]
        made, wanted = (np.asarray(state["latents"][-1]) for state in states)
        off.append(float(np.linalg.norm(made - wanted) / np.linalg.norm(wanted)))
        assert ours.decode(states[0], look, 1.0).shape == frame.shape
    assert min(off) > 1e-4 and max(off) < OFF["int8"], off  # of its own frames as well


def test_a_card_without_it_is_told_what_it_has(bundle: Bundle, load_with: Any) -> None:
    backend = load_with(fake_tensorrt.as_module())

    def build(compute: str, precision: str) -> None:
        facts = {"gpu": "A card", "tensorrt": "10.14.1", "compute": compute}
        card = backend.Card(torch.device("cpu"), facts)
        backend.check_precision(card, precision)

    with pytest.raises(BackendError, match=r"fp8: A card has compute capability 8\.6, 8\.9 is wa"):
        build("8.6", "fp8")
    with pytest.raises(BackendError, match=r"give --precision int8, or auto"):
        build("8.6", "fp8")
    with pytest.raises(BackendError, match=r"int8: .* 7\.0, 7\.5 is wanted; give --precision auto"):
        build("7.0", "int8")
    with pytest.raises(BackendError, match=r"no precision 'int4'; give auto, int8, fp8"):
        build("9.0", "int4")
    for compute, precision in (("8.9", "fp8"), ("12.0", "fp8"), ("7.5", "int8"), ("6.1", "auto")):
        build(compute, precision)
