"""trainjourney layout: control surfaces made of the table of controls."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Layouts of control surfaces, made of the controls.", no_args_is_help=True)


@app.callback()
def about() -> None:
    """Layouts of control surfaces, made of the controls."""


@app.command()
def touchosc(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The .tosc to write.")],
) -> None:
    """Write a layout for TouchOSC: faders, buttons, the pad, looks and presets."""
    from trainjourney.controls.touchosc import HEAR_BACK_PORT, write_layout
    from trainjourney.errors import OutputError
    from trainjourney.settings import OscConfig

    try:
        out.write_bytes(write_layout())
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise OutputError(f"{out}: cannot be written ({reason}); give another place") from err
    print(f"{out}: in TouchOSC set an OSC connection to this machine, send port as osc.port,")
    print(f"receive port {HEAR_BACK_PORT}. Let the tablet in: trainjourney play")
    print(f'--set osc.host=0.0.0.0 --set osc.allow="{OscConfig().allow}, ITS.ADDRESS"')
