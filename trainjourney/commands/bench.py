"""`trainjourney bench`: how fast a bundle runs, how soon a control is seen, what viewers cost."""

import json
from typing import Annotated, Any, Literal

import typer

from trainjourney.commands.options import (
    Backend,
    ConfigFile,
    Engine,
    Precision,
    Sets,
    Threads,
    load_config,
)


def bench(
    what: Annotated[
        Literal["engine", "latency", "window", "viewers", "glass"],
        typer.Argument(help="engine, latency, window, viewers or glass.", metavar="[WHAT]"),
    ] = "engine",
    engine: Engine = None,
    backend: Backend = None,
    precision: Precision = None,
    threads: Threads = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="BACKEND", help="A second one in the same run; or streamdiffusion."),
    ] = None,
    frames: Annotated[int, typer.Option(metavar="N", min=1, help="Frames to measure.")] = 300,
    tries: Annotated[int, typer.Option(metavar="N", min=1, help="Turns, for latency.")] = 500,
    midi: Annotated[bool, typer.Option("--midi", help="Latency of MIDI, not of OSC.")] = False,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="Viewers, for viewers.")] = 25,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="How long; not for latency.")
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Measure how fast a bundle runs on this machine. The last line is JSON.

    engine: the bundle alone. latency: from a turned control to the first frame that shows it.
    window: how even its refreshes are, the world playing for a minute, stopped, and killed.
    viewers: what each costs, how soon it sees. glass: from a frame to its pixels in a browser.
    """
    settings = {
        "engine.name": engine,
        "engine.backend": backend,
        "engine.precision": precision,
        "engine.threads": threads,
    }
    loaded = load_config(config, sets, settings)
    if what == "engine":
        from trainjourney.inference.bench import bench as run

        figures = run(loaded, against, frames, seconds=seconds)
    elif what == "viewers":
        from trainjourney.show.bench_viewers import bench_viewers

        figures = bench_viewers(loaded.engine, n, seconds or 20.0)
    elif what == "glass":
        from trainjourney.show.bench_glass import bench_glass

        figures = bench_glass(seconds or 15.0)
    else:
        from trainjourney.show.bench import bench_latency, bench_window

        timed = bench_latency(loaded, tries, midi) if what == "latency" else None
        figures = timed or bench_window(loaded, seconds or 60.0)
    for name, value in figures.items():
        print(f"{name:>12}  {_words(value)}")
    print(json.dumps(figures))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key} {_words(part)}" for key, part in value.items())
    return f"{value:.2f}" if isinstance(value, float) else str(value)
