"""torch on a GPU: the bundle's own networks built anew, replayed as CUDA graphs, channels last.

It needs no compiler and no plan, and is what the others are measured against. It knows the full
model only. On a processor it runs too, for tests; there openvino is the faster by far.
"""

from typing import Any

import numpy as np

from trainjourney.errors import BackendError, BundleError
from trainjourney.inference.bundle import Bundle, cure
from trainjourney.inference.graph import Arrays, Ports, wanted_ports

try:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from trainjourney.model.full.rebuild import skeleton
except ImportError as err:
    raise BackendError(f"torch cannot run this ({err}); type: pip install '.[full]'") from err

WEIGHTS = "weights.safetensors"
WARM_UPS = 3  # runs before a CUDA graph is captured, so that all kernels have been chosen


class Torch:
    """Opens graphs of a full bundle: f16 on a GPU, f32 on a processor."""

    def __init__(self, precision: str, threads: int, device: str = "auto") -> None:
        there = torch.cuda.is_available()
        self._device = torch.device("cuda" if device == "auto" and there else "cpu")
        usual = "f16" if self._device.type == "cuda" else "f32"
        self.precision = usual if precision == "auto" else precision
        if threads and self._device.type == "cpu":
            torch.set_num_threads(threads)
        self._modules: dict[str, Any] = {}

    def open(self, bundle: Bundle, name: str) -> "TorchGraph":
        """One graph of a bundle. Raises BundleError, BackendError."""
        if not self._modules:
            self._modules = self._build(bundle)
        ports = wanted_ports(bundle.manifest, name)
        module = self._modules[name.removesuffix(".onnx")]
        try:
            return TorchGraph(module, ports[0], ports[1], self._device)
        except torch.OutOfMemoryError as err:
            raise BackendError(
                f"{bundle.folder}: this GPU has too little memory for it; close what else uses "
                "it, or train with a smaller --shape"
            ) from err

    def _build(self, bundle: Bundle) -> dict[str, Any]:
        training = bundle.manifest.training
        facts = training.get("facts")
        if training.get("model") != "full" or not isinstance(facts, dict):
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
                child.to(kind)
            module.to(self._device)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return modules


class TorchGraph:
    """One network with its own memory on the device; on a GPU, a captured CUDA graph."""

    def __init__(self, module: Any, inputs: Ports, outputs: Ports, device: torch.device) -> None:
        self.inputs, self.outputs, self._module = inputs, outputs, module
        self._given = {
            name: torch.zeros(port.shape, dtype=getattr(torch, port.dtype), device=device)
            for name, port in inputs.items()
        }
        self._graph: Any = None
        with torch.inference_mode():
            if device.type == "cuda":
                side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                side.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(side):
                    for _ in range(WARM_UPS):
                        self._call()
                torch.cuda.current_stream().wait_stream(side)
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph):
                    self._made = self._call()
                self._pinned = {
                    name: torch.empty(port.shape, dtype=getattr(torch, port.dtype)).pin_memory()
                    for name, port in outputs.items()
                }

    def run(self, inputs: Arrays, outputs: Arrays) -> None:
        """Read and write the given arrays in place. Raises BackendError."""
        try:
            with torch.inference_mode():
                for name, array in inputs.items():
                    given = torch.from_numpy(array if array.flags.writeable else array.copy())
                    self._given[name].copy_(given, non_blocking=True)
                if self._graph is None:
                    made = self._call()
                else:
                    self._graph.replay()
                    made = {n: self._pinned[n].copy_(t, True) for n, t in self._made.items()}
                    torch.cuda.current_stream().synchronize()
                for name, array in outputs.items():
                    np.copyto(array, made[name].numpy())
        except RuntimeError as err:
            words = " ".join(str(err).split())[:160]
            raise BackendError(
                f"torch failed ({words}); try --set engine.backend=openvino"
            ) from err

    def _call(self) -> dict[str, Any]:
        (name,) = self.outputs  # every graph of a full bundle gives one tensor
        return {name: self._module(**self._given)}
