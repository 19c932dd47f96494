"""Options that several commands share, and the settings they are laid over."""

from pathlib import Path
from typing import Annotated, Any

import typer

Engine = Annotated[
    str | None, typer.Option(metavar="NAME", help="The bundle: a name under engines/, or a folder.")
]
Backend = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What runs it: auto, openvino, onnxruntime; on a GPU torch."),
]
Precision = Annotated[
    str | None, typer.Option(metavar="NAME", help="auto, bf16 or f32; on a GPU f16.")
]
Threads = Annotated[int | None, typer.Option(metavar="N", help="Processor threads; 0 is auto.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; else ./config.toml, if there."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting. May be repeated."),
]


def load_config(path: Path | None, sets: list[str] | None, options: dict[str, Any]) -> Any:
    """The settings of a command. Raises ConfigError."""
    from trainjourney.config import load

    return load(path, sets or [], options)
