"""How even a show was: intervals, and for how long each picture stood. Pure."""

import math
from typing import Any

import numpy as np

NEAR = 0.02  # of a number of refreshes that is whole


def percentiles(values: list[float]) -> dict[str, float]:
    """The 50th, 95th and 99th, and the most; nothing of nothing."""
    if not values:
        return {}
    found = np.percentile(values, [50, 95, 99])
    told = {f"p{p}": round(float(v), 2) for p, v in zip((50, 95, 99), found, strict=True)}
    return {**told, "most": round(max(values), 2)}


def evenness(times_s: list[float], period_ms: float) -> dict[str, Any]:
    """Intervals between refreshes, and the share of them within one refresh of even."""
    steps_ms = 1000.0 * np.diff(times_s)
    edges = [0.0, 0.5, 0.9, 1.1, 1.5, 2.0, 3.0, np.inf]
    counted, _ = np.histogram(steps_ms / period_ms, edges)
    names = [f"{low:g}-{high:g}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return {
        "refreshes": len(times_s),
        "even_share": round(float((np.abs(steps_ms - period_ms) <= period_ms).mean()), 5),
        "interval_ms": percentiles(steps_ms.tolist()),
        "histogram_periods": dict(zip(names, counted.tolist(), strict=True)),
    }


def stands(numbers: list[int], refreshes: float) -> dict[str, Any]:
    """For how many refreshes each picture stood, and the share of them that did so for another
    number than a frame of the world has."""
    stood = np.unique(numbers, return_counts=True)[1][1:-1]  # not those that were cut off
    counts, many = np.unique(stood, return_counts=True)
    near = abs(refreshes - round(refreshes)) < NEAR * refreshes
    whole = [round(refreshes)] if near else [math.floor(refreshes), math.ceil(refreshes)]
    return {
        "pictures": len(stood),
        "uneven_share": round(float((~np.isin(stood, whole)).mean()), 5) if len(stood) else 0.0,
        "stood_refreshes": dict(zip(map(str, counts.tolist()), many.tolist(), strict=True)),
    }
