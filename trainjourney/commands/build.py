"""`trainjourney build`: a bundle compiled for this GPU."""

from typing import Annotated

import typer


def build(
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="The bundle: a name under engines/, or a folder.")
    ] = "pocket",
    level: Annotated[
        int, typer.Option(metavar="N", min=0, max=5, help="Effort: 5 builds longest.")
    ] = 3,
) -> None:
    """Compile a bundle for this GPU with TensorRT, beside a playing one if need be."""
    from trainjourney.inference import find_bundle, load_bundle

    bundle = load_bundle(find_bundle(engine))
    from trainjourney.inference.tensorrt_backend import build as run

    run(bundle, level, print)
