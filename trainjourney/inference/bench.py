"""How fast a bundle runs on this machine, measured as a show would run it."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle, find_bundle, load_bundle
from trainjourney.inference.engine import Engine, open_engine
from trainjourney.settings import Config
from trainjourney.types import State

Times = dict[str, list[float]]  # ms by part
PARTS = ("predictor", "decoder", "frame")
ROUND = 20  # frames that one engine makes before the other has its turn


def bench(
    config: Config, against: str | None = None, frames: int = 300, warmup: int = 30
) -> dict[str, Any]:
    """Run the bundle of these settings for `frames` frames and tell how long they took.

    ms p50, p95, p99 of the predictor, of the decoder, and of the whole frame: drawing noise,
    predicting, decoding, and handing the frame over into memory that is not the engine's.
    `against` "streamdiffusion" is another bench, see beside_baseline; else it names a second
    backend: both run by turns, so that what else the machine does
    weighs on both alike; "ratio" is how many times the second's time the first takes, and the
    second's precision is auto. Raises BundleError, BackendError.
    """
    if against == "streamdiffusion":
        return beside_baseline(config, frames, warmup)
    if frames < 1 or warmup < 0:
        raise BackendError(f"{frames} frames after {warmup} are no bench; give 1 or more")
    bundle = load_bundle(find_bundle(config.engine.name))
    asked: list[tuple[str, str]] = [(config.engine.backend, config.engine.precision)]
    asked += [(against, "auto")] if against else []
    drives, figures = [], []
    for backend, precision in asked:
        since = time.perf_counter()
        engine = open_engine(bundle, backend, precision, config.engine.threads)
        opened = {"open_s": round(time.perf_counter() - since, 3)}
        figures.append({"backend": engine.backend, "precision": engine.precision, **opened})
        drives.append(Drive(engine, bundle))
    for drive in drives:
        drive.run(warmup)
    times: list[Times] = [{part: [] for part in PARTS} for _ in drives]
    for start in range(0, frames, ROUND):
        for drive, taken in zip(drives, times, strict=True):
            for part, values in drive.run(min(ROUND, frames - start)).items():
                taken[part] += values
    told = [{**a, **summary(b)} for a, b in zip(figures, times, strict=True)]
    size = bundle.manifest.frame
    result: dict[str, Any] = {
        "bundle": bundle.manifest.name,
        "size": f"{size.width}x{size.height}",
        **told[0],
        "frames": frames,
        "warmup": warmup,
        "threads": config.engine.threads,
        "cores": core_count(),
        "machine": machine_name(),
    }
    if len(told) > 1:
        ratio = {part: round(told[0][part]["p50"] / told[1][part]["p50"], 3) for part in PARTS}
        result |= {"against": told[1], "ratio": ratio}
    return result


def beside_baseline(config: Config, frames: int, warmup: int) -> dict[str, Any]:
    """The bundle and the StreamDiffusion-shaped baseline by turns on this machine.

    "ratio" is how many times the baseline's frame rate the bundle's is. A tiny bundle is put
    beside a tiny baseline. Raises BundleError, BackendError.
    """
    from trainjourney.inference.baseline import Baseline

    bundle = load_bundle(find_bundle(config.engine.name))
    choice = config.engine
    engine = open_engine(bundle, choice.backend, choice.precision, choice.threads)
    size, facts = bundle.manifest.frame, bundle.manifest.training.get("facts", {})
    ours, theirs = Drive(engine, bundle), Baseline(size.width, size.height, bool(facts.get("tiny")))
    ours.run(warmup)
    theirs.run(warmup)
    times: Times = {part: [] for part in PARTS}
    base: list[float] = []
    for start in range(0, frames, ROUND):
        for part, values in ours.run(min(ROUND, frames - start)).items():
            times[part] += values
        base += theirs.run(min(ROUND, frames - start))
    told, other = summary(times), summary(dict.fromkeys(PARTS, base))
    return {
        "bundle": bundle.manifest.name,
        "size": f"{size.width}x{size.height}",
        "backend": engine.backend,
        "precision": engine.precision,
        **told,
        "frames": frames,
        "cores": core_count(),
        "machine": machine_name(),
        "against": {"shape": "streamdiffusion", "device": str(theirs.device), "fps": other["fps"]}
        | {"frame": other["frame"]},
        "ratio": round(other["frame"]["p50"] / told["frame"]["p50"], 3),
    }


class Drive:
    """One engine on its way, its state carried from frame to frame."""

    def __init__(self, engine: Engine, bundle: Bundle) -> None:
        self._engine, self._bundle = engine, bundle
        self._random = np.random.default_rng(0)
        shape = bundle.manifest.frame_shape
        self._slot = np.zeros(shape, np.uint8)  # as the ring's, where frames are handed over
        start = self._random.integers(0, 256, shape, dtype=np.uint8)
        self._state: State = engine.encode(start)

    def run(self, frames: int) -> Times:
        """The ms that each of the next frames takes, by part."""
        manifest, look = self._bundle.manifest, self._bundle.looks[0].embedding
        taken: Times = {part: [] for part in PARTS}
        for _ in range(frames):
            t0 = time.perf_counter()
            noise = self._random.standard_normal(manifest.noise.shape, dtype=np.float32)
            t1 = time.perf_counter()
            self._state = self._engine.predict(self._state, noise, look, 1.0, 0.2)
            t2 = time.perf_counter()
            frame = self._engine.decode(self._state, look, 1.0)
            t3 = time.perf_counter()
            np.copyto(self._slot, frame)
            t4 = time.perf_counter()
            for part, seconds in zip(PARTS, (t2 - t1, t3 - t2, t4 - t0), strict=True):
                taken[part].append(1000.0 * seconds)
        return taken


def summary(times: Times) -> dict[str, Any]:
    """Frames per second, and p50, p95, p99 of every part."""
    told: dict[str, Any] = {"fps": round(1000.0 / float(np.mean(times["frame"])), 1)}
    for part in PARTS:
        ms = np.percentile(times[part], [50, 95, 99])
        told[part] = {f"p{p}": round(float(v), 3) for p, v in zip((50, 95, 99), ms, strict=True)}
    return told


def core_count() -> int:
    """The cores that this process may use."""
    mine = getattr(os, "sched_getaffinity", None)
    return len(mine(0)) if mine else os.cpu_count() or 1


def machine_name() -> str:
    """The processor's model, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
