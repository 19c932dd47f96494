"""TensorRT: plans built for this card, or an old one given new weights; run on torch's memory.

Written against TensorRT 10's documentation. It was never run: no GPU was at hand.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle
from trainjourney.inference.graph import STAY, Port, Ports, check_ports, fresh_inputs
from trainjourney.inference.plan import (
    PLANS,
    plan_path,
    read_plan,
    read_sidecar,
    write_plan,
    write_whole,
)

try:
    import onnx
    import tensorrt as trt
    import torch

    from trainjourney.inference.branch import without_branches
    from trainjourney.inference.device import DeviceGraph, Tensors, opening
    from trainjourney.inference.eight_bits import PREDICTOR, in_eight_bits
except ImportError as err:
    raise BackendError(
        f"TensorRT cannot be loaded ({err}); type: pip install '.[tensorrt]', "
        "or give --set engine.backend=torch"
    ) from err

MAJOR = "10"
WORKSPACE_BYTES = 4 << 30
CACHE = "timing.cache"
OWN = "auto"  # the precision that a graph has
LEAST = {"int8": (7, 5), "fp8": (8, 9)}  # compute capability of the cards that have it


@dataclass(frozen=True)
class Card:
    """What plans are built for: a device of torch's, and all that a plan depends on there."""

    device: torch.device
    facts: dict[str, str]


def this_card() -> Card:
    """The card of this process. Raises BackendError."""
    if trt.__version__.split(".")[0] != MAJOR:
        raise BackendError(
            f"TensorRT {trt.__version__} is here, {MAJOR} is wanted; "
            f"type: pip install 'tensorrt-cu13=={MAJOR}.*', or give --set engine.backend=torch"
        )
    if not torch.cuda.is_available():
        raise BackendError("no CUDA device is seen here; give --set engine.backend=openvino")
    major, minor = torch.cuda.get_device_capability()
    facts = {
        "gpu": torch.cuda.get_device_name(),
        "compute": f"{major}.{minor}",
        "tensorrt": trt.__version__,
        "cuda": str(torch.version.cuda),
        "driver": driver_version(),
    }
    return Card(torch.device("cuda"), facts)


def driver_version() -> str:
    """Of NVIDIA's kernel driver, as that tells it; "unknown" where it does not."""
    try:
        first = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return "unknown"
    numbers = [word for word in first.split() if word[:1].isdigit() and "." in word]
    return numbers[0] if numbers else "unknown"


def check_precision(card: Card, precision: str) -> None:
    """Hold a precision against what a card has. Raises BackendError."""
    if precision == OWN:
        return
    if precision not in LEAST:
        raise BackendError(f"no precision '{precision}'; give {', '.join((OWN, *LEAST))}")
    least, compute = LEAST[precision], card.facts["compute"]
    if tuple(int(part) for part in compute.split(".")) < least:
        there = [name for name in LEAST if LEAST[name] < least]
        raise BackendError(
            f"{precision}: {card.facts['gpu']} has compute capability {compute}, "
            f"{least[0]}.{least[1]} is wanted; give --precision {', or '.join((*there, OWN))}"
        )


def facts_of(bundle: Bundle, name: str, card: Card) -> dict[str, str]:
    """All that must be as it was for a plan of a graph to run. Raises BundleError."""
    return {**card.facts, "graph": bundle.graph(name)[1]}


def structure_of(path: Path) -> str:
    """Digest of an ONNX graph without its weights: two of one structure differ in numbers alone."""
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        tensor.CopyFrom(bare)
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def build(
    bundle: Bundle,
    level: int,
    show: Callable[[str], None],
    card: Card | None = None,
    precision: str = OWN,
) -> None:
    """Have a plan of every graph of a bundle, for a card; what is there and fits is left.

    The predictor in "int8" or "fp8" where that is asked for, all else in its own precision.
    A plan of the same graph with other weights is given the new ones, which takes seconds; not in
    eight bits, whose scales hang on the weights. A show that plays an old plan is not disturbed.
    Raises BackendError, BundleError.
    """
    card = card or this_card()
    check_precision(card, precision)
    for name in bundle.manifest.graphs:
        path, since = bundle.folder / name, time.monotonic()
        kind = precision if name == PREDICTOR else OWN
        refits = kind == OWN
        how = f"level {level}{', refit' if refits else ''}"
        options = {"structure": structure_of(path), "options": how, "precision": kind}
        facts = {**facts_of(bundle, name, card), **options}
        if _old_plan(bundle, name, facts):
            show(f"{name}: is built")
            continue
        old = _old_plan(bundle, name, {**card.facts, **options})
        cache = bundle.folder / PLANS / CACHE
        with opening(bundle.folder):
            refitted = None
            if refits:
                with without_branches(path) as whole:
                    refitted = _refit(whole, old) if old else None
                    plan = refitted or _compile(whole, level, cache)
            else:
                show(f"{name}: {kind}, measuring on the processor")
                with in_eight_bits(bundle, kind) as rounded:
                    plan = _compile(rounded, level, cache, refits=False)
        how = "given new weights" if refitted else "built"
        took = f"{time.monotonic() - since:.0f} s"
        told = {"how": how, "took": took, "at": time.strftime("%Y-%m-%d %H:%M:%S %z")}
        write_plan(plan_path(bundle, name), plan, {**facts, **told})
        show(f"{name}: {how}, {len(plan) >> 20} MB in {took}")


