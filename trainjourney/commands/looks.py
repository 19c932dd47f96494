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
    settings, own, found = _read(folder, config, alone=True)
    lines = {slot: (name, f"bundle {settings.engine.name}") for slot, name in own.items()}
    lines |= {look.slot: (look.name, look.file) for look in found}
    for slot, (name, source) in sorted(lines.items()):
        print(f"{slot:>3}  {name:<30} {source}")


@app.command()
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the set, as summer.")],
    over: Annotated[
        bool, typer.Option("--over", help="Write a set anew that is there already.")
    ] = False,
    folder: Folder = None,
    config: ConfigFile = None,
) -> None:
    """Save the folder's pictures as a set, to be given other slots and names with an editor."""
    from trainjourney.config import load
    from trainjourney.errors import PictureError
    from trainjourney.journey.looks_set import write_set

    if not name.replace("-", "").replace("_", "").isalnum():
        raise PictureError(f"'{name[:60]}' is no name of a set; give letters, figures and hyphens")
    path = (folder or Path(load(config).looks.folder).expanduser()) / f"{name}.toml"
    if path.exists() and not over:
        raise PictureError(f"{path}: is there already; give another name, or --over")
    _, _, found = _read(folder, config)
    write_set(path, found)
    print(f"{path}: {len(found)} looks; play them with --set looks.set={name}")


def _read(
    folder: Path | None, config: Path | None, alone: bool = False
) -> tuple[Any, dict[int, str], list[Any]]:
    """The settings, the bundle's looks by slot, and the folder's; `alone`, those of the bundle
    will do where the settings name a folder that is not there."""
    from trainjourney.config import load
    from trainjourney.inference import find_bundle, load_bundle
    from trainjourney.journey.bank import complaint, own_looks
    from trainjourney.journey.slots import list_folder

    settings = load(config)
    bundle = load_bundle(find_bundle(settings.engine.name))
    own = {slot: look.name for slot, look in own_looks(bundle).items()}
    named = settings.looks.folder
    there = folder or Path(named).expanduser()
    if alone and not folder and not (named and there.exists()):
        lack = f"{there}: no such folder; type: mkdir {there}" if named else "looks.folder is empty"
        print(f"{lack} (these are the bundle's alone)", file=sys.stderr)
        return settings, own, []
    own = own if settings.looks.bundle else {}

    def usable(path: Path) -> bool:
        if told := complaint(path, bundle.manifest.frame):
            print(told, file=sys.stderr)
        return not told

    return settings, own, list_folder(there, own, usable)
