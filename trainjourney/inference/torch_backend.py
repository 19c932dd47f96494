"""torch on a GPU: the bundle's own networks built anew, replayed as CUDA graphs, channels last.

It needs no plan, and is what the others are measured against; as "torch-compile" what runs every
frame is fused by torch's compiler. It knows the full model only. On a processor it runs too, for
tests; there openvino is the faster by far.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from trainjourney.errors import BackendError, BundleError
from trainjourney.folders import cache_folder
from trainjourney.inference.bundle import Bundle, cure
from trainjourney.inference.graph import EVERY_FRAME, STAY, fresh_inputs, wanted_ports

try:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from trainjourney.inference.device import DeviceGraph, Tensors, opening
    from trainjourney.model.full.graphs import FullDecoder
    from trainjourney.model.full.rebuild import skeleton
except ImportError as err:
    raise BackendError(f"torch cannot run this ({err}); type: pip install '.[full]'") from err

WEIGHTS = "weights.safetensors"


class Torch:
    """Opens graphs of a full bundle: f16 on a GPU, f32 on a processor."""

    def __init__(self, precision: str, threads: int, compiled: bool = False) -> None:
        """Raises BackendError where there is nothing to compile for, or nothing to do it with."""
        there = torch.cuda.is_available()
        if compiled and not there:
            raise BackendError(
                "torch-compile is for a GPU, and no CUDA device is seen here; "
                "give --set engine.backend=torch"
            )
        if compiled and not find_spec("triton"):
            raise BackendError(
                "torch-compile wants triton; type: pip install triton, "
                "or give --set engine.backend=torch"
            )
        if compiled:
            keep_kernels()
        self._device, self._compiled = torch.device("cuda" if there else "cpu"), compiled
        self.precision = ("f16" if there else "f32") if precision == "auto" else precision
        if threads and not there:
            torch.set_num_threads(threads)
        self._modules: dict[str, Any] = {}
        self._predictor: DeviceGraph | None = None

    def open(self, bundle: Bundle, name: str) -> DeviceGraph:
        """One graph of a bundle. Raises BundleError, BackendError."""
        with opening(bundle.folder):
            if not self._modules:
                self._modules = self._build(bundle)
            module = self._modules[name.removesuffix(".onnx")]
            if self._compiled and name in EVERY_FRAME:  # the others are not worth its minute
                module = sped_up(module)
            (inputs, outputs), stays = wanted_ports(bundle.manifest, name), name in STAY
            if name == "decoder.onnx":
                inputs = {one.name: inputs[one.name] for one in bundle.manifest.state}

            def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
                (output,) = made.values()  # every graph of a full bundle gives one tensor

                def launch() -> None:
                    output.copy_(module(**given))

                return launch

            fresh = fresh_inputs(bundle.manifest, name)
            graph = DeviceGraph(inputs, outputs, stays, self._device, begin, fresh)
            if name == "predictor.onnx":
                self._predictor = graph
            elif name == "decoder.onnx" and self._predictor and self._device.type == "cuda":
                self._predictor.lead(graph)  # the card does not wait between the two
            return graph

    def _build(self, bundle: Bundle) -> dict[str, Any]:
        facts = bundle.manifest.full_facts
        if not facts:
            raise BackendError(
                f"{bundle.folder}: is no full model, and torch runs no other; "
                "give --set engine.backend=openvino"
            )
        try:
            tensors = load_file(bundle.folder / WEIGHTS)
            steps = tuple(int(step) for step in facts["steps"])
            modules = skeleton(bool(facts["tiny"]), steps, float(facts["embedding_norm"]))
            for module in modules.values():
                for part, child in module.named_children():
                    start = f"{part}."
                    mine = {k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)}
                    child.load_state_dict(mine)
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as err:
            words = " ".join(str(err).split())[:160]
            raise BundleError(
                f"{bundle.folder}/{WEIGHTS}: does not fit the model ({words}); "
                f"{cure(bundle.folder)}"
            ) from err
        kind = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}[self.precision]
        for module in modules.values():
            module.eval().requires_grad_(False)
            for child in module.children():
                torch.nn.Module.to(child, kind)  # diffusers' own warns of layers that it has not
            module.to(self._device)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return modules


def sped_up(module: Any) -> Any:
    """A graph of every frame, compiled: the display decoder is in kernels of our own already."""
    from trainjourney.model.full.quick_decoder import QuickDecoder  # wants triton
    from trainjourney.model.full.quicken import quicken

    if isinstance(module, FullDecoder):
        try:
            return QuickDecoder(module.display)
        except ValueError:
            return torch.compile(module, dynamic=False)
    quicken(module)
    return torch.compile(module, dynamic=False)


def keep_kernels() -> None:
    """Have torch keep what it compiles: that takes a minute, and its own place for it is emptied
    when a machine starts."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "inductor"))
