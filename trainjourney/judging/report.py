"""The report: report.json, and the table that is shown at the end."""

import json
import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from trainjourney.files import replacing

from . import novelty, travel
from .aims import MEASURES
from .judge import Judgement
from .measures import film_distances
from .observer import Observation

MARKS = {True: "yes", False: "NO", None: ""}
_SKIPPED = ("value", "floor")


def summarise(judged: Judgement) -> dict[str, Any]:
    """Everything as plain values; what could not be measured is None."""
    others = [name for name in judged.figures if name not in _SKIPPED]
    lines = []
    for m in MEASURES:
        value = judged.figures["value"].get(m.name, math.nan)
        floor = judged.figures["floor"].get(m.name, math.nan)
        lines.append(
            {
                "name": m.name,
                "value": _plain(value),
                "unit": m.unit,
                "floor": _plain(floor),
                "baselines": {o: _plain(judged.figures[o].get(m.name, math.nan)) for o in others},
                "aim": m.aim(),
                "pass": m.passes(value, floor),
                "help": m.help,
            }
        )
    return {
        "bundle": judged.bundle,
        "facts": {key: _plain(value) for key, value in judged.facts.items()},
        "measures": lines,
        "films": [_film(judged, film) for film in judged.case.films],
        "levers": [_lever(film) for film in judged.case.levers],
        "carried": judged.case.edges,
    }


def _film(judged: Judgement, film: Observation) -> dict[str, Any]:
    look = str(film.note["look"])
    apart = film_distances(film, look, judged.real)
    prints = novelty.prints(film.thumbs)
    bands = travel.band_speeds(film.shifts)
    return {
        "look": look, "seed": film.note["seed"], "thrown": film.note["thrown"],
        "bands": {name: _plain(speed) for name, speed in bands.items()},
        "inside": _plain(sum(a <= judged.real.limit for a in apart.values()) / max(1, len(apart))),
        "novelty": _plain(novelty.near_distance(prints, film.times)),
        "novelty_real": _plain(judged.real.near[look]),
        "frechet": {str(start): _plain(a) for start, a in apart.items()},
    }  # fmt: skip


def _lever(film: Observation) -> dict[str, Any]:
    bands = travel.band_speeds(film.shifts)
    return {
        "look": film.note["look"], "commanded": film.note["speed"],
        "seen": _plain(travel.speed_of(bands)),
        "bands": {name: _plain(speed) for name, speed in bands.items()},
    }  # fmt: skip


def write_report(judged: Judgement) -> dict[str, Any]:
    """Write report.json, the sheet, the strips and the plots; give what the JSON holds."""
    from .plots import draw_plots
    from .sheets import draw_sheet, draw_strips

    table = summarise(judged)
    path = judged.folder / "report.json"
    with replacing(path) as part:
        part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    draw_sheet(judged)
    draw_strips(judged)
    draw_plots(judged)
    return table


def last_line(table: Mapping[str, Any]) -> str:
    """The whole judgement in one line of JSON."""
    values = {m["name"]: m["value"] for m in table["measures"]}
    missed = [m["name"] for m in table["measures"] if m["pass"] is False]
    return json.dumps(
        {"bundle": table["bundle"], **table["facts"], "missed": missed, "measures": values}
    )


def show_table(table: Mapping[str, Any]) -> None:
    """The measures, with floor and baselines beside them."""
    others = list(table["measures"][0]["baselines"])
    shown = Table(title=f"{table['bundle']}, as judged by its pictures")
    for name in ("measure", "value", "real", *others, "aim", "reached"):
        shown.add_column(name, justify="left" if name in ("measure", "aim") else "right")
    for m in table["measures"]:
        figures = [m["value"], m["floor"], *(m["baselines"][o] for o in others)]
        shown.add_row(m["name"], *map(_words, figures), m["aim"], MARKS[m["pass"]])
    Console().print(shown)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return round(value, 5) if isinstance(value, float) else value


def _words(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
