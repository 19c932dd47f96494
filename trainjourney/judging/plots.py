"""Plots of a judgement, by matplotlib, which only training and judging need."""

from typing import Any

import numpy as np

from . import colour, form, novelty, response, survival, travel
from .judge import Judgement
from .measures import film_distances
from .plan import SWITCH


def draw_plots(judged: Judgement) -> None:
    """Write plots/*.png: travel, colours, survival, novelty, looks, things."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder = judged.folder / "plots"
    folder.mkdir(exist_ok=True)
    for name, draw in PLOTS.items():
        figure = pyplot.figure(figsize=(10, 6), dpi=100, layout="constrained")
        draw(judged, figure)
        figure.savefig(folder / f"{name}.png")
        pyplot.close(figure)


def _travel(judged: Judgement, figure: Any) -> None:
    axes = figure.subplots()
    for film in judged.case.levers:
        speeds = travel.band_speeds(film.shifts)
        asked = float(film.note["speed"])
        axes.plot([asked] * len(speeds), list(speeds.values()), "o", alpha=0.5)
        axes.annotate(str(film.note["look"]), (asked, travel.speed_of(speeds)), fontsize=7)
    axes.axline((0, 0), slope=1, color="grey", linewidth=0.8)
    axes.set(xlabel="speed asked for", ylabel="speed seen, every band", title="travel")


def _colours(judged: Judgement, figure: Any) -> None:
    for axes, i in zip(figure.subplots(2, 2).flat, range(4), strict=True):
        for film in judged.case.films:
            values = film.colour[:, i]
            step = max(1, len(values) // 300)
            mean = np.convolve(values, np.ones(step) / step, "valid")[::step]
            axes.plot(film.times[: len(values) - step + 1 : step], mean, label=film.note["look"])
        axes.set(title=colour.STATISTICS[i], xlabel="frame")
    figure.axes[0].legend(fontsize=7)


def _survival(judged: Judgement, figure: Any) -> None:
    axes = figure.subplots()
    for look, films in judged.case.long.items():
        for film in films:
            apart = film_distances(film, look, judged.real)
            starts = np.array(list(apart)) + survival.WINDOW / 2
            axes.plot(starts, list(apart.values()), marker=".", label=look)
    axes.axhline(judged.real.limit, color="black", label="99 % of real country")
    axes.set(yscale="log", xlabel="frame", title="Fréchet distance of windows to real country")
    axes.legend(fontsize=7)


def _novelty(judged: Judgement, figure: Any) -> None:
    axes = figure.subplots()
    for look, films in judged.case.long.items():
        low = novelty.nearest(novelty.prints(films[0].thumbs), films[0].times)
        if np.isfinite(low).any():
            axes.hist(low[np.isfinite(low)], 40, histtype="step", density=True, label=look)
    home = np.concatenate(
        [novelty.nearest(novelty.prints(f.thumbs), f.times) for f in judged.real.films.values()]
    )
    axes.hist(home, bins=40, density=True, color="lightgrey", label="real")
    axes.set(title="distance to the nearest frame 500 or more away", xlim=(0, None))
    axes.legend(fontsize=7)


def _looks(judged: Judgement, figure: Any) -> None:
    axes = figure.subplots()
    for film in judged.case.switches:
        answer = response.respond(film.times, film.palette, SWITCH)
        label = f"{film.note['look']} to {film.note['to']}"
        axes.plot(answer.times, answer.progress, label=label)
    axes.axhline(0.9, color="grey", linewidth=0.8)
    axes.axvline(120, color="grey", linewidth=0.8)
    axes.set(xlabel="frames since another look was asked for", title="way to the other look")
    axes.legend(fontsize=7)


def _things(judged: Judgement, figure: Any) -> None:
    axes = figure.subplots()
    real = np.mean([form.counts(f.kinds) for f in judged.real.films.values()], 0)
    ours = np.mean([form.counts(f.kinds) for f in judged.case.films], 0)
    at = np.arange(len(real))
    axes.bar(at - 0.2, real, 0.4, label="real", color="lightgrey")
    axes.bar(at + 0.2, ours, 0.4, label=judged.bundle)
    axes.set_xticks(at, judged.kinds, rotation=60)
    axes.set(title="things seen in a frame")
    axes.legend()


PLOTS = {
    "travel": _travel, "colours": _colours, "survival": _survival,
    "novelty": _novelty, "looks": _looks, "things": _things,
}  # fmt: skip
