"""Graphs on a device: a state stays there between frames, and a frame comes back in one copy.

What a graph here gives as a state, or to steer by, is an array whose numbers stand on the device
too, in its twin. Given to the next graph it is read from there; what has no twin is copied over.
The array itself is read by the world alone (is all of it finite?) and by what keeps it: 128 KB at
512x512.

Until a graph is launched the device stands, and every call to it costs the processor some hundredth
of a millisecond. So what comes from the host every frame lies side by side, and the graph itself
copies it over; and what a graph gives for its own next run, it leaves where it will read it.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainjourney.errors import BackendError
from trainjourney.inference.graph import Arrays, Overtaken, Port, Ports, never

ALIGN = 256  # bytes, where an input may begin
WARM_UPS = 3  # runs before a CUDA graph is captured, so that all kernels have been chosen
Tensors = dict[str, Tensor]


class Twin(np.ndarray[Any, np.dtype[Any]]):
    """An array on the host with, for a state, a `twin` of the same numbers on the device.

    One with a twin cannot be written to, so that both stay the same; its copy can.
    """

    host: Tensor  # this memory, pinned where the device is a GPU
    twin: Tensor | None = None
    version: int = 0  # how often a graph has filled it


@dataclass(frozen=True)
class DevicePort(Port):
    """An output whose arrays can be filled by the device without waiting."""

    device: torch.device
    stays: bool  # on the device: the next graph reads it there

    def empty(self) -> NDArray[Any]:
        """An array for it. Pinned memory comes from torch's cache, so this is cheap every frame."""
        dtype = getattr(torch, self.dtype)
        host = torch.empty(self.shape, dtype=dtype, pin_memory=self.device.type == "cuda")
        array = host.numpy().view(Twin)
        array.host = host
        if self.stays:
            array.twin = torch.zeros(self.shape, dtype=dtype, device=self.device)
            array.flags.writeable = False
        return array


