"""The engine: a bundle's graphs on one backend, ready to be called frame by frame."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle
from trainjourney.inference.graph import EVERY_FRAME, Graph, Overtaken, never
from trainjourney.inference.manifest import Manifest
from trainjourney.side_by_side import core_count
from trainjourney.types import Embedding, Frame, State

BACKENDS = ("openvino", "onnxruntime")  # on a processor, by preference
ON_GPU = ("torch", "torch-compile", "tensorrt", "onnxruntime-cuda")  # only where they are asked for
PRECISIONS = ("bf16", "f16", "f32")


class Opener(Protocol):
    """A backend."""

    @property
    def precision(self) -> str:
        """That it runs in; of plans, that of those it has opened."""
        ...

    def open(self, bundle: Bundle, name: str) -> Graph: ...


class Engine(Protocol):
    """Runs a bundle.

    A state that `predict` gives stands in the engine's own memory until the next but one
    `predict`; copy it to keep it longer, or to write to it. Frames, embeddings and encoded states
    are the caller's. `decode` of a state may run in one thread while `predict` goes on from it in
    another. Both raise GaveWay when `overtaken` before their end, where the backend can stop.
    """

    backend: str
    precision: str
    side_by_side: bool  # predict and decode have cores of their own: run them at the same time

    def encode(self, frame: Frame) -> State: ...

    def predict(
        self,
        state: State,
        noise: NDArray[np.float32],
        embedding: Embedding,
        speed: float,
        dream: float,
        overtaken: Overtaken = never,
    ) -> State: ...

    def decode(
        self, state: State, embedding: Embedding, speed: float, overtaken: Overtaken = never
    ) -> Frame: ...

    def embed(self, picture: Frame) -> Embedding: ...


def open_engine(
    bundle: Bundle, backend: str = "auto", precision: str = "auto", threads: int = 0
) -> Engine:
    """Open a bundle on "openvino" or "onnxruntime", in "bf16" or "f32".

    Auto: openvino where it is installed, else onnxruntime; bf16 where the processor has it in
    hardware and the backend uses it, else f32. What is asked for and is not there is refused.

    Where the bundle looks ahead, and there are two threads or more, predictor and decoder get half
    of them each. On one core a graph keeps what it has in that core's own cache; on two of them
    every layer hands half of its picture over, which costs most where the cores are far apart.
    Raises BackendError, BundleError.
    """
    chosen = choose_backend(backend)
    if precision not in ("auto", *PRECISIONS):
        raise BackendError(f"no precision '{precision}'; give auto, bf16, f16 or f32")
    opener = _OPENERS[chosen](precision, threads)
    apart = chosen not in ON_GPU  # compiling leaves Python's lock alone; a GPU is one
    half = (threads or core_count()) // 2 if apart and bundle.manifest.looks_ahead else 0
    names = bundle.manifest.graphs
    openers = dict.fromkeys(names, opener)
    if half:
        openers |= dict.fromkeys(EVERY_FRAME, _OPENERS[chosen](precision, half))
    with ThreadPoolExecutor(len(names) if apart else 1) as pool:
        graphs = list(pool.map(lambda name: openers[name].open(bundle, name), names))
    return GraphEngine(bundle.manifest, chosen, opener.precision, *graphs, side_by_side=half > 0)


def open_embedder(bundle: Bundle, backend: str = "auto") -> Callable[[Frame], Embedding]:
    """The embedder alone, in f32 on one thread: to make looks beside a show.

    Raises BackendError, BundleError.
    """
    opener = _OPENERS[choose_backend(backend)]("f32", 1)
    graph = opener.open(bundle, "embedder.onnx")

    def embed(picture: Frame) -> Embedding:
        embedding = graph.outputs["embedding"].empty()
        graph.run(GraphEngine._fitted(graph, picture=picture), {"embedding": embedding})
        return np.array(embedding, np.float32)

    return embed


def choose_backend(backend: str) -> str:
    """The backend that a word means on this machine. Raises BackendError."""
    if backend in ON_GPU:
        return backend  # it says itself what it lacks
    if backend not in ("auto", *BACKENDS):
        known = ", ".join(("auto", *BACKENDS, *ON_GPU))
        raise BackendError(f"no backend '{backend}'; give one of {known}")
    there = [name for name in BACKENDS if find_spec(name)]
    if backend == "auto" and there:
        return there[0]
    if backend in there:
        return backend
    name = "openvino" if backend == "auto" else backend
    instead = f", or give --set engine.backend={there[0]}" if there else ""
    raise BackendError(f"{name} is not installed here; type: pip install {name}{instead}")


class GraphEngine:
    """The engine of every backend that runs graphs over numpy arrays."""

    def __init__(
        self,
        manifest: Manifest,
        backend: str,
        precision: str,
        encoder: Graph,
        predictor: Graph,
        decoder: Graph,
        embedder: Graph,
        steering: Graph | None = None,
        *,
        side_by_side: bool = False,
    ) -> None:
        self.side_by_side = side_by_side
        self.backend, self.precision = backend, precision
        self._encoder, self._predictor = encoder, predictor
        self._decoder, self._embedder = decoder, embedder
        self._steering, self._steered_by = steering, np.empty(0, np.float32)
        self._vectors = steering.outputs["steering"].empty() if steering else self._steered_by
        self._names = [entry.name for entry in manifest.state]
        self._turns = [self._room(), self._room()]  # states are predicted into these by turns
        self._turn = 0

    def encode(self, frame: Frame) -> State:
        """A state whose window shows `frame` [H, W, 3]."""
        ports = self._encoder.outputs
        state = {name: ports[name].empty() for name in self._names}
        self._encoder.run(self._fitted(self._encoder, frame=frame), state)
        return state

    def predict(
        self,
        state: State,
        noise: NDArray[np.float32],
        embedding: Embedding,
        speed: float,
        dream: float,
        overtaken: Overtaken = never,
    ) -> State:
        """The next state, in the engine's own memory until the next but one call."""
        given = self._fitted(
            self._predictor,
            **state,
            noise=noise,
            **self._steered(embedding),
            speed=np.array(speed, np.float32),
            dream=np.array(dream, np.float32),
        )
        self._turn = 1 - self._turn
        if self._shared(given, self._turns[self._turn]):
            self._turn = 1 - self._turn
        following = self._turns[self._turn]
        if self._shared(given, following):  # a state put together from both turns
            given = {name: array.copy() for name, array in given.items()}
        made = {f"next.{name}": following[name] for name in self._names}
        self._predictor.run(given, made, overtaken)
        return dict(following)

    def decode(
        self, state: State, embedding: Embedding, speed: float, overtaken: Overtaken = never
    ) -> Frame:
        """The frame [H, W, 3] that a state shows; or the one after it, in that look and at that
        speed, if the bundle's decoder looks ahead."""
        frame = self._decoder.outputs["frame"].empty()
        given = {**state, "embedding": embedding, "speed": np.array(speed, np.float32)}
        seen = {name: given[name] for name in self._decoder.inputs}
        self._decoder.run(self._fitted(self._decoder, **seen), {"frame": frame}, overtaken)
        return frame

    def embed(self, picture: Frame) -> Embedding:
        """The embedding [D] of a picture of the size that the manifest says."""
        embedding = self._embedder.outputs["embedding"].empty()
        self._embedder.run(self._fitted(self._embedder, picture=picture), {"embedding": embedding})
        return embedding

    def _steered(self, embedding: Embedding) -> dict[str, NDArray[Any]]:
        """What steers the predictor: the embedding, or what is made of it when it is another."""
        if self._steering is None:
            return {"embedding": embedding}
        if not np.array_equal(self._steered_by, embedding):
            given = self._fitted(self._steering, embedding=embedding)
            self._steering.run(given, {"steering": self._vectors})
            self._steered_by = np.array(embedding)
        return {"steering": self._vectors}

    def _room(self) -> State:
        ports = self._predictor.outputs
        return {name: ports[f"next.{name}"].empty() for name in self._names}

    def _shared(self, given: dict[str, NDArray[Any]], room: State) -> bool:
        """Whether any of the given tensors stands in that memory."""
        return any(np.may_share_memory(given[name], room[name]) for name in self._names)

    @staticmethod
    def _fitted(graph: Graph, **given: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The given tensors, held against the graph's inputs; made contiguous if they are not."""
        assert given.keys() == graph.inputs.keys(), (sorted(given), sorted(graph.inputs))
        for name, port in graph.inputs.items():
            array = given[name]
            assert array.shape == port.shape and array.dtype == port.dtype, (
                f"{name} is {array.dtype}{list(array.shape)}, not {port}"
            )
            if not array.flags.c_contiguous:
                given[name] = np.ascontiguousarray(array)
        return given


def _open_openvino(precision: str, threads: int) -> Opener:
    from trainjourney.inference.openvino_backend import OpenVino

    return OpenVino(precision, threads)


def _open_onnxruntime(precision: str, threads: int) -> Opener:
    from trainjourney.inference.onnxruntime_backend import OnnxRuntime

    return OnnxRuntime(precision, threads)


def _open_cuda(precision: str, threads: int) -> Opener:
    from trainjourney.inference.onnxruntime_backend import OnnxRuntime

    return OnnxRuntime(precision, threads, "CUDAExecutionProvider")


def _open_torch(precision: str, threads: int) -> Opener:
    from trainjourney.inference.torch_backend import Torch

    return Torch(precision, threads)


def _open_compiled(precision: str, threads: int) -> Opener:
    from trainjourney.inference.torch_backend import Torch

    return Torch(precision, threads, compiled=True)


def _open_tensorrt(precision: str, threads: int) -> Opener:
    from trainjourney.inference.tensorrt_backend import TensorRt

    return TensorRt(precision)


_OPENERS: dict[str, Callable[[str, int], Opener]] = {
    "openvino": _open_openvino,
    "onnxruntime": _open_onnxruntime,
    "onnxruntime-cuda": _open_cuda,
    "torch": _open_torch,
    "torch-compile": _open_compiled,
    "tensorrt": _open_tensorrt,
}
