"""Contact sheet and film strips: what a fresh pair of eyes is shown."""

from pathlib import Path

from PIL import Image, ImageDraw

from .judge import Judgement
from .plan import SHEET, STRIP, STRIP_GAP, Shot

TILE_W, TILE_H, GAP = 320, 160, 4


def draw_sheet(judged: Judgement) -> Path:
    """Rows: worlds; columns: the frames of SHEET, as far as the film goes."""
    shots = judged.plan.of("long")[:8]
    last = max(shot.frames for shot in shots)
    times = [time for time in SHEET if time <= last]
    times += [last] if last not in times else []
    rows = [
        [(f"{shot.look}  {time}", _path(judged, shot, time)) for time in times] for shot in shots
    ]
    path = judged.folder / "sheet.png"
    _tile(rows).save(path)
    return path


def draw_strips(judged: Judgement) -> list[Path]:
    """One strip a film: its start above, its end below."""
    paths = []
    for shot in judged.plan.of("long"):
        start = [(i + 1) * STRIP_GAP for i in range(STRIP)]
        first = shot.frames - STRIP * STRIP_GAP
        end = [t for t in range(first + 1, shot.frames + 1) if t % STRIP_GAP == 0]
        rows = [[(str(time), _path(judged, shot, time)) for time in part] for part in (start, end)]
        paths.append(judged.folder / f"strip-{shot.look}.png")
        _tile(rows, TILE_W // 2, TILE_H // 2).save(paths[-1])
    return paths


def _path(judged: Judgement, shot: Shot, time: int) -> Path:
    return judged.folder / "films" / "pictures" / f"{shot.name}-{time:06d}.jpg"


def _tile(
    rows: list[list[tuple[str, Path]]], width: int = TILE_W, height: int = TILE_H
) -> Image.Image:
    across = max(len(row) for row in rows)
    sheet = Image.new("RGB", (across * (width + GAP), len(rows) * (height + GAP)), (24, 24, 24))
    draw = ImageDraw.Draw(sheet)
    for j, row in enumerate(rows):
        for i, (words, path) in enumerate(row):
            if not path.is_file():  # the film is shorter than this
                continue
            at = (i * (width + GAP), j * (height + GAP))
            with Image.open(path) as picture:
                sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), at)
            draw.text((at[0] + 4, at[1] + 2), words, fill=(255, 255, 255), stroke_width=1,
                      stroke_fill=(0, 0, 0))  # fmt: skip
    return sheet
