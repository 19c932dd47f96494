"""What a backend gives for one graph of a bundle, and the check that it fits the manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainjourney.errors import BundleError
from trainjourney.inference.bundle import cure
from trainjourney.inference.manifest import CONTROLS, STEERING, Manifest

Arrays = Mapping[str, NDArray[Any]]
Overtaken = Callable[[], bool]  # whether what is being made is to be made anew
EVERY_FRAME = ("predictor.onnx", "decoder.onnx")  # is run by a show
STAY = ("encoder.onnx", "predictor.onnx", STEERING)  # what they give is read by the predictor


@dataclass(frozen=True)
class Port:
    """The type of one input or output; the shape is static."""

    dtype: str  # numpy's name
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"

    def empty(self) -> NDArray[Any]:
        """An array for it, at an address that vector code likes."""
        size = int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize
        room = np.zeros(size + 64, np.uint8)
        start = -room.ctypes.data % 64
        return room[start : start + size].view(self.dtype).reshape(self.shape)


Ports = Mapping[str, Port]


class GaveWay(Exception):  # noqa: N818  nothing is wrong
    """A run ended before its time because it was overtaken; what it has written is of no use."""


def never() -> bool:
    """Not overtaken."""
    return False


class Graph(Protocol):
    """One graph, compiled. One caller at a time; other graphs may run beside it."""

    inputs: Ports
    outputs: Ports

    def run(self, inputs: Arrays, outputs: Arrays, overtaken: Overtaken = never) -> None:
        """Read `inputs` and write `outputs` in place: whole, C-contiguous, of the ports' types.

        Raises GaveWay when `overtaken` meanwhile; a backend that cannot stop does not ask.
        """
        ...


def wanted_ports(manifest: Manifest, graph: str) -> tuple[Ports, Ports]:
    """What the manifest says that goes into and comes out of a graph.

    The decoder takes some of the state, every other graph takes all inputs.
    """
    state = {entry.name: Port(entry.dtype, entry.shape) for entry in manifest.state}
    frame, embedding = (
        Port("uint8", manifest.frame_shape),
        Port("float32", (manifest.embedding.size,)),
    )
    number, noise = Port("float32", ()), Port("float32", manifest.noise.shape)
    controls = dict(zip(CONTROLS, (noise, embedding, number, number), strict=True))
    steering = Port("float32", (manifest.steering,))
    if manifest.steering:
        del controls["embedding"]
        controls["steering"] = steering
    ahead = {"embedding": embedding, "speed": number} if manifest.looks_ahead else {}
    following = {f"next.{name}": port for name, port in state.items()}
    return {
        "encoder.onnx": ({"frame": frame}, state),
        "predictor.onnx": ({**state, **controls}, following),
        "decoder.onnx": ({**state, **ahead}, {"frame": frame}),
        "embedder.onnx": (
            {"picture": Port("uint8", manifest.picture_shape)},
            {"embedding": embedding},
        ),
        STEERING: ({"embedding": embedding}, {"steering": steering}),
    }[graph]


def fresh_inputs(manifest: Manifest, graph: str) -> set[str]:
    """What no graph gives to this one: it comes from the host, and anew every frame."""
    inputs, _ = wanted_ports(manifest, graph)
    return inputs.keys() - {entry.name for entry in manifest.state} - {"steering"}


def check_ports(
    manifest: Manifest, folder: Path, graph: str, inputs: Ports, outputs: Ports
) -> None:
    """Hold a graph's own ports against the manifest's. Raises BundleError."""
    wanted_in, wanted_out = wanted_ports(manifest, graph)
    if graph == "decoder.onnx":
        ahead = ("embedding", "speed") if manifest.looks_ahead else ()
        some = {name: port for name, port in wanted_in.items() if name in inputs or name in ahead}
        wanted_in = some or wanted_in
    for kind, wanted, found in (("input", wanted_in, inputs), ("output", wanted_out, outputs)):
        for name in sorted({*wanted, *found}):
            if wanted.get(name) != found.get(name):
                raise BundleError(
                    f"{folder}/{graph}: {kind} {name[:80]} is {found.get(name, 'missing')}, "
                    f"bundle.toml says {wanted.get(name, 'there is none')}; {cure(folder)}"
                )
