"""Films of invented country, written by PyAV for the tests: known motion, known faults."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def country(seed: int, width: int, height: int) -> Picture:
    """Blots of many sizes, [height, width, 3]."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width, 3))
    for cells in (4, 8, 16, 32, 64, 128):
        rough = rng.uniform(0, 255, (max(2, cells * height // width), cells, 3)).astype(np.uint8)
        big = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
        out += np.asarray(big, np.float64) / 5.0
    stretched = (out - out.mean()) * 2.2 + 128.0
    return np.asarray(stretched.clip(0, 255).astype(np.uint8))


def sliding(seed: int, frames: int, px: float, size: tuple[int, int] = (256, 128)) -> list[Picture]:
    """Country that slides to the left by `px` a frame, as seen from a train that runs forward."""
    w, h = size
    wide = country(seed, w + int(abs(px) * frames) + 8, h)
    places = [round(px * i) if px >= 0 else round(-px * (frames - 1 - i)) for i in range(frames)]
    return [wide[:, x : x + w] for x in places]


def parting(seed: int, frames: int, rate: float) -> Iterator[Picture]:
    """Country that grows about the middle by `rate` a frame, as seen from a cab."""
    picture = Image.fromarray(country(seed, 512, 256))
    for i in range(frames):
        zoom = (1.0 + rate) ** i
        w, h = 512 / zoom, 256 / zoom
        box = (256 - w / 2, 128 - h / 2, 256 + w / 2, 128 + h / 2)
        yield np.asarray(picture.resize((256, 128), Image.Resampling.BICUBIC, box))


def write_film(
    path: Path,
    frames: Iterable[Picture],
    times: Iterable[float] | None = None,
    fps: int = 25,
    aspect: int = 1,
) -> Path:
    """Encode frames; `times` in seconds makes the rate uneven; `aspect` of a pixel."""
    stamps = None if times is None else iter(times)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12", "g": "12"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for i, picture in enumerate(frames):
            if i == 0:
                stream.width, stream.height = picture.shape[1], picture.shape[0]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            time_s = i / fps if stamps is None else next(stamps)
            frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_large(path: Path, width: int, height: int) -> Path:
    """One grey frame, brighter on its right half, of any size; quick even at 8K."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.pix_fmt, stream.width, stream.height = "yuvj420p", width, height
        planes = np.full((height * 3 // 2, width), 128, np.uint8)  # luma, then half of each chroma
        planes[:height, width // 2 :] = 200
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuvj420p")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for i in range(20):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_film(path: Path) -> Path:
    """Let the header of an mp4 say that it is to be shown turned by a quarter, as phones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    data[at : at + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in quarter)
    path.write_bytes(bytes(data))
    return path
