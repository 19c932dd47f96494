"""A second device on a machine that has none: "elsewhere", whose tensors are the processor's.

What it computes is the processor's own result, but it is as strict as a GPU: an operation on
tensors of both places is an error, a number must be fetched, and numpy sees nothing of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "elsewhere"
CARRIES = {"aten::_to_copy", "aten::copy_", "aten::_local_scalar_dense"}  # may go between


class Backend:
    """What torch asks of a device's module."""

    _is_in_bad_fork = staticmethod(lambda: False)
    manual_seed_all = staticmethod(lambda seed: None)
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    current_device = staticmethod(lambda: 0)
    get_amp_supported_dtype = staticmethod(lambda: [torch.bfloat16, torch.float16])


_setup_privateuseone_for_python_backend(NAME, Backend())
_kept = torch.library.Library("_", "IMPL")  # type: ignore[no-untyped-call]
# No number is cast there: it stays in float32.
_kept.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")  # type: ignore[no-untyped-call]


class Elsewhere(torch.Tensor):
    """A tensor there; `here` is the processor's that it is made of."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> "Elsewhere":
        made = torch.Tensor._make_wrapper_subclass(
            cls, here.shape, strides=here.stride(), storage_offset=here.storage_offset(),
            dtype=here.dtype, device=torch.device(NAME, 0),
        )  # fmt: skip
        made.here = here
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"elsewhere: {self.here}"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation, where its tensors are."""
    name, given = func._schema.name, tree_leaves((args, kwargs))
    there = [x for x in given if isinstance(x, Elsewhere)]
    strays = [x for x in given if type(x) is not Elsewhere and isinstance(x, torch.Tensor)]
    if there and name not in CARRIES and any(x.dim() for x in strays):
        raise RuntimeError(f"{name}: tensors here and elsewhere: {[x.shape for x in given]}")
    wanted = kwargs.get("device")
    goes = bool(there) if wanted is None else torch.device(wanted).type == NAME
    if wanted is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    bare = tree_map(lambda x: x.here if isinstance(x, Elsewhere) else x, (args, kwargs))
    made = func(*bare[0], **bare[1])
    if func._schema.is_mutable and made is not None and not isinstance(made, (tuple, list)):
        return args[0]
    return tree_map(lambda x: Elsewhere(x) if goes and isinstance(x, torch.Tensor) else x, made)


class Factories(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What is made there from nothing, or sent there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, while it is there."""
    with Factories():  # type: ignore[no-untyped-call]
        yield torch.device(NAME)
