"""How fast a bundle runs on this machine, measured as a show would run it."""

import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle, find_bundle, load_bundle
from trainjourney.inference.engine import ON_GPU, open_engine
from trainjourney.inference.noise import NoiseAhead
from trainjourney.machine import processor_name
from trainjourney.settings import Config
from trainjourney.side_by_side import core_count
from trainjourney.types import State

Times = dict[str, list[float]]  # ms by part
PARTS = ("predictor", "decoder", "frame")
ROUND = 20  # frames that one engine makes before the other has its turn
BASELINE = "streamdiffusion"


class Driven(Protocol):
    """What makes frames and can be timed."""

    facts: dict[str, Any]

    def run(self, frames: int) -> Times:
        """The ms that each of the next frames takes, by part; the whole is "frame"."""
        ...


def bench(
    config: Config,
    against: str | None = None,
    frames: int = 300,
    warmup: int = 30,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Run the bundle of these settings for `frames` frames, or for `seconds`, and tell how long
    they took.

    ms p50, p95, p99 of the predictor, of the decoder, and of the whole frame: drawing noise,
    predicting, decoding, and handing the frame over into memory that is not the engine's; and the
    most memory that this process took until then.
    `against` names a second backend, whose precision is auto: both run by turns, so that what else
    the machine does weighs on both alike; "ratio" is how many times the second's time the first
    takes. Or it is the baseline of its name; then "ratio" is how many times its frame rate the
    bundle's is. Raises BundleError, BackendError.
    """
    if frames < 1 or warmup < 0:
        raise BackendError(f"{frames} frames after {warmup} are no bench; give 1 or more")
    bundle, choice = load_bundle(find_bundle(config.engine.name)), config.engine
    ours = Drive(bundle, choice.backend, choice.precision, choice.threads)
    drives: list[Driven] = [ours]
    if against == BASELINE:
        from trainjourney.inference.baseline import Baseline

        drives.append(Baseline(bundle, ours.facts["backend"], ours.facts["precision"]))
    elif against:
        drives.append(Drive(bundle, against, "auto", choice.threads))
    for drive in drives:
        drive.run(warmup)
    taken: list[Times] = [{} for _ in drives]
    for count in _rounds(frames, seconds):
        for drive, times in zip(drives, taken, strict=True):
            for part, values in drive.run(count).items():
                times.setdefault(part, []).extend(values)
    told = [{**drive.facts, **summary(times)} for drive, times in zip(drives, taken, strict=True)]
    size = bundle.manifest.frame
    result: dict[str, Any] = {
        "bundle": bundle.manifest.name,
        "size": f"{size.width}x{size.height}",
        **told[0],
        "frames": len(taken[0]["frame"]),
        "warmup": warmup,
        "memory_mb": memory_mb(),
        "threads": choice.threads,
        "cores": core_count(),
        "machine": processor_name(),
    }
    if against == BASELINE:
        result["ratio"] = round(told[1]["frame"]["p50"] / told[0]["frame"]["p50"], 3)
    elif against:
        result["ratio"] = {
            part: round(told[0][part]["p50"] / told[1][part]["p50"], 3) for part in PARTS
        }
    return result | ({"against": told[1]} if against else {})


def _rounds(frames: int, seconds: float | None) -> Iterator[int]:
    """How many frames each drive is to make, again and again, until it is enough."""
    if seconds is None:
        for start in range(0, frames, ROUND):
            yield min(ROUND, frames - start)
        return
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield ROUND


class Drive:
    """One engine on its way, its state carried from frame to frame."""

    def __init__(self, bundle: Bundle, backend: str, precision: str, threads: int) -> None:
        """Raises BackendError, BundleError."""
        since = time.perf_counter()
        self._engine = open_engine(bundle, backend, precision, threads)
        self.facts: dict[str, Any] = {
            "backend": self._engine.backend,
            "precision": self._engine.precision,
            "open_s": round(time.perf_counter() - since, 3),
        }
        steps = bundle.manifest.training.get("facts", {}).get("steps")
        self.facts |= {"steps": len(steps)} if steps else {}
        self._bundle, self._number, shape = bundle, 0, bundle.manifest.frame_shape
        self._noise = NoiseAhead(bundle.manifest.noise.shape, self._engine.backend in ON_GPU)
        self._slot = np.zeros(shape, np.uint8)  # as the ring's, where frames are handed over
        start = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        self._state: State = self._engine.encode(start)
        self._beside = ThreadPoolExecutor(1) if self._engine.side_by_side else None

    def run(self, frames: int) -> Times:
        """The ms that each of the next frames takes, by part."""
        taken: Times = {part: [] for part in PARTS}
        for _ in range(frames):
            since = time.perf_counter()
            if self._beside:  # as a show does
                predicting = self._beside.submit(self._predict)
                decoder_ms = self._decode(self._state)
                self._state, predictor_ms = predicting.result()
            else:
                self._state, predictor_ms = self._predict()
                decoder_ms = self._decode(self._state)
            whole_ms = 1000.0 * (time.perf_counter() - since)
            for part, ms in zip(PARTS, (predictor_ms, decoder_ms, whole_ms), strict=True):
                taken[part].append(ms)
        return taken

    def _predict(self) -> tuple[State, float]:
        """The next state, and the ms it took."""
        look = self._bundle.looks[0].embedding
        noise = self._noise.take(0, self._number, self._number + 1)
        self._number += 1
        since = time.perf_counter()
        state = self._engine.predict(self._state, noise, look, 1.0, 0.2)
        return state, 1000.0 * (time.perf_counter() - since)

    def _decode(self, state: State) -> float:
        """Have the picture of a state handed over; gives the ms that decoding took."""
        since = time.perf_counter()
        frame = self._engine.decode(state, self._bundle.looks[0].embedding, 1.0)
        until = time.perf_counter()
        np.copyto(self._slot, frame)
        return 1000.0 * (until - since)


def summary(times: Times) -> dict[str, Any]:
    """Frames per second, and p50, p95, p99 of every part."""
    told: dict[str, Any] = {"fps": round(1000.0 / float(np.mean(times["frame"])), 1)}
    for part, taken in times.items():
        ms = np.percentile(taken, [50, 95, 99])
        told[part] = {f"p{p}": round(float(v), 3) for p, v in zip((50, 95, 99), ms, strict=True)}
    return told


def memory_mb() -> dict[str, int]:
    """The most that this process had of the machine's memory, and torch of a GPU's."""
    told = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        told["gpu"] = torch.cuda.max_memory_allocated() >> 20
    return told
