"""Other ways to run the full model's layers on a GPU, each the same numbers but for rounding.

None is used by the show: scripts/try_kernels times them, and what wins is built in.
"""

from collections.abc import Callable
from typing import Any

import eight_bit_ways
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Modules = dict[str, Any]  # the graphs of a full bundle, as the torch backend builds them


def told(modules: Modules) -> None:
    """What hangs on speed and dream alone is not worked out anew every frame (here: never)."""
    folded = modules["predictor"].folded
    said = folded.network.condition(*torch.zeros(2, 1).to(folded.steps))
    folded.network.condition = lambda level, speed: said
    folded.shift = Same(folded.shift(F.silu(said + folded.steps[:1])))


class Same(nn.Module):
    """Says the same, whatever it is given."""

    def __init__(self, same: Tensor) -> None:
        super().__init__()
        self.register_buffer("same", same, persistent=False)

    def forward(self, _: Tensor) -> Any:
        """That."""
        return self.same


def compiler(name: str, value: Any = True) -> Callable[[Modules], None]:
    """A setting of torch's compiler, for the predictor."""

    def change(_: Modules) -> None:
        from torch._inductor import config

        path, _, last = name.rpartition(".")
        place = getattr(config, path) if path else config
        assert hasattr(place, last), name
        setattr(place, last, value)

    return change


WAYS: dict[str, Callable[[Modules], None]] = {
    "told": told,
    # of some 560 kernels of a frame 290 take 3 us each, and a third of that to begin:
    "pdl": compiler("triton.enable_pdl"),  # one begins while the one before it ends
    "cooperative": compiler("triton.cooperative_reductions"),  # a norm's sums in one, not in two
    "combo": compiler("combo_kernels"),  # several that need nothing of each other in one
    "multi": compiler("triton.multi_kernel", 1),
    "pointwise": compiler("max_autotune_pointwise"),  # gained nothing on an H200
    "descent": compiler("coordinate_descent_tuning"),
    "gemm": compiler("max_autotune_gemm"),
    **eight_bit_ways.WAYS,
}
