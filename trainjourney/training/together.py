"""Several processes that train together: what ends a training, or a step, ends it for all of them.

One that left the loop, or a sum over gradients, by itself would let the others wait for ever.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import distributed, nn


def many() -> bool:
    """Whether this process is one of several."""
    started = distributed.is_available() and distributed.is_initialized()
    return started and distributed.get_world_size() > 1


def largest(told: Sequence[float], device: torch.device) -> list[float]:
    """Of each number the largest that any process tells, so that all go on with the same."""
    if not many():
        return list(told)
    numbers = torch.tensor(told, dtype=torch.float64, device=device)
    distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
    return [float(number) for number in numbers]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every process the mean of all gradients; for what no DistributedDataParallel wraps."""
    if not many():
        return
    for parameter in parameters:
        if parameter.grad is not None:
            distributed.all_reduce(parameter.grad)
            parameter.grad.div_(distributed.get_world_size())


def wait() -> None:
    """Until all are here: what the first has written can be read."""
    if many():
        distributed.barrier()