def _old_plan(bundle: Bundle, name: str, facts: dict[str, str]) -> bytes | None:
    """The plan that is there, if these facts hold of it."""
    try:
        return read_plan(bundle, name, facts)
    except BackendError:
        return None


def _refit(path: Path, plan: bytes) -> bytes | None:
    """An old plan with the weights that an ONNX file has now; None if TensorRT cannot do it."""
    logger = trt.Logger(trt.Logger.ERROR)
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    if engine is None or not engine.refittable:
        return None
    refitter = trt.Refitter(engine, logger)
    parser = trt.OnnxParserRefitter(refitter, logger)
    if not parser.refit_from_file(str(path)) or not refitter.refit_cuda_engine():
        return None
    config = engine.create_serialization_config()
    config.clear_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS)
    if hasattr(trt.SerializationFlag, "INCLUDE_REFIT"):  # from 10.14 on; before, it is so anyway
        config.set_flag(trt.SerializationFlag.INCLUDE_REFIT)
    return bytes(engine.serialize_with_config(config))


def _compile(path: Path, level: int, cache: Path, refits: bool = True) -> bytes:
    """One graph to a plan. Its precision is the graph's own: nothing is made less exact unasked."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        first = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise BackendError(
            f"{path}: TensorRT cannot read it ({first}); give --set engine.backend=torch"
        )
    config = builder.create_builder_config()
    config.builder_optimization_level = level
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if refits:
        config.set_flag(trt.BuilderFlag.REFIT)
    timing = config.create_timing_cache(cache.read_bytes() if cache.is_file() else b"")
    if not config.set_timing_cache(timing, ignore_mismatch=False):  # of another card: begin anew
        timing = config.create_timing_cache(b"")
        config.set_timing_cache(timing, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(
            f"{path}: TensorRT cannot build it; close what else uses the GPU, "
            "or give --set engine.backend=torch"
        )
    write_whole(cache, bytes(memoryview(timing.serialize())))
    return bytes(plan)


class TensorRt:
    """Opens plans that were built for a card."""

    def __init__(self, precision: str, card: Card | None = None) -> None:
        self.precision = self._asked = precision
        self._card = card or this_card()
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))

    def open(self, bundle: Bundle, name: str) -> DeviceGraph:
        """One graph's plan. Raises BackendError, BundleError."""
        own = bundle.manifest.own_precision
        if self._asked not in (OWN, own):
            raise BackendError(
                f"{bundle.folder}: its graphs are {own}, and so are its plans, not {self._asked}; "
                "give --set engine.precision=auto"
            )
        plan = read_plan(bundle, name, facts_of(bundle, name, self._card))
        built = read_sidecar(bundle, name).get("precision", OWN)
        if built != OWN:
            self.precision = str(built)
        elif self.precision == OWN:
            self.precision = own
        with opening(bundle.folder):
            engine = self._runtime.deserialize_cuda_engine(plan)
            context = engine.create_execution_context() if engine else None
            if context is None:
                raise BackendError(
                    f"{plan_path(bundle, name)}: TensorRT refuses it, or the GPU has no room; "
                    f"type: trainjourney build --engine {bundle.folder}"
                )
            inputs, outputs = ports_of(engine)
            check_ports(bundle.manifest, bundle.folder, name, inputs, outputs)

            def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
                for one, tensor in {**given, **made}.items():
                    context.set_tensor_address(one, tensor.data_ptr())
                return lambda: _enqueue(context, self._card.device)

            fresh = fresh_inputs(bundle.manifest, name)
            stays = name in STAY
            return DeviceGraph(inputs, outputs, stays, self._card.device, begin, fresh)


def ports_of(engine: Any) -> tuple[Ports, Ports]:
    """What goes into a plan and comes out of it, as the plan itself says."""
    inputs: dict[str, Port] = {}
    outputs: dict[str, Port] = {}
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        kind = str(trt.nptype(engine.get_tensor_dtype(name)).__name__)
        port = Port(kind, tuple(engine.get_tensor_shape(name)))
        inward = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if inward else outputs)[name] = port
    return inputs, outputs


def _enqueue(context: Any, device: torch.device) -> None:
    stream = torch.cuda.current_stream().cuda_stream if device.type == "cuda" else 0
    if not context.execute_async_v3(stream):
        raise BackendError("TensorRT failed to run a plan; type: trainjourney build")
