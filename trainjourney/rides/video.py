"""One video on disk, read by PyAV: upright, cropped to a shape, by time. Bounded and forgiving.

A phone's file may be turned, of uneven frame rate, or broken in the middle; what can be decoded
is given, what cannot is counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import Interpolation

from trainjourney.errors import RideError
from trainjourney.types import Frame

MOST_ASPECT = 4.0  # of a pixel; anamorphic lenses make 2
MOST_SIDE = 8192  # px; 8K is read, more is refused before it is decoded
MOST_HOURS = 12
MOST_BROKEN = 2000  # packets in a row that do not decode


@dataclass(frozen=True)
class Video:
    """What a file says of itself."""

    path: Path
    width: int  # px, upright
    height: int
    start_s: float  # time of the first frame
    seconds: float  # 0 where the file does not say
    fps: float  # the mean one; the true time of every frame is its own


def look_at(path: Path) -> Video:
    """The first frame of a video and what its header says. Raises RideError."""
    with _opened(path) as (container, stream):
        first = next(_decoded(path, container, stream, [0]), None)
        if first is None:
            raise RideError(f"{path}: no frame of it can be decoded; convert it with ffmpeg first")
        if first.time is None:
            raise RideError(
                f"{path}: its frames have no times; give it some: "
                f"ffmpeg -i {path.name} -c copy OUT.mp4"
            )
        turned = _turns(first) % 2
        across = round(first.width * _aspect(stream))
        width, height = (first.height, across) if turned else (across, first.height)
        seconds = float(stream.duration * stream.time_base) if stream.duration else 0.0
        seconds = seconds or float((container.duration or 0) / av.time_base)
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else 25.0
        if seconds > 3600.0 * MOST_HOURS:
            raise RideError(f"{path}: is {seconds / 3600:.0f} hours long; cut it to {MOST_HOURS}")
        return Video(path, width, height, float(first.time or 0.0), seconds, fps)


def read(
    path: Path,
    width: int,
    height: int,
    since_s: float = 0.0,
    until_s: float = 1e9,
    broken: list[int] | None = None,
) -> Iterator[tuple[float, Frame]]:
    """Time in seconds and frame [height, width, 3] of every picture in [since_s, until_s).

    The picture is cropped about its middle to the shape's proportions, then made smaller.
    Packets that do not decode are counted in broken[0]. Raises RideError.
    """
    with _opened(path) as (container, stream):
        if since_s > 0.0:
            # uneven files have keyframes far apart, and some give no time for them: be early
            container.seek(int(max(0.0, since_s - 0.5) / stream.time_base), stream=stream)
        for picture in _decoded(path, container, stream, broken or [0]):
            if picture.time is None or picture.time < since_s - 1e-6:
                continue
            if picture.time >= until_s - 1e-6:
                return
            yield float(picture.time), _fitted(picture, _aspect(stream), width, height)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise RideError(f"{path}: is {what}; give the path of a video")
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (FFmpegError, OSError, ValueError) as err:
        reason = getattr(err, "strerror", "") or _short(err)
        raise RideError(
            f"{path}: is no video that can be opened ({reason.lower()}); copy it again, "
            f"or convert it: ffmpeg -i {path.name} OUT.mp4"
        ) from err
    with container:
        cover = Disposition.attached_pic
        films = [one for one in container.streams.video if not one.disposition & cover]
        if not films:
            raise RideError(f"{path}: holds no video, only sound or text; give a film of a ride")
        stream = films[0]
        stream.thread_type = "AUTO"
        size = (stream.codec_context.width, stream.codec_context.height)
        if max(size) > MOST_SIDE:
            raise RideError(
                f"{path}: is {size[0]}x{size[1]}, {MOST_SIDE} at most; "
                "make it smaller: ffmpeg -i IN -vf scale=1920:-2 OUT.mp4"
            )
        yield container, stream


def _decoded(path: Path, container: Any, stream: Any, broken: list[int]) -> Iterator[Any]:
    """Every picture that decodes; those that do not are counted in `broken`."""
    in_a_row = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            pictures = packet.decode()
        except (FFmpegError, ValueError):
            broken[0] += 1
            in_a_row += 1
            if in_a_row > MOST_BROKEN:
                return
            continue
        in_a_row = 0
        for picture in pictures:
            if max(picture.width, picture.height) > MOST_SIDE:
                raise RideError(f"{path}: turns {picture.width} px wide midway; cut it there")
            yield picture


def _turns(picture: Any) -> int:
    """Quarter turns to the left that set the picture upright."""
    return round(float(getattr(picture, "rotation", 0) or 0) / 90.0) % 4


def _aspect(stream: Any) -> float:
    """Width of a pixel over its height: not 1 on tape and disc, as HDV's. What no camera makes is
    taken for 1: a picture would be widened beyond all memory."""
    aspect = float(stream.sample_aspect_ratio or 1.0)
    return aspect if 1.0 / MOST_ASPECT <= aspect <= MOST_ASPECT else 1.0


def _fitted(picture: Any, aspect: float, width: int, height: int) -> Frame:
    """Upright, cropped about the middle to width:height, and of that size."""
    turns = _turns(picture)
    wanted = (height, width) if turns % 2 else (width, height)
    size = (picture.width * aspect, picture.height)
    scale = max(w / s for w, s in zip(wanted, size, strict=True))
    whole = [max(w, round(s * scale)) for w, s in zip(wanted, size, strict=True)]
    rgb = picture.to_ndarray(
        format="rgb24", width=whole[0], height=whole[1], interpolation=Interpolation.AREA
    )
    x, y = (whole[0] - wanted[0]) // 2, (whole[1] - wanted[1]) // 2
    cut = rgb[y : y + wanted[1], x : x + wanted[0]]
    return np.ascontiguousarray(np.rot90(cut, turns))


def _short(err: BaseException) -> str:
    return " ".join(str(err).split())[:120]
