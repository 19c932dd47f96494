"""One copy of the weights: the graphs' large constants are read out of weights.safetensors itself.

An ONNX tensor may lie in another file at an offset; a safetensors file is a header and then raw
tensors. So each graph keeps a float16 view into the very file that training goes on from.
"""

import json
import struct
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = "weights.safetensors"
_SMALL = 256  # numbers; below that a constant stays in the graph


def _table(path: Path) -> dict[str, tuple[int, int, tuple[int, ...], str]]:
    """Offset, length, shape and type of every tensor of a safetensors file."""
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
            external = TensorProto(
                name=half,
                dims=tensor.dims,
                data_type=TensorProto.FLOAT16,
                data_location=TensorProto.EXTERNAL,
            )
            for key, value in (("location", WEIGHTS), ("offset", entry[0]), ("length", entry[1])):
                external.external_data.add(key=key, value=str(value))
            tensor.CopyFrom(external)
        else:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, half))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    data = model.SerializeToString()
    (folder / name).write_bytes(data)
    return len(data)
