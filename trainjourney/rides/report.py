"""The report of an import: for every video its pictures, its speed, and what was dropped."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from trainjourney.errors import RideError
from trainjourney.lettering import font_for
from trainjourney.rides.measure import Measures
from trainjourney.rides.plan import KEPT, REASONS, SPARE, Plan
from trainjourney.rides.video import Video, read

PAGE_W, EDGE, PLOT_H, SHOWN = 1240, 20, 150, 8
INK, PALE, PAPER = (30, 32, 36), (150, 152, 156), (250, 249, 246)
# kept, duplicate, cut, standstill, blur, unsure, short, spare
STRAY = 2.0  # x the speed that 19 in 20 frames are below: more is no part of the ride
COLOURS = ("#2a7f62", "#9aa0a6", "#c0392b", "#8e6bbf", "#d98c2b", "#4f7cac", "#b8b15c", "#9cc9b6")


@dataclass(frozen=True)
class Told:
    """A video and what became of it."""

    video: Video
    measures: Measures
    plan: Plan


def draw_report(path: Path, videos: list[Told], shape: tuple[int, int]) -> None:
    """Draw the PNG. Raises RideError where it cannot be written."""
    blocks = [_block(told, shape) for told in videos]
    page = Image.new("RGB", (PAGE_W, sum(b.height for b in blocks)), PAPER)
    top = 0
    for block in blocks:
        page.paste(block, (0, top))
        top += block.height
    part = path.with_name(f".{path.name}.part")
    try:
        page.save(part, "PNG")
        os.replace(part, path)
    except OSError as err:
        part.unlink(missing_ok=True)
        raise RideError(f"{path}: cannot be written ({err.strerror}); free the disk") from err


def _block(told: Told, shape: tuple[int, int]) -> Image.Image:
    plan, video = told.plan, told.video
    inner = PAGE_W - 2 * EDGE
    thumb_w = inner // SHOWN - 6
    thumb_h = max(1, round(thumb_w * shape[1] / shape[0]))
    height = 62 + thumb_h + 30 + PLOT_H + 44 + thumb_h + 24
    page = Image.new("RGB", (PAGE_W, height), PAPER)
    draw, small = ImageDraw.Draw(page), ImageFont.load_default(13)
    way = "forward" if np.median(plan.speed[plan.reason == KEPT]) > 0 else "backwards"
    title = f"{video.path.name}: {plan.view} view, running {way}"
    draw.text((EDGE, 12), title, INK, font_for(title, 17))
    span = float(told.measures.time_s[-1] - told.measures.time_s[0])
    on = plan.stride * plan.every
    line = (
        f"{video.width}x{video.height}, {span:.1f} s, {video.fps:.4g} fps. A predicted frame is "
        f"{on} {'frame' if on == 1 else 'frames'} on, and moves the mid-ground {plan.mid_px:.1f} "
        f"px of {shape[0]}. Broken packets: {int(told.measures.broken.sum())}."
    )
    draw.text((EDGE, 36), line, PALE, small)
    y = 62
    kept = np.flatnonzero(plan.reason == KEPT)
    picked = kept[np.linspace(0, len(kept) - 1, SHOWN).astype(int)]
    for i, frame in enumerate(picked):
        x = EDGE + i * (thumb_w + 6)
        _thumb(page, told, int(frame), (x, y, thumb_w, thumb_h))
        draw.text((x, y + thumb_h + 2), _clock(told, int(frame)), PALE, small)
    y += thumb_h + 30
    _plot(page, told, (EDGE, y, inner, PLOT_H), small)
    y += PLOT_H + 8
    x = EDGE
    for i, (name, count) in enumerate(plan.counts().items()):
        if count:
            draw.rectangle((x, y + 3, x + 11, y + 14), COLOURS[i])
            text = f"{name} {count}"
            draw.text((x + 16, y), text, INK, small)
            x += 34 + int(draw.textlength(text, small))
    y += 26
    x = EDGE
    for i in range(KEPT + 1, SPARE):
        found = np.flatnonzero(plan.reason == i)
        if len(found):
            frame = int(found[len(found) // 2])
            _thumb(page, told, frame, (x, y, thumb_w, thumb_h))
            draw.rectangle((x, y, x + thumb_w - 1, y + thumb_h - 1), outline=COLOURS[i], width=3)
            draw.text((x, y + thumb_h + 2), f"{REASONS[i]}, {_clock(told, frame)}", PALE, small)
            x += thumb_w + 6
    return page if x > EDGE else page.crop((0, 0, PAGE_W, y))


def _clock(told: Told, frame: int) -> str:
    return f"{told.measures.time_s[frame]:.1f} s"


def _thumb(page: Image.Image, told: Told, frame: int, box: tuple[int, int, int, int]) -> None:
    time_s = float(told.measures.time_s[frame])
    x, y, w, h = box
    for _, picture in read(told.video.path, w, h, time_s - 1e-4, time_s + 1.0):
        page.paste(Image.fromarray(picture), (x, y))
        return


def _plot(
    page: Image.Image,
    told: Told,
    box: tuple[int, int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Signed speed over time, each column in the colour of what became of its frames; one that is
    higher than the plot ends in ink."""
    draw = ImageDraw.Draw(page)
    x0, y0, w, h = box
    speed, reason = told.plan.speed, told.plan.reason
    most = 1.15 * scale_of(speed)
    low = -most if np.percentile(speed, 5) < 0.0 else 0.0
    span = most - low

    def at(value: float) -> float:
        return y0 + h - (value - low) / span * h

    draw.rectangle((x0, y0, x0 + w, y0 + h), fill=(255, 255, 255), outline=(222, 220, 215))
    columns = np.minimum(np.arange(len(speed)) * w // len(speed), w - 1)
    for column in np.unique(columns):
        mine = columns == column
        why = _worst(reason[mine])
        value = float(np.median(speed[mine]))
        top, low_y = sorted((at(float(np.clip(value, low, most))), at(0.0)))
        x = x0 + int(column)
        draw.rectangle((x, top, x + max(0, w // len(speed)), max(low_y, top + 1)), COLOURS[why])
        if why not in (KEPT, SPARE):
            draw.line((x, y0 + h - 6, x, y0 + h), COLOURS[why], max(1, w // len(speed)))
        if not low <= value <= most:  # more than there is room for
            edge = y0 if value > most else y0 + h - 6
            draw.line((x, edge, x, edge + 6), INK, max(1, w // len(speed)))
    draw.line((x0, at(0.0), x0 + w, at(0.0)), PALE)
    usual = float(np.median(speed[reason == KEPT]))
    draw.line((x0, at(usual), x0 + w, at(usual)), INK)
    draw.text((x0 + 6, y0 + 4), f"mid-ground, px a frame: usually {usual:.2f}", INK, font)
    end = _clock(told, len(speed) - 1)
    draw.text((x0 + w - 6 - draw.textlength(end, font), y0 + 4), end, PALE, font)


def scale_of(speed: NDArray[np.float64]) -> float:
    """The speed, px a frame, that there is room for: the highest, unless that is a stray one."""
    size = np.abs(speed)
    return max(1e-6, min(float(size.max()), STRAY * float(np.percentile(size, 95))))


def _worst(reasons: NDArray[np.uint8]) -> int:
    """What to show of several frames: what was dropped before what was kept."""
    dropped = [int(r) for r in reasons if r not in (KEPT, SPARE)]
    return dropped[0] if dropped else KEPT
