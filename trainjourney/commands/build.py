"""`trainjourney build`: a bundle compiled for this GPU."""

from typing import Annotated, Literal

import typer


def build(
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="The bundle: a name under engines/, or a folder.")
    ] = "pocket",
    level: Annotated[
        int, typer.Option(metavar="N", min=0, max=5, help="Effort: 5 builds longest.")
    ] = 3,
    precision: Annotated[
        Literal["auto", "int8", "fp8"],
        typer.Option(help="Of the predictor, where the card has it; auto: as exported."),
    ] = "auto",
) -> None:
    """Compile a bundle for this GPU with TensorRT, beside a playing one if need be."""
    from trainjourney.inference import find_bundle, load_bundle

    bundle = load_bundle(find_bundle(engine))
    from trainjourney.inference.tensorrt_backend import build as run

    run(bundle, level, print, precision=precision)
