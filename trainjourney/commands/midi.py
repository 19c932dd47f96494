"""trainjourney midi: which devices there are, what they send, and what each knob shall turn."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="MIDI: list devices and their maps, watch what they send, learn a control.",
    no_args_is_help=True,
)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings; else ./config.toml.")
]


@app.command("list")
def list_devices(config: ConfigFile = None) -> None:
    """List the devices that are there, and what the map says of each."""
    from trainjourney.controls.midi_words import list_lines

    for line in list_lines(_settings(config)):
        print(line)


@app.command()
def monitor(config: ConfigFile = None) -> None:
    """Print what the devices send, and what it would turn, until Ctrl-C."""
    from trainjourney.controls.midi_words import monitor_lines

    with suppress(KeyboardInterrupt):
        for line in monitor_lines(_settings(config)):
            print(line, flush=True)


@app.command()
def learn(
    parameter: Annotated[str, typer.Argument(metavar="CONTROL", help="As speed, or weight.3.")],
    value: Annotated[
        float | None, typer.Option(metavar="X", help="What a press sets it to, as a slot.")
    ] = None,
    wait: Annotated[float, typer.Option(metavar="S", min=1, help="Seconds to wait for it.")] = 30.0,
    config: ConfigFile = None,
) -> None:
    """Learn which knob, fader or pad turns a control: move it now. A running show follows."""
    from trainjourney.controls.midi_words import learn_lines

    for line in learn_lines(_settings(config), parameter, value, wait):
        print(line, flush=True)


def _settings(config: Path | None) -> Any:
    from trainjourney.config import load

    return load(config).midi
