"""The weights that the full model sets out from: a folder in diffusers' layout, on this disk.

Nothing is ever fetched by this program. A folder is whole or refused, with what to fetch.
"""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from transformers import CLIPVisionModelWithProjection

from ...errors import TrainingError
from ...model.full.parts import LATENT, Parts

PARTS: dict[str, Any] = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "taesd": AutoencoderTiny,
    "image_encoder": CLIPVisionModelWithProjection,
}
MOST_CONFIG_BYTES = 1 << 20
FETCH = (
    "on a machine with a network type: "
    "hf download lambdalabs/sd-image-variations-diffusers --revision v2.0 --local-dir BASE "
    "&& hf download madebyollin/taesd --local-dir BASE/taesd; "
    "then copy BASE here and give it with --from"
)


def load_base(folder: Path) -> Parts:
    """The four networks of a folder: unet/, vae/, taesd/, image_encoder/. Raises TrainingError."""
    for name in PARTS:
        _check(folder, name)
    found = {name: _load(folder / name, kind) for name, kind in PARTS.items()}
    unet, codec, vision = found["unet"], found["vae"], found["image_encoder"]
    token, size = unet.config.cross_attention_dim, vision.config.projection_dim
    channels = {
        "unet": unet.config.in_channels,
        "vae": codec.config.latent_channels,
        "taesd": found["taesd"].config.latent_channels,
    }
    for name, count in channels.items():
        if count != LATENT:
            raise TrainingError(
                f"{folder}/{name}: is made for latents of {count} channels, {LATENT} wanted; "
                f"{FETCH}"
            )
    if token != size:
        raise TrainingError(
            f"{folder}/unet: is steered by {token} numbers, image_encoder gives {size}; {FETCH}"
        )
    return Parts(unet, codec, found["taesd"], vision)


def save_base(parts: Parts, folder: Path) -> None:
    """Write networks in the layout that `load_base` reads."""
    for name, part in zip(
        PARTS, (parts.unet, parts.codec, parts.display, parts.vision), strict=True
    ):
        with contextlib.redirect_stderr(io.StringIO()):
            part.save_pretrained(folder / name)


def _check(folder: Path, name: str) -> None:
    """Config and weights of a part are there, readable, and of the right kind."""
    place = folder / name
    config = place / "config.json"
    if not config.is_file():
        raise TrainingError(f"{place}: is not there, or has no config.json; {FETCH}")
    try:
        with config.open("rb") as file:
            table = json.loads(file.read(MOST_CONFIG_BYTES))
    except (OSError, ValueError) as err:
        raise TrainingError(f"{config}: cannot be read ({err}); fetch it again") from err
    wanted = PARTS[name].__name__
    kind = _kind(table)
    if kind != wanted:
        raise TrainingError(f"{config}: is of {kind:.60}, {wanted} wanted; {FETCH}")
    weights = [path for path in sorted(place.glob("*.safetensors")) if path.is_file()]
    if not weights:
        others = ", ".join(p.name for p in sorted(place.iterdir()) if p.suffix in (".bin", ".ckpt"))
        hint = f"it holds only {others}, and pickles are not read" if others else "none is there"
        raise TrainingError(f"{place}: wants a .safetensors file, {hint}; {FETCH}")
    for path in weights:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError) as err:
            raise TrainingError(
                f"{path}: is damaged or only half fetched ({err}); fetch it again"
            ) from err


def _kind(table: Any) -> str:
    """The class that a config.json names, in diffusers' way or in transformers'."""
    if not isinstance(table, dict):
        return "nothing"
    several = table.get("architectures")
    first = several[0] if isinstance(several, list) and several else "nothing"
    return str(table.get("_class_name") or first)


def _load(place: Path, kind: Any) -> Any:
    try:
        with _quiet():
            part, told = kind.from_pretrained(
                place, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as err:
        words = " ".join(str(err).split())[:160]
        raise TrainingError(
            f"{place}: its weights do not fit its config.json ({words}); {FETCH}"
        ) from err
    missing = sorted(told.get("missing_keys") or [])
    if missing:
        raise TrainingError(
            f"{place}: has no tensor '{missing[0]}', so its weights are of another model; {FETCH}"
        )
    return part.float().eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars, and without what they say of weights that do not fit."""
    chatty = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    before = [log.level for log in chatty]
    for log in chatty:
        log.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for log, level in zip(chatty, before, strict=True):
            log.setLevel(level)
