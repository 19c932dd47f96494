"""trainjourney looks: what the folder of looks holds, and a set of it kept."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Looks: list the folder's pictures and their slots, save them as a set.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The folder; else that of the settings.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings; else ./config.toml.")
]


@app.command("list")
def list_looks(folder: Folder = None, config: ConfigFile = None) -> None:
    """List the looks of a new show: slot, name, and the file or the bundle that it is from."""
    settings, own, found = _read(folder, config)
    lines = {slot: (name, f"bundle {settings.engine.name}") for slot, name in own.items()}
    lines |= {look.slot: (look.name, look.file) for look in found}
    for slot, (name, source) in sorted(lines.items()):
        print(f"{slot:>3}  {name:<30} {source}")


@app.command()
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the set, as summer.")],
    folder: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Save the folder's pictures as a set, to be given other slots and names with an editor."""
    from trainjourney.errors import PictureError
    from trainjourney.journey.looks_set import write_set

    if not name.replace("-", "").replace("_", "").isalnum():
        raise PictureError(f"'{name[:60]}' is no name of a set; give letters, figures and hyphens")
    settings, _, found = _read(folder, config)
    path = (folder or Path(settings.looks.folder).expanduser()) / f"{name}.toml"
    write_set(path, found)
    print(f"{path}: {len(found)} looks; play them with --set looks.set={name}")


def _read(folder: Path | None, config: Path | None) -> tuple[Any, dict[int, str], list[Any]]:
    from trainjourney.config import load
    from trainjourney.inference import find_bundle, load_bundle
    from trainjourney.journey.bank import complaint, own_looks
    from trainjourney.journey.slots import list_folder

    settings = load(config)
    bundle = load_bundle(find_bundle(settings.engine.name))
    own = {slot: look.name for slot, look in own_looks(bundle).items()}
    own = own if settings.looks.bundle else {}

    def usable(path: Path) -> bool:
        if told := complaint(path, bundle.manifest.frame):
            print(told, file=sys.stderr)
        return not told

    folder = folder or Path(settings.looks.folder).expanduser()
    return settings, own, list_folder(folder, own, usable)
