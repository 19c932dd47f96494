"""A whole bundle made in milliseconds with onnx.helper alone: a painted strip that scrolls by.

Frame 64x32. The state is one picture strip, twice as wide as the window, and where the window
stands in it; the predictor moves the window by the speed and repaints the column that is farthest
from it in the embedding's colour, with noise; the decoder cuts the window out. So travel, look,
dream, noise and start picture all act as in a real bundle.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from trainjourney.inference.write import write_bundle

WIDTH, HEIGHT, RING = 64, 32, 128
TRAVEL_PX = 2.0
SIZE = 4  # of the embedding; the first three numbers are a colour
PICTURE = (16, 32)  # height, width
LOOKS = {"red": (1.0, 0.1, 0.1), "green": (0.1, 1.0, 0.1), "blue": (0.1, 0.1, 1.0)}
TYPES = {
    "uint8": TensorProto.UINT8,
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}
Ports = dict[str, tuple[str, list[int]]]
STATE: Ports = {"strip": ("uint8", [RING, HEIGHT, 3]), "position": ("float32", [1])}
CONTROLS: Ports = {
    "noise": ("float32", [HEIGHT, 3]),
    "embedding": ("float32", [SIZE]),
    "speed": ("float32", []),
    "dream": ("float32", []),
}


class Drawing:
    """An ONNX graph, put down node by node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: str = "float32") -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        out = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def cast(self, value: str, dtype: str, out: str = "") -> str:
        return self.node("Cast", value, out=out, to=TYPES[dtype])

    def save(self, path: Path, inputs: Ports, outputs: Ports) -> None:
        def infos(ports: Ports) -> list[Any]:
            return [
                helper.make_tensor_value_info(name, TYPES[dtype], shape)
                for name, (dtype, shape) in ports.items()
            ]

        graph = helper.make_graph(
            self.nodes, path.stem, infos(inputs), infos(outputs), self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString())


def draw_encoder(path: Path) -> None:
    """The frame fills the window; its mirror image fills what lies beyond."""
    d = Drawing()
    columns = d.node("Transpose", "frame", perm=[1, 0, 2])
    mirrored = d.node("Gather", columns, d.constant(range(WIDTH - 1, -1, -1), "int64"), axis=0)
    d.node("Concat", columns, mirrored, out="strip", axis=0)
    d.node("Identity", d.constant([0.0]), out="position")
    d.save(path, {"frame": ("uint8", [HEIGHT, WIDTH, 3])}, STATE)


def draw_predictor(path: Path) -> None:
    """Move by the speed; repaint one column in the middle of the unseen part."""
    d = Drawing()
    moved = d.node("Add", "position", d.node("Mul", "speed", d.constant([TRAVEL_PX])))
    turns = d.node("Floor", d.node("Div", moved, d.constant([float(RING)])))
    position = d.node("Sub", moved, d.node("Mul", turns, d.constant([float(RING)])))
    d.node("Identity", position, out="next.position")
    ahead = d.node("Add", d.cast(d.node("Floor", position), "int32"), d.constant([96], "int32"))
    column = d.node("Mod", ahead, d.constant([RING], "int32"))
    at = d.node("Unsqueeze", d.cast(column, "int64"), d.constant([1], "int64"))
    old = d.node("GatherND", "strip", at)
    colour = d.node("Slice", "embedding", d.constant([0], "int64"), d.constant([3], "int64"))
    grain = d.node("Mul", "noise", d.constant(0.1))
    paint = d.node("Mul", d.node("Add", colour, grain), d.constant(255.0))
    share = d.node("Add", d.node("Mul", "dream", d.constant(0.5)), d.constant(0.5))
    kept = d.cast(old, "float32")
    mixed = d.node("Add", kept, d.node("Mul", d.node("Sub", paint, kept), share))
    clipped = d.node("Clip", mixed, d.constant(0.0), d.constant(255.0))
    new = d.cast(d.node("Round", clipped), "uint8")
    d.node("ScatterND", "strip", at, new, out="next.strip")
    d.save(path, {**STATE, **CONTROLS}, {f"next.{name}": port for name, port in STATE.items()})


def draw_decoder(path: Path) -> None:
    """Cut the window out of the strip."""
    d = Drawing()
    left = d.cast(d.node("Floor", "position"), "int32")
    columns = d.node("Add", left, d.constant(range(WIDTH), "int32"))
    at = d.node("Mod", columns, d.constant([RING], "int32"))
    seen = d.node("Gather", "strip", at, axis=0)
    d.node("Transpose", seen, out="frame", perm=[1, 0, 2])
    d.save(path, STATE, {"frame": ("uint8", [HEIGHT, WIDTH, 3])})


def draw_embedder(path: Path, grey: float = 0.1) -> None:
    """The mean colour and a little grey, on the sphere."""
    d = Drawing()
    mean = d.node(
        "ReduceMean", d.cast("picture", "float32"), d.constant([0, 1], "int64"), keepdims=0
    )
    colour = d.node("Div", mean, d.constant(255.0))
    whole = d.node("Concat", colour, d.constant([grey]), axis=0)
    d.node("LpNormalization", whole, out="embedding", axis=0, p=2)
    height, width = PICTURE
    d.save(path, {"picture": ("uint8", [height, width, 3])}, {"embedding": ("float32", [SIZE])})


def tiny_looks(grey: float = 0.1) -> tuple[list[str], NDArray[np.float32]]:
    """Names and embeddings, as the embedder would give them."""
    vectors = np.array([[*colour, grey] for colour in LOOKS.values()])
    return list(LOOKS), (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4")


def tiny_table() -> dict[str, Any]:
    """The manifest without [files]."""
    return {
        "name": "tiny",
        "licence": "Apache-2.0",
        "frame": {"width": WIDTH, "height": HEIGHT, "fps": 30},
        "embedding": {"size": SIZE, "picture_width": PICTURE[1], "picture_height": PICTURE[0]},
        "noise": {"shape": CONTROLS["noise"][1]},
        "ranges": {"speed": [-2.0, 2.0], "dream": [0.0, 1.0], "travel_px": TRAVEL_PX},
        "state": [
            {"name": name, "shape": shape, "dtype": dtype} for name, (dtype, shape) in STATE.items()
        ],
        "training": {"drawn": "by hand"},
    }


def write_parts(source: Path, grey: float = 0.1) -> None:
    """The files of a bundle without its manifest and looks.npz."""
    (source / "looks").mkdir(parents=True)
    draw_encoder(source / "encoder.onnx")
    draw_predictor(source / "predictor.onnx")
    draw_decoder(source / "decoder.onnx")
    draw_embedder(source / "embedder.onnx", grey)
    for name, colour in LOOKS.items():
        rgb = tuple(round(255 * part) for part in colour)
        Image.new("RGB", (WIDTH, HEIGHT), rgb).save(source / "looks" / f"{name}.jpg")
    (source / "CARD.md").write_text("# tiny\n\nFor tests.\n", encoding="utf-8")


def write_tiny_bundle(folder: Path, grey: float = 0.1) -> Path:
    """Make the bundle; `folder` is its name and place. Another grey is another embedder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "parts"
        write_parts(source, grey)
        write_bundle(folder, {**tiny_table(), "name": folder.name}, source, *tiny_looks(grey))
    return folder
