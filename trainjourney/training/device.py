"""Where a training computes: the processor, or a GPU that torch sees."""

import logging
from importlib.util import find_spec
from typing import TypeVar

import torch
from torch import nn

from ..errors import TrainingError
from ..machine import processor_features

log = logging.getLogger(__name__)

Module = TypeVar("Module", bound=nn.Module)
_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # of processors, x86 and Arm


def find_device(name: str) -> torch.device:
    """The device "cpu" or "cuda". Raises TrainingError."""
    if name not in ("cpu", "cuda"):
        raise TrainingError(f"no device '{name}'; give --device cpu or --device cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "no CUDA device is seen by torch here; give --device cpu, or install torch for CUDA"
        )
    if name == "cuda":  # every batch has the same shape, and bf16 is as rough
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    return torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 is sooner there: a processor without it takes twenty times as long as in f32."""
    return device.type == "cuda" or bool(_BF16 & processor_features())


def compiled(module: Module, device: torch.device) -> Module:
    """The module; on a GPU, where triton is there, it is compiled when it first runs. Its copies
    are not."""
    if device.type == "cuda":
        if find_spec("triton"):
            module.compile()
        else:
            log.warning("training goes slower: nothing is compiled without triton (pip install it)")
    return module
