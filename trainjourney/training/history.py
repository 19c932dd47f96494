"""History of a stage: losses.csv, one row a step, and its plot losses.png."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trainjourney.errors import TrainingError
from trainjourney.training.checkpoint import replacing, writing

_FIRST = ["step", "elapsed_s", "lr"]
_POINTS = 800


class History:
    """Appends rows to losses.csv; opened at the checkpoint's step, it forgets later rows."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self._columns: list[str] = []
        rows = _rows(path)
        if rows:
            self._columns = rows[0]
            self._rewrite([r for r in rows[1:] if len(r) == len(rows[0]) and int(r[0]) <= step])

    def add(self, step: int, elapsed_s: float, lr: float, losses: Mapping[str, float]) -> None:
        new = [name for name in losses if name not in self._columns]
        if not self._columns:
            self._columns = _FIRST + new
            self._rewrite([])
        elif new:
            rows = [row + [""] * len(new) for row in _rows(self.path)[1:]]
            self._columns = self._columns + new
            self._rewrite(rows)
        cells = {"step": str(step), "elapsed_s": f"{elapsed_s:.2f}", "lr": f"{lr:.6g}"}
        cells |= {name: f"{value:.6g}" for name, value in losses.items()}
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(",".join(cells.get(name, "") for name in self._columns) + "\n")

    def _rewrite(self, rows: list[list[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._columns, *rows])
        with replacing(self.path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")


def read_history(path: Path) -> dict[str, list[float]]:
    """The columns of a losses.csv; a cell left empty is nan."""
    rows = _rows(path)
    if not rows:
        return {}
    whole = [row for row in rows[1:] if len(row) == len(rows[0])]
    return {
        name: [float(row[i]) if row[i] else math.nan for row in whole]
        for i, name in enumerate(rows[0])
    }


def draw_history(path: Path, picture: Path) -> None:
    """Draw a losses.csv, smoothed and on a log scale, to a PNG."""
    import matplotlib  # heavy, and only here

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = read_history(path)
    names = [name for name in columns if name not in (*_FIRST, "grad_norm")]
    figure, axes = pyplot.subplots(figsize=(9, 5), dpi=110)
    for name in names:
        steps, values = _smoothed(columns["step"], columns[name])
        if len(steps):
            axes.plot(steps, values, label=name, linewidth=2.0 if name == "loss" else 1.0)
    axes.set(yscale="log", xlabel="step", title=path.parent.name)
    axes.grid(alpha=0.3, which="both")
    if axes.lines:
        axes.legend(fontsize=8)
    with replacing(picture) as temporary:
        figure.savefig(temporary, format="png")
    pyplot.close(figure)


def _smoothed(steps: list[float], values: list[float]) -> tuple[list[float], list[float]]:
    """At most `_POINTS` means of equal runs; what a log scale cannot show is left out."""
    size = max(1, math.ceil(len(steps) / _POINTS))
    x: list[float] = []
    y: list[float] = []
    for start in range(0, len(steps), size):
        part = np.array(values[start : start + size])
        part = part[np.isfinite(part)]
        if len(part) and part.mean() > 0.0:
            x.append(steps[min(start + size, len(steps)) - 1])
            y.append(float(part.mean()))
    return x, y


def _rows(path: Path) -> list[list[str]]:
    """The rows that were written whole: a kill can leave half a line at the end."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        rows = [row for row in csv.reader(io.StringIO(whole)) if row]
        _ = [(int(row[0]), *(float(cell) for cell in row if cell)) for row in rows[1:]]
    except (OSError, ValueError, csv.Error) as err:
        raise TrainingError(
            f"{path}: cannot be read ({err}); remove it, then type the same again"
        ) from err
    return rows
