"""The predictor in eight bits: roundings before every layer that multiplies pictures by weights.

TensorRT takes the precision of a layer from the graph, so int8 and fp8 are pairs of QuantizeLinear
and DequantizeLinear there, which ONNX has for half precision from its opset 19 on: on the weights,
and on what goes into the layer, whose size is measured on frames that the bundle itself makes on
the processor. Left as they are: the first and the last convolution, attention's own products, and
the layers of numbers that are told (ONNX: Gemm), whose work is nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle
from trainjourney.inference.engine import GraphEngine
from trainjourney.inference.graph import Arrays, Graph, Overtaken, Ports, never
from trainjourney.inference.onnxruntime_backend import OnnxRuntime, OnnxRuntimeGraph

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from trainjourney.inference.branch import beside, take_branches
except ImportError as err:
    raise BackendError(f"eight bits need onnx ({err}); type: pip install '.[tensorrt]'") from err

PREDICTOR = "predictor.onnx"
OPSET = 19
LARGEST = {"int8": 127.0, "fp8": 448.0}
TYPES = {"int8": TensorProto.INT8, "fp8": TensorProto.FLOAT8E4M3FN}
LEAST_SCALE = 2.0**-20  # half precision still knows it
LOOKS, FRAMES = 4, 4  # that are looked at, and frames of each
DREAMS = (0.0, 0.3, 0.6, 1.0)  # one a frame, so that a rough context is seen too


@dataclass(frozen=True)
class Place:
    """A tensor that goes into a layer, and is to be rounded on its way."""

    node: int  # which of the graph's takes it
    slot: int
    name: str
    kind: int  # ONNX's type of its numbers
    weight: str = ""  # the constant that it is; empty: it is measured
    axis: int = 0  # of a weight's channels


@contextmanager
def in_eight_bits(bundle: Bundle, precision: str) -> Iterator[Path]:
    """The predictor in "int8" or "fp8": a file beside the bundle's, gone afterwards.

    Raises BackendError, BundleError.
    """
    path, _ = bundle.graph(PREDICTOR)
    model = onnx.load(str(path), load_external_data=False)
    take_branches(model)
    places = find_places(model.graph)
    if not places:
        raise BackendError(f"{path}: has no layers for {precision}; leave --precision out")
    asked = {place.name for place in places if not place.weight}
    most = measure(bundle, model, asked)
    for opset in model.opset_import:
        if opset.domain == "":
            opset.version = max(opset.version, OPSET)  # 19 reads all of 18 as it was
    put_roundings(model.graph, places, most, precision, bundle.folder)
    with beside(bundle.folder, model) as rounded:
        yield rounded


def find_places(graph: Any) -> list[Place]:
    """Where to round: both inputs of all but the first and the last layer."""
    makers = {out: i for i, node in enumerate(graph.node) for out in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: list[tuple[Place, Place]] = []
    for i, node in enumerate(graph.node):
        if node.op_type not in ("Conv", "MatMul"):
            continue
        at, slot, name = i, 1, node.input[1]
        turned = name in makers and graph.node[makers[name]].op_type == "Transpose"
        if turned:  # torch's linear layer: the weights are rounded before they are turned
            at, slot = makers[name], 0
            name = graph.node[at].input[0]
        constant, kind = name, None
        if name in makers and graph.node[makers[name]].op_type == "Cast":
            cast = graph.node[makers[name]]
            constant, kind = cast.input[0], cast.attribute[0].i
        if constant not in constants:
            continue  # one of attention's own products
        tensor = constants[constant]
        kind = kind or tensor.data_type
        axis = 0 if turned or node.op_type == "Conv" else len(tensor.dims) - 1
        weight = Place(at, slot, name, kind, constant, axis)
        found.append((Place(i, 0, node.input[0], kind), weight))
    ends = {found[0][1].weight, found[-1][1].weight} if found else set()
    return [place for pair in found if pair[1].weight not in ends for place in pair]


def measure(bundle: Bundle, model: Any, names: set[str]) -> dict[str, float]:
    """The largest size of the named tensors of the predictor, over frames of some looks."""
    told = onnx.ModelProto()
    told.CopyFrom(model)
    for name in sorted(names):
        told.graph.node.extend(
            [
                helper.make_node("Abs", [name], [f"{name}/size"]),
                helper.make_node("ReduceMax", [f"{name}/size"], [f"{name}/top"], keepdims=0),
                helper.make_node("Cast", [f"{name}/top"], [f"{name}/most"], to=TensorProto.FLOAT),
            ]
        )
        info = helper.make_tensor_value_info(f"{name}/most", TensorProto.FLOAT, [])
        told.graph.output.append(info)
    opener, manifest = OnnxRuntime("auto", 0), bundle.manifest
    graphs: list[Graph] = [opener.open(bundle, name) for name in manifest.graphs]
    with beside(bundle.folder, told) as path:
        graphs[manifest.graphs.index(PREDICTOR)] = watched = Watched(opener.session(path))
    engine = GraphEngine(manifest, "onnxruntime", "f32", *graphs)
    rng = np.random.default_rng(1)
    size = (manifest.frame.width, manifest.frame.height)
    for look in bundle.looks[:LOOKS]:
        with Image.open(look.picture) as picture:
            frame = np.array(picture.convert("RGB").resize(size))
        state = engine.encode(frame)
        for i in range(FRAMES):
            noise = rng.standard_normal(manifest.noise.shape, dtype=np.float32)
            dream = DREAMS[i % len(DREAMS)]
            state = engine.predict(state, noise, look.embedding, 1.0 - 0.5 * i, dream)
    return watched.most


class Watched:
    """A predictor that tells more than its state: the largest it ever told is kept."""

    def __init__(self, session: Any) -> None:
        graph = OnnxRuntimeGraph(session)
        names = [name for name in graph.outputs if name.endswith("/most")]
        self.inputs: Ports = graph.inputs
        self.outputs: Ports = {
            name: port for name, port in graph.outputs.items() if name not in names
        }
        self.most = {name.removesuffix("/most"): 0.0 for name in names}
        self._graph, self._told = graph, {name: graph.outputs[name].empty() for name in names}

    def run(self, inputs: Arrays, outputs: Arrays, overtaken: Overtaken = never) -> None:
        """As the graph does."""
        self._graph.run(inputs, {**outputs, **self._told}, overtaken)
        for name, size in self._told.items():
            name = name.removesuffix("/most")
            self.most[name] = max(self.most[name], float(size))


def put_roundings(
    graph: Any, places: list[Place], most: Mapping[str, float], precision: str, folder: Path
) -> None:
    """Have a pair of nodes before every place; one pair a tensor, however often it is taken."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    before: dict[int, list[Place]] = {}
    for place in places:
        before.setdefault(place.node, []).append(place)
    nodes, done = list(graph.node), set()
    del graph.node[:]
    for i, node in enumerate(nodes):
        for place in before.get(i, []):
            rounded = f"{place.name}/{precision}"
            if rounded not in done:
                size = np.asarray(most.get(place.name, 0.0))
                if place.weight:
                    tensor = numpy_helper.to_array(constants[place.weight], str(folder))
                    size = weight_size(tensor, place.axis, precision)
                graph.node.extend(_pair(graph, place, rounded, size, precision))
                done.add(rounded)
            node.input[place.slot] = rounded
        graph.node.append(node)