class DeviceGraph:
    """One graph with its memory on a device; on a GPU it is captured into a CUDA graph."""

    def __init__(
        self,
        inputs: Ports,
        outputs: Ports,
        stays: bool,
        device: torch.device,
        begin: Callable[[Tensors, Tensors], Callable[[], None]],
        fresh: Collection[str] = (),
    ) -> None:
        """`begin` is told the memory of inputs and outputs, and gives what runs the graph there.

        `stays`: what it gives is read by another graph. `fresh` are the inputs that no graph gives.
        What it gives as next.NAME it leaves in its input NAME as well. Raises BackendError.
        """
        self.inputs = inputs
        self.outputs: Ports = {
            name: DevicePort(port.dtype, port.shape, device, stays)
            for name, port in outputs.items()
        }
        self._on_gpu = device.type == "cuda"
        self._fresh = {name: port for name, port in inputs.items() if name in fresh}
        kept = {name: port for name, port in inputs.items() if name not in fresh}
        self._landing, landed = _side_by_side(self._fresh, device)
        self._given, self._made = landed | _memory(kept, device), _memory(outputs, device)
        self._leaving, self._staged = self._landing, self._given
        if self._on_gpu:
            self._leaving, leaving = _side_by_side(self._fresh, torch.device("cpu"), pinned=True)
            self._staged = {name: self._given[name].cpu().pin_memory() for name in kept} | leaving
        self._loops = {name: f"next.{name}" for name in kept if f"next.{name}" in outputs}
        self._held: dict[str, tuple[Twin, int]] = {}  # whose numbers stand in an input, and which
        self._launch = begin(self._given, self._made)  # kept: it holds the weights
        self._replay = _captured(self._work) if self._on_gpu else self._work
        self._follower: DeviceGraph | None = None
        self._ahead: Arrays | None = None  # what was launched on already, by the graph before
        self._busy = Lock()

    def lead(self, follower: "DeviceGraph") -> None:
        """Have another graph launched on what this one gives as soon as that is there.

        Asked for the same arrays later it waits for its end alone. While it is busy elsewhere it
        is not launched.
        """
        self._follower = follower

    def run(self, inputs: Arrays, outputs: Arrays, overtaken: Overtaken = never) -> None:
        """Read and write the given arrays in place; twins are read on the device, and kept there.
        What was handed to it runs to its end.

        Raises BackendError.
        """
        try:
            with self._busy, torch.inference_mode():
                if self._follower:
                    self._follower.forget()  # the arrays it went ahead with may be written anew
                if not self._is_ahead(inputs):
                    self._begin(inputs)
                self._ahead = None
                for name, array in outputs.items():
                    self._give(self._made[name], array)
                for name, following in self._loops.items():
                    array = outputs[following]
                    if isinstance(array, Twin):
                        self._held[name] = (array, array.version)
                there: Any = torch.cuda.current_stream().record_event() if self._on_gpu else None
                if self._follower:
                    self._follower.go_ahead(outputs)
                if there:
                    there.synchronize()
        except RuntimeError as err:
            raise BackendError(
                f"the device failed ({_short(err)}); try --set engine.backend=openvino"
            ) from err

    def go_ahead(self, made: Arrays) -> None:
        """Launch on arrays of a state, named as the graph before names them."""
        if self._busy.acquire(blocking=False):
            try:
                inputs = {name: made[f"next.{name}"] for name in self.inputs}
                self._begin(inputs)
                self._ahead = inputs
            finally:
                self._busy.release()

    def forget(self) -> None:
        """Whatever is asked next is launched then."""
        self._ahead = None

    def _begin(self, inputs: Arrays) -> None:
        for name, array in inputs.items():
            self._take(name, array)
        for name in self._loops:
            self._held.pop(name, None)
        self._replay()

    def _work(self) -> None:
        """What is captured."""
        if self._fresh and self._on_gpu:
            self._landing.copy_(self._leaving, non_blocking=True)
        self._launch()
        for name, following in self._loops.items():
            self._given[name].copy_(self._made[following])

    def _is_ahead(self, inputs: Arrays) -> bool:
        ahead = self._ahead
        return ahead is not None and all(ahead[name] is inputs[name] for name in ahead)

    def _take(self, name: str, array: NDArray[Any]) -> None:
        given, staged = self._given[name], self._staged[name]
        if isinstance(array, Twin) and array.twin is not None and name not in self._fresh:
            held = self._held.get(name)
            if held is None or held[0] is not array or held[1] != array.version:
                given.copy_(array.twin)
                self._held[name] = (array, array.version)
            return
        self._held.pop(name, None)
        np.copyto(staged.numpy(), array)
        if staged is not given and name not in self._fresh:
            given.copy_(staged, non_blocking=True)

    @staticmethod
    def _give(made: Tensor, array: NDArray[Any]) -> None:
        if not isinstance(array, Twin):
            torch.from_numpy(array).copy_(made)
            return
        if array.twin is not None:
            array.twin.copy_(made)
        array.host.copy_(made, non_blocking=True)
        array.version += 1


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Says in one line why a device cannot open a bundle, and what then. Raises BackendError."""
    try:
        yield
    except torch.OutOfMemoryError as err:
        raise BackendError(
            f"{folder}: this GPU has too little memory for it; close what else uses it, "
            "or import the ride with a smaller --shape and train anew"
        ) from err
    except RuntimeError as err:  # of CUDA, or of torch's compiler
        raise BackendError(
            f"{folder}: cannot be opened on this device ({_short(err)}); "
            "give another --set engine.backend"
        ) from err


def _memory(ports: Ports, device: torch.device) -> Tensors:
    return {
        name: torch.zeros(port.shape, dtype=getattr(torch, port.dtype), device=device)
        for name, port in ports.items()
    }


def _side_by_side(
    ports: Ports, device: torch.device, pinned: bool = False
) -> tuple[Tensor, Tensors]:
    """One piece of memory, and what each port has of it."""
    at, parts = 0, {}
    for name, port in ports.items():
        parts[name] = at, int(np.prod(port.shape)) * np.dtype(port.dtype).itemsize
        at += -(-parts[name][1] // ALIGN) * ALIGN
    whole = torch.zeros(max(at, 1), dtype=torch.uint8, device=device, pin_memory=pinned)
    return whole, {
        name: whole[at : at + size].view(getattr(torch, port.dtype)).view(port.shape)
        for (name, port), (at, size) in zip(ports.items(), parts.values(), strict=True)
    }


def _captured(launch: Callable[[], None]) -> Callable[[], None]:
    """The same work as one CUDA graph, replayed on the current stream."""
    with torch.inference_mode():
        side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                launch()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch()
    replay: Callable[[], None] = graph.replay
    return replay


def _short(err: BaseException) -> str:
    return " ".join(str(err).split())[:160]
