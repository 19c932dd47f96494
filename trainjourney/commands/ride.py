"""`trainjourney ride`: real videos made into datasets."""

from pathlib import Path
from typing import Annotated

import typer

from trainjourney.errors import RideError

app = typer.Typer(help="Real videos made into datasets.", no_args_is_help=True)


@app.command("import")
def import_(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Films of rides.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The dataset, as rides/mine.")],
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="The bundle whose shape and embedding it gets.")
    ] = "pocket",
    shape: Annotated[
        str, typer.Option(metavar="WxH", help="Of the frames, if not the bundle's own.")
    ] = "",
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, max=256, help="Processes; 0 is one a core.")
    ] = 0,
) -> None:
    """Make a dataset of train videos, with a report. The same words resume it."""
    import numpy as np
    from PIL import Image

    from trainjourney.inference import find_bundle, load_bundle, open_engine
    from trainjourney.rides.importer import import_rides
    from trainjourney.training.progress import Bar
    from trainjourney.types import Embedding, Frame

    bundle = load_bundle(find_bundle(engine))
    opened = open_engine(bundle)
    height, width, _ = bundle.manifest.frame_shape
    tall, wide, _ = bundle.manifest.picture_shape

    def embed(frame: Frame) -> Embedding:
        small = Image.fromarray(frame).resize((wide, tall), Image.Resampling.BOX)
        return opened.embed(np.asarray(small))

    bar = Bar()
    bar.start("import")
    try:
        size = _size(shape) if shape else (width, height)
        made = import_rides(videos, out, size, bundle.manifest.name, embed, bar.show, workers)
    finally:
        bar.close()
    for source in made.table["sources"]:
        dropped = {k: n for k, n in source["frames"].items() if n and k not in ("kept", "spare")}
        words = ", ".join(f"{n} {k}" for k, n in dropped.items()) or "nothing"
        note = f"; {source['note']}" if source["note"] else ""
        print(
            f"{source['video']}: {source['view']} view, {source['frames']['kept']} frames kept, "
            f"{source['mid_px']} px a predicted frame; dropped {words}{note}"
        )
    print(f"{len(made)} frames in {out}; look at {out / 'report.png'}")


def _size(text: str) -> tuple[int, int]:
    """Width and height of "512x256": multiples of 8 from 32 to 2048."""
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        width, height = (int(part[:5] or 0) for part in parts)
        if all(32 <= side <= 2048 and side % 8 == 0 for side in (width, height)):
            return width, height
    raise RideError(f"--shape '{text[:40]}': give WxH in multiples of 8, 32 to 2048, as 512x256")
