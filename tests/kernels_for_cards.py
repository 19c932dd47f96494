"""Compile our kernels for cards that are not here; a line of JSON for each: its shared memory,
bytes, and its matrix instructions. Run by test_quicken.py, as Triton's interpreter is off here."""

import json
import sys
from typing import Any

from triton import compile as compile_kernel
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from trainjourney.model.full import kernels

HALF, SAME = "*fp16", {"FINE": "tf32"}
PARTS = {"H": 8, "W": 8, "C": 1280, "N": 1280, "EACH": 14, "TILE": 64, **SAME}
BLOCK = {
    "H": 512, "W": 512, "C": 64, "N": 64, "LATENT": False, "DOUBLED": False, "BIAS": True,
    "MORE": True, "RELU": True, "LEVELS": False, "BM": 128, "BN": 64, "BK": 64, **SAME,
}  # fmt: skip
UP = BLOCK | {"DOUBLED": True, "BIAS": False, "MORE": False, "RELU": False}
FIRST = BLOCK | {"H": 64, "W": 64, "C": 4, "LATENT": True, "MORE": False, "BM": 64, "BK": 16}
LAST = BLOCK | {"N": 3, "MORE": False, "RELU": False, "LEVELS": True, "BN": 16}


def made(card: int, kernel: Any, types: dict[str, str], known: dict[str, Any], *how: int) -> None:
    """`types` are those of its pointers, `known` its constants, `how` its warps and stages."""
    names = list(kernel.arg_names)
    signature = {name: types.get(name, "constexpr") for name in names}
    constants = {(names.index(name),): value for name, value in known.items()}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name in types}
    source = ASTSource(kernel, signature, constants, aligned)
    options = {"num_warps": how[0], "num_stages": how[1]}
    done = compile_kernel(source, target=GPUTarget("cuda", card, 32), options=options)
    text = done.asm["ptx"]
    told = {"card": card, "shared": done.metadata.shared, "code": len(done.asm["cubin"])}
    print(json.dumps(told | {name: text.count(name) for name in ("wgmma.mma", "mma.sync")}))


for card in map(int, sys.argv[1:]):
    ours = kernels._convolve
    pointers = dict.fromkeys(("x", "weight", "bias", "more", "out"), HALF)
    made(card, kernels._sum_parts, {"x": HALF, "weight": HALF, "out": "*fp32"}, PARTS, 4, 5)
    made(card, ours, pointers, BLOCK, 8, 3)
    made(card, ours, pointers, UP, 8, 3)
    made(card, ours, pointers | {"x": "*fp32"}, FIRST, 4, 4)
    made(card, ours, pointers | {"out": "*u8"}, LAST, 4, 3)
