"""trainjourney osc: the addresses that the show hears, what arrives, and a word to a show."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="OSC: list the addresses, watch what arrives, send a message.", no_args_is_help=True
)

Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where the show is.")]
Port = Annotated[int | None, typer.Option(metavar="N", min=1, max=65535, help="Its OSC port.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings; else ./config.toml.")
]


@app.command("list")
def list_addresses(
    everything: Annotated[
        bool, typer.Option("--all", help="Every slot's address too, and those in units.")
    ] = False,
) -> None:
    """List the addresses that the show hears, their types, ranges and meanings."""
    from trainjourney.controls.osc_words import list_lines

    for line in list_lines(everything):
        print(line)


@app.command()
def monitor(
    port: Port = None,
    told: Annotated[
        bool, typer.Option("--told", help="Ask a running show what is turned there.")
    ] = False,
    host: Host = "127.0.0.1",
    config: ConfigFile = None,
) -> None:
    """Print the OSC messages that arrive at the port, or that a show tells, until Ctrl-C."""
    from trainjourney.config import load
    from trainjourney.controls.osc_words import monitor_lines

    settings = load(config).osc
    with suppress(KeyboardInterrupt):
        for line in monitor_lines(settings, port or settings.port, host if told else None):
            print(line, flush=True)


@app.command(context_settings={"ignore_unknown_options": True})  # -0.5 is a number
def send(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="As /train/speed.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="VALUE", help="Numbers, true, false, a name, or ? to ask."),
    ] = None,
    port: Port = None,
    host: Host = "127.0.0.1",
    config: ConfigFile = None,
) -> None:
    """Send one message to a show. A ? is waited for and its answers printed."""
    from trainjourney.config import load
    from trainjourney.controls.osc_words import send_words

    for line in send_words(address, values or [], host, port or load(config).osc.port):
        print(line)
