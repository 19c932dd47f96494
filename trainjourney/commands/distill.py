"""`trainjourney distill`: a trained full model made to dream in one or two steps."""

from pathlib import Path
from typing import Annotated

import typer

from trainjourney.commands.extras import missing_extra


def distill(
    run: Annotated[
        Path, typer.Option(metavar="FOLDER", help="A training of the full model.")
    ] = Path("runs/full"),
    minutes: Annotated[
        float | None, typer.Option(metavar="X", min=0, help="Stop after this long; go on later.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu or cuda.")] = "cpu",
) -> None:
    """Make a trained full model dream in one or two steps. The same words resume it."""
    with missing_extra("full"):
        from trainjourney.training.full.train import distill as run_it

        run_it(run, minutes, device)
