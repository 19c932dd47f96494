"""Health: whether the process lives, whether the picture is fresh, and all that is counted.

`/healthz` and `/readyz` are open to whoever reaches the port, and say one word. `/status` is for
those who drive, `/metrics` for the admin; what runs on this machine is one.
"""

import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trainjourney.types import Frames

FRESH_S = 2.0  # a picture older than this is no picture
_INTERVALS_S = (0.01, 0.02, 0.03, 0.035, 0.04, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

Counts = Mapping[str, float | Mapping[str, float]]


class FrameAge:
    """Looks at the frames' numbers from time to time: how old is the newest, how even are they."""

    def __init__(self, frames: Frames, now_s: Callable[[], float] = time.monotonic) -> None:
        self._frames, self._now_s = frames, now_s
        self.number = 0
        self.new_s: float | None = None  # when a new one was last seen
        self.interval = Histogram(
            "trainjourney_frame_interval_seconds", "Time from frame to frame.",
            buckets=_INTERVALS_S, registry=None,
        )  # fmt: skip

    def look(self) -> None:
        """See whether there is a new frame; called some sixty times a second."""
        newest = self._frames.newest(self.number)
        if newest is None:
            return
        now_s = self._now_s()
        if self.new_s is not None:
            passed = max(1, newest[0] - self.number)
            self.interval.observe((now_s - self.new_s) / passed)
        self.number, self.new_s = newest[0], now_s

    @property
    def age_s(self) -> float:
        """Seconds since a new frame came; endless before the first."""
        return float("inf") if self.new_s is None else self._now_s() - self.new_s


class Health(Collector):
    """The four doors. `counts` gives what is counted, nested one level where it has kinds."""

    def __init__(
        self, age: FrameAge, counts: Callable[[], Counts], status: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._age, self._counts, self._status = age, counts, status
        self._begun_s = time.monotonic()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def routes(self) -> Sequence[tuple[str, str, str, Handler]]:
        """Role ("" for all), method, path and handler."""
        return [
            ("", "GET", "/healthz", self.healthz),
            ("", "GET", "/readyz", self.readyz),
            ("control", "GET", "/status", self.status),
            ("admin", "GET", "/metrics", self.metrics),
        ]

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """The picture is fresh; 503 where it is not."""
        age_s = self.age_s()
        if age_s < FRESH_S:
            return web.Response(text=f"ok: the newest frame is {age_s:.2f} s old\n")
        told = f"{age_s:.0f} s old" if age_s != float("inf") else "not there yet"
        return web.Response(status=503, text=f"the newest frame is {told}\n")

    async def status(self, request: web.Request) -> web.Response:
        """All figures as JSON."""
        return web.json_response(self.figures())

    async def metrics(self, request: web.Request) -> web.Response:
        """All figures for Prometheus."""
        text = generate_latest(self._registry).decode("utf-8")
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    def age_s(self) -> float:
        """Of the world's newest frame; endless before the first. A show that keeps the picture
        moving while its world is gone says itself how old it is."""
        told = self._status()
        if "age_ms" in told and "frame" in told:
            return float(told["age_ms"]) / 1000.0 if told["frame"] else float("inf")
        return self._age.age_s

    def figures(self) -> dict[str, Any]:
        """What the show says of itself, and what is counted here."""
        age_s = self.age_s()
        return {
            "frame": self._age.number,
            **self._status(),
            "frame_age_s": None if age_s == float("inf") else round(age_s, 3),
            "up_s": round(time.monotonic() - self._begun_s, 1),
            "rss_bytes": rss_bytes(),
            **self._counts(),
        }

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client, at every scrape."""
        yield from self._age.interval.collect()
        yield _gauge("frame_age_seconds", "Age of the newest frame.", min(self.age_s(), 1e9))
        yield _gauge("rss_bytes", "Resident memory of this process.", rss_bytes())
        yield _counter("frames", "Frames that the world made.", self._age.number)
        figures = {**self._status(), **self._counts()}
        for name, value in figures.items():
            help_ = f"{name.replace('_', ' ')}, as in /status."
            if isinstance(value, bool | int | float):
                yield _gauge(name, help_, float(value))
            elif isinstance(value, Mapping):
                gauge = GaugeMetricFamily(f"trainjourney_{name}", help_, labels=["kind"])
                for kind, part in value.items():
                    if isinstance(part, bool | int | float):
                        gauge.add_metric([str(kind)], float(part))
                if gauge.samples:
                    yield gauge


def rss_bytes() -> int:
    """Resident memory of this process now (at most so far, where /proc is not)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"trainjourney_{name}", help_, value=value)


def _counter(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(f"trainjourney_{name}", help_, value=value)
