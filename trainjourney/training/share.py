"""One copy of the weights: the graphs' large constants are read out of weights.safetensors itself.

An ONNX tensor may lie in another file at an offset; a safetensors file is a header and then raw
tensors. So each graph keeps a float16 view into the very file that training goes on from.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from ..inference.branch import put_branches

WEIGHTS = "weights.safetensors"
_SMALL = 256  # numbers; below that a constant stays in the graph
Entry = tuple[int, int, tuple[int, ...], str]  # offset, length, shape and type of a tensor


def _table(path: Path) -> dict[str, Entry]:
    """Where every tensor of a safetensors file lies."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    return {
        name: (
            8 + size + entry["data_offsets"][0],
            entry["data_offsets"][1] - entry["data_offsets"][0],
            tuple(entry["shape"]),
            entry["dtype"],
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _view(name: str, entry: Entry) -> TensorProto:
    """A float16 constant whose numbers lie in weights.safetensors."""
    offset, length, shape, _ = entry
    view = TensorProto(
        name=name,
        dims=shape,
        data_type=TensorProto.FLOAT16,
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
        view.external_data.add(key=key, value=str(value))
    return view


def lend_weights(folder: Path, name: str, own: Mapping[str, Tensor]) -> None:
    """Give folder/name, exported without its parameters, those of folder/weights.safetensors.

    `own` is all that the graph's module holds: what the file does not hold, or what is small, goes
    into the graph. So the size of a graph is not the size of its numbers (protobuf ends at 2 GB).
    """
    table = _table(folder / WEIGHTS)
    model = onnx.load(folder / name)
    graph, casts = model.graph, []
    for port in [port for port in graph.input if port.name in own]:
        graph.input.remove(port)
        tensor, entry = own[port.name], table.get(port.name)
        if entry is None or entry[2:] != (tuple(tensor.shape), "F16") or tensor.numel() < _SMALL:
            graph.initializer.append(numpy_helper.from_array(tensor.numpy(), port.name))
        elif port.type.tensor_type.elem_type == TensorProto.FLOAT16:
            graph.initializer.append(_view(port.name, entry))
        else:
            half = f"{port.name}.half"
            graph.initializer.append(_view(half, entry))
            casts.append(helper.make_node("Cast", [half], [port.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    (folder / name).write_bytes(model.SerializeToString())


def share_weights(folder: Path, name: str) -> int:
    """Rewrite folder/name so that its constants point into folder/weights.safetensors.

    Gives the number of bytes that stay inside the graph. Constants of a network that the file
    does not hold are kept inside, as float16 where they are large.
    """
    table = _table(folder / WEIGHTS)
    model = onnx.load(folder / name)
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < _SMALL:
            continue
        entry = table.get(tensor.name)
        half = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT))
        if entry and entry[2] == tuple(tensor.dims) and entry[3] == "F16":
            tensor.CopyFrom(_view(half, entry))
        else:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, half))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    put_branches(model)  # now, so that the casts of a branch's weights lie in it
    data = model.SerializeToString()
    (folder / name).write_bytes(data)
    return len(data)
