"""Signed distances of plain shapes, negative inside; arrays of numpy or torch alike.

After I. Quilez' catalogue of 2D distance functions. `u` grows to the right, `v` upward.
"""

from typing import Any

Array = Any  # numpy or torch, same code for both


def circle(xp: Any, u: Array, v: Array, cx: Array, cy: Array, r: Array) -> Array:
    """Distance to a disc of radius r."""
    return xp.sqrt((u - cx) ** 2 + (v - cy) ** 2) - r


def ellipse(xp: Any, u: Array, v: Array, cx: Array, cy: Array, rx: Array, ry: Array) -> Array:
    """Approximate distance to an ellipse, good near its edge."""
    k = xp.sqrt(((u - cx) / rx) ** 2 + ((v - cy) / ry) ** 2)
    return (k - 1.0) * xp.minimum(rx + 0.0 * k, ry + 0.0 * k)


def box(xp: Any, u: Array, v: Array, cx: Array, cy: Array, hx: Array, hy: Array) -> Array:
    """Distance (Chebyshev) to an axis-aligned box with half sizes hx, hy."""
    return xp.maximum(xp.abs(u - cx) - hx, xp.abs(v - cy) - hy)


def capsule(
    xp: Any, u: Array, v: Array, ax: Array, ay: Array, bx: Array, by: Array, r: Array
) -> Array:
    """Distance to a segment from a to b with round ends of radius r."""
    du, dv, eu, ev = u - ax, v - ay, bx - ax, by - ay
    t = xp.clip((du * eu + dv * ev) / (eu * eu + ev * ev + 1e-6), 0.0, 1.0)
    return xp.sqrt((du - t * eu) ** 2 + (dv - t * ev) ** 2) - r


def gable(
    xp: Any, u: Array, v: Array, cx: Array, base: Array, half: Array, top: Array, ridge: Array
) -> Array:
    """Distance to a trapezium from `base` up to `top`: half width `half` below, `ridge` above."""
    rise = top - base
    if isinstance(rise, float):  # torch knows the maximum of arrays only
        rise = xp.asarray(rise, dtype=xp.float64)
    slope = (half - ridge) / xp.maximum(rise, 1e-3 + 0.0 * rise)
    side = (xp.abs(u - cx) - half + slope * (v - base)) / xp.sqrt(1.0 + slope * slope)
    return xp.maximum(side, xp.maximum(base - v, v - top))