def weight_size(weight: NDArray[Any], axis: int, precision: str) -> NDArray[Any]:
    """The largest size of a weight: of every channel in int8, of all in fp8, which has exponents
    to tell small channels from large ones."""
    size = np.abs(weight.astype(np.float32))
    others = tuple(i for i in range(weight.ndim) if i != axis)
    return np.asarray(size.max(others) if precision == "int8" else size.max())


def _pair(graph: Any, place: Place, rounded: str, size: NDArray[Any], precision: str) -> list[Any]:
    kind = helper.tensor_dtype_to_np_dtype(place.kind)
    scale = np.maximum(size / LARGEST[precision], LEAST_SCALE).astype(kind)
    zero = np.zeros(scale.size)  # symmetric, as TensorRT wants it
    graph.initializer.extend(
        [
            numpy_helper.from_array(scale, f"{rounded}/scale"),
            helper.make_tensor(f"{rounded}/zero", TYPES[precision], scale.shape, zero),
        ]
    )
    told = [f"{rounded}/scale", f"{rounded}/zero"]
    how: dict[str, Any] = {"axis": place.axis} if scale.ndim else {}
    return [
        helper.make_node("QuantizeLinear", [place.name, *told], [f"{rounded}/q"], **how),
        helper.make_node("DequantizeLinear", [f"{rounded}/q", *told], [rounded], **how),
    ]
