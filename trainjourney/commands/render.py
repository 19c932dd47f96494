"""trainjourney render: a show's film made again from its journal."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings; else ./config.toml.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting. May be repeated."),
]


def render(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="As play wrote it.")],
    output: Annotated[
        str, typer.Option(metavar="FILM", help="Write film.mp4, or null for nowhere.")
    ],
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where the show's bundle is now.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many; else all of the show.")
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Make the film of a show again from its journal, frame for frame."""
    from trainjourney.config import load
    from trainjourney.show.play import render_film

    render_film(load(config, sets or []), journal, output, engine, frames)
