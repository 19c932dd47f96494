"""Self-attention of few numbers a head, for GPUs, in Triton's language, and as an op of torch.

A library's kernel takes heads of 40 numbers for such of 64. Here they are 32 and 16, and what is
asked, the keys and what they say are read where the product before left them.
"""

from dataclasses import astuple, dataclass

import torch
import triton
import triton.language as tl
from eight_bit_kernels import read_measured
from torch import Tensor
from torch.nn import functional as F


@triton.jit  # type: ignore[untyped-decorator]
def _attend(  # type: ignore[no-untyped-def]
    qkv,
    out,
    PLACES: tl.constexpr,
    HEADS: tl.constexpr,
    D: tl.constexpr,
    SCALE: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    D1: tl.constexpr,
    D2: tl.constexpr,
    FINE: tl.constexpr,
):
    """BM places of a head, that hear from all. qkv [PLACES, 3, HEADS, D]; out [PLACES, HEADS, D].
    D is D1 and as much of D2 as is left; SCALE is that of the products, times log2(e)."""
    ROW: tl.constexpr = 3 * HEADS * D
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    here = tl.minimum(m, PLACES - 1)
    head = tl.program_id(1)
    d1, d2 = tl.arange(0, D1), D1 + tl.arange(0, D2)
    there = d2 < D
    asked = qkv + head * D + here[:, None] * ROW
    q1 = tl.load(asked + d1[None, :])
    q2 = tl.load(asked + d2[None, :], mask=there[None, :], other=0.0)
    keys = qkv + (HEADS + head) * D
    top = tl.full((BM,), float("-inf"), tl.float32)
    total = tl.zeros((BM,), tl.float32)
    heard1 = tl.zeros((BM, D1), tl.float32)
    heard2 = tl.zeros((BM, D2), tl.float32)
    for begin in range(0, PLACES, BN):
        n = begin + tl.arange(0, BN)
        at = keys + n[None, :] * ROW
        k1 = tl.load(at + d1[:, None])
        k2 = tl.load(at + d2[:, None], mask=there[:, None], other=0.0)
        s = tl.dot(q1, k1, input_precision=FINE)
        s = tl.dot(q2, k2, s, input_precision=FINE)
        more = tl.maximum(top, tl.max(s, 1) * SCALE)
        p = tl.exp2(s * SCALE - more[:, None])
        fade = tl.exp2(top - more)
        total = total * fade + tl.sum(p, 1)
        top = more
        said = keys + HEADS * D + n[:, None] * ROW
        v1 = tl.load(said + d1[None, :])
        v2 = tl.load(said + d2[None, :], mask=there[None, :], other=0.0)
        p = p.to(v1.dtype)
        heard1 = tl.dot(p, v1, heard1 * fade[:, None], input_precision=FINE)
        heard2 = tl.dot(p, v2, heard2 * fade[:, None], input_precision=FINE)
    to, kept = out + head * D + m[:, None] * (HEADS * D), (m < PLACES)[:, None]
    tl.store(to + d1[None, :], (heard1 / total[:, None]).to(out.dtype.element_ty), mask=kept)
    kept = kept & there[None, :]
    tl.store(to + d2[None, :], (heard2 / total[:, None]).to(out.dtype.element_ty), mask=kept)


@dataclass(frozen=True)
class Plan:
    """How the work is shared out."""

    places: int
    keys: int
    warps: int
    stages: int


SPLITS = {40: (32, 16), 80: (64, 16), 160: (128, 32)}  # numbers of a head


FORCED = {key: Plan(*one) for key, one in read_measured("attention").items()}


def plan_of(places: int, size: int) -> Plan:
    """What suits so many places, and numbers of a head."""
    if (places, size) in FORCED:
        return FORCED[places, size]
    if size > 80 or places <= 256:  # of 64 keys at a time 64 places heard wrong on an H200
        return Plan(64, 32, 4, 3)
    return Plan(64, 64, 4, 3)


def attend_into(qkv: Tensor, heads: int, made: Tensor, plan: Plan) -> None:
    """Fill `made` [P, heads * D] from `qkv` [P, 3 * heads * D], both packed; P a multiple of
    plan.keys, D one of SPLITS."""
    places, size = len(made), made.shape[1] // heads
    rows, keys, warps, stages = astuple(plan)
    assert places % keys == 0, (places, keys)
    scale = size**-0.5 * 1.4426950408889634
    fine = "ieee" if qkv.dtype == torch.float32 else "tf32"
    _attend[(triton.cdiv(places, rows), heads)](
        qkv, made, places, heads, size, scale, rows, keys, *SPLITS[size], fine,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip


@torch.library.custom_op("trainjourney::attend", mutates_args=())
def attend(qkv: Tensor, heads: int) -> Tensor:
    """[1, P, heads * D] that P places hear from all, of `qkv` [1, P, 3 * heads * D]."""
    places, size = qkv.shape[1], qkv.shape[2] // 3 // heads
    assert qkv.is_contiguous() and len(qkv) == 1, (qkv.shape, qkv.stride())
    made = qkv.new_empty(1, places, heads * size)
    if qkv.device.type == "cuda":
        attend_into(qkv[0], heads, made[0], plan_of(places, size))
    else:
        made.copy_(plain(qkv, heads))
    return made


@attend.register_fake
def _(qkv: Tensor, heads: int) -> Tensor:
    return qkv.new_empty(1, qkv.shape[1], qkv.shape[2] // 3)


def plain(qkv: Tensor, heads: int) -> Tensor:
    """The same by torch."""
    q, k, v = qkv.view(*qkv.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
