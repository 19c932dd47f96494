"""The commands. Each is thin and imports its room when it is called, so that --help is quick
and `play` never meets torch. Here and in commands alone: prints; here the end of every error."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from trainjourney import __version__
from trainjourney.commands import (
    bench,
    build,
    distill,
    judge,
    layout,
    looks,
    midi,
    ndi,
    osc,
    publisher,
    render,
    ride,
    token,
    watchers,
)
from trainjourney.commands.extras import missing_extra
from trainjourney.commands.options import ConfigFile, Engine, Sets, load_config
from trainjourney.errors import ConfigError, TrainjourneyError

app = typer.Typer(
    help="Trainjourney: an endless train window, dreamed live by a model.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"terminal_width": 80},
)

Run = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder of the training.")]


def main() -> None:
    """Run a command. An operator's mistake ends in one line and exit code 2."""
    form, date = "%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"
    logging.basicConfig(level=logging.INFO, format=form, datefmt=date)
    for chatty in ("aioice", "aiortc"):  # a line for every address of every viewer
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        app()
    except TrainjourneyError as err:
        print(f"trainjourney: {err}", file=sys.stderr)
        sys.exit(err.exit_code)


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"trainjourney {__version__}")
        raise typer.Exit


@app.command()
def play(
    engine: Engine = None,
    start: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="A picture to start from.")
    ] = None,
    look: Annotated[
        str | None, typer.Option(metavar="NAME", help="A look of the bundle's bank.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(metavar="X", help="x cruising; 0 stands, below 0 backwards.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The same seed makes the same film.")
    ] = None,
    tour: Annotated[
        str | None, typer.Option(metavar="FILE", help="Follow a tour: a timeline in TOML.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after this many frames.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FILM", help="Write film.mp4, or null for nowhere.")
    ] = None,
    window: Annotated[
        bool | None, typer.Option("--window/--fullscreen", help="How the window opens.")
    ] = None,
    then: Annotated[
        str | None, typer.Option(metavar="NAME", help="A bundle that opens beside, and takes over.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of the page; 0.0.0.0 needs a token.")
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Of the page.")] = None,
    publish: Annotated[
        str | None, typer.Option(metavar="URL", help="Send on to an SFU: whip+https://host/path.")
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Open the window and let the journey run.

    The page of the window, and of the driver's desk, is served at the address that is told.
    With --output the frames go there, and the window opens only if asked for; no page
    is served then, and neither OSC nor MIDI is heard.
    Keys: Esc quits, F fullscreen, H figures, 1-9 looks, arrows speed.
    """
    live = {"--then": then, "--listen": listen, "--port": port, "--publish": publish}
    given = [name for name, value in live.items() if value is not None]
    if output and given:
        raise ConfigError(f"{given[0]}: does nothing with --output; leave one of the two out")
    settings = {
        "engine.name": engine,
        "journey.start": start,
        "journey.look": look,
        "journey.speed": speed,
        "journey.seed": seed,
        "journey.tour": tour,
        "window.fullscreen": None if window is None else not window,
        "web.listen": listen,
        "web.port": port,
        "publish.url": publish,
    }
    loaded = load_config(config, sets, settings)
    from trainjourney.show.play import play as run

    run(loaded, output, frames, window=output is None or window is not None, then=then)


@app.command(hidden=True)
def world() -> None:
    """The world's own process; `play` starts it."""
    from trainjourney.show.world_process import run_world

    raise typer.Exit(run_world())


app.command()(bench.bench)


@app.command()
def doctor(engine: Engine = None, config: ConfigFile = None, sets: Sets = None) -> None:
    """Tell what this machine has, and what would cure each lack.

    Exit code 0 if `trainjourney play` can run here, else 1.
    """
    loaded = load_config(config, sets, {"engine.name": engine})
    from trainjourney.show.doctor import examine, playable

    findings = examine(loaded)
    for found in findings:
        print(f"{'ok' if found.good else '--'}  {found.name:<12}{found.fact}")
        if found.cure:
            print(f"{'':16}{found.cure}")
    can_play = playable(findings)
    print("This machine can play." if can_play else "This machine cannot play yet.")
    raise typer.Exit(0 if can_play else 1)


@app.command()
def train(
    model: Annotated[
        Literal["pocket", "full"], typer.Argument(help="pocket or full.", metavar="MODEL")
    ],
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="xs, s or m; full or lora; tiny to try it.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of the training; else runs/MODEL.")
    ] = None,
    ride: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="An imported ride to learn from.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="X", min=0, help="Stop after this long; go on later.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu or cuda.")] = "cpu",
    warm: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Set out from a bundle, or base weights."),
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this stage. May be repeated.")
    ] = None,
    stills: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures that keep full's looks wide.")
    ] = None,
    country: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=100, help="For pocket: N times as much country to learn from."
        ),
    ] = 1,
    teacher: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="A larger pocket, whose steps stage few learns."),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            metavar="X", min=0.01, max=10, help="For pocket: learn X times as fast; to refine, .25."
        ),
    ] = 1.0,
) -> None:
    """Train a model on the scenery or on a ride. The same words resume it."""
    run = run or Path("runs") / model
    with missing_extra("full" if model == "full" else "train"):
        from trainjourney.commands.training import train_any

        train_any(
            model, preset, run, ride, minutes, device, warm, stage, stills, teacher, country, rate
        )


@app.command()
def export(
    out: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The folder to write, as engines/mine.")
    ],
    run: Run = Path("runs/pocket"),
    precision: Annotated[
        Literal["f16", "f32"], typer.Option(help="Of a full model's graphs.")
    ] = "f16",
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=50, help="Of a full model, a frame.")
    ] = None,
    set_out: Annotated[
        bool,
        typer.Option("--set-out", help="Of a pocket: dream its first country now, not at a show."),
    ] = False,
) -> None:
    """Write a training as a bundle that can be played."""
    with missing_extra("train"):
        from trainjourney.commands.training import export_any

        export_any(run, out, precision, steps, set_out)


app.command()(judge.judge)


@app.command()
def scenery(
    sheet: Annotated[Path, typer.Option(metavar="PICTURE", help="The PNG to write.")],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed, other rides.")] = 1,
) -> None:
    """Draw the worlds that the pocket learns from on one sheet."""
    from trainjourney.scenery.sheet import draw_sheet

    draw_sheet(sheet, seed)


app.command()(render.render)
app.command(hidden=True)(publisher.publisher)
app.command(hidden=True)(watchers.watchers)
app.command(hidden=True)(ndi.ndi_source)
app.add_typer(looks.app, name="looks")
app.add_typer(token.app, name="token")
app.add_typer(osc.app, name="osc")
app.add_typer(midi.app, name="midi")
app.add_typer(layout.app, name="layout")
app.command()(build.build)
app.command()(distill.distill)
app.add_typer(ride.app, name="ride")

if __name__ == "__main__":
    main()
