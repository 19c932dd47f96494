"""TensorRT: plans built for this GPU and run as CUDA graphs, on torch's memory and streams.

Written against TensorRT 10's documentation. It was never run: no GPU was at hand.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle
from trainjourney.inference.graph import Arrays, Ports, check_ports, wanted_ports
from trainjourney.inference.manifest import GRAPHS
from trainjourney.inference.plan import PLANS, plan_path, read_plan, write_plan

try:
    import tensorrt as trt
    import torch
except ImportError as err:
    raise BackendError(
        f"TensorRT cannot be loaded ({err}); type: pip install '.[tensorrt]', "
        "or give --set engine.backend=torch"
    ) from err

MAJOR = "10"
LEVEL = 3  # of effort in building, 0..5
WORKSPACE_BYTES = 4 << 30
WARM_UPS = 3


def facts_here(digest: str, level: int = LEVEL) -> dict[str, str]:
    """All that a plan depends on, of this machine and a graph's digest. Raises BackendError."""
    if not torch.cuda.is_available():
        raise BackendError("no CUDA device is seen here; give --set engine.backend=openvino")
    if trt.__version__.split(".")[0] != MAJOR:
        raise BackendError(
            f"TensorRT {trt.__version__} is here, {MAJOR} is wanted; "
            f"type: pip install 'tensorrt-cu13=={MAJOR}.*'"
        )
    major, minor = torch.cuda.get_device_capability()
    return {
        "gpu": torch.cuda.get_device_name(),
        "compute": f"{major}.{minor}",
        "tensorrt": trt.__version__,
        "cuda": str(torch.version.cuda),
        "graph": digest,
        "options": f"strongly typed, level {level}, refit",
    }


def build(bundle: Bundle, level: int, show: Callable[[str], None]) -> None:
    """Compile every graph of a bundle for this GPU. Raises BackendError, BundleError."""
    cache = bundle.folder / PLANS / "timing.cache"
    for name in GRAPHS:
        path, digest = bundle.graph(name)
        facts = facts_here(digest, level)
        since = time.monotonic()
        plan = _compile(path, level, cache)
        write_plan(plan_path(bundle, name), plan, facts)
        show(f"{name}: {len(plan) >> 20} MB in {time.monotonic() - since:.0f} s")


def _compile(path: Path, level: int, cache: Path) -> bytes:
    """One graph to a plan. Its precision is the graph's own: nothing is made less exact unasked."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        first = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise BackendError(f"{path}: TensorRT cannot read it ({first}); use --set backend=torch")
    config = builder.create_builder_config()
    config.builder_optimization_level = level
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.set_flag(trt.BuilderFlag.REFIT)
    timing = config.create_timing_cache(cache.read_bytes() if cache.exists() else b"")
    config.set_timing_cache(timing, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(
            f"{path}: TensorRT cannot build it; close what else uses the GPU, "
            "or give --set engine.backend=torch"
        )
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(memoryview(timing.serialize()))
    return bytes(plan)


class TensorRt:
    """Opens plans that were built for this very GPU."""

    def __init__(self, precision: str, level: int = LEVEL) -> None:
        if precision not in ("auto", "f16"):
            raise BackendError(f"{precision}: a plan has its graph's own precision; give auto")
        self.precision, self._level = "f16", level
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))

    def open(self, bundle: Bundle, name: str) -> "TensorRtGraph":
        """One graph's plan. Raises BackendError, BundleError."""
        _, digest = bundle.graph(name)
        plan = read_plan(bundle, name, facts_here(digest, self._level))
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(
                f"{plan_path(bundle, name)}: TensorRT refuses it; "
                f"type: trainjourney build --engine {bundle.folder}"
            )
        graph = TensorRtGraph(engine, *wanted_ports(bundle.manifest, name))
        check_ports(bundle.manifest, bundle.folder, name, graph.inputs, graph.outputs)
        return graph


class TensorRtGraph:
    """One plan with its memory on the GPU, captured into a CUDA graph."""

    def __init__(self, engine: Any, wanted_in: Ports, wanted_out: Ports) -> None:
        names = {engine.get_tensor_name(i) for i in range(engine.num_io_tensors)}
        self.inputs: Ports = {name: port for name, port in wanted_in.items() if name in names}
        self.outputs: Ports = {name: port for name, port in wanted_out.items() if name in names}
        self._context = engine.create_execution_context()
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._memory = {
            name: torch.zeros(port.shape, dtype=getattr(torch, port.dtype), device="cuda")
            for name, port in {**self.inputs, **self.outputs}.items()
        }
        self._pinned = {
            name: torch.empty_like(self._memory[name], device="cpu").pin_memory()
            for name in self.outputs
        }
        for name, tensor in self._memory.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                self._enqueue()
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._enqueue()

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise BackendError("TensorRT failed to run a plan; type: trainjourney build")

    def run(self, inputs: Arrays, outputs: Arrays) -> None:
        """Read and write the given arrays in place. Raises BackendError."""
        try:
            with torch.cuda.stream(self._stream):
                for name, array in inputs.items():
                    given = torch.from_numpy(array if array.flags.writeable else array.copy())
                    self._memory[name].copy_(given, non_blocking=True)
                self._graph.replay()
                for name, pinned in self._pinned.items():
                    pinned.copy_(self._memory[name], non_blocking=True)
                self._stream.synchronize()
            for name, array in outputs.items():
                np.copyto(array, self._pinned[name].numpy())
        except RuntimeError as err:
            words = " ".join(str(err).split())[:160]
            raise BackendError(
                f"TensorRT failed ({words}); try --set engine.backend=torch"
            ) from err
