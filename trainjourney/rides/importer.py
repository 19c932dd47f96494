"""Import: videos measured, planned, cut to frames and embedded, in segments that resume."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainjourney.alone import alone
from trainjourney.errors import RideError
from trainjourney.rides import measure
from trainjourney.rides.dataset import (
    FORMAT,
    FRAMES,
    INDEX,
    QUALITY,
    REPORT,
    RIDE,
    WORK,
    Ride,
    frame_name,
    open_ride,
)
from trainjourney.rides.measure import measure_segment
from trainjourney.rides.plan import HIGH_PX, KEPT, Plan, make_plan
from trainjourney.rides.report import Told, draw_report
from trainjourney.rides.video import Video, look_at, read
from trainjourney.side_by_side import Job, core_count, share
from trainjourney.types import Embedding, Frame

SEGMENT_S = 20.0
MOST_SOURCES = 99
ENDS_EARLY = 0.03  # of its length that a video may lack at its end
SEEN = 0.4  # of a picture that fits the shape, at least; half of a film of 16:9 fits a square
OPTIONS = "options.json"
Show = Callable[[float, str], None]  # fraction done, and what is being done


@dataclass(frozen=True)
class Segment:
    """A part of a video that one worker takes."""

    source: int
    video: Path
    mark: str  # of what the video holds
    number: int
    since_s: float
    until_s: float

    def measured(self, out: Path) -> Path:
        """Where its measures are kept: by the video, whichever import it is in."""
        return out / WORK / f"{self.mark}_{self.number:04d}.npz"

    def cut(self, out: Path) -> Path:
        """What says that its frames are cut."""
        return out / WORK / f"{self.source:02d}_{self.number:04d}.cut"


def import_rides(
    videos: list[Path],
    out: Path,
    shape: tuple[int, int],
    embedder: str,
    embed: Callable[[Frame], Embedding],
    show: Show,
    workers: int = 0,
) -> Ride:
    """Make the dataset `out` of videos. The same call goes on with one that was stopped.

    `shape` is width and height of its frames, `embedder` names whose embedding `embed` gives.
    `workers` processes share the segments; 0 is one a core. Raises RideError.
    """
    if not 1 <= len(videos) <= MOST_SOURCES:
        raise RideError(f"{len(videos)} videos; give 1 to {MOST_SOURCES}")
    sources = [look_at(path) for path in videos]
    marks = [_mark(path) for path in videos]
    for i, mark in enumerate(marks):
        if mark in marks[:i]:
            other = videos[marks.index(mark)]
            raise RideError(f"{videos[i]}: is {other} once more; give each video once")
    options = {"shape": list(shape), "embedder": embedder, "of": marks}
    made = _hold_to(out, options)
    segments = [part for i, video in enumerate(sources) for part in _segments(i, video, marks[i])]
    workers = workers or core_count()

    busy = RideError(f"{out}: another import is at work in it; wait for it, or give a new --out")
    with alone(out / WORK, busy):
        jobs: list[Job] = [
            (measure_segment, (s.video, s.since_s, s.until_s, s.measured(out))) for s in segments
        ]
        plans = []
        try:
            run_jobs(jobs, workers, lambda f: show(0.5 * f, "measuring how it moves"))
            for i, video in enumerate(sources):
                kept_in = [s.measured(out) for s in segments if s.source == i]
                measures = measure.load(kept_in)
                plan = make_plan(measures, shape[0])
                _hold(video.path, plan, kept_in)
                plans.append(Told(video, measures, plan))
        finally:
            for folder in made:  # a refused one leaves none behind that holds nothing
                with suppress(OSError):
                    folder.rmdir()

        # Not before: an import that is refused is in no other's way.
        _write_text(out / WORK / OPTIONS, _text(options))
        (out / FRAMES).mkdir(exist_ok=True)
        cuts: list[Job] = []
        for s in segments:
            kept = np.flatnonzero(plans[s.source].plan.reason == KEPT)
            times = plans[s.source].measures.time_s[kept]
            mine = (times >= s.since_s - 1e-6) & (times < s.until_s - 1e-6)
            wanted = dict(zip(_stamps(times[mine]), kept[mine].tolist(), strict=True))
            cuts.append((cut_segment, (s, wanted, shape, out)))
        run_jobs(cuts, workers, lambda f: show(0.5 + 0.35 * f, "cutting frames"))
        _write_index(out, plans, shape, embed, lambda f: show(0.85 + 0.15 * f, "embedding frames"))
        draw_report(out / REPORT, plans, shape)
        table = {
            "format": FORMAT,
            "width": shape[0],
            "height": shape[1],
            "embedder": embedder,
            "sources": [_summary(told, shape) for told in plans],
        }
        _write_text(out / RIDE, _text(table))
        return open_ride(out)


def cut_segment(
    segment: Segment, wanted: dict[int, int], shape: tuple[int, int], out: Path
) -> None:
    """Write the wanted frames (by time stamp) of a segment as JPEGs, unless that was done."""
    done = segment.cut(out)
    if done.is_file() and done.read_bytes() == str(len(wanted)).encode():
        return
    try:
        if wanted:
            for time_s, frame in read(segment.video, *shape, segment.since_s, segment.until_s):
                number = wanted.get(_stamps(np.array([time_s]))[0])
                if number is not None:
                    path = out / FRAMES / frame_name(segment.source, number)
                    part = path.with_suffix(".part")
                    Image.fromarray(frame).save(part, "JPEG", quality=QUALITY, subsampling=0)
                    os.replace(part, path)
        done.write_text(str(len(wanted)), encoding="utf-8")
    except OSError as err:
        raise _unwritable(out, err) from err


def _segments(source: int, video: Video, mark: str) -> Iterable[Segment]:
    count = max(1, round(video.seconds / SEGMENT_S))
    length = video.seconds / count
    for i in range(count):
        since = video.start_s + i * length if i else -1e9
        until = video.start_s + (i + 1) * length if i + 1 < count else 1e9
        yield Segment(source, video.path, mark, i, since, until)


def run_jobs(jobs: list[Job], workers: int, show: Callable[[float], None]) -> None:
    """Do jobs side by side. Raises RideError where a process was killed."""
    try:
        share(jobs, workers, show)
    except BrokenProcessPool as err:
        workers = min(workers, len(jobs))
        raise RideError(
            f"one of {workers} processes was killed, as where memory ends; import again with "
            f"--workers {max(1, workers // 2)}, and it goes on"
        ) from err


def _hold(path: Path, plan: Plan, kept_in: Iterable[Path]) -> None:
    """Refuse a video of which nothing is left, with the reason that took most of it.

    What was measured of it, in the files `kept_in`, goes.
    """
    counts = plan.counts()
    if counts["kept"]:
        return
    for file in kept_in:
        file.unlink(missing_ok=True)
    worst = max((name for name in counts if name != "kept"), key=lambda name: counts[name])
    told = {
        "standstill": "nothing moves in it; give a film from a moving train",
        "duplicate": "all its frames are alike; give a film from a moving train",
        "short": "it has no unbroken stretch that is long enough; give a longer one, without cuts",
        "cut": "it is cut too often; give a film without cuts",
        "blur": "it is blurred; film it with a shorter exposure",
        "unsure": "how it moves cannot be told; give a sharper, steadier, brighter film",
    }.get(worst, "it has too few frames; give a longer one")
    raise RideError(f"{path}: none of its {len(plan.reason)} frames can be used: {told}")


def _write_index(
    out: Path,
    plans: list[Told],
    shape: tuple[int, int],
    embed: Callable[[Frame], Embedding],
    show: Callable[[float], None],
) -> None:
    rows: dict[str, list[Any]] = {
        k: [] for k in ("source", "number", "stretch", "time_s", "position", "ways", "speed")
    }
    base = 0
    for i, told in enumerate(plans):
        plan, kept = told.plan, np.flatnonzero(told.plan.reason == KEPT)
        rows["source"].append(np.full(len(kept), i, np.int32))
        rows["number"].append(kept.astype(np.int32))
        rows["stretch"].append(plan.stretch[kept] + base)
        rows["time_s"].append(told.measures.time_s[kept])
        rows["position"].append(plan.position[kept])
        rows["ways"].append(plan.ways[kept])
        rows["speed"].append(plan.speed[kept] * plan.stride * plan.every)
        base += int(plan.stretch.max()) + 1
    arrays = {name: np.concatenate(parts) for name, parts in rows.items()}
    n = len(arrays["source"])
    ride = Ride(
        out,
        {"width": shape[0], "height": shape[1]},
        **arrays,
        embedding=np.zeros((n, 0), np.float32),
    )
    embeddings = []
    for i in range(n):
        embeddings.append(embed(ride.frame(i)))
        if i % 50 == 0 or i == n - 1:
            show((i + 1) / n)
    arrays["embedding"] = np.array(embeddings, np.float32)
    part = out / f".{INDEX}.part"
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(part, out / INDEX)
    except OSError as err:
        part.unlink(missing_ok=True)
        raise _unwritable(out, err) from err


def _summary(told: Told, shape: tuple[int, int]) -> dict[str, Any]:
    plan, video = told.plan, told.video
    seconds = float(told.measures.time_s[-1] - told.measures.time_s[0])
    notes = []
    if plan.mid_px > HIGH_PX:
        notes.append("too fast for its frame rate: film at a higher one")
    if seconds < video.seconds - max(1.0, ENDS_EARLY * video.seconds):
        notes.append(f"ends after {seconds:.0f} of {video.seconds:.0f} s: copy it again")
    seen = video.width * shape[1] / (video.height * shape[0])
    if min(seen, 1.0 / seen) < SEEN:
        notes.append(
            f"only {min(seen, 1.0 / seen):.0%} of its picture is used, the rest is beyond "
            f"{shape[0]}x{shape[1]}: film with the phone held the other way"
        )
    return {
        "video": video.path.name,
        "seconds": round(seconds, 3),
        "size": f"{video.width}x{video.height}",
        "fps": round(video.fps, 3),
        "view": plan.view,
        "stride": plan.stride,
        "every": plan.every,
        "mid_px": round(plan.mid_px, 2),
        "profile": [round(float(r), 3) for r in plan.profile],
        "frames": plan.counts(),
        "broken_packets": int(told.measures.broken.sum()),
        "note": "; ".join(notes),
    }


def _hold_to(out: Path, options: dict[str, Any]) -> list[Path]:
    """Refuse to write a dataset over that of others; the folders that were made for it."""
    path = out / WORK / OPTIONS
    if out.is_dir() and not path.is_file():  # what an import leaves before its options is in WORK
        foreign = sorted(p.name for p in out.iterdir() if p.name != WORK and p.name[0] != ".")
        if foreign:
            raise RideError(f"{out}: holds no import, but {foreign[0]}; give a new --out")
    if path.is_file() and path.read_bytes() != _text(options).encode():
        raise RideError(
            f"{out}: holds an import of other videos or another shape; give a new --out"
        )
    try:
        made = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise _unwritable(out, err) from err
    return made


def _text(table: dict[str, Any]) -> str:
    return json.dumps(table, indent=2) + "\n"


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as err:
        part.unlink(missing_ok=True)
        raise _unwritable(path.parent, err) from err


def _unwritable(out: Path, err: OSError) -> RideError:
    reason = (err.strerror or str(err)).lower()
    full = err.errno in (errno.ENOSPC, errno.EDQUOT)
    cure = "free the disk, then import again" if full else "give another --out"
    return RideError(f"{out}: cannot be written ({reason}); {cure}")


def _mark(path: Path) -> str:
    """A fingerprint of a file: its size, its first and its last megabyte."""
    digest = hashlib.sha256(str(path.stat().st_size).encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        digest.update(file.read(1 << 20))
    return digest.hexdigest()[:32]


def _stamps(times: "np.ndarray[Any, np.dtype[np.float64]]") -> list[int]:
    """Times as whole tenths of a millisecond, by which two decodings of a frame agree."""
    return [round(float(t) * 1e4) for t in times]
